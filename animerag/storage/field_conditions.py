"""Conditions on the fields of shows as SQL, with its three values: a comparison with an unknown value is NULL."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    true,
    type_coerce,
)

from animerag.storage.field_tables import FIELDS, FRANCHISES, MARK, PLAIN
from animerag.storage.schema import my_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Expression: TypeAlias = ColumnElement[bool]
Value: TypeAlias = ColumnElement[Any]

SOURCE = FIELDS.outerjoin(my_list, my_list.c.show_id == FIELDS.c.id).outerjoin(
    FRANCHISES, FRANCHISES.c.number == FIELDS.c.number
)
_MINE = {"my_status": my_list.c.status, "my_score": my_list.c.score, "episodes_watched": my_list.c.episodes_watched}
# Fields that `FieldReader.projected` can read.
PROJECTED = frozenset((*PLAIN, *_MINE, "tags", "studios"))
_OPERATORS: dict[str, Callable[..., Value]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# In these, 0 is a value; in others it is how exports say "unknown".
_COUNTED = ("owned_episodes", "missing_episodes", "height", "file_size", "restricted")
_DATE = 10  # characters of a complete date
_MONTH = 7
EVERYTHING: Expression = true()
NOTHING: Expression = false()
UNDECIDED: Expression = type_coerce(null(), Boolean)


class NotExpressibleError(Exception):
    """A condition that SQL cannot express; the caller tests shows instead."""


def column(name: str) -> Value:
    """Return a field as it is stored. Raises KeyError for one that is not in the tables."""
    if name in _MINE:
        return _MINE[name]
    return FRANCHISES.c.seasons if name == "seasons" else FIELDS.c[name]


def known(name: str) -> Value:
    """Return a field that is NULL if it is unknown."""
    stored = column(name)
    if name in _COUNTED:
        return stored
    return func.nullif(stored, "" if isinstance(stored.type, Text) else 0, type_=stored.type)


def compared(name: str, comparison: str, value: str | float) -> Expression:
    """Return a comparison of a field; NULL if it is unknown. Raises NotExpressibleError."""
    if name == "above_rating" and not isinstance(value, bool | str):
        return _bool(_OPERATORS[comparison](known("my_score") - known("rating"), value))
    stored = column(name)
    if name == "my_status":
        return _bool(_OPERATORS[comparison](func.coalesce(known(name), "none"), checked_text(value)))
    if isinstance(stored.type, Boolean):
        if not isinstance(value, bool):
            raise NotExpressibleError
        return _bool(_OPERATORS[comparison](stored, value))
    if isinstance(value, bool) or isinstance(stored.type, Text) is not isinstance(value, str):
        raise NotExpressibleError
    if not isinstance(value, str) and not -(2**63) < value < 2**63:
        raise NotExpressibleError
    return _bool(_OPERATORS[comparison](known(name), checked_text(value) if isinstance(value, str) else value))


def is_unknown(name: str) -> Expression:
    """Return whether a field is unknown."""
    return known(name).is_(None)


def has_none(flag: str) -> Expression:
    """Return whether a show has none of several values, by the column that says whether it has some."""
    return FIELDS.c[flag].is_(False)


def has_no_value(name: str) -> Expression:
    """Return whether there are no values in a text of several."""
    return FIELDS.c[name] == ""


def bounded(name: str, low: float | None, high: float | None) -> list[Expression]:
    """Return the conditions that a known number lies within inclusive bounds. Raises NotExpressibleError."""
    return [compared(name, sign, value) for sign, value in ((">=", low), ("<=", high)) if value is not None]


def is_one_of(name: str, values: Iterable[str]) -> Expression:
    """Return whether a text is one of some; an unknown one is not."""
    stored = func.coalesce(known(name), "none") if name == "my_status" else FIELDS.c[name]
    return _bool(func.coalesce(stored.in_([value for value in values if _is_storable(value)]), false()))


def is_restricted(*, restricted: bool) -> Expression:
    """Return whether shows are known to be for adults only, or known not to be."""
    return _bool(func.coalesce(FIELDS.c.restricted == restricted, false()))


def contains(name: str, text: str) -> Expression:
    """Return whether a text contains another one, which is folded."""
    return FIELDS.c[name].contains(text, autoescape=True) if _is_storable(text) else NOTHING


def has_value(name: str, value: str) -> Expression:
    """Return whether several values in one text include one."""
    return NOTHING if MARK in value else contains(name, f"{MARK}{value}{MARK}")


def has_value_if_known(name: str, value: str) -> Expression:
    """Return the same as `has_value`; NULL if there are no values."""
    return _bool(case((FIELDS.c[name] == "", null()), else_=has_value(name, value)))


def begins(name: str, text: str) -> Expression:
    """Return whether one of several values in one text begins with a text."""
    return NOTHING if MARK in text else contains(name, f"{MARK}{text}")


def speaks(name: str, *, otherwise: str, wanted: str | None, besides: str | None) -> Expression:
    """Return whether a show's files have a language: `wanted`, or if it is None any, or any but `besides`.

    NULL if no language is known, except that subtitles are then none where `otherwise`, the other list, has some.
    """
    stored = FIELDS.c[name]
    if wanted is not None:
        has = has_value(name, wanted)
    elif besides is not None:
        has = _bool(stored.not_in(("", f"{MARK}{besides}{MARK}")))
    else:
        owned = func.coalesce(FIELDS.c.owned_episodes, 0)
        return _bool(case((owned == 0, null()), else_=stored != ""))
    lacks = case((FIELDS.c[otherwise] != "", false()), else_=null()) if otherwise else null()
    return _bool(case((stored == "", lacks), else_=has))


def dated(name: str, comparison: str, wanted: str) -> Expression:
    """Compare dates as precisely as both are known; NULL if that leaves the result undecided."""
    stored, size = known(name), len(wanted)
    beginning = func.substr(stored, 1, size)
    other = func.substr(literal(checked_text(wanted)), 1, func.length(stored))
    complete = func.length(stored) >= size
    if comparison == "=":
        return _bool(case((complete, beginning == other), else_=null()))
    differs = _OPERATORS[comparison](beginning, other)
    equal = true() if comparison in ("<=", ">=") else false()
    return _bool(case((stored.is_(None), null()), (beginning != other, differs), (complete, equal), else_=null()))


def aired(low: str | None, high: str | None) -> list[Expression]:
    """Return the conditions that a show began to air within bounds, whatever day a partial date means."""
    date = FIELDS.c.air_date
    length = func.length(date)
    first = case((length == _DATE, date), (length == _MONTH, date + "-01"), else_=date + "-01-01")
    bounds = [func.coalesce(date, "") != ""]
    if low:
        whole = low if len(low) == _DATE else f"{low}-01" if len(low) == _MONTH else f"{low}-01-01"
        bounds.append(first >= checked_text(whole))
    if high:
        bounds.append(date + "-99" <= checked_text(f"{high}-99"))
    return bounds


def ranked(field: str) -> Value:
    """Return what orders shows by a field, NULL if it is unknown."""
    if field == "year":
        year = cast(FIELDS.c.year, Text)
        begins_with_year = func.substr(FIELDS.c.air_date, 1, func.length(year)) == year
        return case((func.coalesce(FIELDS.c.year, 0) == 0, null()), (begins_with_year, FIELDS.c.air_date), else_=year)
    if field == "difference":
        return func.nullif(func.abs(known("my_score") - known("rating")), 0)
    stored = column(field)
    return func.nullif(stored, "" if isinstance(stored.type, Text) else 0)


def all_of(parts: Iterable[Expression]) -> Expression:
    """Return whether all parts hold."""
    return and_(true(), *parts)


def any_of(parts: Iterable[Expression]) -> Expression:
    """Return whether one part holds."""
    return or_(false(), *parts)


def negated(part: Expression) -> Expression:
    """Return the opposite."""
    return _bool(case((part, false()), (part.is_(None), null()), else_=true()))


def one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return 1 or 0."""
    return case((condition, 1), else_=0)


def checked_text(value: object) -> str:
    """Return a text that both databases can store. Raises NotExpressibleError."""
    if not isinstance(value, str) or not _is_storable(value):
        raise NotExpressibleError
    return value


def _is_storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _bool(expression: Value) -> Expression:
    return type_coerce(expression, Boolean)
