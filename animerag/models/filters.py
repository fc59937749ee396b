"""Conditions on the fields of shows, their labels, and orders over a field."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from animerag.models.shows import TYPE_LABELS, Season, ShowType

if TYPE_CHECKING:
    from collections.abc import Iterable

WatchState = Literal["watching", "completed", "on_hold", "dropped", "plan_to_watch", "none"]
STATUS_LABELS: dict[WatchState, str] = {
    "watching": "watching",
    "completed": "completed",
    "on_hold": "on hold",
    "dropped": "dropped",
    "plan_to_watch": "plan to watch",
    "none": "not in my list",
}
RESTRICTED_LABELS = {True: "for adults only", False: "not for adults only"}
_RANGES = ("year", "episodes", "rating", "votes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One part of `Filters`, as shown in a chip; `Filters.without` and `search(ignore=…)` accept its `key`."""

    key: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Conditions on a show's fields, all of which must hold; None or empty means no condition.

    Bounds are inclusive; ratings go from 0 to 10. `tags` and `without_tags` are compared without case. `statuses`
    allows any of those named; "none" stands for a show that is not in the owner's list. `title` is text that one
    of a show's titles must contain. `types` and `seasons` allow any of those named. `aired_from` and
    `aired_to` are full or partial ISO dates: "2012-04" as an upper bound allows all of April. `restricted` selects
    shows for adults only, or others. A show with an unknown field meets no bound on it.
    """

    year_from: int | None = None
    year_to: int | None = None
    episodes_from: int | None = None
    episodes_to: int | None = None
    rating_from: float | None = None
    rating_to: float | None = None
    votes_from: int | None = None
    votes_to: int | None = None
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    statuses: tuple[WatchState, ...] = ()
    title: str = ""
    types: tuple[ShowType, ...] = ()
    seasons: tuple[Season, ...] = ()
    aired_from: str | None = None
    aired_to: str | None = None
    restricted: bool | None = None

    def __bool__(self) -> bool:
        """Return whether there is any condition."""
        return self != Filters()

    def conditions(self) -> tuple[Condition, ...]:
        """Return each condition with a short label: "2012", "before 1990", "under 13 episodes", "mecha"."""
        conditions = [
            Condition(key=name, label=label)
            for name in _RANGES
            if (label := _range_label(name, getattr(self, f"{name}_from"), getattr(self, f"{name}_to")))
        ]
        if self.types:
            conditions.append(Condition(key="types", label=" or ".join(TYPE_LABELS[one] for one in self.types)))
        if self.seasons:
            conditions.append(Condition(key="seasons", label=" or ".join(self.seasons)))
        if label := _range_label("aired", self.aired_from, self.aired_to):
            conditions.append(Condition(key="aired", label=label))
        if self.restricted is not None:
            conditions.append(Condition(key="restricted", label=RESTRICTED_LABELS[self.restricted]))
        conditions += [Condition(key=f"tags:{tag}", label=tag) for tag in self.tags]
        conditions += [Condition(key=f"without_tags:{tag}", label=f"not {tag}") for tag in self.without_tags]
        if self.statuses:
            label = " or ".join(STATUS_LABELS[status] for status in self.statuses)
            conditions.append(Condition(key="statuses", label=label))
        if self.title:
            conditions.append(Condition(key="title", label=f"title has {self.title}"))
        return tuple(conditions)

    def without(self, keys: Iterable[str]) -> Filters:
        """Return these filters without the conditions that have those keys."""
        dropped = set(keys)
        changes: dict[str, Any] = {}
        for name in (*_RANGES, "aired"):
            if name in dropped:
                changes |= {f"{name}_from": None, f"{name}_to": None}
        changes["tags"] = tuple(tag for tag in self.tags if f"tags:{tag}" not in dropped)
        changes["without_tags"] = tuple(tag for tag in self.without_tags if f"without_tags:{tag}" not in dropped)
        changes |= {"statuses": ()} if "statuses" in dropped else {}
        changes |= {"title": ""} if "title" in dropped else {}
        changes |= {name: () for name in ("types", "seasons") if name in dropped}
        changes |= {"restricted": None} if "restricted" in dropped else {}
        return replace(self, **changes)

    def joined(self, other: Filters) -> Filters:
        """Return the conditions of both, as far as one value can express them: the tighter bound, all tags."""
        changes: dict[str, Any] = {}
        for name in (*_RANGES, "aired"):
            low, high = f"{name}_from", f"{name}_to"
            changes[low] = max((v for v in (getattr(self, low), getattr(other, low)) if v is not None), default=None)
            highs = (v for v in (getattr(self, high), getattr(other, high)) if v is not None)
            changes[high] = min(highs, key=_last_day, default=None)
        changes["tags"] = tuple(dict.fromkeys((*self.tags, *other.tags)))
        changes["without_tags"] = tuple(dict.fromkeys((*self.without_tags, *other.without_tags)))
        for name in ("statuses", "types", "seasons"):
            own, others = getattr(self, name), getattr(other, name)
            changes[name] = tuple(one for one in own if one in others) or own or others
        changes["restricted"] = other.restricted if self.restricted is None else self.restricted
        changes["title"] = self.title or other.title
        return Filters(**changes)


def _last_day(bound: Any) -> Any:
    """Return the sort key of an upper bound: a partial date means its last day, so "2012" is later than "2012-04"."""
    return f"{bound}-99" if isinstance(bound, str) else bound


def _range_label(name: str, low: float | str | None, high: float | str | None) -> str:
    """Return a range as a label: "2012", "1990 to 1999", "at most 12 episodes", "aired from 2012-04"."""
    if name == "aired":
        bounds = [f"{word} {value}" for word, value in (("from", low), ("to", high)) if value]
        return " ".join(["aired", *bounds]) if bounds else ""
    known = [f"{value}" if name == "year" else f"{value:,}" for value in (low, high) if value is not None]
    if not known:
        return ""
    if name == "year" and len(known) == 1:
        return f"from {known[0]}" if high is None else f"until {known[0]}"
    bound = "" if low == high else "at least " if high is None else "at most " if low is None else ""
    shown = bound + " to ".join(dict.fromkeys(known))
    return {"year": shown, "rating": f"rated {shown}"}.get(name, f"{shown} {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """An order over a field; shows that lack the field come last."""

    field: Literal[
        "year",
        "end_year",
        "episodes",
        "rating",
        "votes",
        "air_date",
        "end_date",
        "duration",
        "my_score",
        "difference",
        "file_size",
        "missing_episodes",
        "owned_episodes",
        "seasons",
    ]  # fmt: skip
    descending: bool = True
