"""Answers whether a part of a franchise may be skipped, and whether one show has to be seen before another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.discovery.orders import part_of_franchise, role_of
from animerag.models.retrieval import FactAnswer
from animerag.query.execution import matcher
from animerag.query.plan import EVERYTHING
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from animerag.discovery.collection import Collection
    from animerag.discovery.franchises import Entry
    from animerag.query.plan import Plan


def skipping(plan: Plan, collection: Collection) -> FactAnswer:
    """Answer "can I skip it" (`field` is `skip`) or "do I need to watch it" (`needed`) with yes or no.

    With two shows, the question is whether one has to be seen before the other; otherwise it is about the named show,
    or the parts of the named kind.
    """
    franchise = collection.franchises.of(plan.shows[0])
    shows = list(dict.fromkeys(plan.shows))
    if plan.field == "needed" and len(shows) > 1 and plan.condition == EVERYTHING:
        return _before(shows[0], shows[1], collection)
    if plan.condition != EVERYTHING:
        meets = matcher(plan.condition, collection.table)
        chosen = [entry for entry in franchise.entries if meets(entry.show)]
    else:
        chosen = [franchise.entry(show_id) for show_id in shows if show_id in franchise.ids]
    if not chosen:
        return part_of_franchise(plan, collection)
    optional = all(entry.role != "main" for entry in chosen)
    yes = optional is (plan.field == "skip")
    names = listed([collection.name(entry.show) for entry in chosen], japanese=collection.japanese)
    are = "is" if len(chosen) == 1 else "are"
    english, japanese = (
        (f"{names} {are} not part of the main story.", f"{names}は本編ではありません。")
        if optional
        else (f"{names} {are} part of the main story.", f"{names}は本編の一部です。")
    )
    return _answer(chosen, collection, yes=yes, english=english, japanese=japanese)


def _before(one: str, other: str, collection: Collection) -> FactAnswer:
    """Answer whether the story of one show comes before that of another."""
    franchise = collection.franchises.of(one)
    names = collection.name(collection.show(one)), collection.name(collection.show(other))
    if other not in franchise.ids:
        english = f"Your catalogue has no relation between {names[0]} and {names[1]}."
        return FactAnswer(
            kind="sequence",
            intent="watch_order",
            ids=(one, other),
            total=2,
            value="no",
            heading=collection.say(f"No. {english}", f"いいえ。{names[0]}と{names[1]}の関連は記録されていません。"),
        )
    story = [entry.show.id for entry in franchise.by_story()]
    first = story.index(one) < story.index(other)
    yes = first and franchise.entry(one).role == "main"
    earlier, later = names if first else (names[1], names[0])
    role = role_of(franchise.entry(one), collection)
    english = f"In the story, {earlier} comes before {later}" + (f"; {names[0]} is a {role}." if role else ".")
    japanese = f"物語では{earlier}が{later}より先です。"
    chosen = [franchise.entry(show_id) for show_id in (one, other)]
    return _answer(chosen, collection, yes=yes, english=english, japanese=japanese)


def _answer(chosen: list[Entry], collection: Collection, *, yes: bool, english: str, japanese: str) -> FactAnswer:
    return FactAnswer(
        kind="sequence",
        intent="watch_order",
        ids=tuple(entry.show.id for entry in chosen),
        total=len(chosen),
        value="yes" if yes else "no",
        heading=collection.say(f"{'Yes' if yes else 'No'}. {english}", f"{'はい' if yes else 'いいえ'}。{japanese}"),
        reasons=tuple(role_of(entry, collection) for entry in chosen),
    )
