"""Parses production details: minutes per episode, source material, studios, airing status, age rating, tag weights."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from animerag.readers import cells, show_types

if TYPE_CHECKING:
    from collections.abc import Iterable

    from animerag.models.shows import Airing, Show

_AIRING: dict[str, Airing] = {
    **dict.fromkeys(("finished airing", "finished", "completed", "ended", "放送終了"), "finished"),
    **dict.fromkeys(("currently airing", "airing", "ongoing", "releasing", "放送中"), "airing"),
    **dict.fromkeys(("not yet aired", "not yet released", "upcoming", "放送予定"), "upcoming"),
}
_SOURCES = frozenset(
    (
        *("original", "manga", "light novel", "novel", "visual novel", "web novel", "web manga", "4-koma manga"),
        *("game", "video game", "card game", "book", "picture book", "comic", "doujinshi", "mixed media", "radio"),
        *("live action", "multimedia project"),
    )
)
_SOURCE_ALSO = {"original work": "original", "4 koma manga": "4-koma manga", "mixed media": "mixed media"}
_OTHER_SOURCES = frozenset(("music", "other"))  # as tags, these mean something else
_ADULT = re.compile(
    r"rx\b.*|hentai|18\+?|r-?18\+?|nc-17|adults?( only)?|x|1|true|yes|y|black|成人.*|18禁", re.IGNORECASE
)
_NOT_ADULT = re.compile(
    r"(?:g|pg|pg-?13|r|r\+|r-?15\+?|r-?17\+?|\d\+|1[0-7]\+)(?:\s+-\s+.*)?|all( ages)?|0|false|no|n|white",
    re.IGNORECASE,
)
_HOURS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:h|hr|hrs|hours?|時間)(?![a-z])\.?")
_MINUTES = re.compile(r"(\d+(?:\.\d+)?)\s*(?:m|min|mins|minutes?|分)(?![a-z])\.?")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:s|sec|secs|seconds?|秒)(?![a-z])\.?")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d):(\d\d)")
_LONGEST_MINUTES = 1000
_HIGHEST_WEIGHTS = {"weight": 600, "rank": 100}  # AniDB, AniList


def minutes(value: object) -> int | None:
    """Return the minutes per episode from a number, "24 min per ep", "1 hr 47 min", or `value` and `unit`.

    Durations under half a minute and unknown ones are None.
    """
    if isinstance(value, dict):
        unit, value = str(value.get("unit", "")).casefold(), value.get("value")
        value = f"{value} {unit}" if isinstance(value, int | float) else None
    if isinstance(value, bool) or cells.is_unknown(value) or not isinstance(value, str | int | float):
        return None
    plain = unicodedata.normalize("NFKC", str(value)[:60]).casefold().strip()
    if clock := _CLOCK.fullmatch(plain):
        result = int(clock[1]) * 60 + int(clock[2]) + int(clock[3]) / 60
    elif re.fullmatch(r"\d{1,4}(?:\.\d+)?", plain):
        result = float(plain)
    else:
        units = ((_HOURS, 60.0), (_MINUTES, 1.0), (_SECONDS, 1 / 60))
        result = sum(float(hit[1]) * of_a_minute for words, of_a_minute in units if (hit := words.search(plain)))
    whole = int(result + 0.5)
    return whole if 0 < whole <= _LONGEST_MINUTES else None


def airing(value: object) -> Airing | None:
    """Return the airing status for a word in a file; None for any other word."""
    return _AIRING.get(re.sub(r"[\s_-]+", " ", value).strip().casefold()) if isinstance(value, str) else None


def restricted(value: object) -> bool | None:
    """Return whether a show is for adults only, from yes or no, 1 or 0, or an age rating; None if unknown."""
    if isinstance(value, bool):
        return value
    plain = unicodedata.normalize("NFKC", str(value)).strip() if isinstance(value, str | int) else ""
    return True if _ADULT.fullmatch(plain) else False if _NOT_ADULT.fullmatch(plain) else None


def source(value: object) -> str | None:
    """Return the source material of a show in lower case; None if the file does not know."""
    plain = _kind_of_work(value)
    return None if cells.is_unknown(plain) or len(plain) > 40 or "://" in plain else plain


def is_source(value: object) -> bool:
    """Return whether a cell names source material."""
    return _kind_of_work(value) in _SOURCES | _OTHER_SOURCES


def source_of(tags: Iterable[str]) -> str | None:
    """Return the source material that tags name; None if they name none, or several."""
    result = {plain for tag in tags if (plain := _kind_of_work(tag).removeprefix("based on a ")) in _SOURCES}
    return result.pop() if len(result) == 1 else None


def studios(value: object) -> tuple[str, ...]:
    """Return the studios in a list, in a cell, or in AniList's `nodes` and `edges`."""
    if isinstance(value, dict):
        edges = value.get("edges")
        nodes = [edge.get("node") for edge in edges if isinstance(edge, dict)] if isinstance(edges, list) else []
        value = value.get("nodes") or nodes
    result = cells.tags(value)
    return tuple(dict.fromkeys(name for name in result if not cells.is_unknown(name) and name != "None found"))


def tag_weights(value: object) -> dict[str, float]:
    """Return the weight of each tag, from 0 to 1, if a list has objects with `name` and `rank` or `weight`."""
    result: dict[str, float] = {}
    for item in value if isinstance(value, list | tuple) else ():
        folded = {str(key).casefold(): own for key, own in item.items()} if isinstance(item, dict) else {}
        for key, highest in _HIGHEST_WEIGHTS.items():
            weight = folded.get(key)
            if isinstance(weight, int | float) and not isinstance(weight, bool) and 0 < weight <= highest:
                result[cells.text(folded.get("name"))] = round(weight / highest, 4)
    result.pop("", None)
    return result


def with_type(show: Show) -> Show:
    """Return a show with an inferred type if its file has none."""
    if show.type is not None:
        return show
    kind = show_types.inferred(
        show.title,
        show.titles,
        episodes=show.episodes,
        duration=show.duration,
        description=show.description,
    )
    return show if kind is None else replace(show, type=kind, type_inferred=True)


def _kind_of_work(value: object) -> str:
    plain = cells.text(value).casefold() if isinstance(value, str) else ""
    plain = re.sub(r"[\s_]+", " ", plain)
    return _SOURCE_ALSO.get(plain, plain)
