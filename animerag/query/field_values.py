"""Answers about fields of named shows: a value, yes or no, or a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from animerag.models.filters import RESTRICTED_LABELS, STATUS_LABELS, Sort
from animerag.models.retrieval import FactAnswer
from animerag.models.shows import TYPE_LABELS
from animerag.query import local_files
from animerag.query.execution import ATTRIBUTES, labels_of, verdicts
from animerag.query.plan import comparisons
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.retrieval import FactField
    from animerag.models.shows import Show
    from animerag.query.field_index import FieldIndex
    from animerag.query.plan import Plan

# Fields whose name in a plan differs from that in a show.
_NAMES = {
    **ATTRIBUTES,
    "suitable": "tags",
    "tag": "tags",
    "title": "titles",
    "relation": "relations",
    "studio": "studios",
}
_ORDERS: dict[tuple[str, bool], tuple[str, str]] = {
    ("episodes", True): ("is longer", "の方が長い"),
    ("episodes", False): ("is shorter", "の方が短い"),
    ("year", True): ("is newer", "の方が新しい"),
    ("year", False): ("came first", "の方が先"),
    ("rating", True): ("is rated higher", "の方が評価が高い"),
    ("rating", False): ("is rated lower", "の方が評価が低い"),
    ("votes", True): ("has more votes", "の方が人気"),
    ("votes", False): ("has fewer votes", "の方が票が少ない"),
    ("duration", True): ("has longer episodes", "の方が一話が長い"),
    ("duration", False): ("has shorter episodes", "の方が一話が短い"),
}
_EQUAL: dict[str, tuple[str, str]] = {
    "year": ("are from the same year", "は同じ年の作品"),
    "episodes": ("are equally long", "は同じ長さ"),
    "rating": ("are rated equally", "は同じ評価"),
}
_SHOWN = ("type", "year", "episodes", "rating", "votes")  # fields that are compared if a question names none
_AIRING = {
    "finished": ("has finished airing", "は放送終了"),
    "airing": ("is still airing", "は放送中"),
    "upcoming": ("has not aired yet", "は放送前"),
}
_ARTICLE_AN = ("a", "e", "i", "o", "u")
_DIGITS_OF_A_DAY = 10
FieldValue: TypeAlias = int | float | str | None


def field_name(plan: Plan) -> FactField | None:
    """Return the name of a plan's field in a show."""
    return _NAMES.get(plan.field, plan.field) if plan.field else None  # type: ignore[return-value]


def value_answer(plan: Plan, table: FieldIndex, *, japanese: bool) -> FactAnswer | None:
    """Return a field of each named show with a sentence; None if the plan names no field."""
    name = field_name(plan)
    shows = [show for one in plan.shows if (show := table.show(one)) is not None]
    if name is None or not shows:
        return None
    names = [_NAMES.get(one, one) for one in plan.fields] or [name]
    values = tuple(table.value(show.id, name) for show in shows)
    first = [_plain(table.value(shows[0].id, one)) for one in names]
    return FactAnswer(
        kind="value",
        intent="field",
        ids=tuple(show.id for show in shows),
        total=len(shows),
        field=name,
        values=values,
        value=first[0] if len(first) == 1 else "; ".join("unknown" if one is None else str(one) for one in first),
        complete=True,
        heading=" ".join(statement(show, one, table, japanese=japanese) for show in shows for one in names),
    )


def verdict_answer(plan: Plan, table: FieldIndex, *, japanese: bool) -> FactAnswer | None:
    """Answer whether a show meets a condition: yes, no, or unknown."""
    show = table.show(plan.shows[0])
    if show is None:
        return None
    verdict = verdicts(plan.condition, table)(show)
    fields: dict[str, None] = dict.fromkeys(_NAMES.get(test.field, test.field) for test in comparisons(plan.condition))
    facts = " ".join(statement(show, name, table, japanese=japanese) for name in fields)
    value = None if verdict is None else "yes" if verdict else "no"
    return FactAnswer(
        kind="value",
        intent="field",
        ids=(show.id,),
        total=1,
        value=value,
        conditions=tuple(plan.conditions()),
        labels=labels_of(plan.condition, table, japanese=japanese),
        complete=True,
        heading=_yes_or_no(value, japanese=japanese) + facts,
    )


