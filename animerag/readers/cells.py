"""Parses cells: text without control characters, numbers as people write them, lists, ids and statuses."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from animerag.models.shows import MyStatus

# Control and invisible characters, except U+200D, which joins emoji.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
_ANSI = re.compile("\x1b\\[[0-9;]*[A-Za-z]")
_BREAKS = re.compile("\r\n?|[\u2028\u2029]")
_UNKNOWN_WORDS = "- -- ? ?? n/a na nan none null nil unknown tba tbd 未定 不明"
_UNKNOWN = frozenset(("", *_UNKNOWN_WORDS.split()))
_NUMBER = re.compile(r"([+-]?\d+(?:[.,]\d+)?)(?:\s*(?:eps?\.?|episodes?|話|年|点|/\s*10))?", re.IGNORECASE)
_GROUPED = re.compile(r"\d{1,3}(?:[,.\s]\d{3})+")
_YEAR = re.compile(r"(?<!\d)((?:19|20|21)\d\d)(?!\d)")
_DATE = re.compile(r"(?<!\d)((?:19|20|21)\d\d)-\d\d-\d\d")
_SLUG = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}(?::[A-Za-z0-9._-]{1,64})?")  # also with a prefix: mal:21
_STATUSES: dict[str, MyStatus] = {
    **dict.fromkeys(("watching", "currently watching", "current", "rewatching", "repeating", "1"), "watching"),
    **dict.fromkeys(("completed", "finished", "2"), "completed"),
    **dict.fromkeys(("on hold", "paused", "3"), "on_hold"),
    **dict.fromkeys(("dropped", "4"), "dropped"),
    **dict.fromkeys(("plan to watch", "planned", "planning", "ptw", "6"), "plan_to_watch"),
}


def text(value: object, *, lines: bool = False) -> str:
    """Return text without control and invisible characters; on one line unless `lines` is set."""
    if isinstance(value, str) and value.isprintable():  # most texts are
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    shown = _UNSEEN.sub("", _ANSI.sub("", _BREAKS.sub("\n", str(value))))
    return shown.strip() if lines else shown.replace("\n", " ").replace("\t", " ").strip()


def is_unknown(value: object) -> bool:
    """Return whether a cell is empty or says that its value is unknown."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and value.strip().casefold() in _UNKNOWN


class NumberParser:
    """Parses the numbers of a row; an unusable one leaves its field out and adds a note."""

    def __init__(self, notes: Iterable[str] = ()) -> None:
        self.notes = list(notes)

    def whole(self, value: object, low: int, high: int, label: str) -> int | None:
        """Return a whole number within bounds; 0 below the bounds means unknown and adds no note."""
        number = self.number(value, label, grouped=True)
        if number is None or (number == 0 and low > 0):
            return None
        return int(number) if number.is_integer() and low <= number <= high else self._refuse(value, label)

    def year(self, value: object, label: str) -> int | None:
        """Return a year from a number or a date; of "Apr 3, 2012 to Sep 1, 2013" the first year."""
        if isinstance(value, str) and not is_unknown(value):
            plain = unicodedata.normalize("NFKC", value[:200]).split(" to ")[0]
            result = _DATE.findall(plain)[:1] or list(dict.fromkeys(_YEAR.findall(plain)))
            if len(result) == 1:
                return int(result[0])
        return self.whole(value, 1900, 2200, label)

    def score(self, value: object, label: str) -> float | None:
        """Return a score from 0 to 10; 0 means no score."""
        number = self.number(value, label)
        if not number:
            return None
        return round(number, 4) if 0 < number <= 10 else self._refuse(value, label)

    def number(self, value: object, label: str, *, grouped: bool = False) -> float | None:
        """Return a number of any size; `grouped` reads 1,234 as one thousand and more, not as a decimal."""
        if is_unknown(value):
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value) if abs(value) < 1e15 else self._refuse(value, label)
        plain = unicodedata.normalize("NFKC", value).strip().strip("\"'") if isinstance(value, str) else ""
        if grouped and len(plain) < 40 and _GROUPED.fullmatch(plain):
            return float(re.sub(r"\D", "", plain))
        result = _NUMBER.fullmatch(plain) if len(plain) < 40 else None
        return float(result[1].replace(",", ".")) if result else self._refuse(value, label)

    def _refuse(self, value: object, label: str) -> Any:
        self.notes.append(f"The value “{text(str(value)[:400])[:40]}” for {label} cannot be used and was left out.")
        return None


def show_id(value: object, title: str, year: int | None, notes: list[str]) -> str:
    """Return the id in a cell; if there is none, a stable id derived from title and year."""
    message = "" if value is None or isinstance(value, bool) else unicodedata.normalize("NFKC", str(value)).strip()
    plain = re.fullmatch(r"0*([1-9][0-9]{0,18})(?:\.0+)?", message)
    if plain:
        if plain[1] != str(value).strip():
            notes.append(f"The id “{text(str(value))[:40]}” was read as {plain[1]}.")
        return plain[1]
    if _SLUG.fullmatch(message) and not is_unknown(message):
        return message
    derived = derived_id("title", title, year)
    if value is not None:
        notes.append(f"“{text(message)[:40]}” is not an id: the id {derived} was derived from the title.")
    return derived


def derived_id(prefix: str, *fields: object) -> str:
    """Derive an id from the stable fields of a row without one."""
    key = "\n".join(unicodedata.normalize("NFKC", str(field)).casefold() for field in fields)
    return f"{prefix}:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def my_status(value: object) -> MyStatus | None:
    """Return a user's status as `MyStatus`; None for anything else."""
    return _STATUSES.get(re.sub(r"[\s_-]+", " ", str(value)).strip().casefold())


def piped(value: object) -> list[str]:
    """Return the names in a list, or in text that separates them by `|`."""
    return _parts(value.split("|") if isinstance(value, str) else value if isinstance(value, list) else [])


def names(value: object) -> list[str]:
    """Return the names in a list, or in a cell that separates them by `|` or `; `; "Steins;Gate" is one name."""
    if isinstance(value, str) and not is_unknown(value):
        mark = next((mark for mark in ("|", "; ") if mark in value), ";" if value.count(";") > 1 else None)
        return _parts(text(value).split(mark) if mark else [text(value)])
    return _parts(value) if isinstance(value, list | tuple) else []


def tags(value: object) -> list[str]:
    """Return the tags in a list, or in a cell that separates them by `|`, `;` or `,`, with or without brackets."""
    if isinstance(value, list | tuple):
        return _parts(value)
    if not isinstance(value, str) or is_unknown(value):
        return []
    joined = text(value)
    if joined.startswith("[") and joined.endswith("]"):
        joined = joined[1:-1].replace("'", "").replace('"', "")
    mark = next((mark for mark in "|;," if mark in joined), None)
    return _parts(joined.split(mark) if mark else [joined])


def _parts(values: Iterable[object]) -> list[str]:
    """Return the texts of a list, or the names of its objects."""
    result = (text(item.get("name") if isinstance(item, dict) else item) for item in values)
    return [part for part in result if part]


def given(value: object) -> str:
    """Return a row as text to give back to the user: the text itself, or JSON."""
    if isinstance(value, str):
        return value
    readable = json.dumps(value, ensure_ascii=False, default=str)
    whole = readable.isascii() or not any("\ud800" <= c <= "\udfff" for c in readable)
    return readable if whole else json.dumps(value, default=str)  # half of a surrogate pair must stay escaped
