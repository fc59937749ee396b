"""Parses dates as files write them, complete or partial, and the seasons in which shows start to air."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import TYPE_CHECKING, Any

from animerag.readers import cells

if TYPE_CHECKING:
    from animerag.models.shows import Season

_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_YEAR = r"((?:19|20|21)\d\d)"
_ISO = re.compile(rf"(?<!\d){_YEAR}[-/.](\d\d?)(?:[-/.](\d\d?))?(?!\d)")
_JAPANESE = re.compile(rf"{_YEAR}年\s*(\d\d?)月(?:\s*(\d\d?)日)?")
_MONTH_FIRST = re.compile(rf"\b{_NAME}\s+(?:(\d\d?)(?:st|nd|rd|th)?,?\s+)?{_YEAR}\b")
_DAY_FIRST = re.compile(rf"\b(\d\d?)(?:st|nd|rd|th)?\s+{_NAME},?\s+{_YEAR}\b")
_DAYS = re.compile(rf"(?<!\d)(\d\d?)[/.](\d\d?)[/.]{_YEAR}(?!\d)")
_TO = re.compile(r"\s+(?:to|until|–|—)\s+|\s+-\s+|[~〜]")
_SEASONS: dict[str, Season] = {
    "winter": "winter",
    "spring": "spring",
    "summer": "summer",
    "fall": "fall",
    "autumn": "fall",
    "冬": "winter",
    "春": "spring",
    "夏": "summer",
    "秋": "fall",
}
_SEASON = re.compile("|".join(rf"\b{name}\b" if name.isascii() else name for name in _SEASONS))


def iso(value: object) -> str | None:
    """Return the first date in a cell as ISO text, "2012-04-07" or "2012-04"; None if the month is unknown.

    A cell is text in a common notation, or an object with `year`, `month` and `day`.
    """
    if isinstance(value, dict):
        return _object(value)
    if not isinstance(value, str) or cells.is_unknown(value):
        return None
    plain = unicodedata.normalize("NFKC", value[:300]).casefold()
    first = _TO.split(plain)[0]
    return _in_text(first)


def last(value: object) -> str | None:
    """Return the second date of a range such as "Apr 3, 2012 to Sep 1, 2013", as ISO text."""
    if isinstance(value, dict):
        return iso(value.get("to"))
    if not isinstance(value, str):
        return None
    parts = _TO.split(unicodedata.normalize("NFKC", value[:300]).casefold())
    return _in_text(parts[1]) if len(parts) == 2 else None


def season(value: object) -> Season | None:
    """Return the season in a cell: "Fall 2019", "SUMMER", "2019年秋", or an object with `season`."""
    if isinstance(value, dict):
        value = value.get("season")
    match = _SEASON.search(value[:60].casefold()) if isinstance(value, str) else None
    return _SEASONS[match[0]] if match else None


def season_of(air_date: str | None) -> Season | None:
    """Return the season of an ISO date, which is the quarter of its year."""
    if not air_date:
        return None
    quarters: tuple[Season, ...] = ("winter", "spring", "summer", "fall")
    return quarters[(int(air_date[5:7]) - 1) // 3]


def is_date(value: object) -> bool:
    """Return whether a value is a valid ISO date, with or without a day."""
    return isinstance(value, str) and iso(value) == value


def ordered(air_date: str | None, end_date: str | None) -> str | None:
    """Return the end date, or None if it is before the air date."""
    return None if air_date and end_date and f"{end_date}-99" < air_date else end_date


def _object(value: dict[str, object]) -> str | None:
    if value.get("from") is not None:
        return iso(value["from"])
    return _written(value.get("year"), value.get("month"), value.get("day"))


def _in_text(text: str) -> str | None:
    if match := (_ISO.search(text) or _JAPANESE.search(text)):
        return _written(*match.groups())
    if match := _DAY_FIRST.search(text):
        return _written(match[3], _MONTHS.index(match[2]) + 1, match[1])
    if match := _MONTH_FIRST.search(text):
        return _written(match[3], _MONTHS.index(match[1]) + 1, match[2])
    if match := _DAYS.search(text):
        one, two = int(match[1]), int(match[2])
        # The order of day and month is known only if one number cannot be a month.
        if one == two or one > 12 >= two:
            return _written(match[3], two, one)
        return _written(match[3], one, two) if two > 12 >= one else None
    return None


def _written(year: Any, month: Any, day: Any) -> str | None:
    try:
        numbers = [int(part) for part in (year, month, day) if part not in (None, "", 0, "0", "00")]
        known = date(*[*numbers, 1][:3]) if len(numbers) > 1 else None  # two numbers are year and month
    except (TypeError, ValueError, OverflowError):
        return None
    if known is None or not _FIRST_YEAR <= known.year <= _LAST_YEAR:
        return None
    return known.isoformat()[: 10 if len(numbers) == 3 else 7]
