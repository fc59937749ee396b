"""Facts in a question: the conditions, order and field it asks for, in English and Japanese.

A small grammar takes out of the question what it understands, phrase by phrase. What is left decides how far that may
be trusted: nothing left means the whole question is about fields. Knows no show and does not search.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from animerag.models import Filters, Sort
from animerag.query import patterns
from animerag.text.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.models import FactField
    from animerag.query.patterns import Direction, Relative

Ask = Literal["list", "count", "order", "value", "compare", "related", "similar"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedQuery:
    """What a question asks of the catalogue's fields; `left` are the words that none of it explains.

    `relative` are bounds that come from the show a question compares with: "like X but shorter".
    `direction` tells sequels from prequels; `lists` that it asks for all of something in so many words.
    """

    filters: Filters = Filters()
    sort: Sort | None = None
    limit: int | None = None
    ask: Ask | None = None
    field: FactField | None = None
    relative: tuple[Relative, ...] = ()
    direction: Direction = "any"
    lists: bool = False
    left: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Tell whether every word that carries meaning was understood."""
        return not self.left


@dataclass(slots=True)
class _QuestionText:
    """The question as it is worked off: what a phrase explained is blanked out."""

    text: str
    tags: Mapping[str, str]
    found: dict[str, Any] = field(default_factory=dict)
    sort: Sort | None = None
    limit: int | None = None

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Find a phrase and blank it out."""
        match = pattern.search(self.text)
        if match and match.group().strip():
            self.blank(match)
            return match
        return None

    def blank(self, match: re.Match[str]) -> None:
        self.text = self.text[: match.start()] + " " * len(match.group()) + self.text[match.end() :]

    def bound(self, name: str, low: float | None, high: float | None) -> None:
        """Narrow a range."""
        for side, value in (("from", low), ("to", high)):
            if value is not None:
                self.found[f"{name}_{side}"] = value


def understand(
    question: str, tags: Mapping[str, str], *, named: Sequence[tuple[int, int]] = (), names: int = 0
) -> ParsedQuery:
    """Return what a question asks of fields.

    `tags` gives the catalogue's tag for every way to say it. `named` are the places of titles in the question, which
    are not read; `names` says how many shows they name.
    """
    text = question
    for start, end in named:
        text = text[:start] + " " * (end - start) + text[end:]
    reading = _QuestionText(text=unicodedata.normalize("NFKC", text).casefold().replace("’", "'"), tags=tags)
    statuses = next((states for pattern, states in patterns.STATUSES if reading.take(pattern)), ())
    lists = bool(patterns.LISTS.search(reading.text))
    asked = _asked(reading, names)
    _read_years(reading)
    _read_quantities(reading)
    sort = _read_sort(reading) if asked.ask not in ("value", "compare") else None
    tagged, untagged = _read_tags(reading)
    filters = Filters(**reading.found, tags=tagged, without_tags=untagged, statuses=statuses)
    ask = asked.ask or ("order" if reading.limit else "list" if filters or sort else None)
    return ParsedQuery(
        filters=filters,
        sort=asked.sort or sort,
        limit=reading.limit,
        ask=ask,
        field=asked.field,
        relative=asked.relative,
        direction=asked.direction,
        lists=lists,
        left=_left(reading.text),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FieldRequest:
    ask: Ask | None = None
    field: FactField | None = None
    sort: Sort | None = None
    relative: tuple[Relative, ...] = ()
    direction: Direction = "any"


def _asked(reading: _QuestionText, names: int) -> _FieldRequest:
    """Read what is asked of the shows that the question names, or of the catalogue where it names none."""
    if not names:
        return _FieldRequest(ask="count") if reading.take(patterns.COUNTS) else _FieldRequest()
    if reading.take(patterns.SIMILAR):
        relative = tuple(word for pattern, word in patterns.RELATIVE if reading.take(pattern))
        return _FieldRequest(ask="similar", relative=relative)
    if names > 1:
        for pattern, sort in patterns.COMPARES:
            if reading.take(pattern):
                return _FieldRequest(ask="compare", sort=sort, field=sort.field)
    for related, direction in patterns.RELATED:
        if reading.take(related):
            return _FieldRequest(ask="related", direction=direction, field="relations")
    for value, name in patterns.VALUES:
        if reading.take(value):
            return _FieldRequest(ask="value", field=name)
    return _FieldRequest()


def _read_years(reading: _QuestionText) -> None:
    if match := reading.take(patterns.YEAR_RANGE):
        reading.bound("year", int(match["low"]), int(match["high"]))
        return
    if match := reading.take(patterns.ERA):
        if match["said"]:
            start = patterns.SAID_DECADES[match["said"]]
        elif match["ja"]:
            start = int(match["ja"]) * 10
        else:
            decade = int(match["decade"])
            start = (int(match["century"]) if match["century"] else 20 if decade < 3 else 19) * 100 + decade * 10
        first, last = {"early": (0, 4), "mid": (4, 6), "late": (5, 9)}.get(match["part"] or "", (0, 9))
        reading.bound("year", start + first, start + last)
        return
    for pattern, bounds in patterns.YEAR_FORMS:
        if match := reading.take(pattern):
            year = match.groupdict().get("y") or match.groupdict().get("y2")
            reading.bound("year", *bounds(int(year or 0)))
            if pattern is patterns.YEAR_FORMS[-1][0]:
                return


def _read_quantities(reading: _QuestionText) -> None:
    for match in list(patterns.BETWEEN.finditer(reading.text)):
        name = _unit_of(match)
        if name:
            reading.bound(name, _plain(_number(match, "low"), name), _plain(_number(match, "high"), name))
            reading.blank(match)
    for match in list(patterns.QUANTITY.finditer(reading.text)):
        name = _unit_of(match)
        if name:
            low, high = _bounds(_number(match, "n"), match["cmp"] or "", match["post"] or match["post2"] or "", name)
            reading.bound(name, low, high)
            reading.blank(match)
    for match in list(patterns.JAPANESE_QUANTITY.finditer(reading.text)):
        name = "rating" if match["rated"] else patterns.JAPANESE_UNITS.get(match["unit"] or "", "")
        if name:
            number = float(match["n"].replace(",", "")) * (10_000 if match["times"] else 1)
            step = 0.01 if name == "rating" else 1
            post = match["post"] or ""
            low = {
                "以下": None,
                "未満": None,
                "より少ない": None,
                "より多い": number + step,
                "を超える": number + step,
            }.get(post, number)
            high = {
                "以上": None,
                "より多い": None,
                "を超える": None,
                "未満": number - step,
                "より少ない": number - step,
            }.get(post, number)
            reading.bound(name, _plain(low, name), _plain(high, name))
            reading.blank(match)
    if reading.take(patterns.SINGLE):
        reading.bound("episodes", 1, 1)


def _unit_of(match: re.Match[str]) -> str:
    named = match.groupdict()
    unit = next((name for name in patterns.UNITS if named.get(name)), "")
    return unit or ("rating" if named.get("rated") else "")


def _bounds(number: float, comparison: str, post: str, name: str) -> tuple[float | None, float | None]:
    step = 0.01 if name == "rating" else 1
    if re.fullmatch(patterns.ABOVE + "|>", comparison):
        low, high = number + step, None
    elif re.fullmatch(patterns.BELOW + "|<", comparison):
        low, high = None, number - step
    elif re.fullmatch(patterns.AT_LEAST, comparison) or re.match(
        r"\+|(?:or|and) (?:more|higher|above|better|longer|over|greater|up)", post
    ):
        low, high = number, None
    elif re.fullmatch(patterns.AT_MOST, comparison) or post:
        low, high = None, number
    elif name == "rating" and not comparison and number == int(number):
        low, high = number, min(10.0, number + 0.99)  # "rated 8" means eight point something
    else:
        low, high = number, number
    return _plain(low, name), _plain(high, name)


def _plain(value: float | None, name: str) -> float | None:
    if value is None:
        return None
    return round(value, 2) if name == "rating" else int(value)


def _number(match: re.Match[str], name: str) -> float:
    said = match[name]
    number = patterns.WORD_NUMBERS[said] if said in patterns.WORD_NUMBERS else float(said.replace(",", ""))
    return number * patterns.TIMES.get(match[f"{name}_times"] or "", 1)


def _read_sort(reading: _QuestionText) -> Sort | None:
    top = patterns.TOP.search(reading.text)
    for pattern, sort in patterns.SUPERLATIVES:
        match = pattern.search(reading.text)
        if match:
            if top:
                reading.limit = int(_number(top, "n" if top["n"] else "m"))
                reading.blank(top)
            elif not patterns.MANY.match(reading.text, match.end()) or patterns.ONE.search(reading.text):
                reading.limit = 1
            reading.take(pattern)
            return sort
    if top and top.group().startswith(("top", "best")):
        reading.limit = int(_number(top, "n" if top["n"] else "m"))
        reading.blank(top)
        return Sort(field="rating")
    return None


def _read_tags(reading: _QuestionText) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take tags out, longest first; "no", "without" and "not" before one exclude it."""
    wanted: list[str] = []
    unwanted: list[str] = []
    flat = re.sub(r"[\W_]", " ", reading.text)  # one character for one, so that places stay
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", flat)]
    at = 0
    while at < len(words):
        size = next((n for n in range(min(5, len(words) - at), 0, -1) if _tag_at(reading, flat, words, at, n)), 0)
        if size:
            tag = reading.tags[_said(flat, words, at, size)]
            before = flat[: words[at][0]].split()[-1:]
            excluded = before and before[0] in ("no", "not", "without", "non", "except", "excluding", "minus")
            (unwanted if excluded else wanted).append(tag)
            start = words[at - 1][0] if excluded else words[at][0]
            end = words[at + size - 1][1]
            reading.text = reading.text[:start] + " " * (end - start) + reading.text[end:]
        at += size or 1
    for run in patterns.CJK_RUN.findall(reading.text):
        for name in sorted(
            (name for name in reading.tags if name in run and patterns.CJK_RUN.fullmatch(name)), key=len, reverse=True
        ):
            wanted.append(reading.tags[name])
            reading.text = reading.text.replace(name, " " * len(name))
            break
    return tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted))


def _said(flat: str, words: Sequence[tuple[int, int]], at: int, size: int) -> str:
    return " ".join(flat[start:end] for start, end in words[at : at + size])


def _tag_at(reading: _QuestionText, flat: str, words: Sequence[tuple[int, int]], at: int, size: int) -> bool:
    """A tag that is a common word counts only where the question says that it is a tag."""
    said = _said(flat, words, at, size)
    if said not in reading.tags:
        return False
    return (bool(terms(said)) and said not in patterns.SCAFFOLDING) or bool(
        re.search(r"\b(?:tag|tagged|genre)\W*$", flat[: words[at][0]])
    )


def _left(text: str) -> tuple[str, ...]:
    rest = [word for word in terms(text) if word not in patterns.SCAFFOLDING]
    japanese = patterns.JAPANESE_SCAFFOLDING.sub(" ", " ".join(patterns.CJK_RUN.findall(text)))
    return (*rest, *japanese.split())
