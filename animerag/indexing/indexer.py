"""Indexes shows: stored vectors come from the library, missing ones from the embedder.

Every write stores vectors first, then writes to Chroma, then records the shows as indexed in the library. After a
crash the write is repeated, but nothing is embedded twice.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.indexing import collections
from animerag.indexing.searchability import unsearchable
from animerag.models.providers import Priority, Usage
from animerag.ports import SEARCHED_COMPLETELY, CollectionSpec, VectorRecord
from animerag.text.documents import RECIPE, Document

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.models.shows import Show
    from animerag.ports import Embedder, MetadataValue, VectorIndex, Vectors
    from animerag.storage.library import Library
    from animerag.storage.vectors import IndexableShow


log = logging.getLogger(__name__)

_CHUNK = 500
_RECENT = 20_000  # texts, by their hashes
_TRIED = 20_000  # a few seconds at 3,000 searches per second; larger catalogues are sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Vectors of shows by text hash, and the cost of computing them."""

    vectors: Mapping[str, Vectors]
    requests: int
    usage: Usage


class Indexer:
    """Keeps the collection of the current embedding model in step with the library."""

    def __init__(self, library: Library, index: VectorIndex, embedder: Embedder) -> None:
        self.library = library
        self.index = index
        self.embedder = embedder
        self._restoring = asyncio.Lock()
        self._compared = False
        self._coming: dict[str, asyncio.Future[None]] = {}  # texts that this process is embedding
        self._embedded: dict[str, None] = {}  # and those it has just embedded, after another import had looked for them

    async def spec(self) -> CollectionSpec:
        """Return the collection for the current model. Raises ProviderError if its width cannot be determined."""
        return self.spec_of(await self.embedder.dimensions())

    async def known_spec(self) -> CollectionSpec | None:
        """Return the collection for the current model; None if only the provider's next response tells its width."""
        dimensions = await self.embedder.known_dimensions()
        return None if dimensions is None else self.spec_of(dimensions)

    def spec_of(self, dimensions: int) -> CollectionSpec:
        """Return the collection for the current model's vectors of a width."""
        return collection_for(self.library.library_id, self.embedder.model, dimensions)

    async def known_hashes(self, documents: Sequence[Document]) -> set[str]:
        """Return the text hashes of the documents that already have a vector.

        The provider is asked for the width only if there are vectors that may have another one.
        """
        hashes, known = {document.text_hash for document in documents}, self.library.embeddings.known
        dimensions = await self.embedder.known_dimensions()
        stored = await known(self.embedder.model, dimensions, hashes)
        if stored and dimensions is None:
            stored = await known(self.embedder.model, await self.embedder.dimensions(), hashes)
        return stored

    async def embed(
        self, documents: Sequence[Document], known_hashes: AbstractSet[str], *, priority: Priority = Priority.INGEST
    ) -> Embedded:
        """Return a vector for every document; only texts that are not `known_hashes` are embedded.

        New vectors are stored in the library before this returns. Raises ProviderError, LibraryError.
        """
        texts = {document.text_hash: document.text for document in documents}
        # Otherwise nothing is awaited before the gate, so batches reach it in the order of the file.
        known = await self._known((known_hashes | self._embedded.keys()) & texts.keys())
        missing = [key for key in texts if key not in known]
        while coming := [self._coming[key] for key in missing if key in self._coming]:
            await asyncio.wait(coming)  # another import is embedding these texts
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
            self._embedded |= dict.fromkeys(missing)
            while len(self._embedded) > _RECENT:
                del self._embedded[next(iter(self._embedded))]
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
        """Write documents to the index; the caller records them as indexed afterwards. Raises VectorStoreError."""
        await self.index.upsert(spec, [record_of(document, vectors[document.text_hash]) for document in documents])

    async def upsert_stored(self, spec: CollectionSpec, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Write stored shows to the index, and return (content hash, text hash) of those that have a vector, by id.

        The caller records them as indexed afterwards. Raises LibraryError, VectorStoreError.
        """
        ready = await self.library.embeddings.indexable(spec.model, spec.dimensions, ids)
        hashes = {show.id: (show.content_hash, show.text_hash) for show in ready}
        if ready:
            await self.index.upsert(spec, [_record(show, hashes[show.id], show.vector) for show in ready])
        return hashes

    async def restore_lost(self, spec: CollectionSpec) -> None:
        """Rewrite, once per process, shows that are recorded as indexed but missing from a new index.

        Only stored vectors are written; nothing is embedded. Raises LibraryError, VectorStoreError.
        """
        async with self._restoring:
            if self._compared or self.index.starting:
                return
            # An import writes to the index before it records the shows, so a complete index never has fewer.
            if await self.index.count(spec) < await self.library.embeddings.count_indexed(spec.name):
                held = await self.index.metadata(spec, [])
                lost = [show_id for show_id in await self.library.embeddings.indexed(spec.name) if show_id not in held]
                log.warning("the index lacks %d shows: they are rewritten from stored vectors", len(lost))
                for start in range(0, len(lost), _CHUNK):
                    documents = await self.documents(lost[start : start + _CHUNK])
                    vectors = await self.known_vectors(spec, documents)
                    await self.upsert(spec, [one for one in documents if one.text_hash in vectors], vectors)
            self._compared = True

    async def known_vectors(self, spec: CollectionSpec, documents: Sequence[Document]) -> dict[str, Vectors]:
        """Return the stored vectors of these documents by text hash."""
        hashes = [document.text_hash for document in documents]
        return await self.library.embeddings.load(spec.model, spec.dimensions, hashes)

    async def unsearchable(self, spec: CollectionSpec, text_hashes: Mapping[str, str]) -> list[str]:
        """Return the ids that searches do not find; more than 20,000 ids are sampled.

        `text_hashes` has by id the hash of the text that the index holds. A vector that has changed counts, too.
        """
        lost: list[str] = []
        tried = list(text_hashes) if len(text_hashes) <= _TRIED else random.sample(list(text_hashes), _TRIED)
        for start in range(0, len(tried), SEARCHED_COMPLETELY):
            ids = tried[start : start + SEARCHED_COMPLETELY]
            hashes = {text_hashes[show_id] for show_id in ids}
            held = await self.library.embeddings.load(spec.model, spec.dimensions, hashes)
            vectors = {show_id: held[text_hashes[show_id]] for show_id in ids if text_hashes[show_id] in held}
            lost += await unsearchable(self.index, spec, vectors)
        return lost

    async def repair_index(self, spec: CollectionSpec) -> int:
        """Rewrite entries that searches do not find, and return their number. Raises VectorStoreError.

        Chroma's graph may become disconnected when vectors are replaced in place (in 5 of 12 loads of 53 shows).
        Such an entry is repaired by removing it from the graph and adding it again; it could not be found anyway.
        """
        indexed = await self.library.embeddings.indexed(spec.name)
        lost = await self.unsearchable(spec, {show_id: of_text for show_id, (_, of_text) in indexed.items()})
        if lost:
            documents = await self.documents(lost)
            vectors = await self.known_vectors(spec, documents)
            try:
                await self.index.delete(spec, lost)
                await self.upsert(spec, documents, vectors)
            finally:
                await self.library.bump_revision()  # earlier answers may lack these shows
        return len(lost)

    async def rewrite(self, spec: CollectionSpec, ids: Sequence[str]) -> set[str]:
        """Rewrite stored shows to the index from their stored vectors, record them as indexed, and return their ids.

        Shows without a vector are left out; nothing is embedded. Raises LibraryError, VectorStoreError.
        """
        documents = await self.documents(ids)
        vectors = await self.known_vectors(spec, documents)
        known = [document for document in documents if document.text_hash in vectors]
        await self.upsert(spec, known, vectors)
        held = {document.show.id: document.hashes for document in known}
        await self.library.embeddings.note_indexed(spec.name, held)
        return set(held)

    async def remove_strays(self) -> int:
        """Remove the vectors of deleted shows, and return their number. Raises VectorStoreError."""
        spec = await self.spec()
        strays = await self.library.embeddings.strays(spec.name)
        if strays:
            await self.index.delete(spec, strays)
            await self.library.embeddings.forget_indexed(spec.name, strays)
        return len(strays)

    async def documents(self, ids: Sequence[str]) -> list[Document]:
        """Return the documents of shows with their stored content hashes. Raises LibraryError.

        The index is compared with stored hashes, because an earlier version may have computed them differently.
        """
        shows = await self.library.shows(ids)
        stored = await self.library.fingerprints(shows)
        documents = await asyncio.to_thread(lambda: [Document.of(show) for show in shows.values()])
        return [
            replace(document, content_hash=stored[document.show.id].content_hash)
            for document in documents
            if document.show.id in stored  # otherwise it has just been deleted
        ]


def collection_for(library_id: str, model: str, dimensions: int) -> CollectionSpec:
    """Name the collection of a library, model, width and text recipe."""
    name = collections.name_of(library_id, model, dimensions)
    return CollectionSpec(name=name, model=model, dimensions=dimensions, recipe=RECIPE)


def record_of(document: Document, vector: Vectors) -> VectorRecord:
    """Return the index record of a document: its vector, and the metadata for filters and checks."""
    return _record(document.show, document.hashes, vector)


def _record(show: Show | IndexableShow, hashes: tuple[str, str], vector: Vectors) -> VectorRecord:
    content_hash, text_hash = hashes
    metadata: dict[str, MetadataValue] = {
        "title": show.title,
        "tags": list(show.tags) or None,
        "year": show.year,
        "episodes": show.episodes,
        "rating": show.rating,
        "text_hash": text_hash,
        "content_hash": content_hash,
    }
    return VectorRecord(id=show.id, vector=vector, metadata=metadata)
