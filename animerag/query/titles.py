"""Matches titles: which shows a question names, in any script, and how certainly.

A name that is also an ordinary word ("Monster", "Another", "K") counts only if the question writes it as a name.
Spelling is corrected word by word: an unknown word is read as the most similar word of a title.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from animerag.concurrency import Pacing, unpaced
from animerag.query.asked_titles import asked_title
from animerag.query.lexicon import carrying
from animerag.query.title_keys import (
    JOINED_TOKENS,
    LONGEST_UNSPACED,
    goes_on,
    is_inside,
    is_whole_run,
    letters_of,
    lookup_keys,
)
from animerag.query.title_names import (
    SHARED,
    SURELY_JOINED,
    UNSPACED,
    Name,
    Names,
    NamesInMemory,
    TitleVocabulary,
    initials,
    joined,
    spaced,
)
from animerag.query.title_spellings import (
    LONGEST_TITLE,
    MARK,
    SHORTEST_HEAD,
    YEAR,
    Token,
    base,
    title_tokens,
    without_articles,
)
from animerag.text.tokens import STOP_WORDS, terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.models.json_types import JsonObject
    from animerag.models.shows import Show

_QUOTED = re.compile(r"[\"“„「『«]([^\"”“」』»]{1,200})[\"”“」』»]|\balias:\s*(\S.*)$", re.IGNORECASE)
_NUMBERED = re.compile(r"([^\W\d_]{2,})([2-9])")  # "JJK3"
_FEW_WORDS = 3  # words; a question with at most this number may be part of a title
_MISSPELT = 5  # letters; in a shorter word, one wrong letter makes a different word
_MISSPELT_TWICE = 8
_PRONOUNS = ("I", "A")  # one-letter titles that occur in nearly every question
_ADVERBS = (("right", "now"), ("right", "away"))  # of time; "Right" is also a title
_OPERATORS = ("AND", "OR", "NOT")  # in capitals these join conditions, even if they are also titles
_KINDS = ("anime", "show", "shows", "series", "movie", "movies", "film", "films")
_NO_CHANCE = 4  # if this number of consecutive ordinary words is a title, that title is meant
_INITIALS_SHARED = 3  # if more franchises share initials, the letters name none of them

_SEASON_DIGITS = tuple("23456789")

_IN_PART = 4  # a kind of name, after the levels of spellings and initials


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasMatch:
    """A show whose `title` is in the question as `phrase`; `named` if it is clearly meant as a name.

    `exact` is False if the spelling was corrected or the name is only a part of the title. `season_missing` is the
    requested season that the catalogue lacks, otherwise 0. `start` and `end` are the place of the phrase in the
    question as folded by `folded`.
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


