"""Retrieval: title match, word match and vector search at the same time, then one ranked list, each show once.

What the shows in memory can answer ("mecha before 1990", "watch order of X") needs no search. Filters of the user and
conditions of the question restrict every search.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from animerag.discovery.answers import starters
from animerag.discovery.collection import Collection
from animerag.errors import InvalidInputError, LibraryError
from animerag.models.filters import Filters
from animerag.models.providers import Priority, Usage
from animerag.models.retrieval import Retrieval, Timings
from animerag.ports import VectorHits
from animerag.query.asked_titles import asked_title, framed_title
from animerag.retrieval.absences import no_title
from animerag.retrieval.fusion import Candidates, nothing_found, rounded, sources
from animerag.retrieval.reranking import Passages
from animerag.retrieval.understanding import CatalogueSnapshot, QuestionReading, best_matches, finished, understand
from animerag.retrieval.word_coverage import coverage
from animerag.storage import show_fields
from animerag.telemetry.tracing import span
from animerag.text.cleaning import is_japanese
from animerag.text.tokens import pairs, terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from animerag.discovery.franchises import Franchise
    from animerag.indexing.indexer import Indexer
    from animerag.models.answers import Turn
    from animerag.models.shows import Show
    from animerag.ports import CollectionSpec, Embedding, Locate, Neighbour, Vectors
    from animerag.query.field_index import FieldIndex
    from animerag.query.titles import AliasMatch
    from animerag.storage.full_text import WordHit
    from animerag.storage.library import Library

log = logging.getLogger(__name__)

MAX_QUESTION_CHARACTERS = 4000
DEFAULT_K = 8
_CANDIDATES = 100  # a branch; a plot in other words than its synopsis may lie that deep
_MORE = 10  # neighbours beyond them, since shows that lie equally far are ordered before the list is cut
_MOST = 2000  # neighbours that one search considers
# Reading a question takes about 2 ms. One that fields answer whole needs no vector, so nothing is spent on it.
_A_MOMENT_S = 0.01
_RELOAD_S = 2.0  # seconds between two readings of the catalogue while an import changes it
_SPARE = 2  # shows that may have left the catalogue since they were found
_LOOKED_INTO = 15  # candidates whose passages and tags are looked into, where that is free
_SETS = ("list", "superlative", "recommend", "similar", "my_list")  # answers that are nothing where they are empty
_WEIGHED = 200  # shows whose likeness recommendations and similar shows are ranked by


@dataclass(frozen=True, slots=True, kw_only=True)
class _Near:
    """The vector branch's yield and what it took."""

    neighbours: Sequence[Neighbour] = ()
    vector: Vectors | None = None
    usage: Usage = Usage()
    embed_s: float = 0.0
    vector_s: float = 0.0


