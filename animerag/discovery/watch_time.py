"""Answers how long it takes to watch shows: "how long would it take to watch all of X"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from animerag.discovery.recommendations import EPISODE_MIN, FILM_MIN
from animerag.models.retrieval import FactAnswer
from animerag.query.execution import labels_of, selected
from animerag.text.counting import counted as counted_shows
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from animerag.discovery.collection import Collection
    from animerag.models.filters import Filters
    from animerag.models.shows import Show
    from animerag.query.plan import Plan

_TIMED = ("type", "episodes", "duration", "my_status", "episodes_watched")
_HOUR_MIN, _DAY_MIN = 60, 24 * 60
_IN_MINUTES, _IN_HOURS = 2 * _HOUR_MIN, 2 * _DAY_MIN  # up to this length, a time is given in that unit


def watch_time(plan: Plan, collection: Collection) -> FactAnswer:
    """Return the minutes of all episodes of the named shows, or of the whole franchise if the plan asks for it.

    If a running time is not recorded, the usual one is assumed, and the answer says so.
    """
    shows = collection.shows(list(dict.fromkeys(plan.shows)))
    whole = plan.franchise and len(shows) == 1
    named = shows
    if whole:
        franchise = collection.franchises.of(shows[0].id)
        shows = [entry.show for entry in franchise.entries]
        named = shows[:1]
    counted = [show for show in shows if show.episodes or show.type == "movie"]
    minutes = sum(_minutes(show) for show in counted)
    assumed = [show for show in counted if not show.duration]
    names = listed([collection.name(show) for show in named], japanese=collection.japanese)
    if not counted:
        heading = collection.say(
            f"The catalogue does not say how many episodes {names} {'has' if len(named) == 1 else 'have'}.",
            f"{names}の話数は記録されていません。",
        )
    else:
        heading = _heading(names, counted, minutes, collection, several=len(named) > 1, of=len(shows))
    return FactAnswer(
        kind="sequence",
        intent="field",
        ids=tuple(show.id for show in shows),
        total=len(shows),
        field="duration",
        values=tuple(show.duration for show in shows),
        value=minutes if counted else None,
        complete=not assumed and len(counted) == len(shows),
        heading=heading,
        remarks=tuple(_remarks(shows, counted, assumed, collection)) if counted else (),
    )


def time_of_shows(plan: Plan, collection: Collection, filters: Filters) -> FactAnswer:
    """Return the minutes of all shows that meet a plan, or of the episodes watched if it asks for time spent."""
    spent = plan.field == "my_time"
    shows = list(collection.table.projected(selected(plan, collection.table, filters).met, _TIMED))
    if spent:
        shows = [replace(show, episodes=seen) for show in shows if (seen := _watched(show))]
    counted = [show for show in shows if show.episodes or show.type == "movie"]
    minutes = sum(_minutes(show) for show in counted)
    labels = labels_of(plan.condition, collection.table, japanese=collection.japanese)
    of = f" ({', '.join(labels)})" if labels else ""
    time, number = spelt(minutes, japanese=collection.japanese), counted_shows(len(counted), "show")
    take = "takes" if len(counted) == 1 else "take"
    english = f"You have spent {time} on {number}{of}." if spent else f"{number.capitalize()}{of} {take} {time}."
    return FactAnswer(
        kind="text",
        intent="stats",
        total=len(counted),
        value=minutes,
        conditions=tuple(plan.conditions()),
        labels=labels,
        complete=len(counted) == len(shows) and all(show.duration for show in counted),
        heading=collection.say(english, f"{len(counted):,}作品{of}で{time}。"),
        remarks=tuple(_remarks(shows, counted, [show for show in counted if not show.duration], collection)),
    )


def _watched(show: Show) -> int:
    """Return how many episodes of a show its owner has watched: all if it is completed without recorded progress."""
    return show.episodes_watched or (show.episodes or 1 if show.my_status == "completed" else 0)


def spelt(minutes: int, *, japanese: bool = False) -> str:
    """Return a time as people say it: in minutes, hours, or hours and days."""
    if minutes < _IN_MINUTES:
        return f"{minutes}分" if japanese else f"{minutes} minutes"
    hours = round(minutes / _HOUR_MIN)
    if minutes <= _IN_HOURS:
        return f"約{hours}時間" if japanese else f"about {hours} hours"
    days = round(minutes / _DAY_MIN, 1)
    return f"約{hours:,}時間（{days:g}日）" if japanese else f"about {hours:,} hours ({days:g} days)"


def _minutes(show: Show) -> int:
    usual = FILM_MIN if show.type == "movie" else EPISODE_MIN
    return (show.duration or usual) * (show.episodes or 1)


def _heading(names: str, counted: list[Show], minutes: int, collection: Collection, *, several: bool, of: int) -> str:
    time = spelt(minutes, japanese=collection.japanese)
    if len(counted) < of and not several:
        return collection.say(
            f"{len(counted)} of {of} parts of {names} {'takes' if len(counted) == 1 else 'take'} {time}.",
            f"{names}の{of}作品のうち{len(counted)}作品は{time}。",
        )
    if len(counted) == 1:
        episodes = collection.length(counted[0])
        return collection.say(f"{names} takes {time}: {episodes}.", f"{names}は{time}（{episodes}）。")
    if several:
        return collection.say(f"{names} take {time} together.", f"{names}は合わせて{time}。")
    parts = "Both" if len(counted) == 2 else f"All {len(counted)}"
    return collection.say(f"{parts} parts of {names} take {time}.", f"{names}の{len(counted)}作品は合わせて{time}。")


def _remarks(shows: list[Show], counted: list[Show], assumed: list[Show], collection: Collection) -> list[str]:
    remarks = []
    if assumed:
        films = any(show.type == "movie" for show in assumed)
        series = any(show.type != "movie" for show in assumed)
        usual = " and ".join(
            [f"{EPISODE_MIN} minutes per episode"] * series + [f"{FILM_MIN} minutes for a film"] * films
        )
        of_some = "" if len(assumed) == len(counted) else f" of {len(assumed):,} of them"
        remarks.append(
            collection.say(
                f"This assumes {usual}, because the running time{of_some} is not recorded.",
                "放送時間の記録がないため、一般的な長さで計算しました。",
            )
        )
    if missing := len(shows) - len(counted):
        were = "1 show without an episode count is" if missing == 1 else f"{missing} shows without an episode count are"
        remarks.append(collection.say(f"{were} not included.", f"話数の記録がない{missing}作品は含みません。"))
    return remarks
