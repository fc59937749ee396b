"""Answers about the whole catalogue: counts, averages and sums, in groups if the question asks for them."""

from __future__ import annotations

import calendar
import math
import statistics
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.models.filters import Sort
from animerag.models.retrieval import FactAnswer
from animerag.models.shows import TYPE_LABELS
from animerag.query.execution import ATTRIBUTES, are_films, labels_of, meeting, selected, value_of
from animerag.query.lexicon import source_tags
from animerag.query.plan import EVERYTHING, Or, Predicate, parts_of
from animerag.query.rendering import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence, Sized

    from animerag.models.filters import Filters
    from animerag.models.shows import Show
    from animerag.query.field_index import FieldIndex
    from animerag.query.plan import Plan

_ROWS = 12
_DIGITS = 5  # characters of the longest name of an ordered group: "1990s"
_TELLING = 3  # shows that a group needs for its average to be compared
_MOST_GROUPS = 40
_BY = {
    "rating": "rating",
    "votes": "votes",
    "episodes": "number of episodes",
    "duration": "running time",
    "year": "year",
    "end_year": "end year",
    "my_score": "your score",
    "difference": "how far your score is from the rating",
}
_IN_ORDER = ("decade", "year", "season", "time of year", "month", "rating")  # groups with a natural order
_SEASONS = {"winter": "1", "spring": "2", "summer": "3", "fall": "4"}
_GROUP_FIELDS = {
    "tag": ("tags",),
    "genre": ("tags",),
    "studio": ("studios",),
    "decade": ("year",),
    "season": ("season", "year"),
    "time of year": ("season",),
    "month": ("air_date",),
}
_MONTHS = {f"{number:02}": name for number, name in enumerate(calendar.month_name) if name}
_MEASURES: dict[str, Callable[[Sequence[float]], float]] = {
    "average": statistics.fmean,
    "median": statistics.median,
    "sum": sum,
}
_NAMES = {
    "rating": "rating",
    "episodes": "episodes",
    "votes": "votes",
    "duration": "minutes per episode",
    "year": "year",
    "my_score": "of your scores",
    "my_progress": "episodes watched",
    "missing_episodes": "missing episodes",
    "owned_episodes": "episodes on disk",
    "file_size": "bytes on disk",
}
_JAPANESE = {"rating": "評価", "episodes": "話数", "votes": "票数", "duration": "分数", "year": "年"}
_MEASURES_JA = {"average": "平均", "median": "中央値", "sum": "合計", "count": "作品数"}


def measure(plan: Plan, table: FieldIndex, filters: Filters, *, japanese: bool) -> FactAnswer | None:
    """Return a measure of the shows that meet the plan's condition; None if the plan has no measure."""
    if not plan.measure:
        return None
    ids = selected(plan, table, filters).met
    field = plan.field or ("rating" if plan.measure in ("average", "median") else "episodes")
    if field == "episodes" and are_films(ids, table):
        field = "duration"  # films have one episode each
    labels = labels_of(plan.condition, table, japanese=japanese)
    if plan.measure == "share":
        return _share(plan, len(ids), len(table), labels, japanese=japanese)
    if plan.group == "each":
        groups, known_values = _each(plan, field, ids, table, filters, japanese=japanese)
    else:
        groups, known_values = _grouped(plan.group, field, ids, table)
    if plan.measure == "distinct":
        return _distinct(plan, groups, labels, japanese=japanese)
    if plan.measure == "absent":
        return _absent(plan, groups, labels, japanese=japanese)
    if plan.group in ("tag", "genre"):
        for part in parts_of(plan.condition):
            if isinstance(part, Predicate) and part.field == "tag":
                groups.pop(str(part.value), None)  # all of these shows have it
    if plan.measure in _MEASURES:
        groups = {name: [one for one in group if one is not None] for name, group in groups.items()}
    measured = {name: _measured(plan, group) for name, group in groups.items()}
    known = {name: number for name, number in measured.items() if number is not None}
    if plan.group not in ("", "each") and plan.measure in ("average", "median"):
        telling = {name: number for name, number in known.items() if len(groups[name]) >= _TELLING}
        known = telling or known  # the average of one show says little about a tag, or a year
    if not known:
        missing = () if field in ("rating", "episodes", "votes", "year") else (field,)
        heading = f"The catalogue has no {_NAMES.get(field, field)} to measure."
        return FactAnswer(
            kind="text",
            intent="stats",
            heading="その値は記録されていません。" if japanese else heading,
            missing=missing,
        )
    least_first = plan.order is not None and not plan.order.descending
    best = max(known, key=lambda name: (-known[name] if least_first else known[name], len(groups[name]), name))
    number = len(known_values) if plan.measure == "count" else sum(known_values)
    rows = _rows(plan, known, groups)[: plan.limit or _ROWS] if plan.group else []
    remarks = [_row(plan, field, name, known[name], len(groups[name]), japanese=japanese) for name in rows]
    if field == "my_score" and plan.measure == "average" and not plan.group and not japanese:
        remarks = [
            *_beside_ratings(ids, known[""], table),
            *(_beside_all(table) if plan.condition != EVERYTHING else ()),
        ]
    return FactAnswer(
        kind="text",
        intent="stats",
        total=number,
        value=best if plan.group else _rounded(known[""]),
        conditions=tuple(plan.conditions()),
        labels=labels,
        complete=True,
        heading=_heading(_Measure(plan, field, best, known[best], number), labels, japanese=japanese),
        remarks=tuple(remarks),
    )