def comparison_answer(plan: Plan, table: FieldIndex, *, japanese: bool) -> FactAnswer | None:
    """Compare the named shows by one field, or by all fields in which they differ."""
    shows = [show for one in plan.shows if (show := table.show(one)) is not None]
    if len(shows) < 2:
        return None
    order = plan.order
    if order is None or order.field == "underrated":
        facts = [_description(show, table, japanese=japanese) for show in shows]
        return FactAnswer(
            kind="compare",
            intent="compare",
            ids=tuple(show.id for show in shows),
            total=len(shows),
            complete=True,
            heading="\n\n".join(facts),
        )
    sort = Sort(field=order.field, descending=order.descending)
    ids = table.ordered([show.id for show in shows], sort)
    ids += [show.id for show in shows if show.id not in ids]
    values = [table.value(show_id, sort.field) for show_id in ids]
    winner = _winner(plan, ids, values, table)
    return FactAnswer(
        kind="compare",
        intent="compare",
        ids=tuple(ids),
        total=len(ids),
        field=sort.field,
        values=tuple(values),
        value=winner,
        sort=sort,
        complete=True,
        heading=_yes_or_no(winner, japanese=japanese) + _comparison(ids, values, sort, table, japanese=japanese),
    )


def _description(show: Show, table: FieldIndex, *, japanese: bool) -> str:
    """Return the fields of a show in one sentence, and a sentence for those that the catalogue lacks."""
    if japanese:
        return " ".join(statement(show, name, table, japanese=True) for name in _SHOWN)
    known = {name: value for name in _SHOWN if (value := table.value(show.id, name)) is not None}
    predicates = listed([_predicate(show, name, value) for name, value in known.items()])
    lacking = " ".join(statement(show, name, table) for name in _SHOWN if name not in known)
    return " ".join(filter(None, (f"**{show.title}** {predicates}." if predicates else "", lacking)))


def _yes_or_no(value: FieldValue, *, japanese: bool) -> str:
    """Return the beginning of an answer to a question for yes or no; "" for any other value."""
    verdicts = {"yes": ("Yes. ", "はい。"), "no": ("No. ", "いいえ。")}
    return verdicts[value][japanese] if isinstance(value, str) and value in verdicts else ""


def statement(show: Show, name: str, table: FieldIndex, *, japanese: bool = False) -> str:
    """Return a sentence with a field of a show, or one that says that the catalogue lacks it."""
    title = f"**{(show.native_title or show.title) if japanese else show.title}**"
    value = table.value(show.id, name) if name != "my_status" else show.my_status
    if japanese:
        return f"{title}：{_FIELDS_JA.get(name, name)}は{_value_ja(show, name, value)}。"
    if name == "my_status" and value is None:
        return f"{title} is not in your list."
    if of_files := local_files.statement(show, name):
        return f"{title} {of_files}."
    if value is None:
        return f"The catalogue does not say {_FIELDS.get(name, 'that of {}').format(title)}."
    return f"{title} {_predicate(show, name, value)}."


def _predicate(show: Show, name: str, value: Any) -> str:
    if name == "episodes":
        return "has 1 episode" if value == 1 else f"has {value:,} episodes"
    if name == "votes":
        return f"has {value:,} votes"
    if name == "rating":
        return f"is rated {value:.2f} of 10"
    if name == "type":
        label = TYPE_LABELS[show.type] if show.type else str(value)
        article = "an" if label.lower().startswith(_ARTICLE_AN) else "a"
        return f"is {article} {label}" + (" (inferred from its titles and episodes)" if show.type_inferred else "")
    if name == "year":
        until = f" to {show.end_year}" if show.end_year and show.end_year != show.year else ""
        return f"aired from {value}{until}" if until else f"aired in {value}"
    if name == "end_year":
        return f"ended in {value}"
    if name == "air_date":
        return f"began to air {'on' if len(value) == _DIGITS_OF_A_DAY else 'in'} {value}"
    if name == "end_date":
        return f"ended {'on' if len(value) == _DIGITS_OF_A_DAY else 'in'} {value}"
    if name == "season":
        return f"is from {value}" + (f" {show.year}" if show.year else "")
    if name == "airing":
        return _AIRING[value][0]
    if name == "restricted":
        return f"is {RESTRICTED_LABELS[bool(show.restricted)]}"
    if name == "tags":
        return f"is tagged {value}"
    if name == "source":
        return f"is based on: {value}"
    if name == "seasons":
        return "has 1 season in your catalogue" if value == 1 else f"has {value} seasons in your catalogue"
    if name == "duration":
        return f"runs {value} minutes per episode" if (show.episodes or 2) > 1 else f"runs {value} minutes"
    if name == "studios":
        return f"was made by {value}"
    if name == "titles":
        return f"is also called {value.replace(' | ', ', ')}"
    if name == "relations":
        return f"is related to {value}"
    if name == "my_status":
        return f"is “{STATUS_LABELS[value]}” in your list"
    if name == "my_score":
        return f"is scored {value:g} of 10 by you"
    if name == "episodes_watched":
        of = f" of {show.episodes:,}" if show.episodes else ""
        return f"has {value:,}{of} episodes watched in your list"
    return f"has {value}"


