"""The weights of the embedded encoder, unpacked in a file that every process maps into memory.

Unpacking them takes half a second of the processor and 79 MB of each process; mapped pages are read when they are used
and shared. The file is a copy: without it, or if it cannot be written, the weights are unpacked in memory.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO, Literal, TypedDict

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

_ALIGNED = 64  # bytes: the boundary at which numpy places arrays
_OTHERS_WRITE = 0o022
_SPARE_BYTES = 500 * 2**20


class _Place(TypedDict):
    """Where an array is in the file."""

    dtype: str
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    offset: int


def save(path: Path, values: Mapping[str, object]) -> None:
    """Write arrays, lists of arrays and numbers; nothing else is stored. A full or read-only disk is only logged."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < _SPARE_BYTES:
            return
        with TemporaryDirectory(dir=path.parent, prefix="encoder-") as directory:
            draft = Path(directory, path.name)
            with draft.open("wb") as file:
                draft.chmod(0o600)
                _write(file, values)
            draft.replace(path)
    except OSError as error:
        log.info("the encoder's weights are not stored unpacked: %s", error.strerror)


def load(path: Path) -> dict[str, object] | None:
    """Return what `save` wrote, with read-only arrays; None if there is no such file that only its owner can write."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & _OTHERS_WRITE):
                return None
            header = json.loads(file.readline())
            if status.st_size != header["size"]:
                return None
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    values: dict[str, object] = dict(header["numbers"])
    for name, parts in header["arrays"].items():
        arrays = [_mapped(content, part) for part in parts["items"]]
        values[name] = arrays if parts["list"] else arrays[0]
    return values


def _mapped(content: mmap.mmap, place: _Place) -> NDArray[np.generic]:
    return np.ndarray(tuple(place["shape"]), place["dtype"], content, place["offset"], order=place["order"])


def _arrays(value: object) -> list[NDArray[np.generic]]:
    """Return an array, or the arrays of a list, as a list; an empty one for anything else."""
    items = value if isinstance(value, list) else [value]
    arrays = [one for one in items if isinstance(one, np.ndarray)]
    return arrays if len(arrays) == len(items) else []


def _write(file: BinaryIO, values: Mapping[str, object]) -> None:
    arrays = {name: items for name, value in values.items() if (items := _arrays(value))}
    numbers = {name: value for name, value in values.items() if type(value) in (int, float)}
    described: dict[str, object] = {}
    offset, start = 0, _ALIGNED * 2**10  # the header is shorter
    for name, items in arrays.items():
        entries: list[_Place] = []
        for one in items:
            order: Literal["C", "F"] = "C" if one.flags.c_contiguous else "F"
            entries.append(_Place(dtype=one.dtype.str, shape=one.shape, order=order, offset=start + offset))
            offset += -(-one.nbytes // _ALIGNED) * _ALIGNED
        described[name] = {"list": isinstance(values[name], list), "items": entries}
    header = json.dumps({"numbers": numbers, "arrays": described, "size": start + offset}).encode() + b"\n"
    file.write(header.ljust(start, b" "))
    for items in arrays.values():
        for one in items:
            file.write(one.tobytes("A"))
            file.write(bytes(-one.nbytes % _ALIGNED))
