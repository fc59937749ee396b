"""Reads seasons, parts and franchises in a question: "the longest season of X", "shows with two seasons". Pure."""

# ruff: noqa: E501 - patterns are easier to read on one line

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.query.grammar import SHOW
from animerag.query.intents import has_cue
from animerag.query.plan import EVERYTHING, Predicate
from animerag.query.title_spellings import MARK

if TYPE_CHECKING:
    from animerag.query.grammar import Question
    from animerag.query.plan import Condition

_PART = re.compile(
    r"\b(?:seasons?|parts?|entr(?:y|ies)|instal?lments?|movies?|films?|ovas?|specials?|spin-?offs?)\b|期|シーズン|映画"
)
_SEASON = re.compile(r"\bseasons?\b|期|シーズン")
_RANKED = re.compile(
    r"\b(?:best|worst|top|highest|lowest|longest|shortest|newest|latest|last|oldest|most|fewest|least)\b|一番|いちばん|最も|最高|最長|最新"
)
_HAVE_SEASON = re.compile(
    r"\b(?:with|have|has|having|got|get|gets|received)(?: an?| the| their| its)?\s+§(?P<n>\d)\b(?!\s+(?:of|from))|§(?P<ja>\d)\s*[がの]?(?:ある|あります|出た)"
)
_ONE_SEASON = re.compile(r"\b(?:only|just|exactly|a single)\s+§1\b(?!\s+(?:of|from))|\b(?:an? |the )?single season\b")
_SEVERAL = re.compile(r"\b(?:several|multiple|more than one) seasons\b")
_NO_SEASON = re.compile(
    r"\b(?:without|with no|have no|has no|no|never got|(?:don.?t|doesn.?t|do not|does not) have)(?: an?| the)?\s+§(?P<n>\d)\b(?!\s+(?:of|from))"
)
_BEST_SERIES = re.compile(
    rf"\b(?:best|worst|top|(?:highest|lowest|best|worst)[ -]rated|longest|shortest|newest|latest|oldest|most popular) (?:the )?{SHOW}+\W*\s(?:series|shows?|anime|titles?|ones?)\b"
)
_IS_FIRST = re.compile(rf"(?:is|was) {SHOW}+ (?:really |actually |still )?(?:the|my) (?:\w+ )?{_RANKED.pattern}")
_MARK = re.compile(rf"{MARK}\d+")
_OF_AT_END = re.compile(r"\s*\b(?:of|from|in)\s*$")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_BARE_ORDINAL = re.compile(rf"\b(?P<n>{'|'.join(_ORDINALS)})(?P<between> (?:or|and|vs\.?|versus) (?:the )?){MARK}")
_NUMBERS_AT_END = re.compile(
    r"\bseasons?\b(?P<before>.*[,:;]?) (?P<one>\d)(?P<between> (?:or|and|vs\.?|versus) )(?P<other>\d)\W*$"
)
_BARE_NUMBER = re.compile(rf"(?<={MARK}\d)(?P<between> (?:or|and|vs\.?|versus) )(?=\d\b)")
_COMPARED = re.compile(r"\b(?:or|vs|versus|than|compared?|difference|better|worse|have|own)\b|どちら|どっち")
_NOT_PARTS = ("similar", "next", "watch_order")  # intents of other questions with a title and "best"


def asks_for_best_part(reading: Question) -> bool:
    """Return whether a question that names a show asks which of its parts is first in an order."""
    text = reading.text
    part = _PART.search(text) or _BEST_SERIES.search(text)
    ranked = _RANKED.search(text) and part and not re.match(r"(?:is|was|are|does|did|has)\b", text)
    return bool(ranked) and not any(has_cue(intent, text) for intent in _NOT_PARTS)  # type: ignore[arg-type]


def with_seasons_named(text: str, start: int, end: int) -> str | None:
    """Return a comparison of two seasons of one show with its name before each season; None for other questions.

    Seasons are marks in the folded `text`, and the name is at `start` to `end`: "§1 or §2 of X" becomes "X season 1 or
    X season 2".
    """
    name, own = _MARK.sub("", text[start:end]).strip(" ,-").removeprefix("of "), _MARK.findall(text[start:end])
    rest = " ".join(" ".join((_OF_AT_END.sub("", text[:start]), *own, text[end:])).split())
    rest = _NUMBERS_AT_END.sub(rf"\g<before>{MARK}\g<one>\g<between>{MARK}\g<other>", rest)
    rest = _BARE_NUMBER.sub(rf"\g<between>{MARK}", rest)
    rest = _BARE_ORDINAL.sub(lambda match: f"{MARK}{_ORDINALS.index(match['n']) + 1}{match['between']}{MARK}", rest)
    marks = _MARK.findall(rest)
    if not name or len(marks) != 2 or len(set(marks)) != 2 or not _COMPARED.search(rest):
        return None
    return " ".join(_MARK.sub(lambda match: f" {name} season {match.group()[1:]} ", rest).split())


def asks_whether_first(text: str) -> bool:
    """Return whether a question asks if the named show is first in an order: "is X the longest show"."""
    return bool(_IS_FIRST.match(text))


def asks_for_seasons_only(text: str) -> bool:
    """Return whether the question is about series rather than films or specials."""
    return bool(_SEASON.search(text))


def read_season_counts(reading: Question) -> Condition:
    """Read a number of seasons from the number of one season: "with a second season"."""
    if reading.take(_SEVERAL, "seasons"):
        return Predicate("seasons", ">=", 2)
    if reading.take(_ONE_SEASON, "seasons"):
        return Predicate("seasons", "=", 1)
    if match := reading.take(_NO_SEASON, "seasons"):
        return Predicate("seasons", "<", int(match["n"]))
    if match := reading.take(_HAVE_SEASON, "seasons"):
        return Predicate("seasons", ">=", int(match["n"] or match["ja"]))
    return EVERYTHING
