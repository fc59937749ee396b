"""Executes a plan on the catalogue's fields: selects the matching shows, and counts, orders or measures them.

Only plans that are completely understood are answered; `is_whole` decides that. An unknown value meets neither a
condition nor its opposite.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from animerag.models.filters import Sort
from animerag.models.retrieval import FactAnswer
from animerag.query import local_files
from animerag.query.lexicon import unsuitable_tags
from animerag.query.plan import EVERYTHING, FOLLOWED, And, Of, comparisons, compiled, parts_of
from animerag.query.rendering import labelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from animerag.models.filters import Filters
    from animerag.models.retrieval import FactKind
    from animerag.models.shows import Show
    from animerag.query.field_index import FieldIndex
    from animerag.query.plan import Condition, Plan, Predicate, Verdict

_KINDS: dict[str, FactKind] = {"list": "list", "my_list": "list", "count": "count", "superlative": "order"}
_NUMBERS = ("year", "end_year", "episodes", "rating", "votes", "duration")
_CONTINUES = ("prequel", "parent story")  # relations that a sequel has
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# Fields that most shows lack, so that answers do not mention it.
_OWN_ORDERS = (
    "underrated",
    "my_score",
    "difference",
    "seasons",
)
_FIRST = 10  # shows in an order if the question has no number
# Names of a plan's fields in a show.
ATTRIBUTES = {"status": "airing", "my_progress": "episodes_watched", **local_files.LANGUAGES}
_MANY = {"tag": "tags", "relation": "relations", "studio": "studios", "title": "titles"}  # fields with several values
_UNDERRATED_FROM = 7.0  # out of 10


def is_whole(plan: Plan) -> bool:
    """Return whether fields alone answer the plan, and every word of the question was understood."""
    if plan.intent not in _KINDS or plan.text or plan.ignored or plan.missing or plan.moods or plan.measure:
        return False
    if plan.shows and not compares_with_a_show(plan) and not _asks_whether_first(plan):
        return False
    if plan.reference or plan.number is not None or plan.group:
        return False
    if plan.intent == "superlative":
        return plan.order is not None
    if plan.order is not None and plan.intent != "my_list":
        return False
    return plan.intent in ("count", "my_list") or plan.condition != EVERYTHING or plan.within is not None


def _asks_whether_first(plan: Plan) -> bool:
    """Return whether the plan asks if the one named show is first in an order: "is X the longest show"."""
    return plan.intent == "superlative" and plan.yes_no and plan.order is not None and len(plan.shows) == 1


def compares_with_a_show(plan: Plan) -> bool:
    """Return whether a condition takes its value from a show: "longer than X"."""
    return any(isinstance(test.value, Of) for test in comparisons(plan.condition))


def carry_out(plan: Plan, table: FieldIndex, filters: Filters, *, japanese: bool = False) -> FactAnswer | None:
    """Return every show that meets the plan and `filters`; None if the plan is not whole.

    With `japanese`, labels are in Japanese.
    """
    if not is_whole(plan):
        return None
    shows, undecided = selected(plan, table, filters)
    ids, sort, unknown = [show.id for show in shows], None, 0
    if plan.order is not None:
        plan = _of_films(plan, shows)
        if plan.missing:
            return FactAnswer(
                kind="text", intent=plan.intent, conditions=tuple(plan.conditions()), missing=plan.missing
            )
        sort, ids = _ordered(plan, shows, table)
        goes_without_saying = ids and plan.order is not None and plan.order.field in _OWN_ORDERS
        unknown = 0 if plan.order is None or goes_without_saying else len(shows) - len(ids)
    total = len(ids)
    value: int | str | None = total if plan.intent in ("count", "my_list") else None
    if sort:
        limit = plan.limit or _FIRST
        ids = table.first(ids[plan.offset :], limit, sort.field)
        if _asks_whether_first(plan):
            value = "yes" if plan.shows[0] in ids else "no"
    return FactAnswer(
        kind="order" if sort else _KINDS[plan.intent],
        intent=plan.intent,
        ids=tuple(ids),
        total=total,
        value=value,
        field=sort.field if sort else None,
        values=tuple(table.value(show_id, sort.field) for show_id in ids) if sort else (),
        filters=filters,
        sort=sort,
        unknown=unknown,
        undecided=tuple(show.id for show in undecided),
        conditions=tuple(plan.conditions()),
        labels=labels_of(plan.condition, table, japanese=japanese),
        complete=True,
    )


def selected(plan: Plan, table: FieldIndex, filters: Filters) -> tuple[list[Show], list[Show]]:
    """Return the shows that meet a plan's condition, and those whose unknown values leave it undecided."""
    within = None if plan.within is None else set(plan.within)
    met, undecided, verdict_on = [], [], verdicts(plan.condition, table)
    for show in table.shows():
        if (within is not None and show.id not in within) or not table.allows(show.id, filters):
            continue
        verdict = verdict_on(show)
        if verdict:
            met.append(show)
        elif verdict is None:
            undecided.append(show)
    return met, undecided


