"""Answers where a show stands among the others: "where does X rank among action shows"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from animerag.models.filters import Sort
from animerag.models.retrieval import FactAnswer
from animerag.query.execution import labels_of, selected
from animerag.text.counting import counted

if TYPE_CHECKING:
    from animerag.discovery.collection import Collection
    from animerag.models.filters import Filters
    from animerag.query.plan import Plan

# Fields of a plan, each with the field that it orders by.
RANKS: dict[str, Literal["rating", "votes"]] = {"rank": "rating", "popularity_rank": "votes"}
_WORDS = {"rating": ("by rating", "評価順"), "votes": ("by votes", "票数順")}


def rank(plan: Plan, collection: Collection, filters: Filters) -> FactAnswer:
    """Return the place of the named show by rating or votes among the shows that meet the plan; ties share a place."""
    table, show = collection.table, collection.show(plan.shows[0])
    sort = Sort(field=RANKS[plan.field or "rank"])
    met = selected(plan, table, filters).met
    ordered = table.ordered(met, sort)
    labels = labels_of(plan.condition, table, japanese=collection.japanese)
    of = f" ({', '.join(labels)})" if labels else ""
    name, order = collection.name(show), _WORDS[sort.field][collection.japanese]
    place: int | None = None
    if show.id in ordered:
        value, first = table.value(show.id, sort.field), ordered.index(show.id)
        while first and table.value(ordered[first - 1], sort.field) == value:
            first -= 1
        place = first + 1
        heading = collection.say(
            f"{name} is number {place:,} of {counted(len(ordered), 'show')}{of} {order}.",
            f"{name}は{len(ordered):,}作品中{place:,}位（{order}）です{of}。",
        )
    elif show.id in met:
        heading = collection.say(f"{name} has no place {order}: it is not recorded.", f"{name}の{order}は不明です。")
    else:
        heading = collection.say(f"{name} is not one of these shows{of}.", f"{name}は対象に含まれません{of}。")
    return FactAnswer(
        kind="value",
        intent="field",
        ids=(show.id,),
        total=len(ordered),
        value=place,
        field=sort.field,
        conditions=tuple(plan.conditions()),
        labels=labels,
        complete=True,
        heading=heading,
    )
