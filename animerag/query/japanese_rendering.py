"""Writes conditions in Japanese, for answers to Japanese questions."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from animerag.query import local_files
from animerag.query.lexicon import CJK, lexicon
from animerag.query.plan import FOLLOWED, And, Not, Of, Or, Predicate, parts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.query.plan import Condition

_TYPES = {"movie": "映画", "ova": "OVA", "tv": "TV", "special": "スペシャル", "web": "配信アニメ"}
_SEASONS = {"winter": "冬", "spring": "春", "summer": "夏", "fall": "秋"}
_STATES = {"airing": "放送中", "finished": "完結"}
_LIST = {
    "completed": "視聴済み",
    "watching": "視聴中",
    "dropped": "視聴中止",
    "on_hold": "保留",
    "plan_to_watch": "視聴予定",
    "none": "未視聴",
}
_RELATIONS = {FOLLOWED: "続編のある作品", "sequel": "続編", "prequel": "前日譚", "side story": "番外編"}
_COMPARED = {"<": "{}未満", "<=": "{}以下", "=": "{}", ">": "{}を超える", ">=": "{}以上"}
_DATED = {"<": "{}より前", "<=": "{}以前", "=": "{}", ">": "{}より後", ">=": "{}以降"}
_UNITS = {
    "year": "{}年",
    "end_year": "{}年終了",
    "episodes": "{}話",
    "votes": "{}票",
    "rating": "評価{}",
    "duration": "{}分",
    "seasons": "{}期",
    "my_score": "自分の評価{}",
    "my_progress": "視聴{}話",
    "air_date": "{}放送",
}
_THAN = {
    "episodes": ("より話数が多い", "より話数が少ない", "と同じ話数"),
    "rating": ("より評価が高い", "より評価が低い", "と同じ評価"),
    "year": ("より新しい", "より古い", "と同じ年"),
    "votes": ("より票数が多い", "より票数が少ない", "と同じ票数"),
}
_NOUNS = {
    "episodes": "話数",
    "rating": "評価",
    "year": "放送年",
    "tag": "タグ",
    "description": "あらすじ",
    "type": "形式",
    "season": "放送時期",
    "votes": "票数",
    "duration": "放送時間",
    "relation": "関連作品",
}


def japanese_phrase(condition: Condition, title_of: Callable[[str], str] = str) -> str:
    """Return a condition in Japanese; `title_of` returns the title of a show by its id."""
    if isinstance(condition, Not):
        part = condition.part
        if isinstance(part, Predicate) and part.operator == "unknown":
            return f"{_NOUNS.get(part.field, part.field)}あり"
        if isinstance(part, Predicate) and part.value == FOLLOWED:
            return "続編なし"
        return f"{japanese_phrase(part, title_of)}以外"
    if isinstance(condition, Or):
        # Tags with one meaning ("sci-fi", "science fiction") have one name in Japanese.
        return "または".join(dict.fromkeys(japanese_phrase(part, title_of) for part in condition.parts))
    if isinstance(condition, And):
        return _together(condition, title_of)
    if isinstance(condition.value, Of):
        title = title_of(condition.value.show)
        more, fewer, same = _THAN.get(condition.field, ("より大きい", "より小さい", "と同じ"))
        return f"「{title}」" + {">": more, "<": fewer}.get(condition.operator, same)
    return _compared(condition, condition.value)


def japanese_range(low: Predicate, high: Predicate) -> str:
    """Return two bounds of one field as one: "2000〜2009年"."""
    return _UNITS.get(low.field, "{}").format(f"{low.value}〜{high.value}")


def _together(condition: And, title_of: Callable[[str], str]) -> str:
    parts = list(parts_of(condition))
    tests = [part for part in parts if isinstance(part, Predicate)]
    if len(tests) == len(parts) == 2 and {test.field for test in tests} == {"season", "year"}:
        season, year = sorted(tests, key=lambda test: test.field)
        return f"{year.value}年{_SEASONS.get(str(season.value), season.value)}"
    bounds = [test for test in tests if test.operator in (">=", "<=")]
    if len(bounds) == 2 and bounds[0].field == bounds[1].field:
        low, high = sorted(bounds, key=lambda test: test.operator == "<=")
        rest = [japanese_phrase(part, title_of) for part in parts if part not in bounds]
        return "・".join([*rest, japanese_range(low, high)])
    return "・".join(japanese_phrase(part, title_of) for part in parts)


def _compared(one: Predicate, value: str | float) -> str:
    if one.field in (*local_files.NUMBERS, *local_files.LANGUAGES):
        return local_files.phrase(one)
    if one.operator == "unknown":
        return f"{_NOUNS.get(one.field, one.field)}なし"
    if one.field == "above_rating":
        return f"自分の評価が全体より{'低い' if one.operator.startswith('<') else '高い'}"
    if one.field in ("year", "end_year", "air_date"):
        words = _DATED[one.operator].format(f"{value}年" if one.field != "air_date" else value)
        return words + {"end_year": "に終了", "air_date": "に放送"}.get(one.field, "")
    if one.field in _UNITS:
        return _COMPARED[one.operator].format(_UNITS[one.field].format(value))
    named: dict[str, dict[str, str]] = {
        "type": _TYPES,
        "season": _SEASONS,
        "status": _STATES,
        "my_status": _LIST,
        "relation": _RELATIONS,
    }
    if one.field in named:
        return named[one.field].get(str(value), str(value))
    if one.field == "restricted":
        return "成人向け" if value else "成人向け以外"
    if one.field == "suitable":
        return "子供向け"
    if one.field == "title":
        return f"題名が「{value}」で始まる" if one.operator == "^=" else f"題名に「{value}」"
    return _tags().get(str(value), str(value))


@cache
def _tags() -> dict[str, str]:
    """Return the lexicon's Japanese names of tags."""
    names: dict[str, str] = {}
    for table in ("sources", "tags"):
        for tags, spellings in lexicon()[table].items():
            own = next((spelling for spelling in spellings if re.search(f"[{CJK}]", spelling)), None)
            if own:
                names |= {tag: own for tag in tags.split("|") if tag not in names}
    return names
