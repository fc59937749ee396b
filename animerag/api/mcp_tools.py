"""The tools of MCP: each calls the service behind a page and returns a short object with ids."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from animerag.api import show_json
from animerag.api.api_errors import ApiError
from animerag.api.asking import answered, check_not_empty, searched, show_of_id
from animerag.catalogue.statistics import as_json
from animerag.models.answers import Answer, AnswerStatus
from animerag.models.filters import Filters, WatchState
from animerag.query.execution import selected
from animerag.query.field_index import title_words
from animerag.query.plan import EVERYTHING, Not, Plan, Predicate, both, either

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from animerag.discovery.franchises import Entry, Gap
    from animerag.models.retrieval import Retrieval, Source
    from animerag.models.shows import Airing, Season, Show, ShowType
    from animerag.query.plan import Condition, FieldName, Operator
    from animerag.services import Services

Order: TypeAlias = Literal["rating", "title", "year", "air_date", "episodes", "votes", "my_score"]
MOST_LISTED = 50
MOST_IDS = 100  # in the result of an answer
_OPTIONS = 8  # matching shows that an error lists
_EXCERPT = 300  # characters

# Arguments with the field and the operator of their condition.
_BOUNDS: dict[str, tuple[FieldName, Operator]] = {
    "year_from": ("year", ">="),
    "year_to": ("year", "<="),
    "episodes_from": ("episodes", ">="),
    "episodes_to": ("episodes", "<="),
    "rating_from": ("rating", ">="),
    "rating_to": ("rating", "<="),
    "votes_from": ("votes", ">="),
    "duration_to": ("duration", "<="),
    "aired_from": ("air_date", ">="),
    "aired_to": ("air_date", "<="),
    "my_score_from": ("my_score", ">="),
    "owned_from": ("owned_episodes", ">="),
    "missing_from": ("missing_episodes", ">="),
    "missing_to": ("missing_episodes", "<="),
    "resolution_from": ("resolution", ">="),
    "resolution_to": ("resolution", "<="),
    "audio_language": ("audio_language", "="),
    "subtitle_language": ("subtitle_language", "="),
    "airing": ("status", "="),
    "studio": ("studio", "="),
    "source": ("source", "="),
    "adults_only": ("restricted", "="),
}
_IN_FILTERS = {
    *("year_from", "year_to", "episodes_from", "episodes_to", "rating_from", "rating_to", "votes_from"),
    *("aired_from", "aired_to"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConditions:
    """The conditions of a search, all of which hold; None or empty asks for nothing."""

    types: tuple[ShowType, ...] = ()
    seasons: tuple[Season, ...] = ()
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    my_statuses: tuple[WatchState, ...] = ()
    year_from: int | None = None
    year_to: int | None = None
    episodes_from: int | None = None
    episodes_to: int | None = None
    rating_from: float | None = None
    rating_to: float | None = None
    votes_from: int | None = None
    duration_to: int | None = None
    aired_from: str | None = None
    aired_to: str | None = None
    my_score_from: float | None = None
    owned_from: int | None = None
    missing_from: int | None = None
    missing_to: int | None = None
    resolution_from: int | None = None
    resolution_to: int | None = None
    audio_language: str | None = None
    subtitle_language: str | None = None
    airing: Airing | None = None
    studio: str | None = None
    source: str | None = None
    adults_only: bool | None = None

    def condition(self) -> Condition:
        """Return the conditions as a plan's expression."""
        return both(EVERYTHING, *self._parts())

    def filters(self) -> Filters:
        """Return the conditions that can restrict a search by text."""
        bounds = {name: getattr(self, name) for name in _IN_FILTERS}
        return Filters(
            types=self.types,
            seasons=self.seasons,
            tags=self.tags,
            without_tags=self.without_tags,
            statuses=self.my_statuses,
            restricted=self.adults_only,
            **bounds,
        )

    def _parts(self) -> Iterator[Condition]:
        anyof: dict[FieldName, Sequence[str]] = {
            "type": self.types,
            "season": self.seasons,
            "my_status": self.my_statuses,
        }
        for field, values in anyof.items():
            if values:
                yield either(*(Predicate(field, "=", value) for value in values))
        yield from (Predicate("tag", "=", tag.strip().casefold()) for tag in self.tags)
        yield from (Not(Predicate("tag", "=", tag.strip().casefold())) for tag in self.without_tags)
        for name, (bounded, operator) in _BOUNDS.items():
            if (value := getattr(self, name)) is not None:
                yield Predicate(bounded, operator, value)


