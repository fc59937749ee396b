"""Exact search over the library's vectors in this process: for one command on a small catalogue.

Starting Chroma and importing its client takes longer than answering a question. This index reads all vectors once and
compares each of them with the question. It is read-only: changes of the catalogue go through Chroma.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from animerag.errors import VectorStoreError
from animerag.ports import Neighbour

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from numpy.typing import NDArray

    from animerag.ports import CollectionSpec, MetadataValue, VectorRecord, Vectors

_IN_A_THREAD = 2_000_000  # numbers; a larger comparison blocks the event loop for more than a millisecond


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVectors:
    """The stored vectors of all shows: `matrix` of shape (n, dimensions), float32, one row for each id."""

    ids: tuple[str, ...]
    text_hashes: tuple[str, ...]
    matrix: Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    name: str
    revision: int
    stored: StoredVectors
    units: Vectors  # the matrix with rows of length 1
    place: dict[str, int]

    @classmethod
    def of(cls, name: str, revision: int, stored: StoredVectors) -> _Loaded:
        lengths = np.linalg.norm(stored.matrix, axis=1, keepdims=True)
        units = (stored.matrix / np.where(lengths == 0, 1, lengths)).astype(np.float32)
        place = {show_id: row for row, show_id in enumerate(stored.ids)}
        return cls(name=name, revision=revision, stored=stored, units=units, place=place)


class ExactIndex:
    """A read-only `VectorIndex` over the result of `load`, which is called again when `revision` has changed."""

    mode: Literal["in process"] = "in process"
    url: None = None
    tenant: None = None
    starting: Literal[False] = False

    def __init__(
        self, revision: Callable[[], Awaitable[int]], load: Callable[[CollectionSpec], Awaitable[StoredVectors]]
    ) -> None:
        self._revision, self._load = revision, load
        self._loaded: _Loaded | None = None
        self._loading = asyncio.Lock()

    async def launch(self) -> None:
        """Do nothing: there is no server."""

    async def start(self) -> None:
        """Do nothing: there is no server, and the first search reads the vectors."""

    async def close(self) -> None:
        """Release the vectors."""
        self._loaded = None

    async def query(
        self, spec: CollectionSpec, vectors: Vectors, *, k: int, ids: Sequence[str] | None = None
    ) -> list[list[Neighbour]]:
        """Find neighbours; see `VectorIndex.query`. Equal distances keep the order of the catalogue."""
        if any(row.shape != (spec.dimensions,) for row in vectors):
            raise VectorStoreError(f"Collection {spec.name} has vectors of {spec.dimensions} dimensions.")
        loaded = await self._current(spec)
        rows = np.arange(len(loaded.stored.ids))
        if ids is not None:
            rows = np.array(sorted({loaded.place[one] for one in ids if one in loaded.place}), dtype=np.intp)
        if len(rows) * spec.dimensions * len(vectors) > _IN_A_THREAD:
            return await asyncio.to_thread(_nearest, loaded, vectors, rows, k)
        return _nearest(loaded, vectors, rows, k)

    async def metadata(self, spec: CollectionSpec, keys: Sequence[str]) -> dict[str, dict[str, MetadataValue]]:
        """Return the text hash of every record if `keys` contains it; see `VectorIndex.metadata`."""
        stored = (await self._current(spec)).stored
        known = {"text_hash"} & set(keys)
        return {one: dict.fromkeys(known, of) for one, of in zip(stored.ids, stored.text_hashes, strict=True)}

    async def vectors(self, spec: CollectionSpec, ids: Sequence[str]) -> dict[str, tuple[str, Vectors]]:
        """Return stored vectors; see `VectorIndex.vectors`."""
        loaded = await self._current(spec)
        places = {one: loaded.place[one] for one in ids if one in loaded.place}
        stored = loaded.stored
        return {one: (stored.text_hashes[row], stored.matrix[row]) for one, row in places.items()}

    async def count(self, spec: CollectionSpec) -> int:
        """Count the shows that have a vector."""
        return len((await self._current(spec)).stored.ids)

    async def collections(self, prefix: str) -> list[tuple[CollectionSpec, int]]:  # noqa: ARG002 - the protocol's signature
        """Return an empty list: collections belong to Chroma."""
        return []

    async def discard_broken(self, reason: str) -> bool:  # noqa: ARG002 - the protocol's signature
        """Return False: there are no files that could be damaged."""
        return False

    async def ensure(self, spec: CollectionSpec) -> None:
        """Raise VectorStoreError, like `upsert`."""
        await self.upsert(spec, ())

    async def upsert(self, spec: CollectionSpec, records: Sequence[VectorRecord]) -> None:  # noqa: ARG002 - the protocol's signature
        """Raise VectorStoreError: this index is read-only."""
        raise VectorStoreError("This search reads stored vectors and cannot change the index.")

    async def delete(self, spec: CollectionSpec, ids: Sequence[str]) -> None:  # noqa: ARG002 - the protocol's signature
        """Raise VectorStoreError, like `upsert`."""
        await self.upsert(spec, ())

    async def drop(self, spec: CollectionSpec) -> None:
        """Raise VectorStoreError, like `upsert`."""
        await self.upsert(spec, ())

    async def _current(self, spec: CollectionSpec) -> _Loaded:
        """Return the current vectors; they are read again if another process has changed the catalogue."""
        revision = await self._revision()
        async with self._loading:
            loaded = self._loaded
            if loaded is None or (loaded.name, loaded.revision) != (spec.name, revision):
                stored = await self._load(spec)
                loaded = self._loaded = await asyncio.to_thread(_Loaded.of, spec.name, revision, stored)
            return loaded


def _nearest(loaded: _Loaded, vectors: Vectors, rows: NDArray[np.intp], k: int) -> list[list[Neighbour]]:
    """Compare one question at a time, so that its distances do not depend on other questions."""
    return [_of_one(loaded, vector, rows, k) for vector in vectors]


def _of_one(loaded: _Loaded, vector: Vectors, rows: NDArray[np.intp], k: int) -> list[Neighbour]:
    units = loaded.units if len(rows) == len(loaded.units) else loaded.units[rows]
    distances = 1 - units @ (vector / (np.linalg.norm(vector) or 1))
    nearest = np.argsort(distances, kind="stable")[:k]
    return [Neighbour(id=loaded.stored.ids[rows[one]], distance=float(distances[one])) for one in nearest]
