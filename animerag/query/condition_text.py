"""Reads conditions from text: the output of `str(condition)` in links, JSON and saved filters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from animerag.errors import InvalidInputError
from animerag.query.local_files import NUMBERS
from animerag.query.plan import And, FieldName, Not, Of, Or, Predicate, both

if TYPE_CHECKING:
    from animerag.query.plan import Condition, Value

_LONGEST = 2000  # characters
_DEEPEST = 20  # levels of nested conditions
_PREDICATE = re.compile(
    rf"(?P<field>{'|'.join(get_args(FieldName))})(?:(?P<operator><=|>=|\^=|=|<|>)(?P<value>.*)| unknown)", re.DOTALL
)
_BEGINS = re.compile(rf"\s*(?:\(|not |(?:{'|'.join(get_args(FieldName))})(?:<=|>=|=|<|>| unknown))")
_NUMBERS = (
    "year",
    "end_year",
    "episodes",
    "rating",
    "votes",
    "duration",
    "my_score",
    "above_rating",
    "my_progress",
    "seasons",
    *NUMBERS,
)


def parse(text: str) -> Condition:
    """Return the condition in a text. Raises InvalidInputError if there is none."""
    if len(text) > _LONGEST:
        raise InvalidInputError(f"The filter has {len(text):,} characters: shorten it to {_LONGEST:,} or fewer.")
    return _expression(text.strip(), 0)


def _expression(text: str, depth: int) -> Condition:
    if depth > _DEEPEST:
        raise InvalidInputError("The filter is nested too deeply: use fewer brackets.")
    for word, join in ((" and ", And), (" or ", Or)):
        parts = _split(text, word)
        if len(parts) > 1:
            conditions = tuple(_expression(part, depth + 1) for part in parts)
            return both(*conditions) if join is And else Or(conditions)
    if text.startswith("not "):
        return Not(_expression(text[4:].strip(), depth + 1))
    if text.startswith("(") and text.endswith(")"):
        return _expression(text[1:-1].strip(), depth + 1)
    return _predicate(text)


def _split(text: str, word: str) -> list[str]:
    """Split at a word outside brackets if a condition follows, because a value may contain the same word."""
    parts, depth, start, at = [], 0, 0, 0
    while at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0 and text.startswith(word, at) and _BEGINS.match(text, at + len(word)):
            parts.append(text[start:at].strip())
            at += len(word)
            start = at
        else:
            at += 1
    return [*parts, text[start:].strip()]


def _predicate(text: str) -> Predicate:
    match = _PREDICATE.fullmatch(text)
    if match is None:
        raise InvalidInputError(f"“{text[:60]}” is not a filter: write a field and a value, as in year>=2010.")
    name: FieldName = match["field"]  # type: ignore[assignment]
    if match["operator"] is None:
        return Predicate(name, "unknown")
    return Predicate(name, match["operator"], _value(name, match["value"]))  # type: ignore[arg-type]


def _value(name: str, text: str) -> Value:
    if text.startswith("of "):
        return Of(text[3:])
    if name == "restricted":
        return text == "yes"
    if name not in _NUMBERS:
        return text
    try:
        number = float(text)
    except ValueError as error:
        raise InvalidInputError(f"“{text[:60]}” is not a number: write one, as in {name}>=10.") from error
    return int(number) if number.is_integer() else number
