"""Retrieval: title match, word match and vector search at the same time, then one ranked list, each show once.

What a question asks of fields ("mecha before 1990") is answered from the catalogue's fields, completely. Filters, set
by hand or understood, restrict every search.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from animerag.errors import InvalidInputError, LibraryError
from animerag.models import Ambiguity, Filters, NamedShow, Priority, Retrieval, Timings, Usage
from animerag.ports import VectorHits
from animerag.query import field_index
from animerag.query.execution import carry_out, compares_with_a_show
from animerag.query.field_index import FieldIndex
from animerag.query.lexicon import vocabulary
from animerag.query.names import named_in
from animerag.query.out_of_scope import asked_title, asks_for_what_is_not_kept
from animerag.query.parser import ParsedQuery, understand
from animerag.query.reader import plan_of, read
from animerag.query.titles import AliasIndex, folded
from animerag.retrieval.fusion import Candidates, nothing_found, rounded, sources
from animerag.retrieval.reranking import Passages
from animerag.storage import show_fields
from animerag.telemetry.tracing import span
from animerag.text.cleaning import is_japanese
from animerag.text.tokens import pairs, terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from animerag.indexing.indexer import Indexer
    from animerag.models import FactAnswer, Show
    from animerag.ports import CollectionSpec, Embedding, Locate, Neighbour, Vectors
    from animerag.query.lexicon import Gazetteer
    from animerag.query.plan import Plan
    from animerag.query.titles import AliasMatch
    from animerag.storage.full_text import WordHit
    from animerag.storage.library import Library

log = logging.getLogger(__name__)

MAX_QUESTION_CHARACTERS = 4000
DEFAULT_K = 8
_CANDIDATES = 50  # a branch; deeper ones were never among the first five of any evaluation
_MORE = 10  # neighbours beyond them, since shows that lie equally far are ordered before the list is cut
_MOST = 2000  # neighbours that one search considers
# Reading a question takes about 2 ms. One that fields answer whole needs no vector, so nothing is spent on it.
_A_MOMENT_S = 0.01
_RELOAD_S = 2.0  # seconds between two readings of the catalogue while an import changes it
_SPARE = 2  # shows that may have left the catalogue since they were found
_LOOKED_INTO = 15  # candidates whose passages and tags are looked into, where that is free
_OPTIONS = 6  # more choices than this are no help
_NO_LIST = (
    "The catalogue does not know what you have watched. Import your MyAnimeList export (XML) in Upload and ask again.",
    "視聴状況の記録がありません。MyAnimeListのエクスポート（XML）をアップロードすると答えられます。",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CatalogueSnapshot:
    """What is kept in memory of the shows, as of one revision."""

    revision: int
    aliases: AliasIndex
    table: FieldIndex
    vocabulary: Gazetteer


@dataclass(frozen=True, slots=True, kw_only=True)
class _QuestionReading:
    """What the titles and the fields say about a question, before anything is searched."""

    matches: tuple[AliasMatch, ...] = ()
    understood: ParsedQuery = ParsedQuery()
    fact: FactAnswer | None = None
    filters: Filters = Filters()
    allowed: tuple[str, ...] | None = None  # None allows all
    preferred: frozenset[str] = frozenset()
    lead: tuple[str, ...] = ()
    led_by: Mapping[str, str] = field(default_factory=dict)  # how relations and similarity led to a show
    votes: Mapping[str, int] = field(default_factory=dict)  # of every show
    names: bool = True  # words of titles stand in the question
    beyond: bool = False  # it asks for what no record holds
    ambiguities: tuple[Ambiguity, ...] = ()
    missing: str = ""  # a sentence about the season of a show that is asked for and not there
    not_recorded: tuple[str, ...] = ()  # topics that no record holds
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Tell whether fields alone answer it, so that no search could add anything."""
        return self.fact is not None and self.fact.kind in ("list", "count", "order")

    @property
    def one_show(self) -> bool:
        """Tell whether it is about a single show by its exact name, and about nothing that others could add to."""
        named = [match for match in self.matches if match.named]
        asks_more = self.understood.ask is not None or self.fact is not None
        return (
            not asks_more
            and len(self.lead) == 1
            and len(named) == 1
            and named[0].exact
            and not self.beyond
            and not self.missing
        )


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
        self._catalogue: _CatalogueSnapshot | None = None
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
    ) -> Retrieval:
        """Return up to `k` sources, best first.

        `vector` of shape (dimensions,) spares the embedding when the caller has it, or is going to. `filters` are set
        by hand and restrict every search; `ignore` are keys of understood conditions that somebody took away.
        Raises InvalidInputError for a question without text, ProviderError or VectorStoreError when the vector search
        fails; a failing title or word search is noted and the others go on.
        """
        question = checked_question(question)
        started_s = time.perf_counter()
        notes: list[str] = []
        reading = asyncio.create_task(self._read(question, filters, frozenset(ignore), notes), name="alias")
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
        candidates = await self._candidates(question, read, hits, near, priority)
        ids = candidates.ranked()[: k + _SPARE]
        found = sources(candidates, await self._library.shows(ids, records=False), ids)[:k]
        return Retrieval(
            question=question,
            sources=tuple(found),
            no_match=await self._nothing(question, read, candidates),
            fact=read.fact,
            filters=filters,
            understood=read.understood.filters,
            ambiguities=read.ambiguities,
            missing=read.missing,
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
        self, question: str, *, filters: Filters = Filters(), ignore: Iterable[str] = ()
    ) -> Retrieval | None:
        """Return the one show that a question is about beyond doubt, by its titles alone; None where there is doubt.

        Raises InvalidInputError, LibraryError.
        """
        question = checked_question(question)
        started_s = time.perf_counter()
        notes: list[str] = []
        read = await self._read(question, filters, frozenset(ignore), notes)
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

    async def names_a_show(self, question: str) -> bool:
        """Tell whether the question clearly names a show of the catalogue."""
        return any(match.named for match in (await self._loaded()).aliases.match(question))

    async def title_of(self, show_id: str) -> str | None:
        """Return the main title of a show."""
        show = await self._library.show(show_id)
        return show.title if show else None

    async def shows(self, ids: Iterable[str]) -> dict[str, Show]:
        """Return those of the ids that are in the catalogue. Raises LibraryError."""
        return await self._library.shows(ids, records=False)

    async def table(self) -> FieldIndex:
        """Return the fields of all shows as the catalogue has them now. Raises LibraryError."""
        return (await self._loaded()).table

    async def tags(self) -> list[str]:
        """Return every tag of the catalogue, the most used first, for filters set by hand. Raises LibraryError."""
        return (await self._loaded()).table.tags

    async def _read(
        self, question: str, filters: Filters, ignore: frozenset[str], notes: list[str]
    ) -> _QuestionReading:
        """Match titles and understand facts. Without filters of its own, a failure costs only this branch."""
        started_s = time.perf_counter()
        try:
            with span("alias"):
                matches = await self.match_titles(question)
                catalogue = await self._loaded()
                read = _understand(question, matches, catalogue, filters, ignore)
        except LibraryError as error:
            if filters:
                raise
            log.warning("title search failed: %s", error)
            notes.append(f"Titles were not searched: {error}")
            read = _QuestionReading()
        return replace(read, seconds=time.perf_counter() - started_s)

    async def _search_words(
        self, question: str, reading: asyncio.Task[_QuestionReading], notes: list[str]
    ) -> tuple[list[WordHit], float]:
        read = await asyncio.shield(reading)
        started_s = time.perf_counter()
        if read.complete:
            return [], 0.0
        try:
            with span("words"):
                hits = await self._library.search_words(question, k=_CANDIDATES, names=read.names, ids=read.allowed)
                return hits, time.perf_counter() - started_s
        except LibraryError as error:
            log.warning("word search failed: %s", error)
            notes.append(f"Words were not searched: {error}")
            return [], time.perf_counter() - started_s

    async def _near(
        self,
        question: str,
        reading: asyncio.Task[_QuestionReading],
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
        vector: Vectors | VectorHits | None = await given() if callable(given) else given
        if vector is None:
            embedding = await self.embed([question], priority=priority)
            vector, usage = embedding.vectors[0], embedding.usage
        embedded_s = time.perf_counter()
        read = await asyncio.shield(reading)
        if read.complete:
            return _Near(usage=usage, embed_s=embedded_s - started_s)
        if isinstance(vector, VectorHits):
            if read.allowed is None:
                return _Near(neighbours=vector.neighbours)
            vector = vector.vector
        searched_s = time.perf_counter()
        with span("vectors"):
            await self._indexer.restore_lost(spec)
            found = await self._neighbours(spec, vector[None, :], read.allowed)
        return _Near(
            neighbours=found[0] if found else (),
            vector=vector,
            usage=usage,
            embed_s=embedded_s - started_s,
            vector_s=time.perf_counter() - searched_s,
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

    async def _candidates(
        self, question: str, read: _QuestionReading, hits: Sequence[WordHit], near: _Near, priority: Priority
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
        if read.lead or near.vector is None or self.embeds_over_a_network:
            return candidates
        nearest = candidates.ranked()[:_LOOKED_INTO]
        shows = await self._library.shows(nearest, records=False)
        likeness = await self._passages.likeness(question, near.vector, list(shows.values()), priority=priority)
        return replace(candidates, likeness=likeness)

    async def _nothing(self, question: str, read: _QuestionReading, candidates: Candidates) -> bool:
        """Tell whether the catalogue has nothing on a question, by what it asks for or by how little was found."""
        if read.fact and read.fact.kind != "related":
            return not read.fact.ids
        if read.beyond or read.missing:
            return True
        if not candidates.lead:
            title = asked_title(question)
            if title and not await self._library.mentions(title):
                return True
        return nothing_found(candidates)

    async def _loaded(self) -> _CatalogueSnapshot:
        """Return titles and fields as the catalogue has them now, whichever process changed it.

        While an import changes them every moment they are those of some seconds ago: every question would otherwise
        read the whole catalogue anew, which takes most of a second at 1,500 shows.
        """
        revision = await self._library.revision()
        kept = self._catalogue
        if kept is not None and (kept.revision == revision or self._at_work()):
            if kept.revision != revision:
                self._reload_soon()
            return kept
        return await self._load()

    async def _load(self) -> _CatalogueSnapshot:
        async with self._loading:
            revision = await self._library.revision()
            if self._catalogue is None or revision != self._catalogue.revision:
                began_s = time.perf_counter()
                rows = await show_fields.load(self._library)
                self._catalogue = await asyncio.to_thread(_catalogue_of, revision, rows)
                self._loaded_s = time.perf_counter()
                self._load_took_s = self._loaded_s - began_s
            return self._catalogue

    def _reload_soon(self) -> None:
        """Read the catalogue anew aside, unless that has just been done: it may take a tenth of the time."""
        rest_s = max(_RELOAD_S, 10 * self._load_took_s)
        going = self._reloading is not None and not self._reloading.done()
        if not going and time.perf_counter() > self._loaded_s + rest_s:
            self._reloading = asyncio.create_task(self._reload(), name="reload titles")

    async def _reload(self) -> None:
        try:
            await self._load()
        except LibraryError as error:  # a question that needs it says so
            log.warning("titles could not be read anew: %s", error)


def _ends_in_a_tie(near: Sequence[Neighbour], wanted: int) -> bool:
    """Tell whether shows that lie as far as the last candidate may have been left out of `wanted` neighbours."""
    return len(near) >= wanted and rounded(near[_CANDIDATES - 1].distance) == rounded(near[-1].distance)


def _nearest(near: Sequence[Neighbour], votes: Mapping[str, int]) -> list[Neighbour]:
    """Return the candidates with their distances as they are ranked; of equal ones those with more votes."""
    ranked = [replace(one, distance=rounded(one.distance)) for one in near]
    ranked.sort(key=lambda one: (one.distance, -votes.get(one.id, 0), one.id))
    return ranked[:_CANDIDATES]


def _catalogue_of(revision: int, rows: Sequence[Mapping[str, Any]]) -> _CatalogueSnapshot:
    shows = show_fields.shows_of(rows)
    table = FieldIndex(shows)
    recorded = ("studio",) if any(show.studios for show in shows) else ()
    words = vocabulary(table.tags, recorded)
    return _CatalogueSnapshot(revision=revision, aliases=AliasIndex(shows), table=table, vocabulary=words)


def _understand(
    question: str,
    matches: Sequence[AliasMatch],
    catalogue: _CatalogueSnapshot,
    by_hand: Filters,
    ignore: frozenset[str],
) -> _QuestionReading:
    """Put together what titles and fields say; pure, about a millisecond."""
    table = catalogue.table
    matches = [match for match in matches if table.allows(match.id, by_hand)]
    named = [match for match in matches if match.named]
    understood = understand(
        folded(question),
        table.tag_names,
        named=[(match.start, match.end) for match in named],
        names=len({match.phrase for match in named}),
    )
    understood = replace(understood, filters=understood.filters.without(ignore))
    lead = [match.id for match in named]
    led_by: Mapping[str, str] = {}
    if named and understood.ask == "similar":
        understood = replace(understood, filters=field_index.relative(understood, lead[0], table))
        led_by = field_index.similar_to(lead[0], table)
    elif named:
        understood = replace(understood, filters=Filters())
    fact = field_index.answer(understood, named, table, by_hand)
    plan = _planned(question, matches, catalogue)
    about_shows = bool(named) and not compares_with_a_show(plan)
    planned = None if ignore or about_shows else carry_out(plan, table, by_hand)
    if planned is not None:
        fact, lead, led_by = planned, [], {}
        understood = replace(understood, filters=_as_filters(understood, planned, table, by_hand))
    if fact and fact.kind == "related":
        led_by = dict(zip(fact.ids, map(str, fact.values), strict=True))
        lead = [*led_by, *lead]
    elif fact:
        lead = list(fact.ids)
    else:
        lead += led_by
    whole = understood.whole and bool(understood.filters)
    restricting = by_hand.joined(understood.filters) if whole else by_hand
    allowed = table.matching(restricting) if restricting else None
    if allowed is not None:
        lead = [show_id for show_id in lead if show_id in set(allowed)]
    soft = bool(understood.filters) and not whole and planned is None
    beyond = asks_for_what_is_not_kept(_blanked(question, named))
    missing = _no_such_season(named[0], table, question) if named and named[0].season_missing else ""
    not_recorded = plan.missing if beyond else ()
    if plan.intent == "my_list" and not named and fact is None and not table.has_statuses:
        missing, not_recorded = _NO_LIST[is_japanese(question)], ("watch status",)
    elif not_recorded and not missing and not is_japanese(question):
        missing = _not_recorded(not_recorded, [match.title for match in named])
    return _QuestionReading(
        matches=tuple(matches),
        understood=understood,
        fact=fact,
        allowed=tuple(allowed) if allowed is not None else None,
        preferred=frozenset(table.matching(understood.filters)) if soft else frozenset(),
        lead=tuple(dict.fromkeys(lead)),
        led_by={show_id: how for show_id, how in led_by.items() if show_id in lead},
        votes=table.votes,
        names=catalogue.aliases.has_names(question),
        beyond=beyond,
        not_recorded=not_recorded,
        ambiguities=_ambiguities(named, table),
        missing=missing,
    )


def _planned(question: str, matches: Sequence[AliasMatch], catalogue: _CatalogueSnapshot) -> Plan:
    """Return what the rules make of a question; pure, about a millisecond."""
    text = folded(question)
    names = named_in(text, matches, catalogue.aliases)
    return plan_of(read(text, names, catalogue.vocabulary, datetime.now(UTC).year))


def _as_filters(understood: ParsedQuery, planned: FactAnswer, table: FieldIndex, by_hand: Filters) -> Filters:
    """Return the filters of a plan where they say just the same; chips can show no "or", and must not show less."""
    same = set(table.matching(by_hand.joined(understood.filters))) == set(planned.ids)
    return understood.filters if same and planned.kind != "order" else Filters()


def _not_recorded(topics: Sequence[str], shows: Sequence[str]) -> str:
    """Say what no record holds, and what can be asked of the shows instead."""
    sentence = f"{_listed(topics).capitalize()}: not recorded in this catalogue."
    return f"{sentence} About {shows[0]} you can ask for episodes, year, rating, tags and plot." if shows else sentence


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _blanked(question: str, named: Sequence[AliasMatch]) -> str:
    text = folded(question)
    for match in named:
        text = text[: match.start] + " " * (match.end - match.start) + text[match.end :]
    return " ".join(text.split())


def _no_such_season(match: AliasMatch, table: FieldIndex, question: str) -> str:
    show, season = table.show(match.id), match.season_missing
    title = show.title if show else match.title
    if is_japanese(question):
        return f"カタログに「{title}」の第{season}期はありません。"
    return f"The catalogue has {title}, and no season {season} of it."


def _ambiguities(named: Sequence[AliasMatch], table: FieldIndex) -> tuple[Ambiguity, ...]:
    """Offer the shows that one phrase names equally well."""
    by_phrase: dict[str, list[NamedShow]] = {}
    for match in named:
        show = table.show(match.id)
        if match.exact and show:
            by_phrase.setdefault(match.phrase, []).append(NamedShow(id=show.id, title=show.title, year=show.year))
    return tuple(
        Ambiguity(phrase=phrase, options=tuple(options))
        for phrase, options in by_phrase.items()
        if 1 < len(options) <= _OPTIONS
    )


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
