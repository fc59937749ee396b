"""Ranks shows by similarity to a show: votes of viewers, distance of vectors, and common tags."""

from __future__ import annotations

import math
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from animerag.models.filters import Filters
from animerag.models.retrieval import FactAnswer
from animerag.query.execution import matcher
from animerag.query.lexicon import lexicon
from animerag.query.plan import parts_of
from animerag.query.rendering import phrase
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.discovery.collection import Collection
    from animerag.models.shows import Show
    from animerag.query.plan import Plan

PICKS = 6
# Weights in the score, chosen by predicting votes that were hidden (`benchmarks/similar.py`).
_VOTES, _VECTOR, _TAGS, _LIKED = 1.0, 1.2, 0.5, 0.2
_RANK = 0.12  # factor by which each further entry in a show's list counts less
_FURTHEST = 0.2  # cosine similarity below which two shows have nothing in common
_DIGITS = 4

_BOUNDS = {
    "shorter": ("episodes", -1),
    "longer": ("episodes", 1),
    "newer": ("year", 1),
    "older": ("year", -1),
    "better": ("rating", 1),
}
_MOODS = {"darker": "dark", "lighter": "cheerful"}


def similar(plan: Plan, collection: Collection, filters: Filters = Filters()) -> FactAnswer:
    """Return the shows most similar to the named ones: none of their own franchises, one of each other franchise."""
    bases = collection.shows(plan.shows)
    own = _own(bases, collection) | set(plan.excluded)
    scores = likeness(bases, collection)
    meets = matcher(plan.condition, collection.table)

    def suits(show: Show) -> bool:
        return (
            show.id not in own
            and _differs(show, plan.relative, bases)
            and meets(show)
            and collection.table.allows(show.id, filters)
            and not collection.begun(show)
            and collection.may_suggest(show)
        )

    allowed = [one for one in scores if suits(collection.show(one))]
    order = sorted(allowed, key=lambda one: (-scores[one], -(collection.show(one).votes or 0), one))
    # A franchise is represented by its first show, unless that show does not match the wish.
    starts = ((one, beginning(one, collection)) for one in one_of_each(order, collection))
    picks = (start if suits(collection.show(start)) else one for one, start in starts)
    ids = tuple(islice(picks, plan.limit or PICKS))  # reads no more franchises of a large catalogue than needed
    names = listed([collection.name(show) for show in bases], japanese=collection.japanese)
    wishes = listed(list(plan.relative))
    labels = tuple(phrase(part, japanese=collection.japanese) for part in parts_of(plan.condition))
    also = "".join(f", {word}" for word in (*plan.relative, *labels))
    if ids:
        heading = collection.say(f"Similar to {names}{also}:", f"{names}に似た作品：")
    else:
        heading = collection.say(
            f"Your catalogue has nothing similar to {names}"
            + (f" that is {wishes}." if wishes else " under these conditions."),
            f"{names}に似た作品は見つかりません。",
        )
    return FactAnswer(
        kind="picks" if ids else "text",
        intent="similar",
        ids=ids,
        total=len(ids),
        conditions=tuple(plan.conditions()),
        labels=labels,
        ignored=(*plan.ignored, *((plan.text,) if plan.text else ())),
        heading=heading,
        reasons=tuple(_reason(collection.show(one), bases, collection) for one in ids),
    )


def likeness(bases: Sequence[Show], collection: Collection) -> dict[str, float]:
    """Return by id how similar every candidate is to all of these shows together, from 0 to about 2.5."""
    voted: dict[str, float] = {}
    for base in bases:
        for show_id, vote in _votes(base, collection).items():
            voted[show_id] = voted.get(show_id, 0.0) + vote / len(bases)
    weights = _rarity(collection)
    candidates = {*voted, *collection.likeness}
    for base in bases:
        for tag in sorted(base.tags, key=lambda one: -weights.get(one.casefold(), 0.0))[:3]:
            candidates.update(collection.table.tagged(tag.casefold())[:60])
    result = {}
    for show in collection.table.shows_of(candidates):
        show_id = show.id
        near = max(0.0, (collection.likeness.get(show_id, _FURTHEST) - _FURTHEST) / (1 - _FURTHEST))
        shared = sum(_overlap(show, base, weights) for base in bases) / len(bases)
        liked = ((show.rating or 5.0) - 5.0) / 5.0
        result[show_id] = round(
            _VOTES * voted.get(show_id, 0.0) + _VECTOR * near + _TAGS * shared + _LIKED * liked, _DIGITS
        )
    return result


