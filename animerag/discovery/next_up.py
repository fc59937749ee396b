"""What the owner may go on with: shows that they have begun, and sequels of those that they have completed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.discovery.recommendations import PICKS, quality
from animerag.models.filters import Filters
from animerag.models.retrieval import FactAnswer
from animerag.query.execution import labels_of, meeting
from animerag.text.counting import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from animerag.discovery.collection import Collection
    from animerag.models.shows import Show
    from animerag.query.plan import Plan

_STARTED = ("watching", "on_hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A suggested show and the reason."""

    show: Show
    reason: str


def next_up(plan: Plan, collection: Collection, filters: Filters = Filters()) -> FactAnswer:
    """Answer what the owner may finish, or which sequels of completed shows they may begin; both meet the condition."""
    begun = plan.field == "my_started"
    met = set(meeting(plan.condition, collection.table, filters).met)
    every = [one for one in (started if begun else following)(collection) if one.show.id in met]
    shown = every[: plan.limit or PICKS]
    labels = labels_of(plan.condition, collection.table, japanese=collection.japanese)
    of = f" ({', '.join(labels)})" if labels else ""
    if begun:
        several = f"{counted(len(every), 'show')} that you have started{of}, the fewest remaining episodes first:"
        none, japanese = f"You have not started any show that you have not finished{of}.", f"視聴中の作品{of}："
    else:
        several = f"{counted(len(every), 'unseen sequel')} of shows that you have completed{of}:"
        none = f"Your catalogue has no unseen sequels of shows that you have completed{of}."
        japanese = f"見終わった作品の続編{of}："
    heading = (several, japanese) if shown else (none, "該当する作品はありません。")
    return FactAnswer(
        kind="picks" if shown else "text",
        intent=plan.intent,
        ids=tuple(one.show.id for one in shown),
        total=len(every),
        conditions=tuple(plan.conditions()),
        labels=tuple(labels),
        complete=len(shown) == len(every),
        heading=collection.say(*heading),
        reasons=tuple(one.reason for one in shown),
    )


def completed_franchises(plan: Plan, collection: Collection, filters: Filters = Filters()) -> FactAnswer:
    """Return the first show of every franchise of which the owner has completed all parts in the catalogue."""
    met = set(meeting(plan.condition, collection.table, filters).met)
    seen = [show.id for show in collection.table.listed() if collection.seen(show) and show.id in met]
    franchises = {(one := collection.franchises.of(show_id)).ids[0]: one for show_id in seen}
    whole = [one for one in franchises.values() if len(one.ids) > 1 and set(one.ids) <= set(seen)]
    whole.sort(key=lambda one: (-len(one.ids), one.ids[0]))
    number = "1 franchise" if len(whole) == 1 else f"{len(whole):,} franchises"
    heading = collection.say(
        f"You have completed every part that your catalogue has of {number}."
        if whole
        else "You have not completed all parts of any franchise.",
        f"全作品を見終わったシリーズは{len(whole):,}です。",
    )
    return FactAnswer(
        kind="list" if whole else "text",
        intent=plan.intent,
        ids=tuple(one.entries[0].show.id for one in whole),
        total=len(whole),
        value=len(whole),
        conditions=tuple(plan.conditions()),
        complete=True,
        heading=heading,
        reasons=tuple(collection.say(f"all {len(one.ids)} parts", f"全{len(one.ids)}作品") for one in whole),
    )


def started(collection: Collection) -> Iterator[Suggestion]:
    """Yield unfinished shows, the fewest remaining episodes first."""
    begun = [show for show in collection.table.listed() if show.my_status in _STARTED and collection.may_suggest(show)]
    for show in sorted(begun, key=lambda show: (_left(show), -quality(show), show.id)):
        yield Suggestion(show=show, reason=_next_episode(show))


def _next_episode(show: Show) -> str:
    watched, paused = show.episodes_watched or 0, show.my_status == "on_hold"
    if show.type == "movie" or show.episodes == 1:
        return "On hold" if paused else "Started"
    if show.episodes and watched >= show.episodes:
        return "Every episode watched"
    of = f" of {show.episodes:,}" if show.episodes else ""
    return f"Next: episode {watched + 1:,}{of}" + (", on hold" if paused else "")


def _left(show: Show) -> float:
    return show.episodes - (show.episodes_watched or 0) if show.episodes else float("inf")


def following(collection: Collection) -> Iterator[Suggestion]:
    """Yield unseen sequels of completed shows, those of the highest scored first."""
    completed = [show for show in collection.table.listed() if collection.seen(show)]
    liked = sorted(completed, key=lambda show: (-(show.my_score or 0), -quality(show), show.id))
    given: set[str] = set()
    for show in liked:
        for entry in collection.franchises.of(show.id).after(show.id):
            after = entry.show
            fits = not collection.begun(after) and collection.may_suggest(after)
            if after.id not in given and fits and entry.role == "main":
                given.add(after.id)
                yield Suggestion(show=after, reason=f"Continues {show.title}")
