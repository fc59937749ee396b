"""Writes answers from fields as text, in English and Japanese: the figure first, then some shows with reasons.

A list shows only its first shows; `FactAnswer.ids` has all of them, for pages and scripts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.models.shows import TYPE_LABELS
from animerag.query import local_files
from animerag.text.cleaning import is_japanese

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.models.retrieval import FactAnswer, Source
    from animerag.models.shows import Show

MOST_LISTED = 10
_UNITS = {
    "votes": ("{:,} votes", "{:,}票"),
    "duration": ("{:,} minutes per episode", "一話{:,}分"),
}
_FIELDS = {
    "episodes": ("how many episodes", "話数"),
    "votes": ("how many votes", "票数"),
    "rating": ("the rating", "評価"),
    "year": ("the year", "放送年"),
    "end_year": ("the year of the end", "終了年"),
    "duration": ("the running time", "一話の長さ"),
    "file_size": ("how large its files are", "ファイルの大きさ"),
    "missing_episodes": ("how many episodes are missing", "足りない話数"),
    "owned_episodes": ("how many episodes you own", "所有話数"),
    "seasons": ("how many seasons", "期数"),
    "my_score": ("your score", "自分の評価"),
    "difference": ("your score", "自分の評価"),
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
    ("my_score", True): ("Your highest scores", "自分の評価の高い順"),
    ("my_score", False): ("Your lowest scores", "自分の評価の低い順"),
    ("difference", True): ("Where your score differs most from the rating", "評価との差が大きい順"),
    ("difference", False): ("Where your score is nearest to the rating", "評価との差が小さい順"),
    ("file_size", True): ("Largest on disk", "ファイルの大きい順"),
    ("file_size", False): ("Smallest on disk", "ファイルの小さい順"),
    ("missing_episodes", True): ("Most missing episodes", "足りない話数の多い順"),
    ("missing_episodes", False): ("Fewest missing episodes", "足りない話数の少ない順"),
    ("owned_episodes", True): ("Most episodes on disk", "所有話数の多い順"),
    ("owned_episodes", False): ("Fewest episodes on disk", "所有話数の少ない順"),
    ("seasons", True): ("Most seasons", "期数の多い順"),
    ("duration", True): ("Longest running time", "上映時間の長い順"),
    ("duration", False): ("Shortest running time", "上映時間の短い順"),
}
_TYPES_JA = {"movie": "映画", "ova": "OVA", "tv": "TV", "special": "スペシャル", "web": "配信"}
_NUMBERED = ("sequence", "order", "compare")


def render(question: str, fact: FactAnswer, shows: Mapping[str, Show], sources: Sequence[Source]) -> str:
    """Return a field answer as text, with citations of the shows that are sources.

    `shows` contains the shows to be listed; beyond `MOST_LISTED`, the others are only counted.
    """
    japanese = is_japanese(question)
    numbers = {source.show.id: number for number, source in enumerate(sources, 1)}
    heading = fact.heading or _heading(fact, japanese=japanese)
    if fact.kind in ("value", "compare") and fact.heading:
        return _cited(heading, [(shows[one], numbers[one]) for one in fact.ids if one in numbers and one in shows])
    mark = "{}. " if fact.kind in _NUMBERED else "- "
    listed = [
        mark.format(place + 1) + _line(shows[show_id], fact, place, numbers.get(show_id), japanese=japanese)
        for place, show_id in enumerate(fact.ids[:MOST_LISTED])
        if show_id in shows
    ]
    left = len(fact.ids) - len(listed)
    if left > 0:
        listed.append(f"\nほか{left:,}作品" if japanese else f"\nand {left:,} more.")
    remarks = list(fact.remarks)
    if fact.ignored and (fact.kind == "picks" or not fact.heading):
        words = ", ".join(f"“{word}”" for word in fact.ignored)
        remarks.append(f"条件にしていない言葉：{words}" if japanese else f"Not applied: {words}.")
    if fact.unknown and fact.sort and fact.ids:
        remarks.append(_left_out(fact.unknown, fact.sort.field, japanese=japanese))
    if fact.kind == "text":
        remarks = [f"- {remark}" for remark in remarks]
        return "\n\n".join(part for part in (heading, "\n".join(remarks)) if part) + "\n"
    return "\n\n".join(part for part in (heading, "\n".join(listed), "\n\n".join(remarks)) if part) + "\n"


def _cited(text: str, sources: Sequence[tuple[Show, int]]) -> str:
    """Return the text with each show's source number before the end of the last sentence about it."""
    for show, number in sources:
        ends = [
            match
            for title in (show.title, show.native_title)
            if title
            for match in re.finditer(rf"\*\*{re.escape(title)}\*\*.*?(?P<end>\.(?=\s|$)|。)", text, re.DOTALL)
        ]
        if ends:
            at = max(match.start("end") for match in ends)
            text = f"{text[:at]} [{number}]{text[at:]}"
    return text


