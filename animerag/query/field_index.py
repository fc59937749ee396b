"""The catalogue's fields in memory: which shows meet conditions, in which order, and what its tags are called.

Reads them with one statement and keeps no descriptions; 30,000 shows are answered in a few milliseconds.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from animerag.models import RESTRICTED_LABELS, FactAnswer, Filters, Show, Sort

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from animerag.models import FactKind
    from animerag.query.parser import ParsedQuery
    from animerag.query.titles import AliasMatch

_PUNCTUATION = re.compile(r"[\W_]+")
# What people say for tags that catalogues spell otherwise; used only where the catalogue has that tag.
_ALSO_CALLED = {
    "sci-fi": "science fiction|scifi|sf",
    "science fiction": "sci-fi|scifi|sf",
    "mecha": "giant robot|robot|ロボット|メカ",
    "sports": "sport|スポーツ",
    "comedy": "funny|comedic|コメディ|ギャグ",
    "romance": "romantic|love story|恋愛|ラブストーリー",
    "horror": "scary|ホラー",
    "mystery": "ミステリー|推理",
    "fantasy": "ファンタジー",
    "action": "アクション",
    "adventure": "冒険",
    "drama": "ドラマ",
    "school": "high school|学園",
    "music": "musical|音楽",
    "historical": "history|歴史",
    "military": "war|軍事|戦争",
    "psychological": "心理",
    "supernatural": "超常",
    "slice of life": "daily life|日常系",
    "isekai": "other world|異世界",
    "space": "outer space|宇宙",
    "vampire": "吸血鬼",
    "gourmet": "food|cooking|料理|グルメ",
    "mahou shoujo": "magical girl|魔法少女",
    "boys love": "bl|yaoi",
    "girls love": "gl|yuri|百合",
    "cgdct": "cute girls doing cute things",
    "iyashikei": "healing|癒し系",
    "childcare": "parenting|子育て",
    "mythology": "myth|神話",
    "shounen": "shonen|少年漫画",
    "shoujo": "shojo|少女漫画",
    "time travel": "タイムトラベル",
    "detective": "探偵",
    "samurai": "侍",
    "racing": "レース",
    "medical": "医療",
    "light novel": "ライトノベル",
    "visual novel": "ビジュアルノベル",
}


class FieldIndex:
    """Every show's fields, by id, and the vocabulary that questions may use for them."""

    def __init__(self, shows: Iterable[Show]) -> None:
        best_first = sorted(shows, key=_best_first)
        self._shows = {show.id: show for show in best_first}
        self.votes = {show.id: show.votes or 0 for show in best_first}
        counted = Counter(tag.casefold() for show in self._shows.values() for tag in show.tags)
        self._tags_of = {show.id: {tag.casefold() for tag in show.tags} for show in self._shows.values()}
        self._tagged: dict[str, list[Show]] = {}
        for show in best_first:
            for tag in self._tags_of[show.id]:
                self._tagged.setdefault(tag, []).append(show)
        self._titles_of = {
            show.id: " ".join(f" {title_words(title)} |" for title in (show.title, *show.titles)) for show in best_first
        }
        self.tags = [tag for tag, _ in counted.most_common()]
        self.has_statuses = any(show.my_status for show in self._shows.values())
        self.tag_names = _names_of(counted)

    def __len__(self) -> int:
        return len(self._shows)

    def show(self, show_id: str) -> Show | None:
        """Return a show without its source's record, or None."""
        return self._shows.get(show_id)

    def shows(self) -> Iterable[Show]:
        """Return all shows, without their sources' records."""
        return self._shows.values()

    def search_titles(self, letters: str) -> list[str]:
        """Return the ids of shows that have these letters in a title, but for case and punctuation."""
        wanted = title_words(letters)
        return [show.id for show in self._shows.values() if not wanted or wanted in self._titles_of[show.id]]

    def matching(self, filters: Filters) -> list[str]:
        """Return the ids of all shows that meet the filters, best rated first."""
        tests = self._tests(filters)
        shows: Collection[Show] = self._shows.values()
        for tag in filters.tags:  # the rarest of them leaves the fewest to look at
            shows = min(shows, self._tagged.get(tag.casefold(), []), key=len)
        return [show.id for show in shows if all(test(show) for test in tests)]

    def filter_ids(self, ids: Iterable[str], filters: Filters) -> list[str]:
        """Return those of the ids that meet the filters, as they come."""
        tests = self._tests(filters)
        return [show_id for show_id in ids if all(test(self._shows[show_id]) for test in tests)]

    def allows(self, show_id: str, filters: Filters) -> bool:
        """Tell whether the show of that id is here and meets the filters."""
        show = self._shows.get(show_id)
        return show is not None and (not filters or self.meets(show, filters))

    def meets(self, show: Show, filters: Filters) -> bool:
        """Tell whether a show meets every condition; an unknown field meets none."""
        return all(test(show) for test in self._tests(filters))

    def _tests(self, filters: Filters) -> list[Callable[[Show], bool]]:
        """Return a test for each condition that is set: most questions set one, and shows are thousands."""
        tests: list[Callable[[Show], bool]] = []
        for name in ("year", "episodes", "rating", "votes"):
            low, high = getattr(filters, f"{name}_from"), getattr(filters, f"{name}_to")
            if low is not None or high is not None:
                tests.append(partial(_bounded, attrgetter(name), low, high))
        wanted, without = (frozenset(tag.casefold() for tag in some) for some in (filters.tags, filters.without_tags))
        if wanted:
            tests.append(lambda show: wanted <= self._tags_of[show.id])
        if without:
            tests.append(lambda show: without.isdisjoint(self._tags_of[show.id]))
        if filters.statuses:
            tests.append(lambda show: (show.my_status or "none") in filters.statuses)
        if filters.types:
            tests.append(lambda show: show.type in filters.types)
        if filters.seasons:
            tests.append(lambda show: show.season in filters.seasons)
        if filters.aired_from or filters.aired_to:
            tests.append(partial(_aired, filters.aired_from, filters.aired_to))
        if filters.restricted is not None:
            tests.append(lambda show: show.restricted is filters.restricted)
        if filters.title:
            words = f" {title_words(filters.title)} "
            tests.append(lambda show: words in self._titles_of[show.id])
        return tests

    def ordered(self, ids: Iterable[str], sort: Sort) -> list[str]:
        """Return the ids in that order, those whose field is unknown left out."""
        known = [(value, show_id) for show_id in ids if (value := self.value(show_id, sort.field))]
        return [show_id for _, show_id in sorted(known, key=lambda pair: pair[0], reverse=sort.descending)]

    def value(self, show_id: str, field: str) -> Any:
        """Return a field of a show; tags and relations as text, None where it is unknown."""
        show = self._shows[show_id]
        if field == "tags":
            return ", ".join(show.tags) or None
        if field == "relations":
            return ", ".join(f"{item.kind}: {item.title}" for item in show.relations) or None
        if field == "studios":
            return ", ".join(show.studios) or None
        if field == "restricted":
            return None if show.restricted is None else RESTRICTED_LABELS[show.restricted]
        return getattr(show, field) or None

    def has_tag(self, show_id: str, tag: str) -> bool:
        """Tell whether a show has a tag, given in lower case."""
        return tag in self._tags_of[show_id]

    def first(self, ids: Sequence[str], limit: int, field: str) -> list[str]:
        """Return the first of ordered ids, and whatever ties with the last of them."""
        return _first(ids, limit, self, field)

    def titled(self, words: str) -> bool:
        """Tell whether any title contains these words."""
        wanted = f" {title_words(words)} "
        return bool(wanted.strip()) and any(wanted in self._titles_of[show.id] for show in self._shows.values())