async def search_shows(
    services: Services,
    conditions: SearchConditions,
    *,
    about: str = "",
    title: str = "",
    order: Order = "rating",
    descending: bool = True,
    limit: int = 10,
    offset: int = 0,
) -> dict[str, Any]:
    """Return shows that meet the conditions: all of them in an order, or the best matches for `about`.

    Raises AnimeRAGError.
    """
    await check_not_empty(services)
    condition = conditions.condition()
    page = await services.browsing.page(title, condition=condition, order=order, descending=descending)
    written = tuple(show_json.conditions_of(condition)) + ((f"title={title}",) if title else ())
    notes = await _notes(services, conditions)
    if about.strip():
        return await _best_matches(services, about, conditions, page.ids, limit=limit, written=written, notes=notes)
    ids = page.ids[offset : offset + limit]
    shows = await services.retriever.shows(ids)
    whole = offset == 0 and len(ids) == page.total
    return {
        "total": page.total,
        "offset": offset,
        "shows": [show_json.line(shows[one]) for one in ids if one in shows],
        "notes": notes,
        "result": show_json.result("list", ids, complete=whole, value=page.total, conditions=written),
    }


async def _best_matches(
    services: Services,
    about: str,
    conditions: SearchConditions,
    allowed: Sequence[str],
    *,
    limit: int,
    written: Sequence[str],
    notes: list[str],
) -> dict[str, Any]:
    _, answer = await searched(services, about, k=MOST_LISTED, filters=conditions.filters())
    meets = set(allowed)
    best = [] if answer.status is AnswerStatus.NO_MATCH else list(answer.sources)
    sources = [source for source in best if source.show.id in meets][:limit]
    return {
        "shows": [_matched(source) for source in sources],
        "notes": [*notes, "These are the best matches, not all shows that could match."],
        "result": show_json.result("lookup", [one.show.id for one in sources], conditions=written),
    }


async def ask(services: Services, question: str, *, k: int | None = None) -> dict[str, Any]:
    """Return the answer that the app's Ask page gives. Raises AnimeRAGError."""
    answer: Answer | None = None
    async for event in answered(services, question, k=k):
        if isinstance(event, Answer):
            answer = event
    assert answer is not None
    if answer.status is AnswerStatus.ERROR:
        raise ApiError(answer.error or "The answer failed: ask again.", status=502, code="provider_failed")
    sources = [
        {"number": number, **show_json.line(source.show), "cited": source.show.id in answer.citations}
        for number, source in enumerate(answer.sources, 1)
    ]
    result, notes = _shortened(answer)
    return {
        "answer": answer.text,
        "status": str(answer.status),
        "sources": sources,
        "notes": notes,
        "result": result,
    }


def _shortened(answer: Answer) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the result and the notes of an answer, with no more ids than a client's model should read."""
    notes = list(answer.notes)
    if answer.result is None:
        return None, notes
    result, ids = asdict(answer.result), answer.result.ids
    if len(ids) > MOST_IDS:
        result |= {"ids": ids[:MOST_IDS], "complete": False}
        notes.append(
            f"{len(ids):,} shows match, and the first {MOST_IDS} are listed: search_shows returns all, in pages."
        )
    return result, notes


async def get_show(services: Services, show: str) -> dict[str, Any]:
    """Return all fields of one show, given its id or title. Raises AnimeRAGError."""
    known = await show_of_id(services, await find_id(services, show))
    return {**show_json.whole(known), "result": show_json.result("lookup", [known.id], complete=True)}


async def franchise(services: Services, show: str, *, order: Literal["release", "story"] = "release") -> dict[str, Any]:
    """Return the parts of a show's franchise in watch order, and the missing ones. Raises AnimeRAGError."""
    show_id = await find_id(services, show)
    whole = await services.retriever.franchise(show_id)
    if whole is None:
        raise ApiError("The show has just left the catalogue: search again.", status=404, code="no_such_show")
    entries = whole.by_story() if order == "story" else whole.entries
    return {
        "parts": [_part(place, entry) for place, entry in enumerate(entries, 1)],
        "missing": [_gap(gap) for gap in whole.gaps],
        "inferred_from_titles": whole.inferred,
        "result": show_json.result("watch_order", [entry.show.id for entry in entries], complete=True),
    }