_FIELDS = {
    "episodes": "how many episodes {} has",
    "votes": "how many votes {} has",
    "rating": "how {} is rated",
    "type": "what type {} is",
    "year": "which year {} is from",
    "end_year": "when {} ended",
    "air_date": "when {} began to air",
    "end_date": "when {} ended",
    "season": "which season {} is from",
    "airing": "whether {} has finished airing",
    "restricted": "whether {} is for adults only",
    "tags": "the tags of {}",
    "source": "what {} is based on",
    "duration": "how long an episode of {} runs",
    "studios": "which studio made {}",
    "titles": "another title of {}",
    "relations": "what {} is related to",
    "seasons": "how many seasons {} has",
    "my_status": "whether you have watched {}",
    "my_score": "how you scored {}",
    "episodes_watched": "how many episodes of {} you have watched",
    "owned_episodes": "how many episodes of {} you own",
    "missing_episodes": "how many episodes of {} are missing",
    "file_size": "how large the files of {} are",
    "resolution": "which resolution {} has",
    "audio_languages": "which audio languages {} has",
    "subtitle_languages": "which subtitles {} has",
}
_FIELDS_JA = {
    "episodes": "話数",
    "votes": "票数",
    "rating": "評価",
    "type": "形式",
    "year": "放送年",
    "end_year": "終了年",
    "air_date": "放送開始日",
    "end_date": "放送終了日",
    "season": "放送時期",
    "airing": "放送状況",
    "restricted": "年齢制限",
    "tags": "タグ",
    "source": "原作",
    "duration": "一話の長さ",
    "studios": "制作会社",
    "titles": "別名",
    "relations": "関連作品",
    "seasons": "期数",
    "my_status": "視聴状況",
    "my_score": "自分の評価",
    "owned_episodes": "所有話数",
    "missing_episodes": "足りない話数",
    "file_size": "ファイルの大きさ（バイト）",
    "resolution": "解像度",
    "audio_languages": "音声",
    "subtitle_languages": "字幕",
}
_UNITS_JA = {"episodes": "全{:,}話", "votes": "{:,}票", "rating": "10点中{:.2f}点", "year": "{}年", "duration": "{}分"}


def _value_ja(show: Show, name: str, value: Any) -> str:
    if value is None:
        return "カタログに記録がありません"
    if name == "airing":
        return _AIRING[value][1].removeprefix("は")
    if name == "type":
        return {"movie": "映画", "tv": "テレビアニメ", "ova": "OVA", "special": "スペシャル", "web": "配信アニメ"}.get(
            show.type or "", str(value)
        )
    return _UNITS_JA.get(name, "{}").format(value)


def _winner(plan: Plan, ids: Sequence[str], values: Sequence[FieldValue], table: FieldIndex) -> str | None:
    """Return the result of a comparison: yes or no, the winning title, or None if it is unknown."""
    if values[1] is None:
        return None
    tied = values[0] == values[1]
    if plan.yes_no:
        return "no" if tied or ids[0] != plan.shows[0] else "yes"
    return "both" if tied else table.title_of(ids[0])


def _comparison(
    ids: Sequence[str], values: Sequence[FieldValue], sort: Sort, table: FieldIndex, *, japanese: bool
) -> str:
    shows = [show for one in ids if (show := table.show(one)) is not None]
    facts = " ".join(statement(show, sort.field, table, japanese=japanese) for show in shows)
    if values[1] is None:
        return facts
    names = [f"**{(show.native_title or show.title) if japanese else show.title}**" for show in shows]
    if values[0] == values[1]:
        english, native = _EQUAL.get(sort.field, ("are equal", "は同じ"))
        return (f"{'と'.join(names)}{native}。" if japanese else f"{' and '.join(names)} {english}. ") + facts
    english, native = _ORDERS[sort.field, sort.descending]
    return f"{names[0]}{native}。{facts}" if japanese else f"{names[0]} {english}. {facts}"


def _plain(value: object) -> int | float | str | None:
    return value if isinstance(value, int | float | str) else None
