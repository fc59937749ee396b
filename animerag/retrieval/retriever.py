"""Retrieval: title match, word match and vector search at the same time, then one ranked list, each show once.

Questions that the shows in memory can answer ("mecha before 1990", "watch order of X") need no search. Filters of the
user and conditions of the question restrict every search.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from animerag.concurrency import cancel_and_wait
from animerag.discovery.starters import starters
from animerag.errors import LibraryError, ProviderError, VectorStoreError
from animerag.indexing.passages import PassageVectors
from animerag.models.filters import Filters
from animerag.models.providers import Priority, Usage
from animerag.models.retrieval import Retrieval, Timings
from animerag.ports import VectorHits
from animerag.query.asked_titles import asked_title, stands_for_a_title
from animerag.retrieval.absences import has_no_answer, no_title, wished_title
from animerag.retrieval.candidate_shows import CandidateShows
from animerag.retrieval.example_intents import ExampleIntents
from animerag.retrieval.fusion import FIRST, Candidates, lacks_matches, rounded, sources
from animerag.retrieval.neighbours import Neighbourhood, around, before_the_last, between, nearest
from animerag.retrieval.premises import KnownShows
from animerag.retrieval.question_text import checked_question
from animerag.retrieval.reranking import Passages
from animerag.retrieval.snapshots import Snapshots
from animerag.retrieval.understanding import QuestionReading, best_matches, finished, understand
from animerag.retrieval.word_coverage import coverage, weighed_words
from animerag.storage import provenance
from animerag.telemetry.load_shedding import between_steps
from animerag.telemetry.tracing import span
from animerag.text.cleaning import is_japanese
from animerag.text.tokens import pairs, terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from animerag.discovery.collection import Collection
    from animerag.discovery.franchises import Franchise
    from animerag.indexing.indexer import Indexer
    from animerag.models.answers import Turn
    from animerag.models.shows import Show
    from animerag.ports import Embedder, Embedding, Locate, Vectors
    from animerag.query.field_index import FieldIndex
    from animerag.query.titles import AliasMatch
    from animerag.storage.library import Library
    from animerag.storage.word_hits import WordHit

T = TypeVar("T")
log = logging.getLogger(__name__)

DEFAULT_K = 8
CANDIDATES = 100  # of a branch; with fewer, plots in other words than their synopsis are missed (docs/quality.md)
_A_MOMENT_S = 0.01  # seconds in which fields usually answer if they can; such a question needs no vector
_SPARE = 2  # further shows, in case some have left the catalogue since they were found
_DETAILED = 30  # candidates whose stored passages and tags are compared with the question
_WEIGHED = 200  # shows whose similarity is measured for recommendations and similar shows


class Retriever:
    """Finds the shows that a question is about."""

    def __init__(self, indexer: Indexer, catalogue: Snapshots | None = None, encoder: Embedder | None = None) -> None:
        """`catalogue` has the titles and fields in memory; `encoder` recognises intents by example."""
        self._indexer = indexer
        self._library: Library = indexer.library
        self._passages = Passages(indexer.embedder, PassageVectors(indexer.library, indexer.embedder))
        self._catalogue = catalogue or Snapshots(indexer.library)
        self._examples = ExampleIntents(encoder or indexer.embedder)
        self._shows = CandidateShows(indexer.library)
        self._known = KnownShows()

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

        `vector`, of shape (dimensions,), saves the embedding if the caller has it or waits for it. `filters` restrict
        every search in addition to the question; `ignore` are keys of conditions in the question that the user removed.
        A question may refer to `history`. Raises InvalidInputError for a question without text, ProviderError or
        VectorStoreError if the vector search fails; a failure of the title or word search is noted, and the others
        continue.
        """
        question = checked_question(question)
        started_s = time.perf_counter()
        notes: list[str] = []
        read, (hits, words_s), near = await self._branches(
            question, filters, frozenset(ignore), history, priority=priority, vector=vector, notes=notes
        )
        if read.needs_likeness:
            likeness = {one.id: 1.0 - rounded(one.distance) for one in near.neighbours}
            read = await self._catalogue.run(lambda catalogue: finished(read, question, catalogue, likeness))
        candidates = await self._candidates(read.standalone or question, read, hits, near, priority)
        ids = candidates.ranked()[: k + _SPARE]
        ranked = sources(candidates, await self._library.shows(ids, records=False), ids)[:k]
        no_match, absent = await self._nothing(question, read, candidates, [one.show for one in ranked])
        fact = read.fact if no_match else read.fact or best_matches(read, question, [one.show.id for one in ranked])
        return Retrieval(
            question=question,
            sources=tuple(ranked),
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

    async def _branches(
        self,
        question: str,
        filters: Filters,
        ignore: frozenset[str],
        history: Sequence[Turn],
        *,
        priority: Priority,
        vector: Vectors | VectorHits | Locate | None,
        notes: list[str],
    ) -> tuple[QuestionReading, tuple[list[WordHit], float], Neighbourhood]:
        """Read the question and search words and vectors, all at the same time."""
        reading = asyncio.create_task(
            self._read(question, filters, ignore, history, notes, priority=priority), name="alias"
        )
        searches = (
            asyncio.create_task(self._search_words(question, reading, notes), name="words"),
            asyncio.create_task(self._near(question, reading, priority, vector), name="vectors"),
        )
        try:
            return await asyncio.gather(reading, *searches)
        except (ProviderError, VectorStoreError):
            if not (read := await reading).complete:
                raise
            return read, ([], 0.0), Neighbourhood()  # the fields answer without the search that failed
        finally:
            await cancel_and_wait(reading, *searches)

    async def exact_match(
        self, question: str, *, filters: Filters = Filters(), ignore: Iterable[str] = (), history: Sequence[Turn] = ()
    ) -> Retrieval | None:
        """Return the one show that a question is certainly about, judging only by titles; None if it is not certain.

        Raises InvalidInputError, LibraryError.
        """
        question, started_s = checked_question(question), time.perf_counter()
        notes: list[str] = []
        read = await self._read(question, filters, frozenset(ignore), history, notes, priority=Priority.LIVE)
        if not read.one_show or notes:
            return None
        candidates = Candidates(matches=[match for match in read.matches if match.id in read.lead], lead=read.lead)
        ranked = sources(candidates, await self._library.shows(read.lead, records=False), read.lead)
        timings = Timings(alias_s=read.seconds, retrieve_s=time.perf_counter() - started_s)
        return Retrieval(question=question, sources=tuple(ranked), filters=filters, timings=timings) if ranked else None

    async def warm(self) -> None:
        """Load titles, fields and the examples of intents, so that the first question does not wait for them."""
        await asyncio.gather(self._catalogue.current(), self._examples.warm())

    async def prepare_candidates(self) -> None:
        """Read the shows of a small catalogue, so that the first questions do not. Raises LibraryError."""
        await self._shows.prepare(await self.read(lambda table: table.ids()), await self._library.revision())

    async def match_titles(self, question: str) -> list[AliasMatch]:
        """Return the shows whose titles are in the question. Raises LibraryError."""
        return await self._catalogue.run(lambda catalogue: catalogue.aliases.match(question))

    async def embed(self, questions: Sequence[str], *, priority: Priority) -> Embedding:
        """Embed questions together, for `search`. Raises ProviderError."""
        return await self._indexer.embedder.embed(questions, priority=priority)

    async def locate(self, vectors: Sequence[Vectors]) -> list[VectorHits]:
        """Search the neighbours of many questions' vectors in one call, for `search`. Raises VectorStoreError."""
        spec = await self._indexer.spec()
        with span("vectors"):
            await self._indexer.restore_lost(spec)
            neighbours = await around(self._indexer.index, spec, np.stack(vectors), CANDIDATES)
        return [VectorHits(vector=vector, neighbours=near) for vector, near in zip(vectors, neighbours, strict=True)]

    @property
    def model(self) -> str:
        """Name the embedding model."""
        return self._indexer.embedder.model

    @property
    def embeds_over_a_network(self) -> bool:
        """Return whether one request for many questions is faster than one for each."""
        return self._indexer.embedder.provider != "local"

    async def standalone(self, question: str, history: Sequence[Turn]) -> str | None:
        """Return a follow-up as a complete question. Raises LibraryError."""
        if not history:
            return None
        matches, catalogue = await self.match_titles(question), await self._catalogue.current()
        read = await catalogue.run(partial(understand, question, matches, catalogue, history=history))
        return read.standalone or None

    async def shows(self, ids: Iterable[str]) -> dict[str, Show]:
        """Return the ids that are in the catalogue. Raises LibraryError."""
        return await self._library.shows(ids, records=False)

    async def table(self) -> FieldIndex:
        """Return the current fields of all shows. Raises LibraryError."""
        return (await self._catalogue.current()).table

    async def read(self, work: Callable[[FieldIndex], T]) -> T:
        """Run work on the fields of all shows, in a thread if they are in the database. Raises what `work` raises."""
        return await self._catalogue.run(lambda catalogue: work(catalogue.table))

    async def collection(self) -> Collection:
        """Return the shows in memory with their franchises. Raises LibraryError."""
        return (await self._catalogue.current()).collection()

    async def franchise(self, show_id: str) -> Franchise | None:
        """Return the franchise of a show; None if the catalogue does not have the show. Raises LibraryError."""
        return await self._catalogue.run(lambda catalogue: catalogue.franchise(show_id))

    async def starters(self) -> list[str]:
        """Return questions that this catalogue can answer, with shows of its own. Raises LibraryError."""
        stubs = frozenset(await provenance.without_words(self._library))
        return await self._catalogue.run(lambda current: starters(current.collection(), stubs=stubs))

    async def _read(
        self,
        question: str,
        filters: Filters,
        ignore: frozenset[str],
        history: Sequence[Turn],
        notes: list[str],
        *,
        priority: Priority,
    ) -> QuestionReading:
        """Match titles and understand facts. Without conditions in the question, a failure affects only this branch."""
        started_s = time.perf_counter()
        try:
            with span("alias"):
                matches = await self.match_titles(question)
                catalogue = await self._catalogue.current()
                ask = partial(understand, question, matches, catalogue, filters=filters, ignore=ignore, history=history)
                read = await catalogue.run(ask)
                if read.undecided and (likely := await self._examples.compare(read.undecided, priority)):
                    read = await catalogue.run(partial(ask, likely=likely))
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
                hits = await self._library.search_words(text, k=CANDIDATES, names=read.names, ids=read.allowed)
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
    ) -> Neighbourhood:
        """Embed at once, and search as soon as the conditions of the search are known."""
        # Reading may itself encode the question, to compare it with examples.
        await asyncio.wait({reading}, timeout=_A_MOMENT_S if self.embeds_over_a_network else None)
        if reading.done() and not reading.exception() and reading.result().complete:
            return Neighbourhood()
        started_s, usage = time.perf_counter(), Usage()
        spec = await self._indexer.spec()
        vector: Vectors | VectorHits | None = None
        if not (reading.done() and not reading.exception() and reading.result().own_vector):
            vector = await given() if callable(given) else given
            if vector is None and not self.embeds_over_a_network:
                vector = self._examples.vector(question)
            if vector is None:
                embedding = await self.embed([question], priority=priority)
                vector, usage = embedding.vectors[0], embedding.usage
        read = await asyncio.shield(reading)
        if read.complete:
            return Neighbourhood(usage=usage, embed_s=time.perf_counter() - started_s)
        if read.own_vector:
            vector, paid = await self._own_vector(read, priority)
            usage = usage + paid
        embedded_s = time.perf_counter()
        if isinstance(vector, VectorHits):
            if read.allowed is None and not read.needs_likeness:
                return Neighbourhood(neighbours=vector.neighbours)
            vector = vector.vector
        if vector is None:
            return Neighbourhood(usage=usage, embed_s=embedded_s - started_s)
        with span("vectors"):
            await self._indexer.restore_lost(spec)
            if read.needs_likeness:
                neighbours = await self._indexer.index.query(spec, vector[None, :], k=_WEIGHED, ids=read.allowed)
                neighbours = [before_the_last(near, _WEIGHED) for near in neighbours]
            else:
                neighbours = await around(self._indexer.index, spec, vector[None, :], CANDIDATES, read.allowed)
        return Neighbourhood(
            neighbours=neighbours[0] if neighbours else (),
            vector=vector,
            usage=usage,
            embed_s=embedded_s - started_s,
            vector_s=time.perf_counter() - embedded_s,
        )

    async def _own_vector(self, read: QuestionReading, priority: Priority) -> tuple[Vectors | None, Usage]:
        """Return what to search for instead of the question: named shows, a mood, or the full question."""
        if read.plan.intent in ("similar", "next"):
            spec = await self._indexer.spec()
            stored = await self._indexer.index.vectors(spec, list(read.plan.shows))
            return between([vector for _, vector in stored.values()]), Usage()
        embedding = await self.embed([read.search_text or read.standalone], priority=priority)
        return embedding.vectors[0], embedding.usage

    async def _candidates(
        self, question: str, read: QuestionReading, hits: Sequence[WordHit], near: Neighbourhood, priority: Priority
    ) -> Candidates:
        catalogue = await self._catalogue.current()
        other = self.embeds_over_a_network or read.lead or read.own_vector
        known = await self._catalogue.run(partial(self._known.near, None if other else near.vector, read.allowed))
        ids = {*read.lead, *known, *(one.id for some in (near.neighbours, hits, read.matches) for one in some)}
        votes = await self.read(lambda table: table.votes_of(ids))
        candidates = Candidates(
            matches=read.matches,
            hits=hits,
            neighbours=nearest(near.neighbours, votes, CANDIDATES),
            preferred=read.preferred,
            premises=known,
            length=len(terms(question)) + len(pairs(question)) // 3,
            lead=read.lead,
            led_by=read.led_by,
            votes=votes,
        )
        if read.lead:
            return candidates
        shows = await self._shows.read(candidates.ids, catalogue.revision)
        await between_steps()
        covered = await asyncio.to_thread(coverage, question, list(shows.values()), catalogue.statistics, known)
        candidates = replace(candidates, coverage={show_id: rounded(share) for show_id, share in covered.items()})
        await between_steps()
        if near.vector is not None and not self.embeds_over_a_network:
            best = [shows[one] for one in candidates.ranked()[:_DETAILED] if one in shows]
            words, tags = weighed_words(question, catalogue.statistics), candidates.compares_tags
            likeness = await self._passages.likeness(words, near.vector, best, priority=priority, tags=tags)
            candidates = replace(candidates, likeness=likeness)
        first = candidates.ranked()[:FIRST]
        return replace(candidates, franchise=await self._catalogue.run(lambda current: current.franchise_names(first)))

    async def _nothing(
        self, question: str, read: QuestionReading, candidates: Candidates, best: Sequence[Show]
    ) -> tuple[bool, str]:
        """Return whether the catalogue has no match, and a sentence about the missing title if there is one."""
        if read.beyond or read.missing:
            return True, ""
        title = wished_title(question, read.plan) if read.fact or candidates.lead else asked_title(question)
        if title and not await self._library.mentions(title):
            stands = read.fact is not None or stands_for_a_title(question)
            return True, no_title(title, japanese=is_japanese(question)) if stands else ""
        return has_no_answer(question, read.fact, best, lacks_matches=lacks_matches(candidates)), ""