def _best_first(show: Show) -> tuple[float, int, str, str]:
    return -(show.rating or 0), -(show.votes or 0), show.title, show.id


def title_words(text: str) -> str:
    """Return folded words with single spaces between them."""
    return _PUNCTUATION.sub(" ", text.casefold()).strip()


def _bounded(field: Callable[[Show], float | None], low: float | None, high: float | None, show: Show) -> bool:
    value = field(show)
    # 0 is how exports say "unknown".
    return bool(value) and (low is None or value >= low) and (high is None or value <= high)  # type: ignore[operator]


def _aired(low: str | None, high: str | None, show: Show) -> bool:
    """Tell whether every day that a show's air date may mean lies within the bounds."""
    date = show.air_date
    if not date:
        return False
    # A date in part stands for its first day below and for its last one above.
    return (not low or _first_day(date) >= _first_day(low)) and (not high or f"{date}-99" <= f"{high}-99")


def _first_day(date: str) -> str:
    return date if len(date) == 10 else f"{date}-01" if len(date) == 7 else f"{date}-01-01"


def _names_of(tags: Mapping[str, int]) -> dict[str, str]:
    """Return every way to say a tag, with spaces for punctuation: itself, plural or singular, other words for it."""
    names: dict[str, str] = {}
    for tag in sorted(tags, key=lambda one: tags[one], reverse=True):
        for said in (tag, *_ALSO_CALLED.get(tag, "").split("|")):
            base = title_words(said)
            for form in (base, base + "s", base.removesuffix("s"), base.removesuffix("y") + "ies"):
                if len(form) > 1:
                    names.setdefault(form, tag)
    return {**names, **{title_words(tag): tag for tag in tags if title_words(tag)}}


