"""Checks a library for damage: its pages, every row of every table, and every vector."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

_NUMBER_BYTES = 4  # float32


class VectorKey(NamedTuple):
    """The key of a stored vector."""

    model: str
    dimensions: int
    text_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """The damage in a library: messages about pages and rows, which need a backup, and the keys of damaged vectors."""

    damage: tuple[str, ...] = ()
    unsound_vectors: tuple[VectorKey, ...] = ()

    def __str__(self) -> str:
        unsound = f"{len(self.unsound_vectors):,} vectors are unsound" if self.unsound_vectors else ""
        return "; ".join([*self.damage, *filter(None, [unsound])])


def checksum_of(vector: bytes) -> int:
    """Return the checksum that is stored with a vector and reveals changed bytes."""
    return zlib.crc32(vector)


def is_sound(vector: bytes, dimensions: int, checksum: int | None = None) -> bool:
    """Return whether bytes are `dimensions` finite float32 numbers, not all zero, and match a known checksum."""
    if len(vector) != dimensions * _NUMBER_BYTES or (checksum is not None and checksum != checksum_of(vector)):
        return False
    numbers = np.frombuffer(vector, "<f4")
    return bool(np.isfinite(numbers).all() and numbers.any())
