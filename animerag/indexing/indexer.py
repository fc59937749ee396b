"""Vectors for shows: known ones from the library, missing ones from the embedder, all of them into the index.

Every write stores vectors first, then writes to Chroma, then notes "indexed" in the library. After a crash the write is
repeated, but nothing is embedded twice.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from animerag.indexing import collections
from animerag.models.providers import Priority, Usage
from animerag.ports import CollectionSpec, VectorRecord
from animerag.text.documents import RECIPE, Document

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.ports import Embedder, MetadataValue, VectorIndex, Vectors
    from animerag.storage.library import Library


log = logging.getLogger(__name__)

_CHUNK = 500
_TRIED = 20_000  # at 3,000 questions a second that is seconds; beyond, a sample has to do
_TIES = 10  # shows with one and the same text share a place
_SAME = (
    1e-4  # a distance that storing a vector with fewer bits can make; a vector that has changed is farther from itself
)


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
        self._restoring = asyncio.Lock()
        self._compared = False
        self._coming: dict[str, asyncio.Future[None]] = {}  # texts that this process is embedding

    async def spec(self) -> CollectionSpec:
        """Return the collection for the current model. Raises ProviderError where its width must be asked for."""
        dimensions = await self.embedder.dimensions()
        return collection_for(self.library.library_id, self.embedder.model, dimensions)

    async def known_hashes(self, documents: Sequence[Document]) -> set[str]:
        """Return the text hashes of these documents that have a vector already."""
        hashes = {document.text_hash for document in documents}
        return await self.library.embeddings.known(self.embedder.model, await self.embedder.dimensions(), hashes)

    async def embed(
        self, documents: Sequence[Document], known_hashes: AbstractSet[str], *, priority: Priority = Priority.INGEST
    ) -> Embedded:
        """Return a vector for every document, asking the embedder only for texts that are not `known_hashes`.

        New vectors are stored in the library before this returns. Raises ProviderError, LibraryError.
        """
        texts = {document.text_hash: document.text for document in documents}
        # Without any, nothing is awaited before the gate: batches come to it in the order of the file.
        known = await self._known(known_hashes & texts.keys())
        missing = [key for key in texts if key not in known]
        while coming := [self._coming[key] for key in missing if key in self._coming]:
            await asyncio.wait(coming)  # another import is paying for these: it stores them, or it failed
            known |= await self._known(missing)
            missing = [key for key in missing if key not in known]
        if not missing:
            return Embedded(vectors=known, requests=0, usage=Usage())
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._coming |= dict.fromkeys(missing, done)
        try:
            embedding = await self.embedder.embed([texts[key] for key in missing], priority=priority)
            fresh = dict(zip(missing, embedding.vectors, strict=True))
            await self.library.embeddings.save(self.embedder.model, fresh)
        finally:
            for key in missing:
                del self._coming[key]
            done.set_result(None)
        return Embedded(vectors=known | fresh, requests=1, usage=embedding.usage)

    async def _known(self, hashes: Collection[str]) -> dict[str, Vectors]:
        if not hashes:
            return {}
        return await self.library.embeddings.load(self.embedder.model, await self.embedder.dimensions(), hashes)

    async def upsert(self, spec: CollectionSpec, documents: Sequence[Document], vectors: Mapping[str, Vectors]) -> None:
        """Write documents to the index; the caller notes them as indexed afterwards. Raises VectorStoreError."""
        await self.index.upsert(spec, [record_of(document, vectors[document.text_hash]) for document in documents])

    async def restore_lost(self, spec: CollectionSpec) -> None:
        """Write again, once a process, what the library noted as indexed and an index that began empty lacks.

        Only stored vectors are written: nothing is embedded. Raises LibraryError, VectorStoreError.
        """
        async with self._restoring:
            if self._compared:
                return
            # An import writes to the index first and notes it after, so an index in step never has less.
            if await self.index.count(spec) < await self.library.embeddings.count_indexed(spec.name):
                held = await self.index.metadata(spec, [])
                lost = [show_id for show_id in await self.library.embeddings.indexed(spec.name) if show_id not in held]
                log.warning("the index lacks %d shows: they are written again from stored vectors", len(lost))
                for start in range(0, len(lost), _CHUNK):
                    documents = await self.documents(lost[start : start + _CHUNK])
                    vectors = await self.known_vectors(spec, documents)
                    await self.upsert(spec, [one for one in documents if one.text_hash in vectors], vectors)
            self._compared = True

    async def known_vectors(self, spec: CollectionSpec, documents: Sequence[Document]) -> dict[str, Vectors]:
        """Return the stored vectors of these documents by text hash."""
        hashes = [document.text_hash for document in documents]
        return await self.library.embeddings.load(spec.model, spec.dimensions, hashes)

    async def unsearchable(self, spec: CollectionSpec, ids: Sequence[str]) -> list[str]:
        """Return which of the stored ids (a sample of 20,000 where there are more) their own vector does not find.

        One that is found at a distance has changed in the index, and counts as well.
        """
        lost: list[str] = []
        tried = ids if len(ids) <= _TRIED else random.sample(ids, _TRIED)
        for start in range(0, len(tried), _CHUNK):
            documents = await self.documents(tried[start : start + _CHUNK])
            vectors = await self.known_vectors(spec, documents)
            asked = [document for document in documents if document.text_hash in vectors]
            if asked:
                questions = np.stack([vectors[document.text_hash] for document in asked])
                results = await self.index.query(spec, questions, k=_TIES)
                for document, near in zip(asked, results, strict=True):
                    if document.show.id not in {one.id for one in near if one.distance <= _SAME}:
                        lost.append(document.show.id)
        return lost

    async def repair_index(self, spec: CollectionSpec) -> int:
        """Write again what its own vector does not find; returns how many. Raises VectorStoreError.

        Chroma's graph may lose the way to a neighbour when vectors are replaced in place (5 of 12 loads of 53).
        Such an entry is repaired by leaving the graph and joining again; it could not be found in between anyway.
        """
        lost = await self.unsearchable(spec, list(await self.library.embeddings.indexed(spec.name)))
        if lost:
            documents = await self.documents(lost)
            vectors = await self.known_vectors(spec, documents)
            try:
                await self.index.delete(spec, lost)
                await self.upsert(spec, documents, vectors)
            finally:
                await self.library.bump_revision()  # answers from before lack what could not be found
        return len(lost)

    async def write_again(self, spec: CollectionSpec, ids: Sequence[str]) -> set[str]:
        """Write stored shows to the index from their stored vectors, note that it holds them, and return their ids.

        Those without a vector are left out: nothing is embedded. Raises LibraryError, VectorStoreError.
        """
        documents = await self.documents(ids)
        vectors = await self.known_vectors(spec, documents)
        known = [document for document in documents if document.text_hash in vectors]
        await self.upsert(spec, known, vectors)
        held = {document.show.id: document.hashes for document in known}
        await self.library.embeddings.note_indexed(spec.name, held)
        return set(held)

    async def remove_strays(self) -> int:
        """Remove vectors whose show has left the catalogue; returns how many. Raises VectorStoreError."""
        spec = await self.spec()
        strays = await self.library.embeddings.strays(spec.name)
        if strays:
            await self.index.delete(spec, strays)
            await self.library.embeddings.forget_indexed(spec.name, strays)
        return len(strays)

    async def documents(self, ids: Sequence[str]) -> list[Document]:
        """Return what is indexed of shows, with the content hashes that are stored. Raises LibraryError.

        An earlier version may have made those hashes otherwise; what is indexed is compared with them.
        """
        shows = await self.library.shows(ids)
        stored = await self.library.fingerprints(shows)
        documents = await asyncio.to_thread(lambda: [Document.of(show) for show in shows.values()])
        return [
            replace(document, content_hash=stored[document.show.id].content_hash)
            for document in documents
            if document.show.id in stored  # else deleted meanwhile
        ]


def collection_for(library_id: str, model: str, dimensions: int) -> CollectionSpec:
    """Name the collection of a library, model, width and text recipe."""
    name = collections.name_of(library_id, model, dimensions)
    return CollectionSpec(name=name, model=model, dimensions=dimensions, recipe=RECIPE)


def record_of(document: Document, vector: Vectors) -> VectorRecord:
    """Return what the index stores of a document: its vector, and the metadata that filters and checks need."""
    show = document.show
    metadata: dict[str, MetadataValue] = {
        "title": show.title,
        "tags": list(show.tags) or None,
        "year": show.year,
        "episodes": show.episodes,
        "rating": show.rating,
        "text_hash": document.text_hash,
        "content_hash": document.content_hash,
    }
    return VectorRecord(id=show.id, vector=vector, metadata=metadata)
