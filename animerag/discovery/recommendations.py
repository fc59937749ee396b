"""Recommends a few shows for a wish, each with its reason.

Shows that the owner has started, and sequels of unwatched shows, are never recommended.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from secrets import SystemRandom
from typing import TYPE_CHECKING

from animerag.discovery.similarity import one_of_each
from animerag.models.filters import Filters
from animerag.models.retrieval import FactAnswer
from animerag.query.execution import labels_of, matcher, selected
from animerag.query.lexicon import mood_entries
from animerag.query.plan import Predicate, both, comparisons, either, parts_of
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from animerag.discovery.collection import Collection
    from animerag.models.shows import Show
    from animerag.query.lexicon import MoodEntry
    from animerag.query.plan import Plan

PICKS = 6
_RANDOM = "picked at random"  # a wish for anything that suits, not for the best
_MOST = 8
_RATING, _KNOWN, _MOOD, _TEXT, _TASTE = 1.0, 0.5, 1.2, 1.4, 1.0
# The fields that decide whether a show suits, and its score.
WEIGHED = (
    *("type", "tags", "rating", "votes", "episodes", "duration", "restricted"),
    *("my_status", "franchise"),
)
_FEW_VOTES = 300.0  # with fewer votes, a rating is moved towards the average
_NEWCOMER_EPISODES = 30
EPISODE_MIN, FILM_MIN = 24, 100  # minutes if a file does not give them
_LEAST_SCORES = 5  # scores of the owner that are needed to learn a taste
_DIGITS = 4
_PER_TAG = 10.0  # more than the rest of a score
_ABOUT = 1.2  # "20 minutes" is time for an episode of 24


def recommend(plan: Plan, collection: Collection, filters: Filters = Filters()) -> FactAnswer:
    """Return three to eight shows that meet the plan's conditions and match its moods, best first."""
    moods = mood_entries(plan.moods)
    selection = selected(plan, collection.table, filters)
    met = selection.met
    candidates = (show for show in collection.table.projected(met, WEIGHED) if suits(show, plan, moods, collection))
    scores = _scores(candidates, plan, moods, collection)
    # A mood that follows from a condition adds nothing to it.
    moods_named = [name for name in plan.moods if words_of_mood(name)]
    moods_named = [_mood_label(name, collection) for name in moods_named]
    parts = labels_of(plan.condition, collection.table, japanese=collection.japanese)
    labels = (*moods_named, *parts)
    random = _mood_label(_RANDOM, collection) in moods_named
    wishes = [label for label in labels if label != _RANDOM]
    wish = f" ({listed(wishes)})" if wishes and len(wishes) < 6 else ""
    nearest = f", closest to “{plan.text}”" if plan.text and collection.likeness else ""
    lead = "Picked at random" if random else "Recommended"
    heading = collection.say(f"{lead} from your catalogue{wish}{nearest}:", f"おすすめ：{'、'.join(labels)}")
    if not scores:
        scores, heading = _instead(plan, met, moods, collection, filters, wish=wish)
    votes = collection.table.votes_of(scores)
    order = sorted(scores, key=lambda one: (-scores[one], -votes[one], one))
    if _RANDOM in plan.moods:
        order = SystemRandom().sample(order, len(order))
    ids = tuple(one_of_each(order, collection))[: min(plan.limit or PICKS, _MOST)]
    return FactAnswer(
        kind="picks" if ids else "text",
        intent="recommend",
        ids=ids,
        total=len(scores),
        conditions=tuple(plan.conditions()),
        labels=labels,
        ignored=plan.ignored,
        undecided=() if ids else tuple(selection.undecided),
        heading=heading,
        reasons=tuple(_reason(collection.show(one), plan, moods, collection) for one in ids),
        remarks=() if collection.table.has_statuses or not ids else _no_list(collection),
    )


