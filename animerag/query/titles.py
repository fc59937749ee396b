"""Title matching: which shows does a question name, in any script, and how surely.

A name that is also an ordinary word ("Monster", "Another", "K") counts only where the question writes it as a name.
Spelling is forgiven word by word: an unknown word is read as the title word nearest to it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from rapidfuzz import process
from rapidfuzz.distance import OSA

from animerag.query.asked_titles import asked_title
from animerag.text.tokens import STOP_WORDS, terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from animerag.models import Show

_TOKEN = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]")  # scripts that write words without spaces
_KANJI, _KATAKANA = re.compile(r"[㐀-鿿豈-﫿々]"), re.compile(r"[゠-ヿ]")
_QUOTED = re.compile(r"[\"“„「『«]([^\"”“」』»]{1,200})[\"”“」』»]|\balias:\s*(\S.*)$", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_SUBTITLE = re.compile(r":\s|\s[-–~～]\s?")
_ACCENTS = re.compile(
    "[\u0300-\u036f]"
)  # of Latin, Greek and Cyrillic; Japanese voicing marks are letters, not accents
_LONGEST_TITLE = 16  # tokens; longer ones are found by their words
_LONGEST_UNSPACED = 40  # characters
_JOINED_TOKENS = 4  # "dan da dan" for "Dandadan"
_SURELY_JOINED = 6  # letters below which joined words meet by chance
_MISSPELT = 5  # letters; in shorter words one wrong letter makes another word
_MISSPELT_TWICE = 8
_NO_CHANCE = 4  # ordinary words in a row that make a title are that title
_INITIALS = range(3, 7)
_INITIALS_SHARED = 3  # more shows with the same initials than this and the letters name none of them

_ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"]
_CARDINALS = ("one", "two", "three", "four", "five", "six", "seven")
_ROMAN = ["ii", "iii", "iv", "v", "vi", "vii"]
_NUMBER = rf"(\d\d?)(?:st|nd|rd|th)?|({'|'.join(_ORDINALS)})"
_WRITTEN = "|".join((*_CARDINALS, *_ROMAN))
_SEASON = re.compile(
    rf"\b(?:(?:{_NUMBER})[\s-]+(?:season|cour|part)|(?:season|part|cour)\s+(?:(\d\d?)|({_WRITTEN}))|s0?(\d))\b"
    r"|第?\s*([0-9一二三四五六])\s*(?:期|シーズン)|シーズン\s*([0-9])",
    re.IGNORECASE,
)
_KANJI_NUMBERS = "一二三四五六"
_MARK = "§"  # what a season becomes: "2nd Season" and "第2期" are both §2

# How a show carries a name, best first.
_WHOLE, _SHORTENED, _BEFORE_SUBTITLE, _BY_INITIALS, _IN_PART = range(5)
_SHARED = 4  # more shows with such words in a title than this and the words name none of them


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMatch:
    """A show whose `title` stands in the question as `phrase`; `named` when it is clearly meant as a name.

    `exact` is False where the spelling was mended or the name is only a part of the title. `season_missing` is the
    season of it that the question asks for and the catalogue lacks, else 0. `start` and `end` are the place of the
    phrase in the question as `folded` gives it.
    """

    id: str
    title: str
    phrase: str
    named: bool
    exact: bool
    tokens: int
    start: int
    end: int
    season_missing: int = 0


@dataclass(frozen=True, slots=True)
class _Token:
    raw: str
    folded: str
    start: int
    end: int
    opens: bool  # a sentence, where a capital says nothing


@dataclass(frozen=True, slots=True)
class _Name:
    """One title of one show; main titles and much-voted shows come first."""

    id: str
    title: str
    year: int | None
    season: int
    level: int
    main: bool
    votes: int


class AliasIndex:
    """All titles of a catalogue, in memory: about 0.3 s to build and under 1 ms to ask at 1,500 shows."""

    def __init__(self, shows: Iterable[Show]) -> None:
        self._spaced: dict[tuple[str, ...], list[_Name]] = defaultdict(list)
        self._joined: dict[str, list[_Name]] = defaultdict(list)
        self._initials: dict[str, list[_Name]] = defaultdict(list)
        self._parts: dict[str, list[_Name] | None] = {}  # names by each of their words, None where many share it
        self._ordinary: set[str] = set(STOP_WORDS)
        self.words: set[str] = set()
        seen: set[str] = set()
        for show in shows:
            self._learn_ordinary(show.description, seen)
            titles = show.titles or (show.title,)
            season = max((_season_of(_tokens(title)) for title in titles), default=1)
            for title in dict.fromkeys((show.title, *titles)):
                self._add(show, title, season)
        self._by_length: dict[int, list[str]] = defaultdict(list)
        for word in sorted(self.words):
            self._by_length[len(word)].append(word)

    def match(self, question: str) -> list[AliasMatch]:
        """Return the shows a question names: those surely meant first, the longest match first, each show once."""
        tokens = _tokens(question)
        found = _TitleHit(question)
        quoted = [first or second for first, second in _QUOTED.findall(question)]
        for phrase in quoted:
            key = tuple(token.folded for token in _tokens(phrase))
            names = self._spaced.get(key) or self._joined.get("".join(key), [])
            place = [token for token in tokens if token.folded in key]
            if place:
                found.take(names, place[:1] + place[-1:], named=True, exact=True, tokens=len(key))
        asked = _asked(question)
        self._match_spaced(tokens, found, asked)
        self._match_unspaced(tokens, found)
        for part in [asked, *(tuple(token.folded for token in _tokens(phrase)) for phrase in quoted)]:
            if not any(match.named for match in found.matches()):
                self._match_part(tokens, part, found)
        return found.matches()

    def has_names(self, question: str) -> bool:
        """Tell whether the question seems to have a word of a title in it: no common word, and written as a name."""
        tokens = _tokens(question)
        any_capitals = any(token.raw[0].isupper() for token in tokens)
        return any(
            (token.raw[0].isupper() or not any_capitals) and token.folded in self.words
            for token in tokens
            if not self.is_ordinary(token.folded)
        )

    def is_ordinary(self, word: str) -> bool:
        """Tell whether a folded word is used as a common word, or is too little to be a name."""
        return word in self._ordinary or word.isdigit() or len(word) == 1 or word.startswith(_MARK)

    def _match_spaced(self, tokens: Sequence[_Token], found: _TitleHit, asked: tuple[str, ...]) -> None:
        mended = [self._mend(token) for token in tokens]
        taken: set[int] = set()
        spans = (
            (length, start)
            for length in range(min(_LONGEST_TITLE, len(tokens)), 0, -1)
            for start in range(len(tokens) - length + 1)
        )
        for length, start in spans:
            place = range(start, start + length)
            if not taken.isdisjoint(place):
                continue
            names, exact = self._names_at(tokens, mended, place)
            if names:
                sure = tuple(tokens[i].folded for i in place) == asked
                named = [name for name in names if sure or self._is_named(tokens, place, name.title)]
                if named or not all(self.is_ordinary(tokens[i].folded) for i in place):
                    taken.update(place)
                span = tokens[start : start + length]
                found.take(named or names, span, named=bool(named), exact=exact, tokens=length)

    def _names_at(self, tokens: Sequence[_Token], mended: Sequence[str], place: range) -> tuple[Sequence[_Name], bool]:
        """Return the shows that carry the words at a place as a name, and whether they are spelt as in the title."""
        written = tuple(tokens[i].folded for i in place)
        if names := self._spaced.get(written):
            return names, True
        joined = "".join(written)
        if len(place) <= _JOINED_TOKENS and len(joined) >= _SURELY_JOINED and (names := self._joined.get(joined)):
            return names, True
        if len(place) == 1 and (names := self._initials.get(joined)) and self._are_initials(tokens[place[0]]):
            return ([] if len({name.id for name in names}) > _INITIALS_SHARED else names), False
        meant = tuple(mended[i] for i in place)
        return (self._spaced.get(meant, ()) if meant != written else ()), False

    def _are_initials(self, token: _Token) -> bool:
        return sum(map(str.isupper, token.raw)) > 1 or not self.is_ordinary(token.folded)

    def _mend(self, token: _Token) -> str:
        """Return the title word that a misspelt word is nearest to, or the word itself."""
        word = token.folded
        if len(word) < _MISSPELT or word in self.words or self.is_ordinary(word) or not word.isalpha():
            return word
        wrong = 2 if len(word) >= _MISSPELT_TWICE else 1
        near = [other for size in range(len(word) - wrong, len(word) + wrong + 1) for other in self._by_length[size]]
        best = process.extractOne(word, near, scorer=OSA.distance, score_cutoff=wrong)
        return best[0] if best else word

    def _match_unspaced(self, tokens: Sequence[_Token], found: _TitleHit) -> None:
        letters = [(letter, token) for token in tokens for letter in token.folded if not letter.startswith(_MARK)]
        text = "".join(letter for letter, _ in letters)
        at = 0
        while at < len(text) - 1:
            best = next(
                (
                    end
                    for end in range(min(len(text), at + _LONGEST_UNSPACED), at + 1, -1)
                    if _UNSPACED.search(text[at:end]) and text[at:end] in self._joined and _stands_alone(text, at, end)
                ),
                at,
            )
            if best > at:
                span = [letters[at][1], letters[best - 1][1]]
                # Two characters are as often a common word: they name a show where the question starts with them.
                named = best - at > 2 or at == 0
                size = max(1, (best - at) // 3)
                found.take(
                    self._joined[text[at:best]], span, named=named, exact=True, tokens=size, phrase=text[at:best]
                )
            at = max(best, at + 1)

    def _match_part(self, tokens: Sequence[_Token], part: tuple[str, ...], found: _TitleHit) -> None:
        """Take words that are used as a title for those few shows that have all of them in a title of theirs."""
        rare = [names for word in part if (names := self._parts.get(word)) is not None]
        if not rare or all(self.is_ordinary(word) for word in part):
            return
        found_in = [name for name in min(rare, key=len) if _inside(part, _tokens(name.title))]
        names = [replace(name, level=_IN_PART) for name in found_in]
        place = [token for token in tokens if token.folded in part]
        if place and len({name.id for name in names}) <= _SHARED:
            found.take(names, place[:1] + place[-1:], named=True, exact=False, tokens=len(part))

    def _is_named(self, tokens: Sequence[_Token], place: range, title: str) -> bool:
        """Ordinary words are a name when capitals say so, or when the question asks about nothing else."""
        others = (token for i, token in enumerate(tokens) if i not in place)
        rest = " ".join(token.raw for token in others if not token.folded.startswith(_MARK))  # "Monster season 2"
        if not terms(rest):
            return True
        if place[0] > 0 and tokens[place[0] - 1].folded == "not":  # "something sad, not Clannad"
            return False
        if not all(self.is_ordinary(tokens[i].folded) for i in place):
            return True
        if len(place) == 1 and len(tokens[place[0]].raw) == 1:
            return False
        if len(place) >= _NO_CHANCE:
            return True
        written, as_titled = [tokens[i].raw for i in place], [token.raw for token in _tokens(title)]
        if written == as_titled and (title.isupper() or sum(word[0].isupper() for word in written) > 1):
            return True
        capitals = sum(word[0].isupper() for word in written)
        return capitals == len(place) and not tokens[place[0]].opens and not title.isupper()

    def _add(self, show: Show, title: str, season: int) -> None:
        tokens = _tokens(title)
        if not tokens or len(tokens) > _LONGEST_TITLE:
            return
        whole = _Name(show.id, title, show.year, season, _WHOLE, title == show.title, show.votes or 0)
        for key, level in _spellings(title, tokens):
            self._spaced[key].append(whole if level == _WHOLE else replace(whole, level=level))
        joined = "".join(token.folded for token in tokens)
        if len(joined) > (1 if _UNSPACED.search(joined) else _SURELY_JOINED - 1):
            self._joined[joined].append(whole)
        words = [token.folded for token in tokens if not token.folded.startswith(_MARK)]
        if len(words) > 1:
            for word in dict.fromkeys(words):
                self._learn_part(word, whole)
        self.words.update(word for word in words if not _UNSPACED.search(word))
        if len(words) in _INITIALS and not _UNSPACED.search(joined):
            self._initials["".join(word[0] for word in words)].append(replace(whole, level=_BY_INITIALS))

    def _learn_part(self, word: str, name: _Name) -> None:
        known = self._parts.setdefault(word, [])
        if known is None:
            return
        known.append(name)
        if len(known) > _SHARED * 4:  # a show has several titles
            self._parts[word] = None

    def _learn_ordinary(self, description: str, seen: set[str]) -> None:
        """A word that two synopses use in lower case is no name by itself."""
        words = {word for word in _TOKEN.findall(description) if word.islower()}
        self._ordinary |= words & seen
        seen |= words


class _TitleHit:
    """Collects matches: each show once, the surest way it is named."""

    def __init__(self, question: str) -> None:
        self._years = {int(year) for year in _YEAR.findall(question)}
        self._seasons = {int(token.folded[1:]) for token in _tokens(question) if token.folded.startswith(_MARK)}
        self._by_id: dict[str, AliasMatch] = {}

    def take(
        self,
        names: Iterable[_Name],
        span: Sequence[_Token],
        *,
        named: bool,
        exact: bool,
        tokens: int,
        phrase: str | None = None,
    ) -> None:
        """Note what a span of the question names: the stated year and season first, then whole titles, then votes."""
        wanted = self._seasons or {1}
        ordered = sorted(
            names,
            key=lambda name: (
                name.year not in self._years,
                name.season not in wanted,
                name.level,
                not name.main,
                -name.votes,
                name.id,
            ),
        )
        missing = bool(self._seasons) and len({name.id for name in ordered}) < max(wanted)
        missing = missing and not any(name.season in wanted for name in ordered)
        best = ordered[0] if ordered else None
        for name in ordered:
            known = self._by_id.get(name.id)
            if known is None or (named and not known.named):
                self._by_id[name.id] = AliasMatch(
                    id=name.id,
                    title=name.title,
                    phrase=phrase or " ".join(token.raw for token in span),
                    named=named,
                    exact=exact and best is not None and self._as_well(name, best),
                    tokens=tokens,
                    start=span[0].start,
                    end=span[-1].end,
                    season_missing=max(wanted) if missing else 0,
                )

    def _as_well(self, name: _Name, best: _Name) -> bool:
        """Tell whether the question points to a show no less than to the best: by title, year and season."""
        wanted = self._seasons or {1}
        same_year = (name.year in self._years) == (best.year in self._years)
        return name.level == best.level and same_year and (name.season in wanted) == (best.season in wanted)

    def matches(self) -> list[AliasMatch]:
        """Return them: named ones first, then by the length of the match."""
        return sorted(self._by_id.values(), key=lambda match: (not match.named, -match.tokens))


def folded(text: str) -> str:
    """Fold width and accents; seasons become one mark, whatever the language: "2nd Season" and "第2期" are "§2"."""
    plain = text
    if not text.isascii():
        plain = unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    return _SEASON.sub(lambda found: f" {_MARK}{_season_number(found)} ", plain)


def _season_number(found: re.Match[str]) -> int:
    said = next(group for group in found.groups() if group)
    for numbers, first in ((_ORDINALS, 1), (_CARDINALS, 1), (_ROMAN, 2), (_KANJI_NUMBERS, 1)):
        if said.lower() in numbers:
            return numbers.index(said.lower()) + first
    return int(said)


def _season_of(tokens: Sequence[_Token]) -> int:
    """Return the season a title says, 1 where it says none: "II", "2" and "§2" at its end."""
    last = tokens[-1].folded if len(tokens) > 1 else ""
    marked = next((token.folded for token in tokens if token.folded.startswith(_MARK)), "")
    if marked:
        return int(marked[1:])
    if last in _ROMAN:
        return _ROMAN.index(last) + 2
    return int(last) if last.isdigit() and 1 < int(last) < 10 else 1


def _spellings(title: str, tokens: Sequence[_Token]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the title as it is, with its season said otherwise, without a year at its end, without its subtitle."""
    whole = tuple(token.folded for token in tokens)
    yield whole, _WHOLE
    season = _season_of(tokens)
    if season > 1 and whole[-1] in (f"{_MARK}{season}", str(season), *_ROMAN):
        others = {f"{_MARK}{season}", str(season), *_ROMAN[season - 2 : season - 1]}
        for said in others - {whole[-1]}:
            yield (*whole[:-1], said), _WHOLE
    elif season == 1:
        yield (*whole, f"{_MARK}1"), _WHOLE
    if len(whole) > 1 and _YEAR.fullmatch(whole[-1]):
        yield whole[:-1], _SHORTENED
    before = tuple(token.folded for token in _tokens(_SUBTITLE.split(title)[0]))
    if len(before) < len(whole) and len("".join(before)) >= _MISSPELT:
        yield before, _BEFORE_SUBTITLE


