"""Vectors for shows: known ones from the library, missing ones from the embedder, all of them into the index.

Order of every write: vectors are kept first, then Chroma, then the library notes "indexed". A crash in between
costs a repetition, never a second payment.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.models import Priority, Usage
from animerag.ports import CollectionSpec, VectorRecord
from animerag.texts import RECIPE, content_hash, embedding_text, text_hash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.library import Library
    from animerag.models import Show
    from animerag.ports import Embedder, MetadataValue, VectorIndex, Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Vectors by text hash for some shows, and what getting them took."""

    vectors: Mapping[str, Vectors]
    requests: int
    usage: Usage


class Indexer:
    """Keeps one collection in step with the library for the current embedding model."""

    def __init__(self, library: Library, index: VectorIndex, embedder: Embedder) -> None:
        self.library = library
        self.index = index
        self.embedder = embedder

    async def spec(self) -> CollectionSpec:
        """Return the collection for the current model. Raises ProviderError where its width must be asked for."""
        dimensions = await self.embedder.dimensions()
        return collection_for(self.library.library_id, self.embedder.model, dimensions)

    async def embed(self, shows: Sequence[Show], *, priority: Priority = Priority.INGEST) -> Embedded:
        """Return a vector for every show, asking the embedder only for texts never seen before.

        New vectors are kept in the library before this returns. Raises ProviderError, LibraryError.
        """
        texts = {text_hash(text): text for text in map(embedding_text, shows)}
        dimensions = await self.embedder.dimensions()
        known = await self.library.vectors(self.embedder.model, dimensions, texts)
        missing = [key for key in texts if key not in known]
        if not missing:
            return Embedded(vectors=known, requests=0, usage=Usage())
        embedding = await self.embedder.embed([texts[key] for key in missing], priority=priority)
        fresh = dict(zip(missing, embedding.vectors, strict=True))
        await self.library.save_vectors(self.embedder.model, fresh)
        return Embedded(vectors=known | fresh, requests=1, usage=embedding.usage)

    async def upsert(self, spec: CollectionSpec, shows: Sequence[Show], vectors: Mapping[str, Vectors]) -> None:
        """Write shows to the index; the caller notes them as indexed afterwards. Raises VectorStoreError."""
        await self.index.upsert(spec, [_record(show, vectors) for show in shows])

    async def remove_strays(self) -> int:
        """Remove vectors whose show has left the catalogue; returns how many. Raises VectorStoreError."""
        spec = await self.spec()
        strays = await self.library.strays(spec.name)
        if strays:
            await self.index.delete(spec, strays)
            await self.library.forget_indexed(spec.name, strays)
        return len(strays)


def collection_for(library_id: str, model: str, dimensions: int) -> CollectionSpec:
    """Name the collection of a library, model, width and text recipe."""
    key = hashlib.sha256(f"{model}\n{dimensions}\n{RECIPE}".encode()).hexdigest()[:10]
    return CollectionSpec(name=f"animerag-{library_id}-{key}", model=model, dimensions=dimensions, recipe=RECIPE)


def _record(show: Show, vectors: Mapping[str, Vectors]) -> VectorRecord:
    key = text_hash(embedding_text(show))
    metadata: dict[str, MetadataValue] = {
        "title": show.title,
        "tags": list(show.tags) or None,
        "year": show.year,
        "episodes": show.episodes,
        "rating": show.rating,
        "text_hash": key,
        "content_hash": content_hash(show),
    }
    return VectorRecord(id=show.id, vector=vectors[key], metadata=metadata)