def _beside_ratings(ids: Sequence[str], average: float, table: FieldIndex) -> list[str]:
    """Compare the owner's average score with the ratings of the same shows, as far as they are known."""
    shows = table.projected(ids, ("my_score", "rating"))
    ratings = [show.rating for show in shows if show.my_score and show.rating]
    if not ratings:
        return []
    others = statistics.fmean(ratings)
    apart = round(abs(average - others), 2)
    verdict = f"{apart:g} {'higher' if average > others else 'lower'} than" if apart else "the same as"
    return [f"The average rating of these shows is {others:.2f}: your scores are {verdict} the ratings."]


def _beside_all(table: FieldIndex) -> list[str]:
    """Return the average of all the owner's scores, to compare those of one kind of shows with."""
    scores = [show.my_score for show in table.projected(table.ids(), ("my_score",)) if show.my_score]
    return [f"The average of all {len(scores):,} scores by you is {statistics.fmean(scores):.2f}."] if scores else []


@dataclass(frozen=True, slots=True)
class _Measure:
    """A measured value, and the group with the highest one."""

    plan: Plan
    field: str
    best: str
    value: float
    shows: int


def best_of_each(plan: Plan, table: FieldIndex, filters: Filters, *, japanese: bool) -> FactAnswer | None:
    """Return the first show of each group in the plan's order: "the best of each decade"; None without a group."""
    if plan.order is None or not plan.group or plan.order.field == "underrated":
        return None
    sort = Sort(field=plan.order.field, descending=plan.order.descending)
    groups: dict[str, list[str]] = defaultdict(list)
    ranked = table.ordered(selected(plan, table, filters).met, sort)
    for show in table.projected(ranked, _group_fields(plan.group)):
        for name in _groups_of(show, plan.group, table):
            groups[name].append(show.id)
    sizes = {name: float(len(ids)) for name, ids in groups.items()}
    names = _rows(plan, sizes, {name: [] for name in sizes})[:_MOST_GROUPS]
    labels = labels_of(plan.condition, table, japanese=japanese)
    of = f" ({', '.join(labels)})" if labels else ""
    left = len(sizes) - len(names)
    return FactAnswer(
        kind="sequence",
        intent="superlative",
        ids=tuple(groups[name][0] for name in names),
        total=len(sizes),
        sort=sort,
        conditions=tuple(plan.conditions()),
        labels=labels,
        complete=not left,
        heading=f"それぞれの1位{of}：" if japanese else f"The first of each {plan.group}{of}, by {_BY[sort.field]}:",
        reasons=tuple(names),
        remarks=(f"{left:,} more {plan.group}s are left out.",) if left and not japanese else (),
    )


def _share(plan: Plan, number: int, every: int, labels: Sequence[str], *, japanese: bool) -> FactAnswer:
    """Answer which share of all shows meets the conditions, in percent."""
    percent = round(100 * number / every, 1) if every else 0.0
    of = ", ".join(labels) or "shows"
    english = f"{percent:g} % of your catalogue: {number:,} of {every:,} shows ({of})."
    return FactAnswer(
        kind="text",
        intent="stats",
        total=number,
        value=percent,
        conditions=tuple(plan.conditions()),
        labels=tuple(labels),
        complete=True,
        heading=f"全{every:,}作品のうち{number:,}作品（{percent:g} %）です。" if japanese else english,
    )