def _inside(part: tuple[str, ...], tokens: Sequence[_Token]) -> bool:
    """Tell whether these words stand in a row among the tokens."""
    words = [token.folded for token in tokens]
    return any(tuple(words[at : at + len(part)]) == part for at in range(len(words) - len(part) + 1))


def _asked(question: str) -> tuple[str, ...]:
    """Return the tokens that the question uses as a title, whatever they are."""
    return tuple(token.folded for token in _tokens(asked_title(question) or ""))


def _stands_alone(text: str, start: int, end: int) -> bool:
    """A run of kanji or katakana goes on where the next character is of the same script: no title ends there."""
    for kind in (_KANJI, _KATAKANA):
        if end < len(text) and kind.match(text[end - 1]) and kind.match(text[end]):
            return False
        if start and kind.match(text[start]) and kind.match(text[start - 1]):
            return False
    return True


@lru_cache(maxsize=256)  # a title is cut up three times while it is learnt
def _tokens(text: str) -> tuple[_Token, ...]:
    plain = folded(text)
    return tuple(
        _Token(
            found.group(),
            found.group().casefold(),
            found.start(),
            found.end(),
            _OPENS.search(plain, max(0, found.start() - 4), found.start()) is not None,
        )
        for found in _TOKEN_OR_MARK.finditer(plain)
    )


_OPENS = re.compile(r"(?:^|[.!?…:;]\s+|\n)[\"'“‘(]*$")
_TOKEN_OR_MARK = re.compile(rf"{_MARK}\d+|[^\W_]+")