def _instead(
    plan: Plan,
    met: Sequence[str],
    moods: Sequence[MoodEntry],
    collection: Collection,
    filters: Filters,
    *,
    wish: str,
) -> tuple[dict[str, float], str]:
    """Return the scores of shows that suit a wish in part if none suits it whole, and what to say about them.

    In too little time for a whole show, one episode may fit; of several tags, a show may have some.
    """
    within = f" within {plan.minutes} minutes" if plan.minutes else ""
    if plan.minutes and (scores := _scores(_within_an_episode(met, plan, moods, collection), plan, moods, collection)):
        return scores, collection.say(
            f"Nothing is complete{within}{wish}. One episode of each of these fits:",
            f"{plan.minutes}分で1話見られる作品：",
        )
    tags = [part for part in parts_of(plan.condition) if isinstance(part, Predicate) and part.field == "tag"]
    if len(tags) > 1 and (scores := _with_some(tags, plan, moods, collection, filters)):
        return scores, collection.say(
            f"No show that you have not started suits all of this{wish}. These come closest:",
            "すべての条件に合う作品はありません。近い作品：",
        )
    return {}, collection.say(
        f"Your catalogue has nothing to recommend{wish}{within} that you have not started.",
        "条件に合うおすすめはありません。",
    )


def weighs_likeness(plan: Plan) -> bool:
    """Return whether a wish contains anything by which shows can be ranked."""
    return bool(plan.text) or any(mood["text"] for mood in mood_entries(plan.moods))


def _mood_label(name: str, collection: Collection) -> str:
    """Return the name of a mood in an answer; in Japanese, its first word in the lexicon."""
    own = next((word for word in words_of_mood(name) if not word.isascii()), name)
    return collection.say(name, own)


def words_of_mood(name: str) -> list[str]:
    """Return the words that express a mood; none if it follows from a condition."""
    return list(mood_entries([name])[0]["words"])


def suits(show: Show, plan: Plan, moods: Sequence[MoodEntry], collection: Collection) -> bool:
    """Return whether a show that meets the plan's condition may be recommended."""
    if show.id in plan.excluded or collection.begun(show):
        return False
    if not collection.may_suggest(show) and not any(one.field == "restricted" for one in comparisons(plan.condition)):
        return False
    if show.type in ("music", "other"):
        return False
    tags = {tag.casefold() for tag in show.tags}
    wanted = {str(one.value) for one in comparisons(plan.condition) if one.field == "tag"}
    if any(tags & (set(mood.get("without", ())) - wanted) for mood in moods):
        return False
    if plan.minutes is not None and not _fits(show, plan.minutes):
        return False
    if "newcomer" in plan.moods and (show.episodes or 99) > _NEWCOMER_EPISODES:
        return False
    return may_begin(show, collection)


def may_begin(show: Show, collection: Collection) -> bool:
    """Return whether a show can be started: it continues no other show, or only finished ones."""
    before = collection.franchises.to_see_before(show.id)
    return before is not None and collection.table.completed.issuperset(before)


def _scores(shows: Iterable[Show], plan: Plan, moods: Sequence[MoodEntry], collection: Collection) -> dict[str, float]:
    taste = _taste(collection)
    low, high = _span(collection.likeness)
    weighs_text = weighs_likeness(plan)
    scores = {}
    for show in shows:
        tags = {tag.casefold() for tag in show.tags}
        fits = [_mood(tags, mood) for mood in moods if mood.get("tags")]
        if fits and not any(fits) and show.id not in collection.likeness:
            continue
        near = (collection.likeness.get(show.id, low) - low) / (high - low) if high > low else 0.0
        liked = [taste[tag] for tag in tags if tag in taste]
        known = _KNOWN * (3 if "newcomer" in plan.moods else 1)
        scores[show.id] = round(
            _RATING * quality(show)
            + known * math.log10(1 + (show.votes or 0)) / 6
            + (_MOOD * sum(fits) / len(fits) if fits else 0.0)
            + (_TEXT * near if weighs_text else 0.0)
            + (_TASTE * sum(liked) / len(liked) if liked else 0.0),
            _DIGITS,
        )
    return scores


def _span(likeness: Mapping[str, float]) -> tuple[float, float]:
    return (min(likeness.values()), max(likeness.values())) if likeness else (0.0, 0.0)


