"""Chroma's collections: how one is created and opened, and how records are turned into what it stores."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from animerag.errors import VectorStoreError
from animerag.ports import CollectionSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chromadb.api import AsyncClientAPI
    from chromadb.api.models.AsyncCollection import AsyncCollection

    from animerag.ports import MetadataValue

EF_SEARCH = 2000  # candidates a search goes through: up to as many shows it misses none, however they were written


class PackableRow(np.ndarray[Any, Any]):
    """A row that chromadb packs quickly: it draws the numbers out one by one, and numpy would make a scalar of each."""

    def __iter__(self) -> Iterator[float]:  # type: ignore[override] # rows have one dimension, hence numbers
        return iter(self.tolist())


async def open_collection(client: AsyncClientAPI, spec: CollectionSpec, *, create: bool) -> AsyncCollection | None:
    """Return a collection that was made for this specification, None where there is none and `create` is not set.

    Raises VectorStoreError for one that was made for something else.
    """
    from chromadb.errors import NotFoundError

    # No embedding function, ever: Chroma's default one would download a model.
    try:
        collection = await client.get_collection(spec.name, embedding_function=None)
    except NotFoundError:
        if not create:
            return None
        collection = await client.get_or_create_collection(
            spec.name,
            metadata={"model": spec.model, "dimensions": spec.dimensions, "recipe": spec.recipe},
            # With Chroma's own 16 neighbours one show in some thousand does not find itself; twice as many
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
                f"The Chroma collection {spec.name} was made for {name} {stored.get(name)}, not {getattr(spec, name)}; "
                "delete it and index again."
            )
    await _widen_search(collection)
    return collection


async def _widen_search(collection: AsyncCollection) -> None:
    """Let a collection of an earlier version search as widely as new ones do, from the next start of its server on."""
    graph = collection.configuration_json.get("hnsw")
    if graph and graph.get("ef_search", EF_SEARCH) < EF_SEARCH:
        with warnings.catch_warnings():
            # chromadb calls a collection without an embedding function a legacy one, after the change is made.
            warnings.simplefilter("ignore", DeprecationWarning)
            await collection.modify(configuration={"hnsw": {"ef_search": EF_SEARCH}})


def spec_of(collection: AsyncCollection) -> CollectionSpec:
    """Return what a collection was made for, as far as it says so."""
    stored = collection.metadata or {}
    model, recipe = str(stored.get("model", "unknown")), str(stored.get("recipe", ""))
    width = stored.get("dimensions")
    return CollectionSpec(
        name=collection.name, model=model, dimensions=width if isinstance(width, int) else 0, recipe=recipe
    )


def storable(metadata: Mapping[str, MetadataValue]) -> dict[str, MetadataValue] | None:
    """Return metadata in the types that Chroma stores, None for none at all."""
    return {key: _plain(value) for key, value in metadata.items()} or None


def _plain(value: Any) -> Any:
    """Return what Chroma takes: no numpy scalars; None, which removes a key, for what it would drop or refuse."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        if set(map(type, value)) == {str}:  # tags, dozens a show: not worth a call each
            return list(value)
        return [plain for item in value if (plain := _plain(item)) is not None] or None
    return value
