"""Writes a plan in words that are read as the same plan: how Ask understood a question, and what to ask instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.models.filters import STATUS_LABELS
from animerag.query import local_files
from animerag.query.japanese_rendering import japanese_phrase, japanese_range
from animerag.query.plan import FOLLOWED, And, Not, Of, Or, Predicate, comparisons, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.query.plan import Condition, Order, Plan

_TYPES = {"movie": "movies", "ova": "OVAs", "tv": "TV series", "special": "specials", "web": "web series"}
_MORE_THAN = {"<": "under {}", "<=": "at most {}", "=": "exactly {}", ">": "over {}", ">=": "at least {}"}
_YEARS = {"<": "before {}", "<=": "until {}", "=": "from {}", ">": "after {}", ">=": "since {}"}
_UNITS = {
    "episodes": "with {} episodes",
    "votes": "with {} votes",
    "rating": "rated {}",
    "duration": "with {} minutes",
    "seasons": "with {} seasons",
}
_NOUNS = {
    "episodes": "an episode count",
    "tag": "tags",
    "votes": "votes",
    "duration": "a running time",
    "relation": "related shows",
    "end_year": "an end year",
    "air_date": "an air date",
}
_ORDERS = {
    ("rating", True): "highest rated",
    ("rating", False): "lowest rated",
    ("episodes", True): "longest",
    ("episodes", False): "shortest",
    ("votes", True): "most popular",
    ("votes", False): "least popular",
    ("year", True): "newest",
    ("year", False): "oldest",
    ("seasons", True): "most seasons",
    ("underrated", True): "underrated",
    ("underrated", False): "overrated",
    ("file_size", True): "largest on disk",
    ("file_size", False): "smallest on disk",
}
_FOLLOWED_LABEL = "with a sequel"
_STATES = {"airing": "still airing", "finished": "finished airing"}


def render(plan: Plan) -> str:
    """Return a question that reads as this plan: a list, a count or a superlative over the catalogue's own fields."""
    conditions = ", ".join(phrase(part) for part in parts_of(plan.condition))
    if plan.intent == "count":
        return f"how many shows {conditions}".strip()
    if plan.intent == "superlative" and plan.order is not None:
        return f"{_order(plan.order, plan.limit)} shows {conditions}".strip()
    return f"list all {conditions}"


def phrase(condition: Condition, title_of: Callable[[str], str] = str, *, japanese: bool = False) -> str:
    """Return a condition in words: "movies", "not comedy", "with at least 12 episodes".

    `title_of` returns the title of a show by its id.
    """
    if japanese:
        return japanese_phrase(condition, title_of)
    if isinstance(condition, Not):
        if isinstance(condition.part, Predicate) and condition.part.operator == "unknown":
            return phrase(condition.part, title_of).replace("without", "with", 1)
        if isinstance(condition.part, Predicate) and condition.part.value == FOLLOWED:
            return "without a sequel"
        refused = parts_of(condition.part)
        if len(refused) > 1 and all(isinstance(part, Predicate) and part.field == "tag" for part in refused):
            return f"not both {' and '.join(phrase(part, title_of) for part in refused)}"
        return f"not {phrase(condition.part, title_of)}"
    if isinstance(condition, Or):
        if {str(part) for part in condition.parts} == {"type=tv", "type=web"}:
            return "series"
        return " or ".join(phrase(part, title_of) for part in condition.parts)
    if isinstance(condition, And):
        fields = {part.field: part for part in condition.parts if isinstance(part, Predicate)}
        if len(condition.parts) == len(fields) == 2 and fields.keys() == {"season", "year"}:
            return f"from {fields['season'].value} {fields['year'].value}"
        parts = sorted(condition.parts, key=_usual_order)
        return " ".join(_dated(label) for _, label in labelled(And(tuple(parts)), title_of))
    if isinstance(condition.value, Of):
        return _relation(condition, title_of(condition.value.show))
    return _compared(condition, condition.value)


def labelled(
    condition: Condition, title_of: Callable[[str], str] = str, *, japanese: bool = False
) -> list[tuple[tuple[str, ...], str]]:
    """Return the conditions that must all hold as chips: the keys and the words of each.

    Two bounds of one field are one chip: "2000 to 2009".
    """
    parts = list(parts_of(condition))
    chips: list[tuple[tuple[str, ...], str]] = []
    while parts:
        part = parts.pop(0)
        other = next((one for one in parts if _is_range(part, one)), None)
        if other is None:
            chips.append(((str(part),), phrase(part, title_of, japanese=japanese)))
            continue
        parts.remove(other)
        low, high = sorted((part, other), key=lambda one: one.operator.startswith("<"))  # type: ignore[union-attr]
        words = japanese_range(low, high) if japanese else _range(low, high)  # type: ignore[arg-type]
        chips.append(((str(part), str(other)), words))
    return chips


