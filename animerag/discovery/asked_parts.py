"""Finds the season or part of a franchise that a question asks for by number, or the existing ones if it is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.query.plan import LAST
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.discovery.collection import Collection
    from animerag.discovery.franchises import Entry

_NAMED = 7  # parts that a sentence names; the others are counted


def season_of(show_id: str, number: int, collection: Collection, part: int | None = None) -> str | None:
    """Return the id of a numbered season of a show's line, its first part or the one asked for; None if it is missing.

    LAST stands for the last season that the catalogue has.
    """
    entries = numbered(collection.franchises.of(show_id).seasons(show_id), number)
    place = (part or 1) - 1
    return entries[place].show.id if place < len(entries) else None


def numbered(series: Sequence[Entry], number: int) -> Sequence[Entry]:
    """Return all parts of a season by its number.

    Where a line begins to count again under a subtitle, the number may also be the place in the whole line: "X:re" is
    the third season of X.
    """
    if number == LAST:
        final = [entry for entry in series if any("final" in title.casefold() for title in _titles(entry))]
        return final or [entry for entry in series if entry.season == series[-1].season]
    exact = [entry for entry in series if entry.season == number]
    if exact:
        return exact
    seasons: list[list[Entry]] = []
    for entry in series:
        if seasons and entry.season == seasons[-1][0].season:
            seasons[-1].append(entry)
        else:
            seasons.append([entry])
    counts = [season[0].season or 0 for season in seasons]
    first = series[0].show.title.casefold() if series else ""
    one_name = all(entry.show.title.casefold().startswith(first) for entry in series)
    restarts = counts != sorted(counts)
    return seasons[number - 1] if restarts and one_name and 0 < number <= len(seasons) else ()


def no_such_part(show_id: str, number: int, part: int | None, word: str, collection: Collection) -> str:
    """Return a sentence that says that a franchise lacks a season or part, and which ones it has.

    `word` is "season" or "part".
    """
    series = collection.franchises.of(show_id).seasons(show_id)
    name = series[0].show if series else collection.show(show_id)
    title = (name.native_title or name.title) if collection.japanese else name.title
    english = f"{word} {number}" if not part else f"part {part} of season {number}"
    japanese = f"第{number}期" + (f"の第{part}部" if part else "")
    if len(series) < 2:
        return collection.say(
            f"Your catalogue has {title}, but no {english} of it.", f"カタログに「{title}」の{japanese}はありません。"
        )
    there = [_described(entry, word, series, collection) for entry in series[:_NAMED]]
    if more := len(series) - len(there):
        there.append(collection.say(f"{more} more", f"ほか{more}作品"))
    names = listed(there, japanese=collection.japanese)
    return collection.say(
        f"Your catalogue has no {english} of {title}. It has {names}.",
        f"カタログに「{title}」の{japanese}はありません。あるのは{names}です。",
    )


def may_be_that_part(show_id: str, number: int, collection: Collection) -> str:
    """Return a note that the only part may be the requested one; "" if relations show that it comes first."""
    show = collection.show(show_id)
    if show.relations and not any(item.kind.casefold() == "prequel" for item in show.relations):
        return ""
    title = (show.native_title or show.title) if collection.japanese else show.title
    return collection.say(
        f"Your catalogue has only {title}, and does not say whether it is season {number}.",
        f"カタログにあるのは「{title}」だけで、第{number}期かどうかは記録されていません。",
    )


def _described(entry: Entry, word: str, series: Sequence[Entry], collection: Collection) -> str:
    show = entry.show
    title = (show.native_title or show.title) if collection.japanese else show.title
    year = f", {show.year}" if show.year else ""
    counts = [one.season or 0 for one in series]
    if counts != sorted(counts):  # if numbers start again, two seasons would have the same name
        return title + (f" ({show.year})" if show.year else "")
    piece = collection.say(f" part {entry.part}", f"第{entry.part}部") if entry.part else ""
    return collection.say(f"{word} {entry.season}{piece} ({title}{year})", f"第{entry.season}期{piece}（{title}）")


def _titles(entry: Entry) -> tuple[str, ...]:
    return (entry.show.title, *entry.show.titles)