def _distinct(plan: Plan, groups: Mapping[str, Sized], labels: Sequence[str], *, japanese: bool) -> FactAnswer:
    """Answer how many values a field has, and which of them have the most shows."""
    names = sorted(groups, key=lambda name: (-len(groups[name]), name))
    many, what = len(names), plan.group if len(names) == 1 else f"{plan.group}s"
    of = f" ({', '.join(labels)})" if labels else ""
    english = f"Your catalogue has {many:,} {what}{of}." if names else f"The catalogue records no {plan.group}s{of}."
    return FactAnswer(
        kind="text",
        intent="stats",
        total=many,
        value=many,
        conditions=tuple(plan.conditions()),
        labels=tuple(labels),
        complete=True,
        heading=f"{many:,}種類あります{of}。" if japanese else english,
        remarks=tuple(
            _row(replace(plan, measure="count"), "", name, 0, len(groups[name]), japanese=japanese)
            for name in names[:_ROWS]
        ),
    )


def _absent(plan: Plan, groups: Mapping[str, Sized], labels: Sequence[str], *, japanese: bool) -> FactAnswer:
    """Answer from which years or decades, between the first and the last one, no show is."""
    step, mark = (10, "s") if plan.group == "decade" else (1, "")
    years = sorted(int(name.removesuffix(mark)) for name in groups if name.removesuffix(mark).isdecimal())
    empty = [f"{one}{mark}" for one in range(years[0], years[-1], step) if one not in years] if years else []
    span = f" between {years[0]}{mark} and {years[-1]}{mark}" if years else ""
    of = f" ({', '.join(labels)})" if labels else ""
    english = f"Your catalogue has shows from every {plan.group}{span}{of}."
    if empty:
        english = f"Your catalogue has no shows{of} from {', '.join(empty)}, {len(empty)} of the {plan.group}s{span}."
    return FactAnswer(
        kind="text",
        intent="stats",
        total=len(empty),
        value=len(empty),
        conditions=tuple(plan.conditions()),
        labels=tuple(labels),
        complete=True,
        heading=f"作品がない年：{'、'.join(empty) or 'なし'}" if japanese else english,
    )


def _grouped(
    group: str, field: str, ids: Sequence[str], table: FieldIndex
) -> tuple[dict[str, list[object]], list[bool]]:
    """Return the values of a field by group, and whether the value of each show is known."""
    groups: dict[str, list[object]] = defaultdict(list)
    known = []
    for show in table.projected(ids, (*_group_fields(group), ATTRIBUTES.get(field, field))):
        value = value_of(show, field)
        known.append(value is not None)
        for name in _groups_of(show, group, table):
            groups[name].append(value)
    return groups, known


def _each(
    plan: Plan, field: str, ids: Sequence[str], table: FieldIndex, filters: Filters, *, japanese: bool
) -> tuple[dict[str, list[object]], list[bool]]:
    """Return the same as `_grouped`, with a group for each part of the plan's condition."""
    shows = table.projected(ids, (ATTRIBUTES.get(field, field),))
    values = {show.id: value_of(show, field) for show in shows}
    groups, counted = {}, set()
    for part in plan.condition.parts if isinstance(plan.condition, Or) else (plan.condition,):
        of_part = [one for one in meeting(part, table, filters).met if one in values]
        groups[phrase(part, table.title_of, japanese=japanese)] = [values[one] for one in of_part]
        counted.update(of_part)
    return groups, [values[one] is not None for one in counted]


def _group_fields(group: str) -> tuple[str, ...]:
    """Return the fields that `_groups_of` needs."""
    return _GROUP_FIELDS.get(group, (group,) if group else ())