class AliasIndex:
    """Matches questions with the titles of a catalogue; under 1 ms at 1,500 shows."""

    def __init__(self, shows: Iterable[Show], paced: Pacing = unpaced) -> None:
        """Learn all titles of shows, in memory; 1,500 shows take about 0.3 s."""
        listed = list(shows)
        self._names: Names = NamesInMemory(paced(listed))
        self._vocabulary = TitleVocabulary.of(paced(listed))

    @classmethod
    def over(cls, names: Names, vocabulary: TitleVocabulary) -> AliasIndex:
        """Return an index of names that are looked up elsewhere."""
        index = cls(())
        index._names, index._vocabulary = names, vocabulary
        return index

    @classmethod
    def restored(cls, shows: Sequence[Show], stored: JsonObject) -> AliasIndex:
        """Return the index of these shows from the result of `stored`. Raises LookupError, TypeError."""
        return cls.over(NamesInMemory.restored(shows, stored), TitleVocabulary.restored(stored))

    def stored(self) -> JsonObject:
        """Return an index in memory as JSON values; shows are numbered in their order."""
        names = self._names
        return {**names.stored(), **self._vocabulary.stored()} if isinstance(names, NamesInMemory) else {}

    @property
    def words(self) -> AbstractSet[str]:
        """Return the words of all titles."""
        return self._vocabulary.words

    @property
    def in_memory(self) -> bool:
        """Return whether matching never blocks; otherwise it belongs in a thread."""
        return self._names.in_memory

    def match(self, question: str) -> list[AliasMatch]:
        """Return the shows that a question names, each once: certain ones first, then by length of the match."""
        tokens = title_tokens(question)
        corrected = [self._corrected(token) for token in tokens]
        self._names.expect(lookup_keys(tokens, corrected))
        hits = _TitleHit(question)
        quoted = [first or second for first, second in _QUOTED.findall(question)]
        for phrase in quoted:
            key = tuple(token.folded for token in title_tokens(phrase))
            names = self._names.get(spaced(key)) or self._names.get(joined("".join(key)))
            place = [token for token in tokens if token.folded in key]
            if place:
                hits.take(names, place[:1] + place[-1:], named=True, exact=True, tokens=len(key))
        asked = _asked(question)
        self._match_spaced(tokens, corrected, hits, asked)
        self._match_unspaced(tokens, hits)
        few = tuple(token.folded for token in tokens if token.folded not in STOP_WORDS)
        few = few if max(map(len, few), default=0) >= SHORTEST_HEAD else ()
        parts = [asked, *(tuple(token.folded for token in title_tokens(phrase)) for phrase in quoted)]
        for part in [*parts, few] if len(few) <= _FEW_WORDS else parts:
            if not any(match.named for match in hits.matches()):
                self._match_part(tokens, part, hits)
        return hits.matches()

    def has_names(self, question: str) -> bool:
        """Return whether the question seems to contain a word of a title: an uncommon word, written as a name."""
        tokens = title_tokens(question)
        any_capitals = any(token.raw[0].isupper() for token in tokens)
        return any(
            (token.raw[0].isupper() or not any_capitals) and token.folded in self._vocabulary.words
            for token in tokens
            if not self.is_ordinary(token.folded)
        )

    def is_ordinary(self, word: str) -> bool:
        """Return whether a folded word is a common word, or too short to be a name."""
        return self._vocabulary.is_ordinary(word)

    def _match_spaced(
        self, tokens: Sequence[Token], corrected: Sequence[str], hits: _TitleHit, asked: tuple[str, ...]
    ) -> None:
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
                after = tokens[start + length].folded if start + length < len(tokens) else ""
                hits.take(named or names, span, named=bool(named), exact=exact, tokens=length, after=after)

    def _names_at(self, tokens: Sequence[Token], corrected: Sequence[str], place: range) -> tuple[Sequence[Name], bool]:
        """Return the shows whose name is the words at a place, and whether they are spelt as in the title."""
        written = tuple(tokens[i].folded for i in place)
        names = self._names.get(spaced(written))
        if len(place) == 2 and written[1] in _SEASON_DIGITS and not names:
            return self._numbered(written[0], tokens[place[0]], int(written[1])), False
        if len(place) == 1 and not names and (number := _NUMBERED.fullmatch(written[0])):
            return self._numbered(number[1], tokens[place[0]], int(number[2])), False
        if names:
            return names, True
        plain = without_articles(written)
        if len(plain) > 1 and plain[0] == written[0] and written[-1] == plain[-1]:  # only what is inside the span
            names = self._names.get(spaced(plain)) if len(plain) < len(written) else ()
            if names:
                return names, True
        letters = "".join(written)
        if (
            len(place) <= JOINED_TOKENS
            and len(letters) >= SURELY_JOINED
            and (names := self._names.get(joined(letters)))
        ):
            return names, True
        if len(place) == 1 and self._are_initials(tokens[place[0]]) and (names := self._names.get(initials(letters))):
            return ([] if len({base(name.title) for name in names}) > _INITIALS_SHARED else names), False
        meant = tuple(corrected[i] for i in place)
        return (self._names.get(spaced(meant)) if meant != written else ()), False

    def _numbered(self, word: str, token: Token, season: int) -> list[Name]:
        """Return the shows that a word names with the number of a season: "jojo 4", "JJK2"."""
        keys = ((word, str(season)), (word, f"{MARK}{season}"), (word,))
        names = next(filter(None, (self._names.get(spaced(key)) for key in keys)), ())
        if not names and self._are_initials(token):
            names = self._names.get(initials(word))
        return [name for name in names if name.season == season] or list(names)

    def _are_initials(self, token: Token) -> bool:
        return sum(map(str.isupper, token.raw)) > 1 or not self.is_ordinary(token.folded)

    def _corrected(self, token: Token) -> str:
        """Return the most similar word of a title for a misspelt word, otherwise the word itself."""
        word = token.folded
        known = word in self._vocabulary.words or self.is_ordinary(word) or word in carrying()
        if len(word) < _MISSPELT or known or not word.isalpha():
            return word
        from rapidfuzz import process  # most questions have no unknown word
        from rapidfuzz.distance import OSA

        wrong = 2 if len(word) >= _MISSPELT_TWICE else 1
        near = self._vocabulary.of_about(len(word), wrong)
        best = process.extractOne(word, near, scorer=OSA.distance, score_cutoff=wrong)
        return best[0] if best else word

    def _match_unspaced(self, tokens: Sequence[Token], hits: _TitleHit) -> None:
        letters = letters_of(tokens)
        text = "".join(letter for letter, _ in letters)
        at = 0
        while at < len(text) - 1:
            best = next(
                (
                    end
                    for end in range(min(len(text), at + LONGEST_UNSPACED), at + 1, -1)
                    if UNSPACED.search(text[at:end])
                    and self._names.get(joined(text[at:end]))
                    and is_whole_run(text, at, end)
                ),
                at,
            )
            if best > at:
                span = [letters[at][1], letters[best - 1][1]]
                # Two characters are often a common word, so they name a show only at the start of the question.
                named = best - at > 2 or at == 0
                size = max(1, (best - at) // 3)
                hits.take(
                    self._names.get(joined(text[at:best])),
                    span,
                    named=named,
                    exact=True,
                    tokens=size,
                    phrase=text[at:best],
                )
            at = max(best, at + 1)

    def _match_part(self, tokens: Sequence[Token], part: tuple[str, ...], hits: _TitleHit) -> None:
        """Match words that are used as a title with the few shows that have all of them in one title."""
        if all(self.is_ordinary(word) for word in part):
            return
        rare = [names for word in part if (names := self._names.part(word))]
        if not rare:
            return
        containing = [name for name in min(rare, key=len) if is_inside(part, title_tokens(name.title))]
        names = [replace(name, level=_IN_PART) for name in containing]
        place = [token for token in tokens if token.folded in part]
        place = place[:1] + place[1:][-1:]
        if place and len({name.id for name in names}) <= SHARED:
            hits.take(names, place, named=True, exact=False, tokens=len(part))

    def _is_kind(self, tokens: Sequence[Token], place: range) -> bool:
        """Return whether ordinary words in lower case describe a kind of show: "a monster anime"."""
        before, after = (tokens[i].folded if 0 <= i < len(tokens) else "" for i in (place[0] - 1, place[-1] + 1))
        plain = all(tokens[i].raw.islower() and self.is_ordinary(tokens[i].folded) for i in place)
        return plain and before in ("a", "an", "any", "some") and after in _KINDS

    def _is_named(self, tokens: Sequence[Token], place: range, title: str) -> bool:
        """Return whether ordinary words are a name: they have capitals, or the question has no other subject."""
        others = [token for i, token in enumerate(tokens) if i not in place]
        rest = " ".join(token.raw for token in others if not token.folded.startswith(MARK))  # "Monster season 2"
        if others and len(place) == 1 and tokens[place[0]].raw in _PRONOUNS:
            return False
        following = tokens[place.stop].folded if place.stop < len(tokens) else ""
        if self._is_kind(tokens, place) or (tokens[place[-1]].raw, following) in _ADVERBS:
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


class _TitleHit:
    """Collects matches: each show once, with its most certain match."""

    def __init__(self, question: str) -> None:
        self._question = question.casefold()
        self._years = {int(year) for year in YEAR.findall(question)}
        self._seasons = {int(token.folded[1:]) for token in title_tokens(question) if token.folded.startswith(MARK)}
        self._by_id: dict[str, AliasMatch] = {}

    def take(
        self,
        names: Iterable[Name],
        span: Sequence[Token],
        *,
        named: bool,
        exact: bool,
        tokens: int,
        phrase: str | None = None,
        after: str = "",
    ) -> None:
        """Add the shows that a span names, ordered by the stated year and season, by whole titles, then by votes."""
        after = "" if after in STOP_WORDS else after  # distinguishes titles with the same beginning: "code geass r2"
        wanted = self._seasons or {1}
        ordered = sorted(
            names,
            key=lambda name: (
                name.year not in self._years,
                not self._is_written(name.title),
                bool(after) and not goes_on(name.title, len(span), after),
                name.season not in wanted,
                name.level,
                not name.main,
                -name.votes,
                name.id,
            ),
        )
        missing = bool(self._seasons) and not any(name.season in wanted for name in ordered)
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

    def _is_written(self, title: str) -> bool:
        """Return whether the question has a title with the mark at its end, which may be all that distinguishes it."""
        at = -1 if title[-1:].isalnum() else self._question.find(title.casefold())
        return at >= 0 and not self._question[at + len(title) :][:1].isalnum()

    def _as_well(self, name: Name, best: Name) -> bool:
        """Return whether a show matches the question as well as the best one: by title, year and season."""
        wanted = self._seasons or {1}
        same_year = (name.year in self._years) == (best.year in self._years)
        return name.level == best.level and same_year and (name.season in wanted) == (best.season in wanted)

    def matches(self) -> list[AliasMatch]:
        """Return the matches, named ones first, then by length."""
        return sorted(self._by_id.values(), key=lambda match: (not match.named, -match.tokens))


def _asked(question: str) -> tuple[str, ...]:
    """Return the tokens that the question uses as a title."""
    return tuple(token.folded for token in title_tokens(asked_title(question) or ""))