def one_of_each(ids: Iterable[str], collection: Collection) -> Iterable[str]:
    """Yield the first show of each franchise."""
    given: set[str] = set()
    for show_id in ids:
        first = collection.franchises.of(show_id).ids[0]
        if first not in given:
            given.add(first)
            yield show_id


def beginning(show_id: str, collection: Collection) -> str:
    """Return the show to start with: the first one of its line that the owner has not finished."""
    line = collection.franchises.of(show_id).line(show_id)
    if not any(entry.show.id == show_id for entry in line):
        return show_id
    left = [entry.show.id for entry in line if not collection.begun(entry.show)]
    return left[0] if left else show_id


def _own(bases: Iterable[Show], collection: Collection) -> set[str]:
    own: set[str] = set()
    for base in bases:
        franchise = collection.franchises.of(base.id)
        own |= {base.id, *franchise.ids, *franchise.neighbours}
        own |= {one for near in franchise.neighbours for one in collection.franchises.of(near).ids}
    return own


def _votes(base: Show, collection: Collection) -> dict[str, float]:
    """Return the shows that viewers call similar, in either direction, with values from 1 down."""
    votes: dict[str, float] = {}
    for rank, item in enumerate(base.similar):
        votes[item.id] = max(votes.get(item.id, 0.0), 1 / (1 + _RANK * rank))
    for show_id, rank in collection.table.called_similar(base.id):
        votes[show_id] = max(votes.get(show_id, 0.0), 0.8 / (1 + _RANK * rank))
    return votes


def _rarity(collection: Collection) -> dict[str, float]:
    count = max(1, len(collection.table))
    return {tag: math.log(1 + count / (1 + number)) for tag, number in collection.table.tag_counts.items()}


def _overlap(show: Show, base: Show, weights: dict[str, float]) -> float:
    """Return the weight of the tags that two shows share, as a fraction of all their tags."""
    mine, its = ({tag.casefold() for tag in one.tags} for one in (show, base))
    every = sum(weights.get(tag, 0.0) for tag in mine | its)
    return sum(weights.get(tag, 0.0) for tag in mine & its) / every if every else 0.0


def _differs(show: Show, wishes: Iterable[str], bases: Sequence[Show]) -> bool:
    """Return whether a show differs from the named ones as wished; an unknown value does not."""
    for wish in wishes:
        if wish in _BOUNDS:
            name, way = _BOUNDS[wish]
            value = getattr(show, name)
            others = [getattr(base, name) for base in bases if getattr(base, name)]
            if not value or not others:
                return False
            if way * (value - (max(others) if way > 0 else min(others))) <= 0:
                return False
        elif wish in _MOODS and not has_mood(show, _MOODS[wish]):
            return False
    return True


def has_mood(show: Show, name: str) -> bool:
    """Return whether a show has a tag of a mood, and none that contradicts it."""
    mood = lexicon()["moods"][name]
    tags = {tag.casefold() for tag in show.tags}
    return bool(tags & set(mood.get("tags", ()))) and not tags & set(mood.get("without", ()))


def _reason(show: Show, bases: Sequence[Show], collection: Collection) -> str:
    shared = Counter(tag.casefold() for base in bases for tag in base.tags)
    weights = _rarity(collection)
    common = sorted(
        (tag for tag in show.tags if tag.casefold() in shared), key=lambda tag: (-weights.get(tag.casefold(), 0.0), tag)
    )[:3]
    voted = any(show.id in _votes(base, collection) for base in bases)
    parts = [collection.say("called similar by viewers", "視聴者が類似と評価")] if voted else []
    parts += [", ".join(common)] if common else []
    return "; ".join(parts) or collection.say("a similar story", "内容が近い")