class Retriever:
    """Finds the shows that a question is about."""

    def __init__(self, indexer: Indexer, at_work: Callable[[], bool] = lambda: False) -> None:
        """`at_work` tells whether an import changes the catalogue all the time."""
        self._indexer = indexer
        self._at_work = at_work
        self._reloading: asyncio.Task[None] | None = None
        self._loaded_s, self._load_took_s = 0.0, 0.0
        self._library: Library = indexer.library
        self._passages = Passages(indexer.embedder)
        self._catalogue: CatalogueSnapshot | None = None
        self._loading = asyncio.Lock()

    async def search(
        self,
        question: str,
        *,
        k: int = DEFAULT_K,
        priority: Priority = Priority.LIVE,
        vector: Vectors | VectorHits | Locate | None = None,
        filters: Filters = Filters(),
        ignore: Iterable[str] = (),
        history: Sequence[Turn] = (),
    ) -> Retrieval:
        """Return up to `k` sources, best first, and what the catalogue's fields answer.

        `vector` of shape (dimensions,) spares the embedding when the caller has it, or is going to. `filters` are set
        beside the question and restrict every search; `ignore` are keys of conditions in the question that somebody
        took away. A question may lean on `history`.
        Raises InvalidInputError for a question without text, ProviderError or VectorStoreError when the vector search
        fails; a failing title or word search is noted and the others go on.
        """
        question = checked_question(question)
        started_s = time.perf_counter()
        notes: list[str] = []
        reading = asyncio.create_task(self._read(question, filters, frozenset(ignore), history, notes), name="alias")
        searches = (
            asyncio.create_task(self._search_words(question, reading, notes), name="words"),
            asyncio.create_task(self._near(question, reading, priority, vector), name="vectors"),
        )
        try:
            read, (hits, words_s), near = await asyncio.gather(reading, *searches)
        finally:
            for task in (reading, *searches):
                task.cancel()
            await asyncio.gather(reading, *searches, return_exceptions=True)
        if read.needs_likeness:
            likeness = {one.id: 1.0 - rounded(one.distance) for one in near.neighbours}
            read = finished(read, question, await self._loaded(), likeness)
        candidates = await self._candidates(read.standalone or question, read, hits, near, priority)
        ids = candidates.ranked()[: k + _SPARE]
        found = sources(candidates, await self._library.shows(ids, records=False), ids)[:k]
        no_match, absent = await self._nothing(question, read, candidates)
        fact = read.fact if no_match else read.fact or best_matches(read, question, [one.show.id for one in found])
        return Retrieval(
            question=question,
            sources=tuple(found),
            no_match=no_match,
            fact=fact,
            filters=filters,
            intent=read.plan.intent,
            conditions=read.conditions,
            preferences=read.preferences,
            ignored=read.plan.ignored,
            standalone=read.standalone or None,
            ambiguities=read.ambiguities,
            missing=read.missing or absent,
            not_recorded=read.not_recorded,
            notes=tuple(notes),
            usage=near.usage,
            timings=Timings(
                alias_s=read.seconds,
                words_s=words_s,
                embed_s=near.embed_s,
                vector_s=near.vector_s,
                retrieve_s=time.perf_counter() - started_s,
            ),
        )

    async def exact_match(
        self, question: str, *, filters: Filters = Filters(), ignore: Iterable[str] = (), history: Sequence[Turn] = ()
    ) -> Retrieval | None:
        """Return the one show that a question is about beyond doubt, by its titles alone; None where there is doubt.

        Raises InvalidInputError, LibraryError.
        """
        question = checked_question(question)
        started_s = time.perf_counter()
        notes: list[str] = []
        read = await self._read(question, filters, frozenset(ignore), history, notes)
        if not read.one_show or notes:
            return None
        candidates = Candidates(matches=[match for match in read.matches if match.id in read.lead], lead=read.lead)
        shows = await self._library.shows(read.lead, records=False)
        found = sources(candidates, shows, read.lead)
        seconds = time.perf_counter() - started_s
        timings = Timings(alias_s=read.seconds, retrieve_s=seconds)
        return Retrieval(question=question, sources=tuple(found), filters=filters, timings=timings) if found else None

    async def warm(self) -> None:
        """Load titles and fields, so that the first question does not wait for them."""
        await self._loaded()

    async def match_titles(self, question: str) -> list[AliasMatch]:
        """Return the shows whose titles stand in the question. Raises LibraryError."""
        return (await self._loaded()).aliases.match(question)

    async def embed(self, questions: Sequence[str], *, priority: Priority) -> Embedding:
        """Embed questions together, for `search` to be given their vectors. Raises ProviderError."""
        return await self._indexer.embedder.embed(questions, priority=priority)

    async def locate(self, vectors: Sequence[Vectors]) -> list[VectorHits]:
        """Look around many questions' vectors in one call, for `search` to be given. Raises VectorStoreError."""
        spec = await self._indexer.spec()
        with span("vectors"):
            await self._indexer.restore_lost(spec)
            found = await self._neighbours(spec, np.stack(vectors))
        return [VectorHits(vector=vector, neighbours=near) for vector, near in zip(vectors, found, strict=True)]

    @property
    def model(self) -> str:
        """Name the embedding model."""
        return self._indexer.embedder.model

    @property
    def embeds_over_a_network(self) -> bool:
        """Tell whether one request for many questions saves waiting."""
        return self._indexer.embedder.provider != "local"

    async def standalone(self, question: str, history: Sequence[Turn]) -> str | None:
        """Return the question as it stands alone, where it leans on the conversation. Raises LibraryError."""
        if not history:
            return None
        catalogue = await self._loaded()
        return understand(question, catalogue.aliases.match(question), catalogue, history=history).standalone or None

    async def shows(self, ids: Iterable[str]) -> dict[str, Show]:
        """Return those of the ids that are in the catalogue. Raises LibraryError."""
        return await self._library.shows(ids, records=False)

    async def table(self) -> FieldIndex:
        """Return the fields of all shows as the catalogue has them now. Raises LibraryError."""
        return (await self._loaded()).table

    async def franchise(self, show_id: str) -> Franchise | None:
        """Return the franchise of a show; None where the catalogue has no such show. Raises LibraryError."""
        catalogue = await self._loaded()
        return catalogue.franchises.of(show_id) if catalogue.table.show(show_id) else None

    async def starters(self) -> list[str]:
        """Return questions that this catalogue can answer, with shows of its own. Raises LibraryError."""
        catalogue = await self._loaded()
        return starters(Collection(table=catalogue.table, franchises=catalogue.franchises))

    async def tags(self) -> list[str]:
        """Return every tag of the catalogue, the most used first, for the filters of Ask. Raises LibraryError."""
        return (await self._loaded()).table.tags

    async def _read(
        self, question: str, filters: Filters, ignore: frozenset[str], history: Sequence[Turn], notes: list[str]
    ) -> QuestionReading:
        """Match titles and understand facts. Without filters of its own, a failure costs only this branch."""
        started_s = time.perf_counter()
        try:
            with span("alias"):
                matches = await self.match_titles(question)
                catalogue = await self._loaded()
                read = understand(question, matches, catalogue, filters=filters, ignore=ignore, history=history)
        except LibraryError as error:
            if filters:
                raise
            log.warning("title search failed: %s", error)
            notes.append(f"Titles were not searched: {error}")
            read = QuestionReading()
        return replace(read, seconds=time.perf_counter() - started_s)

    async def _search_words(
        self, question: str, reading: asyncio.Task[QuestionReading], notes: list[str]
    ) -> tuple[list[WordHit], float]:
        read = await asyncio.shield(reading)
        started_s = time.perf_counter()
        if read.complete or read.needs_likeness:
            return [], 0.0
        try:
            with span("words"):
                text = read.standalone or question
                hits = await self._library.search_words(text, k=_CANDIDATES, names=read.names, ids=read.allowed)
                return hits, time.perf_counter() - started_s
        except LibraryError as error:
            log.warning("word search failed: %s", error)
            notes.append(f"Words were not searched: {error}")
            return [], time.perf_counter() - started_s

    async def _near(
        self,
        question: str,
        reading: asyncio.Task[QuestionReading],
        priority: Priority,
        given: Vectors | VectorHits | Locate | None,
    ) -> _Near:
        """Embed at once, and look around as soon as it is known where one may look."""
        await asyncio.wait({reading}, timeout=_A_MOMENT_S)
        if reading.done() and not reading.exception() and reading.result().complete:
            return _Near()
        started_s = time.perf_counter()
        usage = Usage()
        spec = await self._indexer.spec()
        vector: Vectors | VectorHits | None = None
        if not (reading.done() and not reading.exception() and reading.result().own_vector):
            vector = await given() if callable(given) else given
            if vector is None:
                embedding = await self.embed([question], priority=priority)
                vector, usage = embedding.vectors[0], embedding.usage
        read = await asyncio.shield(reading)
        if read.complete:
            return _Near(usage=usage, embed_s=time.perf_counter() - started_s)
        if read.own_vector:
            vector, paid = await self._own_vector(read, priority)
            usage = usage + paid
        embedded_s = time.perf_counter()
        if isinstance(vector, VectorHits):
            if read.allowed is None and not read.needs_likeness:
                return _Near(neighbours=vector.neighbours)
            vector = vector.vector
        if vector is None:
            return _Near(usage=usage, embed_s=embedded_s - started_s)
        with span("vectors"):
            await self._indexer.restore_lost(spec)
            if read.needs_likeness:
                found = await self._indexer.index.query(spec, vector[None, :], k=_WEIGHED, ids=read.allowed)
                found = [_before_the_last(near, _WEIGHED) for near in found]
            else:
                found = await self._neighbours(spec, vector[None, :], read.allowed)
        return _Near(
            neighbours=found[0] if found else (),
            vector=vector,
            usage=usage,
            embed_s=embedded_s - started_s,
            vector_s=time.perf_counter() - embedded_s,
        )

    async def _neighbours(
        self, spec: CollectionSpec, vectors: Vectors, ids: Sequence[str] | None = None
    ) -> list[list[Neighbour]]:
        """Return the candidates of each row, and all shows that lie as far as the last of them.

        Raises VectorStoreError.
        """
        wanted = _CANDIDATES + _MORE
        while True:
            found = await self._indexer.index.query(spec, vectors, k=wanted, ids=ids)
            if wanted >= _MOST or not any(_ends_in_a_tie(near, wanted) for near in found):
                return found
            wanted = min(_MOST, 4 * wanted)

    async def _own_vector(self, read: QuestionReading, priority: Priority) -> tuple[Vectors | None, Usage]:
        """Return what to look around in the place of the question: named shows, a mood, or the question in full."""
        if read.plan.intent in ("similar", "next"):
            spec = await self._indexer.spec()
            stored = await self._indexer.index.vectors(spec, list(read.plan.shows))
            if not stored:
                return None, Usage()
            middle = np.mean([vector for _, vector in stored.values()], axis=0)
            return (middle / (np.linalg.norm(middle) or 1.0)).astype(np.float32), Usage()
        embedding = await self.embed([read.search_text or read.standalone], priority=priority)
        return embedding.vectors[0], embedding.usage

    async def _candidates(
        self, question: str, read: QuestionReading, hits: Sequence[WordHit], near: _Near, priority: Priority
    ) -> Candidates:
        candidates = Candidates(
            matches=read.matches,
            hits=hits,
            neighbours=_nearest(near.neighbours, read.votes),
            preferred=read.preferred,
            length=len(terms(question)) + len(pairs(question)) // 3,
            lead=read.lead,
            led_by=read.led_by,
            votes=read.votes,
        )
        if read.lead:
            return candidates
        shows = await self._library.shows(candidates.ids, records=False)
        statistics = (await self._loaded()).statistics
        covered = await asyncio.to_thread(coverage, question, list(shows.values()), statistics)
        candidates = replace(candidates, coverage={show_id: rounded(share) for show_id, share in covered.items()})
        if near.vector is None or self.embeds_over_a_network:
            return candidates
        best = [shows[show_id] for show_id in candidates.ranked()[:_LOOKED_INTO] if show_id in shows]
        likeness = await self._passages.likeness(question, near.vector, best, priority=priority)
        return replace(candidates, likeness=likeness)

    async def _nothing(self, question: str, read: QuestionReading, candidates: Candidates) -> tuple[bool, str]:
        """Tell whether the catalogue has nothing on a question, and say which title it lacks where it is that."""
        if read.fact is not None:
            return not read.fact.ids and read.fact.intent in _SETS, ""
        if read.beyond or read.missing:
            return True, ""
        if not candidates.lead:
            title = asked_title(question)
            if title and not await self._library.mentions(title):
                return True, no_title(title, japanese=is_japanese(question)) if framed_title(question) else ""
        return nothing_found(candidates), ""

    async def _loaded(self) -> CatalogueSnapshot:
        """Return titles and fields as the catalogue has them now, whichever process changed it.

        While an import changes them every moment they are those of some seconds ago: every question would otherwise
        read the whole catalogue again, which takes most of a second at 1,500 shows.
        """
        revision = await self._library.revision()
        kept = self._catalogue
        if kept is not None and (kept.revision == revision or self._at_work()):
            if kept.revision != revision:
                self._reload_soon()
            return kept
        return await self._load()

    async def _load(self) -> CatalogueSnapshot:
        async with self._loading:
            revision = await self._library.revision()
            if self._catalogue is None or revision != self._catalogue.revision:
                began_s = time.perf_counter()
                rows = await show_fields.load(self._library)
                self._catalogue = await asyncio.to_thread(CatalogueSnapshot.of, revision, rows)
                self._loaded_s = time.perf_counter()
                self._load_took_s = self._loaded_s - began_s
            return self._catalogue

    def _reload_soon(self) -> None:
        """Read the catalogue again in the background, unless that was just done: it may take a tenth of the time."""
        rest_s = max(_RELOAD_S, 10 * self._load_took_s)
        going = self._reloading is not None and not self._reloading.done()
        if not going and time.perf_counter() > self._loaded_s + rest_s:
            self._reloading = asyncio.create_task(self._reload(), name="reload titles")

    async def _reload(self) -> None:
        try:
            await self._load()
        except LibraryError as error:  # a question that needs it says so
            log.warning("titles could not be read again: %s", error)


