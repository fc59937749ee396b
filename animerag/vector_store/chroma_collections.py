"""Chroma's collections: how they are created and opened, and how records are converted for storage."""

from __future__ import annotations

import asyncio
import math
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from animerag.errors import VectorStoreError
from animerag.ports import SEARCHED_COMPLETELY, CollectionSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chromadb.api import AsyncClientAPI
    from chromadb.api.models.AsyncCollection import AsyncCollection

    from animerag.ports import MetadataValue, Vectors

Page = TypeVar("Page", bound="Sequence[Any] | Vectors")
EF_SEARCH = SEARCHED_COMPLETELY  # candidates per search


class PackableRow(np.ndarray[Any, Any]):
    """A row that chromadb packs quickly: it reads one number at a time, and numpy would create a scalar for each."""

    def __iter__(self) -> Iterator[float]:  # type: ignore[override] # rows are one-dimensional, so the items are numbers
        return iter(self.tolist())


async def open_collection(client: AsyncClientAPI, spec: CollectionSpec, *, create: bool) -> AsyncCollection | None:
    """Return the collection for this specification; None if it does not exist and `create` is not set.

    Raises VectorStoreError if it was created for another specification.
    """
    from chromadb.errors import NotFoundError

    # Never set an embedding function: Chroma's default one would download a model.
    try:
        collection = await client.get_collection(spec.name, embedding_function=None)
    except NotFoundError:
        if not create:
            return None
        collection = await client.get_or_create_collection(
            spec.name,
            metadata={"model": spec.model, "dimensions": spec.dimensions, "recipe": spec.recipe},
            # With Chroma's default of 16 neighbours, one show in a few thousand does not find itself; twice as many
            # take a quarter more time to write.
            configuration={
                "hnsw": {"space": "cosine", "max_neighbors": 32, "ef_construction": 200, "ef_search": EF_SEARCH}
            },
            embedding_function=None,
        )
    stored = collection.metadata or {}
    for name in ("model", "dimensions", "recipe"):
        if stored.get(name) != getattr(spec, name):
            raise VectorStoreError(
                f"The Chroma collection {spec.name} was created for {name} {stored.get(name)},"
                f" not {getattr(spec, name)}: delete it and import your files again."
            )
    await _widen_search(collection)
    return collection


async def _widen_search(collection: AsyncCollection) -> None:
    """Apply the search width of new collections to an earlier one; it takes effect at the next start of the server."""
    graph = collection.configuration_json.get("hnsw")
    if graph and graph.get("ef_search", EF_SEARCH) < EF_SEARCH:
        with warnings.catch_warnings():
            # chromadb makes the change and then raises a warning about a collection without an embedding function.
            warnings.simplefilter("ignore", DeprecationWarning)
            await collection.modify(configuration={"hnsw": {"ef_search": EF_SEARCH}})


def spec_of(collection: AsyncCollection) -> CollectionSpec:
    """Return the specification recorded in a collection, or None."""
    stored = collection.metadata or {}
    model, recipe = str(stored.get("model", "unknown")), str(stored.get("recipe", ""))
    width = stored.get("dimensions")
    return CollectionSpec(
        name=collection.name, model=model, dimensions=width if isinstance(width, int) else 0, recipe=recipe
    )


def storable(metadata: Mapping[str, MetadataValue]) -> dict[str, MetadataValue] | None:
    """Return metadata in the types that Chroma stores; None if it is empty."""
    return {key: _plain(value) for key, value in metadata.items()} or None


def _plain(value: Any) -> Any:
    """Return a value that Chroma accepts: no numpy scalars; None, which removes a key, for unsupported values."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        if set(map(type, value)) == {str}:  # dozens of tags per show: one check for all of them
            return list(value)
        return [plain for item in value if (plain := _plain(item)) is not None] or None
    return value


def chunks(items: Page, size: int) -> Iterator[Page]:
    """Yield a sequence, or the rows of an array, in parts of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]  # type: ignore[misc] # a slice has the type of its sequence


def check_widths(spec: CollectionSpec, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise VectorStoreError if a vector does not have the collection's width."""
    # The first vector would fix the width of a new collection permanently.
    for shape in shapes:
        if shape != (spec.dimensions,):
            raise VectorStoreError(
                f"A vector has the shape {shape}, but collection {spec.name} has {spec.dimensions} dimensions."
            )


async def close_pool() -> None:
    """Close the pool that all of chromadb's clients on this loop share."""
    from chromadb.api.async_fastapi import AsyncFastAPI

    pool = AsyncFastAPI._clients.pop(hash(asyncio.get_running_loop()), None)  # noqa: SLF001 - there is no public method
    if pool is not None:
        await pool.aclose()
