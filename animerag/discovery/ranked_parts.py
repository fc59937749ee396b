"""Answers which part of a franchise is first in an order: "the best season of X", "the longest film of X"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.models.filters import Sort
from animerag.models.retrieval import FactAnswer
from animerag.query.execution import matcher
from animerag.query.plan import parts_of
from animerag.query.rendering import ordered_by, phrase
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from animerag.discovery.collection import Collection
    from animerag.query.plan import Plan

_FIRST = 10  # parts to list if the question has no number


def ranked_parts(plan: Plan, collection: Collection) -> FactAnswer | None:
    """Return the parts that a plan asks for, in its order: series if it asks for seasons, otherwise all matching parts.

    None if the plan has no order over a field.
    """
    order = plan.order
    if order is None or order.field == "underrated":
        return None
    franchise = collection.franchises.of(plan.shows[0])
    meets = matcher(plan.condition, collection.table)
    seasons = franchise.seasons(plan.shows[0]) if plan.field == "seasons" else ()
    shows = [entry.show for entry in seasons or franchise.entries if meets(entry.show)]
    sort = Sort(field=order.field, descending=order.descending)
    ranked = collection.table.ordered([show.id for show in shows], sort)
    ids = collection.table.first(ranked[plan.offset :], plan.limit or _FIRST, sort.field)
    name = collection.name(franchise.entries[0].show)
    labels = tuple(phrase(part, japanese=collection.japanese) for part in parts_of(plan.condition))
    return FactAnswer(
        kind="order" if ids else "text",
        intent="superlative",
        ids=tuple(ids),
        total=len(ranked),
        field=sort.field,
        values=tuple(collection.table.value(show_id, sort.field) for show_id in ids),
        sort=sort,
        unknown=len(shows) - len(ranked),
        conditions=tuple(plan.conditions()),
        labels=labels,
        complete=True,
        heading=_heading(plan, collection, name, len(ranked), labels, seasons=bool(seasons)),
    )


def total_episodes(plan: Plan, collection: Collection) -> FactAnswer:
    """Return the total episodes of the named shows or, for one show, of its whole franchise."""
    shows = collection.shows(list(dict.fromkeys(plan.shows)))
    franchise = collection.franchises.of(shows[0].id)
    if len(shows) == 1:
        shows = [entry.show for entry in franchise.entries]
        names = collection.name(franchise.entries[0].show)
    else:
        names = listed([collection.name(show) for show in shows], japanese=collection.japanese)
    counts = [show.episodes for show in shows if show.episodes]
    total, unknown = sum(counts), len(shows) - len(counts)
    parts = (
        f" in {len(shows)} parts" if len(plan.shows) == 1 and len(shows) > 1 else " together" if len(shows) > 1 else ""
    )
    have = "has" if len(plan.shows) == 1 else "have"
    left = f" {unknown} without an episode count {'is' if unknown == 1 else 'are'} not included." if unknown else ""
    return FactAnswer(
        kind="sequence",
        intent="field",
        ids=tuple(show.id for show in shows),
        total=len(shows),
        field="episodes",
        values=tuple(show.episodes for show in shows),
        value=total,
        complete=not unknown,
        heading=collection.say(f"{names} {have} {total:,} episodes{parts}.{left}", f"{names}は合計{total:,}話です。"),
    )


def _heading(
    plan: Plan, collection: Collection, name: str, number: int, labels: tuple[str, ...], *, seasons: bool
) -> str:
    kinds = f" ({', '.join(labels)})" if labels else ""
    if not number:
        return collection.say(
            f"Your catalogue has no part of {name}{kinds} that can be ordered this way.",
            f"{name}には該当する作品がありません{kinds}。",
        )
    noun = "season" if seasons else "part"
    assert plan.order is not None
    order = ordered_by(plan.order).capitalize()
    english = f"{order} of {number} {noun}s of {name}{kinds}:"
    if number == 1:
        english = f"Your catalogue has only one {noun} of {name}{kinds}:"
    return collection.say(english, f"{name}の{number}作品から{kinds}：")