def _heading(fact: FactAnswer, *, japanese: bool) -> str:
    beside = [condition.label for condition in fact.filters.conditions()]
    conditions = ", ".join([*fact.labels, *beside])
    order = _ORDERED[fact.sort.field, fact.sort.descending][japanese] if fact.sort else ""
    if fact.kind == "order" and fact.ids:
        if japanese:
            return f"{fact.total:,}作品から、{order}：" + (f"（{conditions}）" if conditions else "")
        verdict = {"yes": "Yes. ", "no": "No. "}.get(str(fact.value), "")
        return f"{verdict}{order} of {_shows(fact.total)}" + (f" ({conditions}):" if conditions else ":")
    if not fact.ids and fact.unknown and fact.sort:
        name = _FIELDS[fact.sort.field][japanese]
        if japanese:
            return f"{fact.unknown:,}作品には{name}の記録がありません。{conditions}"
        shows = _shows(fact.unknown) + (f" ({conditions})" if conditions else "")
        return f"{shows} cannot be put in this order: the catalogue does not say {name}."
    if not fact.ids:
        if japanese:
            return f"該当する作品は見つかりませんでした（0作品）。{conditions}"
        return "No show in your catalogue matches" + (f": {conditions}." if conditions else ".")
    if japanese:
        return f"{fact.total:,}作品が見つかりました" + (f"（{conditions}）。" if conditions else "。")
    return f"**{_shows(fact.total)}**" + (f": {conditions}." if conditions else " in your catalogue.")


def _left_out(number: int, field: str, *, japanese: bool) -> str:
    """Return a note on the shows that are left out of an order because they lack the field."""
    name = _FIELDS[field]
    if japanese:
        return f"ほか{number:,}作品は{name[1]}の記録がありません"
    return f"{_shows(number)} left out: the catalogue does not say {name[0]}"


def _line(show: Show, fact: FactAnswer, place: int, number: int | None, *, japanese: bool) -> str:
    """Return the line of one show: its title, its main facts, and the reason it is listed."""
    native = show.native_title or show.title
    english = None if japanese else show.english_title
    title = f"**{native if japanese else show.title}**" + (f" · {english}" if english else "")
    parts = [str(show.year)] if show.year else []
    if show.type:
        parts.append(_TYPES_JA.get(show.type, "") if japanese else TYPE_LABELS[show.type])
    if show.episodes and show.type != "movie":
        count = "1 episode" if show.episodes == 1 else f"{show.episodes:,} episodes"
        parts.append(f"全{show.episodes}話" if japanese else count)
    if show.rating:
        parts.append(f"{show.rating:.2f}点" if japanese else f"rated {show.rating:.2f}")
    field = fact.sort.field if fact.sort else None
    if field in ("file_size", "missing_episodes", "owned_episodes") and (
        statement := local_files.statement(show, field)
    ):
        parts.append(statement)
    if field in _UNITS and isinstance(value := getattr(show, field), int | float):
        parts.append(_UNITS[field][japanese].format(value))
    if field == "seasons" and place < len(fact.values):
        parts.append(f"全{fact.values[place]}期" if japanese else f"{fact.values[place]} seasons")
    if field in ("my_score", "difference") and show.my_score:
        parts.append(f"自分の評価{show.my_score:g}点" if japanese else f"{show.my_score:g} from you")
    if field == "end_year" and show.end_year:
        parts.append(f"終了{show.end_year}年" if japanese else f"ended in {show.end_year}")
    about = f" ({', '.join(part for part in parts if part)})" if parts else ""
    reason = fact.reasons[place] if place < len(fact.reasons) else ""
    return title + about + (f": {reason}" if reason else "") + (f" [{number}]" if number else "")


def _shows(number: int) -> str:
    return "1 show" if number == 1 else f"{number:,} shows"