async def recommend(services: Services, *, wish: str = "", like: str = "", limit: int = 6) -> dict[str, Any]:
    """Return recommended shows with the reason for each. Raises AnimeRAGError."""
    if like.strip():
        table = await services.retriever.table()
        question = f"Something like {table.title_of(await find_id(services, like))}"
        question += f" but {wish.strip()}" if wish.strip() else ""
    else:
        question = f"Recommend me something {wish.strip()}".strip()
    retrieval, answer = await searched(services, question, k=MOST_LISTED)
    reasons = _reasons(retrieval)
    ids = [one for one in (answer.result.ids if answer.result else ()) if answer.status is AnswerStatus.OK][:limit]
    shows = await services.retriever.shows(ids)
    picks = [
        {**show_json.line(shows[one]), **({"reason": reasons[one]} if one in reasons else {})}
        for one in ids
        if one in shows
    ]
    fact = retrieval.fact
    result = asdict(answer.result) | {"ids": ids} if answer.result else show_json.result("recommend", ids)
    return {"understood_as": question, "picks": picks, "notes": list(fact.remarks) if fact else [], "result": result}


async def collection_stats(services: Services) -> dict[str, Any]:
    """Return the figures of Home and `animerag stats`, except those by year. Raises AnimeRAGError."""
    await check_not_empty(services)
    figures, attention = await services.statistics.collection(), await services.statistics.attention()
    known = as_json(figures, attention)
    del known["years"]
    return {**known, "result": show_json.result("stats", value=figures.shows, complete=True)}


async def find_id(services: Services, name: str) -> str:
    """Return the id of a show, given its id or title. Raises ApiError if no show or several shows match."""
    await check_not_empty(services)
    table = await services.retriever.table()
    name = name.strip()
    if table.show(name) is not None:
        return name
    wanted = title_words(name)
    if not wanted:
        raise ApiError("Name a show by its id or its title.", param="show")
    shows = [show for one in table.search_titles(name) if (show := table.show(one)) is not None]
    same = [show for show in shows if wanted in {title_words(title) for title in (show.title, *show.titles)}]
    if not same:
        matched = [match for match in await services.retriever.match_titles(name) if match.named]
        same = [show for one in dict.fromkeys(match.id for match in matched) if (show := table.show(one)) is not None]
    options = same or shows
    if len(options) == 1:
        return options[0].id
    if not options:
        raise ApiError(
            f"The catalogue has no show called {name[:80]!r}: use search_shows to look for it.",
            status=404,
            code="no_such_show",
        )
    listed = "; ".join(_option(show) for show in options[:_OPTIONS])
    more = f"; and {len(options) - _OPTIONS:,} more" if len(options) > _OPTIONS else ""
    raise ApiError(f"{name[:80]!r} names several shows: {listed}{more}. Give the id of the one you mean.", param="show")


def _option(show: Show) -> str:
    return f"{show.title[:80]} ({show.year or 'year unknown'}), id {show.id}"


def _matched(source: Source) -> dict[str, Any]:
    excerpt = " ".join(source.show.description.split())[:_EXCERPT]
    return {**show_json.line(source.show), **({"excerpt": excerpt} if excerpt else {})}


def _part(place: int, entry: Entry) -> dict[str, Any]:
    shown = {"role": entry.role, "of": entry.of, "season": entry.season, "part": entry.part}
    return {"place": place, **show_json.line(entry.show)} | {
        name: value for name, value in shown.items() if value is not None
    }


def _gap(gap: Gap) -> dict[str, Any]:
    known = {"title": gap.title, "kind": gap.kind, "after": gap.after, "year": gap.year, "season": gap.season}
    return {name: value for name, value in known.items() if value not in (None, "")}


def _reasons(retrieval: Retrieval) -> dict[str, str]:
    fact = retrieval.fact
    return {one: why for one, why in zip(fact.ids, fact.reasons, strict=False) if why} if fact else {}


async def _notes(services: Services, conditions: SearchConditions) -> list[str]:
    """Return notes on unknown tags and on shows whose fields are unknown."""
    table = await services.retriever.table()
    asked = dict.fromkeys((*conditions.tags, *conditions.without_tags))
    notes = [f"No show has the tag {tag[:60]!r}." for tag in asked if not table.tagged(tag.strip().casefold())]
    _, undecided = selected(Plan(condition=conditions.condition()), table, Filters())
    if undecided:
        lack = "1 show lacks" if len(undecided) == 1 else f"{len(undecided):,} shows lack"
        notes.append(f"{lack} a field that the conditions need, and could belong here.")
    return notes
