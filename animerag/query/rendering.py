"""A plan in words that read back as the same plan: what Ask shows as understood, and what may be asked instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.query.plan import And, Not, Of, Or, Predicate, parts_of

if TYPE_CHECKING:
    from animerag.query.plan import Condition, Order, Plan

_TYPES = {"movie": "movies", "ova": "OVAs", "tv": "TV series", "special": "specials", "web": "web series"}
_MORE_THAN = {"<": "under {}", "<=": "at most {}", "=": "exactly {}", ">": "over {}", ">=": "at least {}"}
_YEARS = {"<": "before {}", "<=": "until {}", "=": "from {}", ">": "after {}", ">=": "since {}"}
_UNITS = {"episodes": "with {} episodes", "votes": "with {} votes", "rating": "rated {}", "duration": "with {} minutes"}
_ORDERS = {
    ("rating", True): "highest rated",
    ("rating", False): "lowest rated",
    ("episodes", True): "longest",
    ("episodes", False): "shortest",
    ("votes", True): "most popular",
    ("votes", False): "least popular",
    ("year", True): "newest",
    ("year", False): "oldest",
    ("underrated", True): "underrated",
}
_STATES = {"airing": "still airing", "finished": "finished airing"}


def render(plan: Plan) -> str:
    """Return a question that reads as this plan: a list, a count or a superlative over the catalogue's own fields."""
    conditions = ", ".join(phrase(part) for part in parts_of(plan.condition))
    if plan.intent == "count":
        return f"how many shows {conditions}".strip()
    if plan.intent == "superlative" and plan.order is not None:
        return f"{_order(plan.order, plan.limit)} shows {conditions}".strip()
    return f"list all {conditions}"


def phrase(condition: Condition) -> str:
    """Return a condition as one would say it: "movies", "not comedy", "with at least 12 episodes"."""
    if isinstance(condition, Not):
        return f"not {phrase(condition.part)}"
    if isinstance(condition, Or):
        return " or ".join(phrase(part) for part in condition.parts)
    if isinstance(condition, And):
        fields = {part.field: part for part in condition.parts if isinstance(part, Predicate)}
        if len(condition.parts) == len(fields) == 2 and fields.keys() == {"season", "year"}:
            return f"from {fields['season'].value} {fields['year'].value}"
        return " and ".join(phrase(part) for part in condition.parts)
    return _compared(condition)


def _compared(one: Predicate) -> str:
    if one.operator == "unknown":
        return f"unknown {'episode count' if one.field == 'episodes' else one.field}"
    value = one.value.show if isinstance(one.value, Of) else one.value
    if one.field == "type":
        return _TYPES.get(str(value), str(value))
    if one.field in ("year", "end_year"):
        said = _YEARS[one.operator].format(value)
        return f"ended {said.replace('from', 'in')}" if one.field == "end_year" else said
    if one.field in _UNITS:
        return _UNITS[one.field].format(_MORE_THAN[one.operator].format(value))
    if one.field == "season":
        return f"from {value}"
    if one.field == "status":
        return _STATES.get(str(value), str(value))
    if one.field == "restricted":
        return "restricted" if value else "not restricted"
    if one.field == "air_date":
        return f"aired {_YEARS[one.operator].format(value)}"
    return str(value)


def _order(order: Order, limit: int | None) -> str:
    words = _ORDERS.get((order.field, order.descending), order.field)
    return f"{limit} {words}" if limit else words