def _groups_of(show: Show, group: str, table: FieldIndex) -> Iterator[str]:
    if not group:
        yield ""
    elif group in ("tag", "genre"):
        tags = dict.fromkeys(tag.casefold() for tag in show.tags)
        yield from (tag for tag in tags if group == "tag" or tag not in source_tags())
    elif group == "studio":
        yield from dict.fromkeys(show.studios)
    elif group == "decade":
        if show.year:
            yield f"{show.year // 10 * 10}s"
    elif group == "franchise":
        if (name := table.franchise_of(show.id)) is not None:
            yield name
    elif group == "rating":
        if show.rating:
            low = math.floor(show.rating)
            yield f"{low} to {low + 1}"
    elif group == "type":
        if show.type:
            yield TYPE_LABELS[show.type]
    elif group == "time of year":
        if show.season:
            yield show.season
    elif group == "month":
        if show.air_date and (month := _MONTHS.get(show.air_date[5:7])):
            yield month
    elif group == "season":
        if show.season and show.year:
            yield f"{show.season} {show.year}"
    elif (value := getattr(show, group, None)) is not None:
        yield str(value)


def _measured(plan: Plan, group: Sequence[object]) -> float | None:
    if plan.measure == "count":
        return len(group)
    values = [value for value in group if isinstance(value, int | float)]
    return _MEASURES[plan.measure](values) if values else None


def _rows(plan: Plan, measured: dict[str, float], groups: Mapping[str, Sized]) -> list[str]:
    if plan.group in _IN_ORDER:
        names = sorted(measured, key=_of_order)
        if len(names) <= _ROWS:
            return names
    least_first = plan.order is not None and not plan.order.descending
    return sorted(
        measured, key=lambda name: (measured[name] if least_first else -measured[name], -len(groups[name]), name)
    )


def _of_order(name: str) -> tuple[str, str]:
    """Return what orders a group: "1990s", "2012", "winter 2012", "winter", "May"."""
    if name in _MONTHS.values():
        return "", next(number for number, month in _MONTHS.items() if month == name)
    season = _SEASONS.get(name.split(maxsplit=1)[0], "")
    return ("" if name in _SEASONS else name.rsplit(maxsplit=1)[-1].zfill(_DIGITS)), season


def _rounded(value: float) -> int | float:
    return int(value) if value == int(value) else round(value, 2) if abs(value) < 1000 else round(value)


def _figure(field: str, value: float) -> str:
    """Return a measured value in digits; years have no thousands separator."""
    return f"{value:.0f}" if field == "year" else f"{_rounded(value):,}"


def _row(plan: Plan, field: str, name: str, value: float, shows: int, *, japanese: bool) -> str:
    counted = f"{shows:,}作品" if japanese else "1 show" if shows == 1 else f"{shows:,} shows"
    if plan.measure == "count":
        return f"{name}: {counted}"
    unit = "" if field in ("rating", "year", "my_score") or japanese else f" {_NAMES.get(field, field)}"
    return f"{name}: {_figure(field, value)}{unit} ({counted})"


def _heading(one: _Measure, labels: Sequence[str], *, japanese: bool) -> str:
    plan, field, value = one.plan, one.field, _figure(one.field, one.value)
    of = f" ({', '.join(labels)})" if labels else ""
    counted = f"{one.shows:,}作品" if japanese else "1 show" if one.shows == 1 else f"{one.shows:,} shows"
    if japanese:
        name = "" if plan.measure == "count" else _JAPANESE.get(field, field)
        if not plan.group:
            return f"{counted}の{name}の{_MEASURES_JA[plan.measure]}は{value}です{of}。"
        return f"{counted}の{name}{_MEASURES_JA[plan.measure]}。最も高いのは{one.best}（{value}）です{of}。"
    name = "number of episodes" if field == "episodes" and plan.measure != "sum" else _NAMES.get(field, field)
    what = "number of shows" if plan.measure == "count" else f"{plan.measure} {name}".replace("sum ", "total ")
    if not plan.group and plan.measure == "sum":
        return f"{counted[0].upper()}{counted[1:]}{of} {'has' if one.shows == 1 else 'have'} {value} {name} in total."
    if not plan.group:
        return f"The {what} of {counted}{of} is {value}."
    if plan.group == "each" and plan.measure == "count":
        return f"More {one.best}: {value}."
    end = "Lowest" if plan.order is not None and not plan.order.descending else "Highest"
    by = "" if plan.group == "each" else f" by {plan.group}"
    return f"The {what}{by}, of {counted}{'' if plan.group == 'each' else of}. {end}: {one.best}, with {value}."