def _usual_order(part: Condition) -> int:
    """Order the parts of a phrase: "horror movies from 1980 to 1989"."""
    fields = {test.field for test in comparisons(part)}
    return 0 if fields == {"tag"} else 1 if fields == {"type"} else 2


def _dated(label: str) -> str:
    return f"from {label}" if label[:1].isdigit() else label


def _is_range(one: Condition, other: Condition) -> bool:
    if not (isinstance(one, Predicate) and isinstance(other, Predicate) and one.field == other.field):
        return False
    if isinstance(one.value, Of) or isinstance(other.value, Of):
        return False
    return {one.operator, other.operator} == {">=", "<="}


def _range(low: Predicate, high: Predicate) -> str:
    if low.field == "air_date":
        month = str(low.value)[:7]
        return f"aired in {month}" if str(high.value).startswith(month) else f"aired {low.value} to {high.value}"
    words = f"{low.value} to {high.value}"
    return _UNITS[low.field].format(words) if low.field in _UNITS else words


def _relation(one: Predicate, title: str) -> str:
    """Return a comparison with a show in words: "more episodes than X"."""
    name = {"rating": "rating", "year": "start year", "votes": "votes", "episodes": "episodes"}.get(
        one.field, one.field
    )
    words = {">": "more {} than", "<": "fewer {} than", "=": "the same {} as"}
    if one.field == "year":
        words = {">": "newer than", "<": "older than", "=": "from the same year as"}
    elif one.field == "rating":
        words = {">": "rated higher than", "<": "rated lower than", "=": "rated like"}
    return f"{words.get(one.operator, one.operator).format(name)} {title}"


def _compared(one: Predicate, value: str | float) -> str:
    if one.field in local_files.NUMBERS or one.field in local_files.LANGUAGES:
        return local_files.phrase(one)
    if one.operator == "unknown":
        return f"without {_NOUNS.get(one.field) or f'a {one.field}'}"
    if one.field == "tag" and one.operator == ">=":
        return f"with some {value}"
    if one.field == "type":
        return _TYPES.get(str(value), str(value))
    if one.field in ("year", "end_year"):
        words = _YEARS[one.operator].format(value)
        return f"ended {words.replace('from', 'in')}" if one.field == "end_year" else words
    if one.field in _UNITS:
        number = f"{value:,}" if one.field == "votes" and isinstance(value, int) else value
        words = _UNITS[one.field].format(_MORE_THAN[one.operator].format(number))
        return words.removesuffix("s") if value == 1 and one.field in ("episodes", "seasons") else words
    if one.field == "season":
        return f"from {value}"
    if one.field == "status":
        return _STATES.get(str(value), str(value))
    if one.field == "restricted":
        return "restricted" if value else "not restricted"
    if one.field == "air_date":
        return f"aired {_YEARS[one.operator].format(value)}"
    if one.field == "my_status":
        return STATUS_LABELS[value]  # type: ignore[index]
    if one.field == "my_progress":
        return f"with {_MORE_THAN[one.operator].format(value)} episodes watched"
    if one.field == "my_score":
        return f"scored {_MORE_THAN[one.operator].format(value)} by you"
    if one.field == "above_rating":
        points = f" by {_MORE_THAN[one.operator].format(abs(value))} points" if value else ""  # type: ignore[arg-type]
        return f"scored {'lower' if one.operator.startswith('<') else 'higher'} by you than by others{points}"
    if one.field == "relation":
        return _FOLLOWED_LABEL if value == FOLLOWED else f"{value}s"
    if one.field == "suitable":
        return "suitable for children"
    if one.field == "title":
        return f"with a title that begins with “{value}”" if one.operator == "^=" else f"titled “{value}”"
    return str(value)


def ordered_by(order: Order) -> str:
    """Return an order in words: "highest rated"."""
    return _ORDERS.get((order.field, order.descending), order.field)


def _order(order: Order, limit: int | None) -> str:
    words = ordered_by(order)
    return f"{limit} {words}" if limit else words
