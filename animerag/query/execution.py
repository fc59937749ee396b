"""Executes a plan on the catalogue's fields: selects the matching shows, and counts, orders or measures them.

Only plans that are completely understood are answered; `is_whole` decides that. An unknown value meets neither a
condition nor its opposite.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from animerag.models.filters import Sort
from animerag.models.retrieval import FactAnswer
from animerag.query import local_files
from animerag.query.field_index import CompiledCondition, SelectedShows
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
CONTINUES = ("prequel", "parent story")  # relations that a sequel has
_OPERATORS: dict[str, Callable[..., bool]] = {
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
# Which shows an order of underrated and of overrated ones contains.
_HALVES = {
    True: ("the half with fewer votes, rated 7 or more", "票の少ない半分で評価7以上"),
    False: ("the half with more votes", "票の多い半分"),
}
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
    selection = selected(plan, table, filters)
    met: Sequence[str] = selection.met
    ids, sort, unknown = met, None, 0
    if plan.order is not None:
        plan = _of_films(plan, met, table)
        if plan.missing:
            return FactAnswer(
                kind="text", intent=plan.intent, conditions=tuple(plan.conditions()), missing=plan.missing
            )
        sort, ids = _ordered(plan, met, table)
        goes_without_saying = ids and plan.order is not None and plan.order.field in _OWN_ORDERS
        unknown = 0 if plan.order is None or goes_without_saying else len(met) - len(ids)
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
        undecided=tuple(selection.undecided),
        conditions=tuple(plan.conditions()),
        labels=(*labels_of(plan.condition, table, japanese=japanese), *_half(plan, japanese=japanese)),
        complete=True,
    )


def _half(plan: Plan, *, japanese: bool) -> tuple[str, ...]:
    """Return which shows an order of over- or underrated ones contains; nothing for other plans."""
    if plan.order is None or plan.order.field != "underrated":
        return ()
    return (_HALVES[plan.order.descending][japanese],)


def selected(plan: Plan, table: FieldIndex, filters: Filters) -> SelectedShows:
    """Return the shows that meet a plan's condition, and those whose unknown values leave it undecided."""
    selection = meeting(plan.condition, table, filters)
    if plan.within is None:
        return selection
    within = set(plan.within)
    return SelectedShows(
        met=[one for one in selection.met if one in within],
        undecided=[one for one in selection.undecided if one in within],
    )


def meeting(condition: Condition, table: FieldIndex, filters: Filters) -> SelectedShows:
    """Return the shows that meet a condition and `filters`, and those whose unknown values leave it undecided."""
    return table.select(CompiledCondition(condition, partial(_test, table=table)), filters)


def without_each(plan: Plan, table: FieldIndex, filters: Filters) -> list[tuple[Condition, int]]:
    """Return the number of shows that match without each condition in turn, for a plan without a match."""
    parts = parts_of(plan.condition)
    counts = []
    for left_out in parts:
        rest = And(tuple(part for part in parts if part is not left_out))
        counts.append((left_out, len(meeting(rest, table, filters).met)))
    return counts


def span_of(plan: Plan, table: FieldIndex) -> tuple[str, object, object] | None:
    """Return the field of a plan's only condition, with the lowest and the highest value in the catalogue."""
    parts = list(comparisons(plan.condition))
    if len({part.field for part in parts}) != 1 or parts[0].field not in _NUMBERS or parts[0].operator == "unknown":
        return None
    span = table.span(parts[0].field)
    return (parts[0].field, *span) if span else None


def labels_of(condition: Condition, table: FieldIndex, *, japanese: bool = False) -> tuple[str, ...]:
    """Return each condition in words, in which ids of shows are replaced by titles."""
    return tuple(label for _, label in labelled(condition, table.title_of, japanese=japanese))


def verdicts(condition: Condition, table: FieldIndex) -> Verdict[Show]:
    """Return a condition as a function of a show: whether it holds, or None if an unknown value leaves it undecided."""
    return compiled(condition, partial(_test, table=table))


def matcher(condition: Condition, table: FieldIndex) -> Callable[[Show], bool]:
    """Return a condition as a function that is true only if a show certainly meets it."""
    verdict = verdicts(condition, table)
    return lambda show: verdict(show) is True


def are_films(ids: Sequence[str], table: FieldIndex) -> bool:
    """Return whether there are shows and all of them are films, which have one episode each."""
    return bool(ids) and all(show.type == "movie" for show in table.projected(ids, ("type",)))


def _of_films(plan: Plan, ids: Sequence[str], table: FieldIndex) -> Plan:
    """Return the plan with running times instead of episodes if all shows are films, which have one episode each."""
    order = plan.order
    if order is None or order.field != "episodes" or not are_films(ids, table):
        return plan
    if not any(show.duration for show in table.projected(ids, ("duration",))):
        return replace(plan, missing=("duration",))
    return replace(plan, order=replace(order, field="duration"))


def _ordered(plan: Plan, ids: Sequence[str], table: FieldIndex) -> tuple[Sort, list[str]]:
    order = plan.order
    if order is None:
        raise ValueError("a plan without an order cannot be ordered")
    if order.field == "underrated":
        # Underrated shows are rated by fewer people than the median, overrated ones by more.
        known = [
            (show.votes, show.id, show.rating or 0) for show in table.projected(ids, ("votes", "rating")) if show.votes
        ]
        if not known:
            return Sort(field="votes"), []
        middle = sorted(votes for votes, _, _ in known)[len(known) // 2]
        if order.descending:
            chosen = [show_id for votes, show_id, rating in known if votes <= middle and rating >= _UNDERRATED_FROM]
        else:
            chosen = [show_id for votes, show_id, rating in known if votes >= middle and rating]
        sort = Sort(field="rating", descending=order.descending)
        return sort, table.ordered(chosen or ids, sort)
    sort = Sort(field=order.field, descending=order.descending)
    return sort, table.ordered(ids, sort)


def _test(test: Predicate, table: FieldIndex) -> Verdict[Show]:
    wanted: Any = test.value
    if test.operator == "unknown":
        unknown = test.field
        many = attrgetter(_MANY[unknown]) if unknown in _MANY else None
        return (lambda show: not many(show)) if many else (lambda show: value_of(show, unknown) is None)
    if test.field == "tag":
        return table.tag_test((str(wanted),), mainly=test.operator == "=")
    if test.field == "title" and test.operator == "^=":
        beginning = str(wanted).casefold()
        return lambda show: any(
            title.casefold().startswith(beginning) for title in (show.title, show.english_title or "")
        )
    if test.field == "title":
        return lambda show: table.has_title(show.id, str(wanted))
    if test.field == "relation":
        kinds = {"sequel": CONTINUES, FOLLOWED: ("sequel",)}.get(str(wanted), (str(wanted),))
        return lambda show: any(item.kind.casefold() in kinds for item in show.relations)
    if test.field == "seasons" and not isinstance(wanted, Of):
        return lambda show: None if (counted := table.seasons_of(show.id)) is None else holds(counted, test)
    if test.field == "suitable":
        unsuitable = table.tag_test(unsuitable_tags())
        return lambda show: not show.restricted and not unsuitable(show)
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