def _ends_in_a_tie(near: Sequence[Neighbour], wanted: int) -> bool:
    """Tell whether shows that lie as far as the last candidate may have been left out of `wanted` neighbours."""
    return len(near) >= wanted and rounded(near[_CANDIDATES - 1].distance) == rounded(near[-1].distance)


def _nearest(near: Sequence[Neighbour], votes: Mapping[str, int]) -> list[Neighbour]:
    """Return the candidates with their distances as they are ranked; of equal ones those with more votes."""
    ranked = [replace(one, distance=rounded(one.distance)) for one in near]
    ranked.sort(key=lambda one: (one.distance, -votes.get(one.id, 0), one.id))
    return ranked[:_CANDIDATES]


def _before_the_last(near: Sequence[Neighbour], wanted: int) -> list[Neighbour]:
    """Return the neighbours without those as far as the last one, where others as far may have been left out."""
    if len(near) < wanted:
        return list(near)
    return [one for one in near if rounded(one.distance) < rounded(near[-1].distance)]


def checked_question(question: str) -> str:
    """Return the question trimmed. Raises InvalidInputError when it is empty or far too long."""
    question = question.strip()
    if not question:
        raise InvalidInputError("Question cannot be empty")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise InvalidInputError(
            f"The question has {len(question):,} characters: shorten it to {MAX_QUESTION_CHARACTERS:,} or fewer."
        )
    return question
