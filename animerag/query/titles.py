"""Title matching: which shows does a question name, in any script, and how surely.

A name that is also an ordinary word ("Monster", "Another", "K") counts only where the question writes it as a name.
Spelling is forgiven word by word: an unknown word is read as the title word nearest to it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from animerag.query.asked_titles import asked_title
from animerag.query.lexicon import carrying
from animerag.query.title_spellings import (
    BEFORE_SUBTITLE,
    LONGEST_TITLE,
    MARK,
    SHORTEST_HEAD,
    WHOLE,
    YEAR,
    Token,
    base,
    beginnings,
    season_of,
    spellings,
    title_tokens,
)
from animerag.text.tokens import STOP_WORDS, terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.models.json_types import JsonObject
    from animerag.models.shows import Show

_TOKEN = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]")  # scripts that write words without spaces
_KANJI, _KATAKANA = re.compile(r"[㐀-鿿豈-﫿々]"), re.compile(r"[゠-ヿ]")
_QUOTED = re.compile(r"[\"“„「『«]([^\"”“」』»]{1,200})[\"”“」』»]|\balias:\s*(\S.*)$", re.IGNORECASE)
_NUMBERED = re.compile(r"([^\W\d_]{2,})([2-9])")  # "JJK3"
_FEW_WORDS = 3  # a question of so few may be part of a title
_LONGEST_UNSPACED = 40  # characters
_JOINED_TOKENS = 4  # "dan da dan" for "Dandadan"
_SURELY_JOINED = 6  # letters below which joined words meet by chance
_MISSPELT = 5  # letters; in shorter words one wrong letter makes another word
_MISSPELT_TWICE = 8
_PRONOUNS = ("I", "A")  # titles of a letter that nearly every question has
_OPERATORS = ("AND", "OR", "NOT")  # in capitals they join conditions, though a title may be called so
_NO_CHANCE = 4  # ordinary words in a row that make a title are that title
_INITIALS = range(3, 7)
_INITIALS_SHARED = 3  # more franchises with the same initials than this and the letters name none of them

_SEASON_DIGITS = tuple("23456789")

_BY_INITIALS, _IN_PART = 3, 4  # how a show carries a name, after the levels of spellings
_SHARED = 4  # more shows with such words in a title than this and the words name none of them


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMatch:
    """A show whose `title` stands in the question as `phrase`; `named` when it is clearly meant as a name.

    `exact` is False where the spelling was corrected or the name is only a part of the title. `season_missing` is the
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
        self._ids: list[str] = []
        seen: set[str] = set()
        for show in shows:
            self._ids.append(show.id)
            self._learn_ordinary(show.description, seen)
            titles = show.titles or (show.title,)
            season = max((season_of(title_tokens(title)) for title in titles), default=1)
            for title in dict.fromkeys((show.title, *titles)):
                self._add(show, title, season)
        self._by_length = _by_length(self.words)

    @classmethod
    def restored(cls, shows: Sequence[Show], stored: JsonObject) -> Self:
        """Return the index of these shows from what `stored` returned for them. Raises LookupError, TypeError."""
        names = [
            _Name(shows[at].id, title, shows[at].year, season, level, main, shows[at].votes or 0)
            for at, title, season, level, main in stored["names"]
        ]
        index = cls(())
        index._spaced.update(
            {tuple(key.split(" ")): [names[at] for at in places] for key, places in stored["spaced"].items()}
        )
        index._joined.update({key: [names[at] for at in places] for key, places in stored["joined"].items()})
        index._initials.update({key: [names[at] for at in places] for key, places in stored["initials"].items()})
        index._parts = {
            key: None if places is None else [names[at] for at in places] for key, places in stored["parts"].items()
        }
        index._ordinary.update(stored["ordinary"])
        index.words.update(stored["words"])
        index._by_length = _by_length(index.words)
        return index

    def stored(self) -> JsonObject:
        """Return the index as values of JSON; shows are numbered as the index was given them."""
        places: dict[_Name, int] = {}

        def numbers(names: Iterable[_Name]) -> list[int]:
            return [places.setdefault(name, len(places)) for name in names]

        tables: JsonObject = {
            "spaced": {" ".join(key): numbers(names) for key, names in self._spaced.items()},
            "joined": {key: numbers(names) for key, names in self._joined.items()},
            "initials": {key: numbers(names) for key, names in self._initials.items()},
            "parts": {key: None if names is None else numbers(names) for key, names in self._parts.items()},
            "ordinary": sorted(self._ordinary),
            "words": sorted(self.words),
        }
        shows = {show_id: at for at, show_id in enumerate(self._ids)}
        return {"names": [[shows[one.id], one.title, one.season, one.level, one.main] for one in places], **tables}

    def match(self, question: str) -> list[AliasMatch]:
        """Return the shows a question names: those surely meant first, the longest match first, each show once."""
        tokens = title_tokens(question)
        found = _TitleHit(question)
        quoted = [first or second for first, second in _QUOTED.findall(question)]
        for phrase in quoted:
            key = tuple(token.folded for token in title_tokens(phrase))
            names = self._spaced.get(key) or self._joined.get("".join(key), [])
            place = [token for token in tokens if token.folded in key]
            if place:
                found.take(names, place[:1] + place[-1:], named=True, exact=True, tokens=len(key))
        asked = _asked(question)
        self._match_spaced(tokens, found, asked)
        self._match_unspaced(tokens, found)
        few = tuple(token.folded for token in tokens if token.folded not in STOP_WORDS)
        few = few if max(map(len, few), default=0) >= SHORTEST_HEAD else ()
        parts = [asked, *(tuple(token.folded for token in title_tokens(phrase)) for phrase in quoted)]
        for part in [*parts, few] if len(few) <= _FEW_WORDS else parts:
            if not any(match.named for match in found.matches()):
                self._match_part(tokens, part, found)
        return found.matches()

    def has_names(self, question: str) -> bool:
        """Tell whether the question seems to have a word of a title in it: no common word, and written as a name."""
        tokens = title_tokens(question)
        any_capitals = any(token.raw[0].isupper() for token in tokens)
        return any(
            (token.raw[0].isupper() or not any_capitals) and token.folded in self.words
            for token in tokens
            if not self.is_ordinary(token.folded)
        )

    def is_ordinary(self, word: str) -> bool:
        """Tell whether a folded word is used as a common word, or is too little to be a name."""
        return word in self._ordinary or word.isdigit() or len(word) == 1 or word.startswith(MARK)

    def _match_spaced(self, tokens: Sequence[Token], found: _TitleHit, asked: tuple[str, ...]) -> None:
        corrected = [self._corrected(token) for token in tokens]
        taken: set[int] = set()
        spans = (
            (length, start)
            for length in range(min(LONGEST_TITLE, len(tokens)), 0, -1)
            for start in range(len(tokens) - length + 1)
        )
        for length, start in spans:
            place = range(start, start + length)
            if not taken.isdisjoint(place):
                continue
            names, exact = self._names_at(tokens, corrected, place)
            if names:
                sure = tuple(tokens[i].folded for i in place) == asked
                named = [name for name in names if sure or self._is_named(tokens, place, name.title)]
                if named or not all(self.is_ordinary(tokens[i].folded) for i in place):
                    taken.update(place)
                span = tokens[start : start + length]
                found.take(named or names, span, named=bool(named), exact=exact, tokens=length)

    def _names_at(
        self, tokens: Sequence[Token], corrected: Sequence[str], place: range
    ) -> tuple[Sequence[_Name], bool]:
        """Return the shows that carry the words at a place as a name, and whether they are spelt as in the title."""
        written = tuple(tokens[i].folded for i in place)
        if len(place) == 2 and written[1] in _SEASON_DIGITS and written not in self._spaced:
            return self._numbered(written[0], tokens[place[0]], int(written[1])), False
        if len(place) == 1 and written not in self._spaced and (number := _NUMBERED.fullmatch(written[0])):
            return self._numbered(number[1], tokens[place[0]], int(number[2])), False
        if names := self._spaced.get(written):
            return names, True
        joined = "".join(written)
        if len(place) <= _JOINED_TOKENS and len(joined) >= _SURELY_JOINED and (names := self._joined.get(joined)):
            return names, True
        if len(place) == 1 and (names := self._initials.get(joined)) and self._are_initials(tokens[place[0]]):
            return ([] if len({base(name.title) for name in names}) > _INITIALS_SHARED else names), False
        meant = tuple(corrected[i] for i in place)
        return (self._spaced.get(meant, ()) if meant != written else ()), False

    def _numbered(self, word: str, token: Token, season: int) -> list[_Name]:
        """Return the shows of that season which a word names by itself: "jjk 2", "JJK2"."""
        names = self._spaced.get((word,)) or (self._initials.get(word, []) if self._are_initials(token) else [])
        return [name for name in names if name.season == season] or list(names)

    def _are_initials(self, token: Token) -> bool:
        return sum(map(str.isupper, token.raw)) > 1 or not self.is_ordinary(token.folded)

    def _corrected(self, token: Token) -> str:
        """Return the title word that a misspelt word is nearest to, or the word itself."""
        word = token.folded
        known = word in self.words or self.is_ordinary(word) or word in carrying()
        if len(word) < _MISSPELT or known or not word.isalpha():
            return word
        from rapidfuzz import process  # most questions have no word that nobody knows
        from rapidfuzz.distance import OSA

        wrong = 2 if len(word) >= _MISSPELT_TWICE else 1
        near = [other for size in range(len(word) - wrong, len(word) + wrong + 1) for other in self._by_length[size]]
        best = process.extractOne(word, near, scorer=OSA.distance, score_cutoff=wrong)
        return best[0] if best else word

    def _match_unspaced(self, tokens: Sequence[Token], found: _TitleHit) -> None:
        letters = [(letter, token) for token in tokens for letter in token.folded if not letter.startswith(MARK)]
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

    def _match_part(self, tokens: Sequence[Token], part: tuple[str, ...], found: _TitleHit) -> None:
        """Take words that are used as a title for those few shows that have all of them in a title of theirs."""
        rare = [names for word in part if (names := self._parts.get(word))]
        if not rare or all(self.is_ordinary(word) for word in part):
            return
        found_in = [name for name in min(rare, key=len) if _inside(part, title_tokens(name.title))]
        names = [replace(name, level=_IN_PART) for name in found_in]
        place = [token for token in tokens if token.folded in part]
        place = place[:1] + place[1:][-1:]
        if place and len({name.id for name in names}) <= _SHARED:
            found.take(names, place, named=True, exact=False, tokens=len(part))

    def _is_named(self, tokens: Sequence[Token], place: range, title: str) -> bool:
        """Ordinary words are a name when capitals say so, or when the question asks about nothing else."""
        others = [token for i, token in enumerate(tokens) if i not in place]
        rest = " ".join(token.raw for token in others if not token.folded.startswith(MARK))  # "Monster season 2"
        if others and len(place) == 1 and tokens[place[0]].raw in _PRONOUNS:
            return False
        if not terms(rest):
            words = [tokens[i] for i in place]
            return len(others) == 0 or any(token.folded not in STOP_WORDS or token.raw[0].isupper() for token in words)
        if place[0] > 0 and tokens[place[0] - 1].folded == "not":  # "something sad, not Clannad"
            return False
        if not all(self.is_ordinary(tokens[i].folded) for i in place):
            return True
        if len(place) == 1 and (len(tokens[place[0]].raw) == 1 or tokens[place[0]].raw in _OPERATORS):
            return False
        if len(place) >= _NO_CHANCE:
            return True
        written, as_titled = [tokens[i].raw for i in place], [token.raw for token in title_tokens(title)]
        if written == as_titled and (title.isupper() or sum(word[0].isupper() for word in written) > 1):
            return True
        capitals = sum(word[0].isupper() for word in written)
        return capitals == len(place) and not tokens[place[0]].opens and not title.isupper()

    def _add(self, show: Show, title: str, season: int) -> None:
        tokens = title_tokens(title)
        if not tokens:
            return
        whole = _Name(show.id, title, show.year, season, WHOLE, title == show.title, show.votes or 0)
        for key in beginnings(title, tokens):
            self._spaced[key].append(replace(whole, level=BEFORE_SUBTITLE))
        if len(tokens) > LONGEST_TITLE:
            return
        for key, level in spellings(title, tokens):
            self._spaced[key].append(whole if level == WHOLE else replace(whole, level=level))
        joined = "".join(token.folded for token in tokens)
        if len(joined) > (1 if _UNSPACED.search(joined) else _SURELY_JOINED - 1):
            self._joined[joined].append(whole)
        words = [token.folded for token in tokens if not token.folded.startswith(MARK)]
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
        self._years = {int(year) for year in YEAR.findall(question)}
        self._seasons = {int(token.folded[1:]) for token in title_tokens(question) if token.folded.startswith(MARK)}
        self._by_id: dict[str, AliasMatch] = {}

    def take(
        self,
        names: Iterable[_Name],
        span: Sequence[Token],
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


def _by_length(words: Iterable[str]) -> dict[int, list[str]]:
    by_length: dict[int, list[str]] = defaultdict(list)
    for word in sorted(words):
        by_length[len(word)].append(word)
    return by_length


def _inside(part: tuple[str, ...], tokens: Sequence[Token]) -> bool:
    """Tell whether these words stand in a row among the tokens, joined or not: "dressup" is "dress up"."""
    words, wanted = [token.folded for token in tokens], "".join(part)
    ends = (range(at + 1, len(words) + 1) for at in range(len(words)))
    return any("".join(words[at:end]) == wanted for at, rest in enumerate(ends) for end in rest)


def _asked(question: str) -> tuple[str, ...]:
    """Return the tokens that the question uses as a title, whatever they are."""
    return tuple(token.folded for token in title_tokens(asked_title(question) or ""))


def _stands_alone(text: str, start: int, end: int) -> bool:
    """A run of kanji or katakana goes on where the next character is of the same script: no title ends there."""
    for kind in (_KANJI, _KATAKANA):
        if end < len(text) and kind.match(text[end - 1]) and kind.match(text[end]):
            return False
        if start and kind.match(text[start]) and kind.match(text[start - 1]):
            return False
    return True
