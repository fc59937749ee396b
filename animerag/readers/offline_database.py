"""Reads anime-offline-database: titles, synonyms and tags without descriptions; ids are part of its addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeGuard

from pydantic_core import to_json

from animerag.models.imports import RowError
from animerag.models.shows import Origin, RelatedShow, Show
from animerag.readers import cells, dates, details, show_types

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KEY = "data"

# The sites that ids are taken from, the preferred one first.
_SITES = {
    "mal": re.compile(r"https?://myanimelist\.net/anime/(\d+)"),
    "anidb": re.compile(r"https?://anidb\.net/(?:anime/|a)(\d+)"),
    "anilist": re.compile(r"https?://anilist\.co/anime/(\d+)"),
    "kitsu": re.compile(r"https?://kitsu\.(?:io|app)/anime/(\d+)"),
}


def is_record(record: object) -> TypeGuard[dict[str, object]]:
    """Return whether a JSON value is an entry of the database."""
    return isinstance(record, dict) and isinstance(record.get("sources"), list) and "title" in record


def row(record: object, name: str, line: int) -> Show | RowError:
    """Return an entry as a show whose id names its site, or the reason why it cannot be used."""
    if not is_record(record):
        reason, excerpt = "The record has no sources and title.", cells.given(record)
        return RowError(file=name, line=line, id=None, stage="validate", reason=reason, given=excerpt)
    title = cells.text(record["title"])
    listed = record["sources"]
    sources = [source for source in listed if isinstance(source, str)] if isinstance(listed, list) else []
    season = record.get("animeSeason")
    numbers = cells.NumberParser()
    year = numbers.year(season.get("year") if isinstance(season, dict) else None, "year")
    shown_id = id_of(sources) or cells.derived_id("title", title, year)
    try:
        to_json(record)
    except ValueError:
        title = ""
    if not title:
        reason = "The record has no title, or contains invalid Unicode."
        excerpt = cells.given(record)
        return RowError(file=name, line=line, id=shown_id, stage="validate", reason=reason, given=excerpt)
    score = record.get("score")
    mean = score.get("arithmeticMean") if isinstance(score, dict) else score
    tags = tuple(dict.fromkeys(cells.tags(record.get("tags"))))
    show = Show(
        id=shown_id,
        title=title,
        titles=tuple(dict.fromkeys([title, *cells.names(record.get("synonyms"))])),
        tags=tags,
        episodes=numbers.whole(record.get("episodes"), 1, 100_000, "number of episodes"),
        year=year,
        rating=numbers.score(mean, "score"),
        relations=tuple(_related(record.get("relatedAnime") or record.get("relations"))),
        type=show_types.named(record.get("type")),
        season=dates.season(season),
        airing=details.airing(record.get("status")),
        source=details.source_of(tags),
        duration=details.minutes(record.get("duration")),
        studios=details.studios(record.get("studios")),
        record=record,
        origin=Origin(file=name, line=line, notes=tuple(numbers.notes)),
    )
    return details.with_type(show)


def id_of(sources: Sequence[str]) -> str | None:
    """Return an id such as `mal:21` from an entry's addresses."""
    for site, pattern in _SITES.items():
        for source in sources:
            if matched := pattern.match(source):
                return f"{site}:{matched[1]}"
    return None


def _related(addresses: object) -> Iterator[RelatedShow]:
    """Yield the related shows on the most preferred site; the entry lists them for every site."""
    matched = [address for address in addresses if isinstance(address, str)] if isinstance(addresses, list) else []
    for pattern in _SITES.values():
        known = [address for address in matched if pattern.match(address)]
        if known:
            ids = [id_of([address]) or "" for address in known]
            yield from (RelatedShow(id=shown, title=shown, kind="related") for shown in ids)
            return
