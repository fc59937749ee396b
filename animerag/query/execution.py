"""Carries a plan out over the catalogue's fields: which shows meet its condition, counted and ordered.

Only plans that are understood whole are answered here: nothing left for search, nothing ignored, nothing missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from animerag.models import FactAnswer, Filters, Sort
from animerag.query.plan import Not, Of, Predicate, evaluate, parts_of
from animerag.query.rendering import phrase

if TYPE_CHECKING:
    from animerag.models import FactKind, Show
    from animerag.query.field_index import FieldIndex
    from animerag.query.plan import Condition, Plan

_KINDS: dict[str, FactKind] = {"list": "list", "count": "count", "superlative": "order"}
_ORDERS = frozenset(("year", "end_year", "episodes", "rating", "votes", "duration"))
_TESTED = frozenset(
    (
        *("type", "year", "season", "air_date", "end_year", "status", "episodes", "rating", "votes", "duration"),
        *("tag", "restricted"),
    )
)


def is_whole(plan: Plan) -> bool:
    """Tell whether fields alone answer the plan, with every word of the question in it."""
    left_over = plan.text or plan.ignored or plan.missing or plan.moods or plan.reference or plan.measure
    elsewhere = plan.shows or plan.number is not None or plan.offset or plan.group
    if plan.intent not in _KINDS or left_over or elsewhere:
        return False
    if any(test.field not in _TESTED for test in _tests(plan.condition)):
        return False
    if plan.intent == "superlative":
        return plan.order is not None and plan.order.field in _ORDERS
    return plan.order is None and (plan.intent == "count" or bool(parts_of(plan.condition)))


def compares_with_a_show(plan: Plan) -> bool:
    """Tell whether a condition takes its value from a show: "longer than X"."""
    return any(isinstance(test.value, Of) for test in _tests(plan.condition))


def carry_out(plan: Plan, table: FieldIndex, by_hand: Filters) -> FactAnswer | None:
    """Return every show that meets the plan and the filters set by hand, or None where the plan is not whole."""
    if not is_whole(plan):
        return None
    shows = [show for show in table.shows() if meets(show, plan.condition, table) and table.allows(show.id, by_hand)]
    ids, sort, unknown = [show.id for show in shows], None, 0
    if plan.order is not None:
        sort = Sort(field=plan.order.field, descending=plan.order.descending)  # type: ignore[arg-type]
        ids = table.ordered(ids, sort)
        unknown = len(shows) - len(ids)
    total = len(ids)
    if sort and plan.limit:
        ids = table.first(ids, plan.limit, sort.field)
    return FactAnswer(
        kind=_KINDS[plan.intent],
        ids=tuple(ids),
        total=total,
        field=sort.field if sort else None,
        values=tuple(table.value(show_id, sort.field) for show_id in ids) if sort else (),
        filters=by_hand,
        sort=sort,
        unknown=unknown,
        conditions=tuple(plan.conditions()),
        labels=tuple(phrase(part) for part in parts_of(plan.condition)),
    )


def meets(show: Show, condition: Condition, table: FieldIndex) -> bool:
    """Tell whether a show surely meets a condition; an unknown value meets neither it nor its opposite."""
    return evaluate(condition, lambda test: _holds(show, test, table)) is True


def _tests(condition: Condition) -> list[Predicate]:
    if isinstance(condition, Predicate):
        return [condition]
    parts = (condition.part,) if isinstance(condition, Not) else condition.parts
    return [test for part in parts for test in _tests(part)]


def _holds(show: Show, test: Predicate, table: FieldIndex) -> bool | None:
    if test.field == "tag":
        return table.has_tag(show.id, str(test.value))
    value = _value(show, test.field)
    if test.operator == "unknown":
        return value is None
    wanted: Any = test.value
    if isinstance(wanted, Of):
        other = table.show(wanted.show)
        wanted = _value(other, test.field) if other else None
    if value is None or wanted is None:
        return None
    if test.field == "air_date":
        return _dated(value, test.operator, str(wanted))
    return _compared(value, test.operator, wanted)


def _value(show: Show, field: str) -> Any:
    if field == "restricted":
        return show.restricted
    # 0 is how exports say "unknown".
    return getattr(show, "airing" if field == "status" else field) or None


def _dated(value: str, operator: str, wanted: str) -> bool | None:
    """Compare dates as far as both are known; None where the shorter one leaves it open."""
    size = min(len(value), len(wanted))
    if operator == "=":
        return value[:size] == wanted[:size] if len(value) >= len(wanted) else None
    if value[:size] != wanted[:size]:
        return _compared(value[:size], operator, wanted[:size])
    return operator in ("<=", ">=") if len(value) >= len(wanted) else None


def _compared(value: Any, operator: str, wanted: Any) -> bool:
    if operator == "=":
        return bool(value == wanted)
    below, same = value < wanted, value == wanted
    return bool({"<": below, "<=": below or same, ">": not below and not same, ">=": not below}[operator])