def without_each(plan: Plan, table: FieldIndex, filters: Filters) -> list[tuple[Condition, int]]:
    """Return the number of shows that match without each condition in turn, for a plan without a match."""
    parts = parts_of(plan.condition)
    counts = []
    for left_out in parts:
        rest = matcher(And(tuple(part for part in parts if part is not left_out)), table)
        number = sum(rest(show) for show in table.shows() if table.allows(show.id, filters))
        counts.append((left_out, number))
    return counts


def span_of(plan: Plan, table: FieldIndex) -> tuple[str, Any, Any] | None:
    """Return the field of a plan's only condition, with the lowest and the highest value in the catalogue."""
    parts = list(comparisons(plan.condition))
    if len({part.field for part in parts}) != 1 or parts[0].field not in _NUMBERS or parts[0].operator == "unknown":
        return None
    values = [value for show in table.shows() if (value := value_of(show, parts[0].field)) is not None]
    return (parts[0].field, min(values), max(values)) if values else None


def labels_of(condition: Condition, table: FieldIndex, *, japanese: bool = False) -> tuple[str, ...]:
    """Return each condition in words, in which ids of shows are replaced by titles."""
    return tuple(label for _, label in labelled(condition, table.title_of, japanese=japanese))


def verdicts(condition: Condition, table: FieldIndex) -> Verdict[Show]:
    """Return a condition as a function of a show: whether it holds, or None if an unknown value leaves it undecided."""
    return compiled(condition, lambda test: _test(test, table))


def matcher(condition: Condition, table: FieldIndex) -> Callable[[Show], bool]:
    """Return a condition as a function that is true only if a show certainly meets it."""
    verdict = verdicts(condition, table)
    return lambda show: verdict(show) is True


def _of_films(plan: Plan, shows: Sequence[Show]) -> Plan:
    """Return the plan with running times instead of episodes if all shows are films, which have one episode each."""
    order = plan.order
    if order is None or order.field != "episodes" or not shows or any(show.type != "movie" for show in shows):
        return plan
    if not any(show.duration for show in shows):
        return replace(plan, missing=("duration",))
    return replace(plan, order=replace(order, field="duration"))


