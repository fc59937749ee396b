"""The tools of MCP: each calls the service behind a page and returns a short object with ids."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Literal

from animerag.api import show_json
from animerag.api.api_errors import ApiError
from animerag.api.asking import answered, check_not_empty, searched, show_of_id
from animerag.api.search_arguments import MOST_LISTED
from animerag.catalogue.statistics import as_json
from animerag.models.answers import Answer, AnswerStatus
from animerag.models.filters import Filters
from animerag.query.execution import meeting
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.api.search_arguments import Search
    from animerag.discovery.franchises import Entry, Gap
    from animerag.models.json_types import JsonObject
    from animerag.models.retrieval import Retrieval, Source
    from animerag.models.shows import Show
    from animerag.services import Services

MOST_IDS = 100  # in the result of an answer
_OPTIONS = 8  # matching shows that an error lists
_EXCERPT = 300  # characters


async def search_shows(services: Services, search: Search) -> JsonObject:
    """Return shows that meet the conditions: all of them in an order, or the best matches for `search.about`.

    Raises AnimeRAGError.
    """
    await check_not_empty(services)
    if search.title.strip() and not folded_words(search.title):
        raise ApiError("title has no letters or digits, so that it matches no title: correct it or leave it out.")
    condition = search.condition()
    page = await services.browsing.page(
        search.title, condition=condition, order=search.order, descending=search.descending
    )
    written = tuple(show_json.conditions_of(condition)) + ((f"title={search.title}",) if search.title else ())
    notes = await _notes(services, search)
    if search.about.strip():
        return await _best_matches(services, search, page.ids, written=written, notes=notes)
    ids = page.ids[search.offset : search.offset + search.limit]
    shows = await services.retriever.shows(ids)
    whole = search.offset == 0 and len(ids) == page.total
    return {
        "total": page.total,
        "offset": search.offset,
        "shows": [show_json.line(shows[one]) for one in ids if one in shows],
        "notes": notes,
        "result": show_json.result("list", ids, complete=whole, value=page.total, conditions=written),
    }


async def _best_matches(
    services: Services, search: Search, allowed: Sequence[str], *, written: Sequence[str], notes: list[str]
) -> JsonObject:
    _, answer = await searched(services, search.about, k=MOST_LISTED, filters=search.filters())
    meets = set(allowed)
    best = [] if answer.status is AnswerStatus.NO_MATCH else list(answer.sources)
    sources = [source for source in best if source.show.id in meets][search.offset : search.offset + search.limit]
    return {
        "shows": [_matched(source) for source in sources],
        "notes": [*notes, "These are the best matches, not all shows that could match."],
        "result": show_json.result("lookup", [one.show.id for one in sources], conditions=written),
    }


async def ask(services: Services, question: str, *, k: int | None = None) -> JsonObject:
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


def _shortened(answer: Answer) -> tuple[JsonObject | None, list[str]]:
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


async def get_show(services: Services, show: str) -> JsonObject:
    """Return all fields of one show, given its id or title. Raises AnimeRAGError."""
    known = await show_of_id(services, await find_id(services, show))
    return show_json.with_result(known)


async def franchise(services: Services, show: str, *, order: Literal["release", "story"] = "release") -> JsonObject:
    """Return the parts of a show's franchise in watch order, and the missing ones. Raises AnimeRAGError."""
    show_id = await find_id(services, show)
    whole = await services.retriever.franchise(show_id)
    if whole is None:
        raise ApiError("The show was removed a moment ago: search again.", status=404, code="no_such_show")
    entries = whole.by_story() if order == "story" else whole.entries
    return {
        "parts": [_part(place, entry) for place, entry in enumerate(entries, 1)],
        "missing": [_gap(gap) for gap in whole.gaps],
        "inferred_from_titles": whole.inferred,
        "result": show_json.result("watch_order", [entry.show.id for entry in entries], complete=True),
    }


async def recommend(services: Services, *, wish: str = "", like: str = "", limit: int = 6) -> JsonObject:
    """Return recommended shows with the reason for each. Raises AnimeRAGError."""
    if like.strip():
        like_id = await find_id(services, like)
        question = f"Something like {await services.retriever.read(lambda table: table.title_of(like_id))}"
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


async def collection_stats(services: Services) -> JsonObject:
    """Return the figures of Home and `animerag stats`, except those by year. Raises AnimeRAGError."""
    await check_not_empty(services)
    figures, attention = await services.statistics.collection(), await services.statistics.attention()
    known = as_json(figures, attention)
    del known["years"]
    return {**known, "result": show_json.result("stats", value=figures.shows, complete=True)}


async def find_id(services: Services, name: str) -> str:
    """Return the id of a show, given its id or title. Raises ApiError if no show or several shows match."""
    await check_not_empty(services)
    read = services.retriever.read
    name = name.strip()
    if await read(lambda table: table.show(name)) is not None:
        return name
    wanted = folded_words(name)
    if not wanted:
        raise ApiError("Name a show by its id or its title.", param="show")
    shows = await read(lambda table: table.shows_of(table.search_titles(name)))
    same = [show for show in shows if wanted in {folded_words(title) for title in (show.title, *show.titles)}]
    if not same:
        matched = [match for match in await services.retriever.match_titles(name) if match.named]
        ids = dict.fromkeys(match.id for match in matched)
        same = await read(lambda table: table.shows_of(ids))
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


def _matched(source: Source) -> JsonObject:
    excerpt = " ".join(source.show.description.split())[:_EXCERPT]
    return {**show_json.line(source.show), **({"excerpt": excerpt} if excerpt else {})}


def _part(place: int, entry: Entry) -> JsonObject:
    shown = {"role": entry.role, "of": entry.of, "season": entry.season, "part": entry.part}
    return {"place": place, **show_json.line(entry.show)} | {
        name: value for name, value in shown.items() if value is not None
    }


def _gap(gap: Gap) -> JsonObject:
    known = {"title": gap.title, "kind": gap.kind, "after": gap.after, "year": gap.year, "season": gap.season}
    return {name: value for name, value in known.items() if value not in (None, "")}


def _reasons(retrieval: Retrieval) -> dict[str, str]:
    fact = retrieval.fact
    return {one: why for one, why in zip(fact.ids, fact.reasons, strict=False) if why} if fact else {}


async def _notes(services: Services, search: Search) -> list[str]:
    """Return notes on unknown tags and on shows whose fields are unknown."""
    tags = dict.fromkeys((*(search.tags or ()), *(search.without_tags or ())))
    counts = (await services.retriever.table()).tag_counts
    notes = [f"No show has the tag {tag[:60]!r}." for tag in tags if tag.strip().casefold() not in counts]
    meets = partial(meeting, search.condition(), filters=Filters())
    undecided = (await services.retriever.read(meets)).undecided
    if undecided:
        lack = "1 show lacks" if len(undecided) == 1 else f"{len(undecided):,} shows lack"
        notes.append(f"{lack} a field that the conditions need, and could belong here.")
    return notes
