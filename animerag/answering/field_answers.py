"""What the catalogue's fields answer, in sentences: lists with counts, orders, comparisons. English and Japanese."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.text.cleaning import is_japanese

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.models import FactAnswer, Show, Source

MOST_LISTED = 100
LISTED = ("list", "count", "order", "compare")  # kinds of facts that are told here; the others name a single show
_UNITS = {
    "episodes": ("{:,} episodes", "全{:,}話"),
    "votes": ("{:,} votes", "{:,}票"),
    "rating": ("{:.2f} of 10", "{:.2f}点"),
}
_FIELDS = {
    "episodes": ("how many episodes", "話数"),
    "votes": ("how many votes", "票数"),
    "rating": ("the rating", "評価"),
    "year": ("the year", "放送年"),
    "end_year": ("the year of the end", "終了年"),
}
_ORDERED = {
    ("rating", True): ("Highest rated", "評価の高い順"),
    ("rating", False): ("Lowest rated", "評価の低い順"),
    ("episodes", True): ("Longest", "話数の多い順"),
    ("episodes", False): ("Shortest", "話数の少ない順"),
    ("votes", True): ("Most votes", "票数の多い順"),
    ("votes", False): ("Fewest votes", "票数の少ない順"),
    ("year", True): ("Newest", "新しい順"),
    ("year", False): ("Oldest", "古い順"),
    ("end_year", True): ("Latest to end", "終了の新しい順"),
    ("end_year", False): ("First to end", "終了の古い順"),
}


def render(question: str, fact: FactAnswer, shows: Mapping[str, Show], sources: Sequence[Source]) -> str:
    """Return a fact as text: its count or order first, then every show, cited where it is a source.

    `shows` has those of `fact.ids` that are to be listed; beyond `MOST_LISTED` the rest is only counted.
    """
    japanese = is_japanese(question)
    numbers = {source.show.id: number for number, source in enumerate(sources, 1)}
    values = dict(zip(fact.ids, fact.values, strict=False))
    lines = [
        _line(shows[show_id], fact, values.get(show_id), numbers.get(show_id), japanese=japanese)
        for show_id in fact.ids[:MOST_LISTED]
        if show_id in shows
    ]
    left = len(fact.ids) - len(lines)
    if left > 0:
        lines.append(f"ほか{left:,}作品" if japanese else f"and {left:,} more")
    if fact.unknown and fact.sort:
        lines.append(_left_out(fact.unknown, fact.sort.field, japanese=japanese))
    mark = "{}. " if fact.kind == "compare" else "- "
    listed = "\n".join(mark.format(place) + line for place, line in enumerate(lines, 1))
    return f"{_heading(fact, japanese=japanese)}\n\n{listed}\n"


def _heading(fact: FactAnswer, *, japanese: bool) -> str:
    by_hand = [condition.label for condition in fact.filters.conditions()]
    conditions = ", ".join([*fact.labels, *by_hand])
    order = _ORDERED[fact.sort.field, fact.sort.descending][japanese] if fact.sort else ""
    if fact.kind == "compare":
        return f"{order}：" if japanese else f"{order} first:"
    if fact.kind == "order":
        if japanese:
            return f"{fact.total:,}作品から、{order}：" + (f"（{conditions}）" if conditions else "")
        return f"{order} of the {_shows(fact.total)} found" + (f" ({conditions}):" if conditions else ":")
    if japanese:
        return f"{fact.total:,}作品が見つかりました" + (f"（{conditions}）。" if conditions else "。")
    return f"**{_shows(fact.total)}** found" + (f": {conditions}." if conditions else ".")


def _left_out(number: int, field: str, *, japanese: bool) -> str:
    """Say how many shows have no place in an order because the catalogue lacks the field."""
    name = _FIELDS[field]
    if japanese:
        return f"ほか{number:,}作品は{name[1]}の記録がありません"
    return f"{_shows(number)} left out: the catalogue does not say {name[0]}"


def _line(show: Show, fact: FactAnswer, value: object, number: int | None, *, japanese: bool) -> str:
    native = show.native_title or show.title
    parts = [str(show.year)] if show.year else []
    field = fact.sort.field if fact.sort else fact.field
    if field in _UNITS:
        known = value if value is not None else getattr(show, field)
        if isinstance(known, int | float):
            unit = _UNITS[field][japanese]
            parts.append((unit.removesuffix("s") if known == 1 else unit).format(known))
    if field != "episodes" and show.episodes:
        parts.append(
            f"全{show.episodes}話" if japanese else "1 episode" if show.episodes == 1 else f"{show.episodes} episodes"
        )
    about = f" ({', '.join(parts)})" if parts else ""
    return f"**{native if japanese else show.title}**{about}" + (f" [{number}]" if number else "")


def _shows(number: int) -> str:
    return "1 show" if number == 1 else f"{number:,} shows"
