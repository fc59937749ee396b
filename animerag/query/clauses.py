"""Combines the conditions of a question: "and" and "or", values that exclude each other, and alternatives.

"Films from 1995 and series from 2005" are two alternatives, each with its own conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from animerag.query.lexicon import Mood, Unapplied
from animerag.query.plan import EVERYTHING, And, Not, Predicate, both, comparisons, either, negated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.query.lexicon import Meaning
    from animerag.query.plan import Condition

# A show has one value of these fields, so "films and OVAs" means either.
_ONE_OF_MANY = ("type", "season", "status", "year")
_NUMBERS = ("year", "end_year", "episodes", "rating", "votes", "duration")
_SEPARATORS = ("and", "or", "but")


@dataclass(frozen=True, slots=True)
class Annotation:
    """A span of the question and its meaning; `value` is a condition, a mood, or the name of an operator."""

    start: int
    end: int
    value: Meaning | str


Claims = list[tuple[Annotation, bool]]  # each claim, and whether it is negated


def is_condition(value: Meaning | str) -> bool:
    """Return whether a claim is a condition."""
    return not isinstance(value, str | Mood | Unapplied)


def joined(claims: Sequence[tuple[Annotation, bool]]) -> list[Condition]:
    """Return the conditions that must all hold, from claims and whether each is negated."""
    alternatives, shared = _alternatives(claims)
    if not alternatives:
        return _joined(claims)
    return [either(*(both(*_joined(one)) for one in alternatives)), *_joined(shared)]


def _alternatives(claims: Sequence[tuple[Annotation, bool]]) -> tuple[list[Claims], Claims]:
    """Return the alternatives of a question and the conditions common to all; no alternatives if it has only one part.

    Parts are alternatives if each has conditions on at least two fields, and either no show can meet both or their
    fields are the same.
    """
    refused: Claims = [(claim, negative) for claim, negative in claims if negative and is_condition(claim.value)]
    parts: list[Claims] = [[]]
    for claim, negative in claims:
        if claim.value in _SEPARATORS and _fields(parts[-1]):
            parts.append([])
        if not negative:
            parts[-1].append((claim, negative))
    parts = [part for part in parts if _fields(part)]
    alternatives: list[Claims] = []
    waiting: Claims = []
    for place, part in enumerate(parts):
        others = {name for other in parts if other is not part for name in _fields(other)}
        if len(_fields(part)) > 1:
            alternatives.append([*waiting, *part])
            waiting = []
        elif _fields(part).isdisjoint(others):
            refused = [*refused, *part]  # "..., rated above 8" applies to all
        elif alternatives and (place == len(parts) - 1 or _fields(part) <= _fields(parts[place - 1][-1:])):
            alternatives[-1] += part
        else:
            waiting += part
    pairs = list(pairwise(alternatives))
    if waiting or not pairs or not all(_exclude(one, other) for one, other in pairs):
        return [], []
    return alternatives, refused


def _fields(claims: Sequence[tuple[Annotation, bool]]) -> set[str]:
    return {test.field for claim, _ in claims if is_condition(claim.value) for test in comparisons(claim.value)}  # type: ignore[arg-type]


def _exclude(one: Claims, other: Claims) -> bool:
    if _fields(one) == _fields(other):
        return True
    mine, its = _tests(one), _tests(other)
    for name in _NUMBERS:
        low, high = zip(_bounds(mine, name), _bounds(its, name), strict=True)
        if max(low) > min(high):
            return True
    kinds = [{test.value for test in tests if test.field == "type"} for tests in (mine, its)]
    return bool(kinds[0] and kinds[1]) and kinds[0].isdisjoint(kinds[1])


def _tests(claims: Claims) -> list[Predicate]:
    return [test for claim, _ in claims if is_condition(claim.value) for test in comparisons(claim.value)]  # type: ignore[arg-type]


def _bounds(tests: Sequence[Predicate], name: str) -> tuple[float, float]:
    """Return the range of values that these tests allow for a field, both ends included."""
    low, high = float("-inf"), float("inf")
    for test in tests:
        if test.field == name and isinstance(test.value, int | float):
            low = max(low, test.value) if test.operator in ("=", ">", ">=") else low
            high = min(high, test.value) if test.operator in ("=", "<", "<=") else high
    return low, high


def _joined(claims: Sequence[tuple[Annotation, bool]]) -> list[Condition]:
    """Join neighbours that are linked by "or", and those of which a show can have only one."""
    parts: list[tuple[Condition, int]] = []  # a condition and the number of its clause
    pending_or, clause, negatives = False, 0, []
    for claim, negative in claims:
        if isinstance(claim.value, str):
            pending_or = claim.value == "or" or (pending_or and claim.value != "but")
            clause += claim.value in ("but", "not")
            continue
        if not is_condition(claim.value):
            continue
        condition: Condition = claim.value  # type: ignore[assignment]
        if negative:
            negatives.append(negated(condition))
            pending_or = False
        elif pending_or and parts and parts[-1][1] == clause:
            parts[-1] = (either(parts[-1][0], condition), clause)
            pending_or = False
        else:
            parts.append((condition, clause))
            pending_or = False
    return [*_exclusive([part for part, _ in parts]), *negatives]


def _exclusive(parts: list[Condition]) -> list[Condition]:
    """Join conditions that no show can meet together: two values of one field, or separate ranges of a number."""
    parts = _apart(parts)
    joined: dict[str, Condition] = {}
    rest: list[Condition] = []
    for part in parts:
        name = _equal_field(part)
        if name in _ONE_OF_MANY:
            joined[name] = either(joined[name], part) if name in joined else part
        else:
            rest.append(part)
    return [*joined.values(), *rest] if joined else rest


def _apart(parts: list[Condition]) -> list[Condition]:
    """Join separate ranges of one number as alternatives: "from the 80s and the 2000s"."""
    by_field: dict[str, list[Condition]] = {}
    for part in parts:
        tests = [] if isinstance(part, Not) else list(comparisons(part))
        names = {test.field for test in tests}
        if len(names) == 1 and (name := names.pop()) in _NUMBERS and not any(t.operator == "unknown" for t in tests):
            by_field.setdefault(name, []).append(part)
    for field, ranges in by_field.items():
        bounds = sorted(_bounds(list(comparisons(one)), field) for one in ranges)
        if any(one[1] < other[0] for one, other in pairwise(bounds)):
            place = next(at for at, part in enumerate(parts) if part is ranges[0])
            rest = [part for part in parts if not any(part is one for one in ranges)]
            parts = [*rest[:place], either(*ranges), *rest[place:]]
    return parts


def _equal_field(part: Condition) -> str:
    if isinstance(part, Predicate) and part.operator == "=":
        return part.field
    names = {_equal_field(one) for one in part.parts} if not isinstance(part, Predicate | Not) and part.parts else set()
    return names.pop() if len(names) == 1 and part is not EVERYTHING and not isinstance(part, And) else ""