def _ordered(plan: Plan, shows: Sequence[Show], table: FieldIndex) -> tuple[Sort, list[str]]:
    order = plan.order
    if order is None:
        raise ValueError("a plan without an order cannot be ordered")
    if order.field == "underrated":
        # Underrated shows are rated by fewer people than the median.
        votes = sorted(show.votes for show in shows if show.votes)
        if not votes:
            return Sort(field="votes"), []
        middle = votes[len(votes) // 2]
        few = [
            show.id for show in shows if show.votes and show.votes <= middle and (show.rating or 0) >= _UNDERRATED_FROM
        ]
        sort = Sort(field="rating")
        return sort, table.ordered(few or [show.id for show in shows], sort)
    sort = Sort(field=order.field, descending=order.descending)
    return sort, table.ordered((show.id for show in shows), sort)


def _test(test: Predicate, table: FieldIndex) -> Verdict[Show]:
    wanted: Any = test.value
    if test.operator == "unknown":
        unknown = test.field
        many = attrgetter(_MANY[unknown]) if unknown in _MANY else None
        return (lambda show: not many(show)) if many else (lambda show: value_of(show, unknown) is None)
    if test.field == "tag":
        tagged = frozenset(show.id for show in table.tagged(str(wanted), mainly=test.operator == "="))
        return lambda show: show.id in tagged
    if test.field == "title" and test.operator == "^=":
        beginning = str(wanted).casefold()
        return lambda show: any(
            title.casefold().startswith(beginning) for title in (show.title, show.english_title or "")
        )
    if test.field == "title":
        return lambda show: table.has_title(show.id, str(wanted))
    if test.field == "relation":
        kinds = {"sequel": _CONTINUES, FOLLOWED: ("sequel",)}.get(str(wanted), (str(wanted),))
        return lambda show: any(item.kind.casefold() in kinds for item in show.relations)
    if test.field == "seasons" and not isinstance(wanted, Of):
        counted = table.franchises.seasons
        return lambda show: None if show.id not in counted else holds(counted[show.id], test)
    if test.field == "suitable":
        unsuitable = frozenset(show.id for tag in unsuitable_tags() for show in table.tagged(tag))
        return lambda show: not show.restricted and show.id not in unsuitable
    if test.field in local_files.LANGUAGES and test.operator == "=":
        return local_files.speaks(str(wanted), test.field)
    if test.field == "studio":
        name = str(wanted).casefold()
        return lambda show: name in {one.casefold() for one in show.studios} if show.studios else None
    field = test.field
    if isinstance(wanted, Of):
        other = table.show(wanted.show)
        wanted = value_of(other, field) if other else None
    if wanted is None:
        return lambda _: None
    if field == "air_date":
        return lambda show: _dated(value, test.operator, str(wanted)) if (value := value_of(show, field)) else None
    compare = _OPERATORS[test.operator]
    return lambda show: None if (value := value_of(show, field)) is None else bool(compare(value, wanted))


def holds(value: float, test: Predicate) -> bool:
    """Return whether a number meets a comparison with another one."""
    return bool(_OPERATORS[test.operator](value, test.value))


def value_of(show: Show, field: str) -> Any:
    """Return the value of a plan's field; None if it is unknown."""
    if field == "restricted":
        return show.restricted
    if field in local_files.NUMBERS:
        return local_files.value_of(show, field)
    if field == "my_status":
        return show.my_status or "none"
    if field == "above_rating":
        return show.my_score - show.rating if show.my_score and show.rating else None
    # 0 is how exports say "unknown".
    return getattr(show, ATTRIBUTES.get(field, field)) or None


def decisive_fields(plan: Plan) -> Iterable[str]:
    """Return the fields whose unknown values leave a plan's condition undecided."""
    fields = (
        test.field
        for test in comparisons(plan.condition)
        if test.field not in ("tag", "title", "my_status", "my_score", "above_rating", "suitable", "relation")
    )
    return dict.fromkeys(fields)


def _dated(value: str, comparison: str, wanted: str) -> bool | None:
    """Compare dates as precisely as both are known; None if that leaves the result undecided."""
    size = min(len(value), len(wanted))
    if comparison == "=":
        return value[:size] == wanted[:size] if len(value) >= len(wanted) else None
    if value[:size] != wanted[:size]:
        return bool(_OPERATORS[comparison](value[:size], wanted[:size]))
    return comparison in ("<=", ">=") if len(value) >= len(wanted) else None