def answer(
    understood: ParsedQuery, matches: Sequence[AliasMatch], table: FieldIndex, by_hand: Filters
) -> FactAnswer | None:
    """Return what fields answer of a question, or None where it was not understood whole or asks for something else.

    `matches` are the shows that the question clearly names, `by_hand` the filters that hold besides.
    """
    if matches and understood.ask in ("value", "compare", "related"):
        return _about(understood, matches, table) if understood.whole else None
    filters = _listed(understood, matches, table)
    if filters is None:
        return None
    filters = by_hand.joined(filters)
    ids = table.matching(filters)
    total, unknown = len(ids), 0
    if understood.sort:
        ids = table.ordered(ids, understood.sort)
        total, unknown = len(ids), total - len(ids)
    if understood.limit and understood.sort:
        ids = _first(ids, understood.limit, table, understood.sort.field)
    kind: FactKind = "count" if understood.ask == "count" else "order" if understood.limit else "list"
    field = understood.sort.field if understood.sort else None
    return FactAnswer(
        kind=kind,
        ids=tuple(ids),
        total=total,
        field=field,
        values=tuple(table.value(show_id, field) for show_id in ids) if field else (),
        filters=filters,
        sort=understood.sort,
        unknown=unknown,
    )


def _listed(understood: ParsedQuery, matches: Sequence[AliasMatch], table: FieldIndex) -> Filters | None:
    """Return the filters of a question for a list; a franchise in one ("every X title") is words of its titles."""
    if matches or understood.left:
        words = " ".join(understood.left) or matches[0].phrase
        asks_for_all = understood.lists and understood.ask in (None, "list", "count", "order")
        if asks_for_all and not (matches and understood.left) and table.titled(words):
            return replace(understood.filters, title=title_words(words))
        return None
    if understood.filters or understood.sort or understood.ask == "count":
        return understood.filters
    return None


def _first(ids: Sequence[str], limit: int, table: FieldIndex, field: str) -> list[str]:
    """Return the first ones, and whatever ties with the last of them."""
    if len(ids) <= limit:
        return list(ids)
    last = table.value(ids[limit - 1], field)
    tied = (show_id for show_id in ids[limit:] if table.value(show_id, field) == last)
    return [*ids[:limit], *tied]


def _about(understood: ParsedQuery, matches: Sequence[AliasMatch], table: FieldIndex) -> FactAnswer | None:
    ids = list(dict.fromkeys(match.id for match in matches if match.exact)) or [match.id for match in matches]
    if understood.ask == "related":
        return _related(understood, ids[0], table)
    if understood.sort:
        ids = table.ordered(ids, understood.sort)
    if understood.field is None or not ids:
        return None
    return FactAnswer(
        kind="compare" if understood.ask == "compare" else "value",
        ids=tuple(ids),
        total=len(ids),
        field=understood.field,
        values=tuple(table.value(show_id, understood.field) for show_id in ids),
        sort=understood.sort,
    )


_BEFORE, _AFTER = ("prequel", "parent story"), ("sequel",)


def _related(understood: ParsedQuery, show_id: str, table: FieldIndex) -> FactAnswer:
    """Follow relations one way to their end, or list them all; only shows that the catalogue has."""
    kinds = {"after": _AFTER, "before": _BEFORE}.get(understood.direction)
    found: dict[str, str] = {}
    waiting = [show_id]
    while waiting:
        show = table.show(waiting.pop(0))
        for item in show.relations if show else ():
            kind = item.kind.casefold()
            if item.id not in found and item.id != show_id and table.show(item.id) and (kinds is None or kind in kinds):
                found[item.id] = kind
                waiting += [item.id] if kinds else []
    ids = tuple(found)
    return FactAnswer(
        kind="related", ids=ids, total=len(ids), field="relations", values=tuple(found.values()), of=show_id
    )


def similar_to(show_id: str, table: FieldIndex) -> dict[str, str]:
    """Return the shows that the catalogue itself calls similar to one, nearest first, with words that say so."""
    show = table.show(show_id)
    return {item.id: f"similar to {show.title}" for item in show.similar if table.show(item.id)} if show else {}


def relative(understood: ParsedQuery, show_id: str, table: FieldIndex) -> Filters:
    """Return the filters of a question with the bounds that follow from the show it compares with."""
    show = table.show(show_id)
    filters = understood.filters
    for word in understood.relative if show else ():
        name, side, step = _RELATIVE[word]
        value = getattr(show, name)
        if value:
            filters = filters.joined(Filters(**{f"{name}_{side}": round(value + step, 2)}))
    return filters


_RELATIVE: dict[str, tuple[str, str, float]] = {
    "shorter": ("episodes", "to", -1),
    "longer": ("episodes", "from", 1),
    "newer": ("year", "from", 1),
    "older": ("year", "to", -1),
    "better": ("rating", "from", 0.01),
}