def quality(show: Show) -> float:
    """Return a rating from 0 to 1, closer to the middle if it has few votes."""
    if not show.rating:
        return 0.3
    votes = float(show.votes or 0)
    leaned = (show.rating * votes + 6.5 * _FEW_VOTES) / (votes + _FEW_VOTES) if show.votes else show.rating
    return min(1.0, max(0.0, (leaned - 5.0) / 4.0))


def _mood(tags: set[str], mood: MoodEntry) -> float:
    """Return how well a show's tags match a mood; the first tags of the table count most."""
    names = mood["tags"]
    weights = [1 / (1 + place) for place in range(len(names))]
    got = sum(weight for weight, name in zip(weights, names, strict=True) if name in tags)
    return min(1.0, got / weights[0])


def _taste(collection: Collection) -> dict[str, float]:
    """Return by tag how far its shows are scored above or below the owner's average, from -1 to 1."""
    scored = [(show, show.my_score) for show in collection.table.listed() if show.my_score]
    if len(scored) < _LEAST_SCORES:
        return {}
    average = sum(score for _, score in scored) / len(scored)
    by_tag: dict[str, list[float]] = defaultdict(list)
    for show, score in scored:
        for tag in show.tags:
            by_tag[tag.casefold()].append(score - average)
    # Two average scores are added, so that a tag with a single score has little weight.
    return {tag: max(-1.0, min(1.0, sum(over) / (len(over) + 2) / 2)) for tag, over in by_tag.items()}


def _fits(show: Show, minutes: int) -> bool:
    if show.duration:
        return show.duration * (show.episodes or 1) <= minutes
    if show.type == "movie":
        return minutes >= FILM_MIN
    return bool(show.episodes) and EPISODE_MIN * (show.episodes or 0) <= minutes


def _with_some(
    tags: Sequence[Predicate], plan: Plan, moods: Sequence[MoodEntry], collection: Collection, filters: Filters
) -> dict[str, float]:
    """Return the scores of the shows that suit but have only some of the tags; more tags count more than anything."""
    rest = (part for part in parts_of(plan.condition) if part not in tags)
    nearer = replace(plan, condition=both(*rest, either(*tags)))
    shows = list(collection.table.projected(selected(nearer, collection.table, filters).met, WEIGHED))
    scores = _scores((show for show in shows if suits(show, nearer, moods, collection)), nearer, moods, collection)
    tests = [matcher(tag, collection.table) for tag in tags]
    return {
        show.id: scores[show.id] + _PER_TAG * sum(test(show) for test in tests) for show in shows if show.id in scores
    }


def _within_an_episode(
    ids: Sequence[str], plan: Plan, moods: Sequence[MoodEntry], collection: Collection
) -> Iterator[Show]:
    """Yield the shows that suit the plan but for its minutes, in which one episode fits, give or take a fifth."""
    untimed = replace(plan, minutes=None)
    for show in collection.table.projected(ids, WEIGHED):
        fits = (show.duration or EPISODE_MIN) <= _ABOUT * (plan.minutes or 0)
        if fits and show.type != "movie" and suits(show, untimed, moods, collection):
            yield show


def _reason(show: Show, plan: Plan, moods: Sequence[MoodEntry], collection: Collection) -> str:
    tags = [tag.casefold() for tag in show.tags]
    asked = [str(one.value) for one in comparisons(plan.condition) if isinstance(one, Predicate) and one.field == "tag"]
    telling = [name for mood in moods for name in mood.get("tags", ()) if name in tags]
    telling += [name for name in asked if name in tags]
    parts = list(dict.fromkeys(telling))[:3] or list(show.tags[:2])
    if show.episodes and show.type != "movie" and show.airing != "airing":
        parts.append(collection.say(f"complete in {collection.length(show)}", collection.length(show)))
    return ", ".join(parts)


def _no_list(collection: Collection) -> tuple[str, ...]:
    return (
        collection.say(
            "Your list is unknown, so you may have seen some of these: import your list in Upload.",
            "視聴リストがないため、すでに見た作品が含まれることがあります。",
        ),
    )
