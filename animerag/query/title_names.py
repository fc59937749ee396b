"""The names of shows and the words of a catalogue, for matching titles: in memory, or looked up elsewhere."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from animerag.query.title_spellings import (
    BEFORE_SUBTITLE,
    LONGEST_TITLE,
    MARK,
    WHOLE,
    beginnings,
    season_of,
    spellings,
    title_tokens,
)
from animerag.text.subtitles import SUBTITLE
from animerag.text.tokens import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from animerag.models.json_types import JsonObject
    from animerag.models.shows import Show
    from animerag.query.title_spellings import Token

UNSPACED = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]")  # scripts that write words without spaces
SURELY_JOINED = 6  # letters; shorter joined words match by chance
SHARED = 4  # shows; a word in the titles of more shows names none of them
MOST_OF_A_WORD = SHARED * 4  # names with the same word, since a show has several titles; a word in more names no show
_WORD = re.compile(r"[^\W_]+")
_INITIALS = range(3, 7)
_BY_INITIALS = 3  # a kind of name, after the levels of spellings


@dataclass(frozen=True, slots=True)
class Name:
    """One title of one show; main titles and much-voted shows come first."""

    id: str
    title: str
    year: int | None
    season: int
    level: int
    main: bool
    votes: int


@dataclass(frozen=True, slots=True)
class NameKey:
    """A key that leads to the title at `place` among the titles of a show."""

    key: str
    place: int
    level: int
    season: int


def spaced(words: Iterable[str]) -> str:
    """Return the key of written words."""
    return f"s{' '.join(words)}"


def joined(letters: str) -> str:
    """Return the key of a title without its spaces."""
    return f"j{letters}"


def initials(letters: str) -> str:
    """Return the key of the first letters of a title's words."""
    return f"i{letters}"


def part(word: str) -> str:
    """Return the key of one of several words of a title."""
    return f"p{word}"


def titles_of(title: str, titles: Sequence[str]) -> list[str]:
    """Return the different titles of a show, the main title first."""
    return list(dict.fromkeys((title, *titles)))


def keys_of(title: str, titles: Sequence[str]) -> Iterator[NameKey]:
    """Yield every key that leads to a title of a show."""
    season = max((season_of(title_tokens(one)) for one in titles or (title,)), default=1)
    for place, one in enumerate(titles_of(title, titles)):
        tokens = title_tokens(one)
        for key, level in _keys(one, tokens) if tokens else ():
            yield NameKey(key, place, level, season)


def _keys(title: str, tokens: Sequence[Token]) -> Iterator[tuple[str, int]]:
    for beginning in beginnings(title, tokens):
        yield spaced(beginning), BEFORE_SUBTITLE
    if len(tokens) > LONGEST_TITLE:
        return
    for spelling, level in spellings(title, tokens):
        yield spaced(spelling), level
    letters = "".join(token.folded for token in tokens)
    if len(letters) > (1 if UNSPACED.search(letters) else SURELY_JOINED - 1):
        yield joined(letters), WHOLE
    words = [token.folded for token in tokens if not token.folded.startswith(MARK)]
    if len(words) > 1:
        yield from ((part(word), WHOLE) for word in dict.fromkeys(words))
    subtitle = [token.folded for token in title_tokens(SUBTITLE.split(title)[-1])]  # "UBW"
    for its in (words, subtitle):
        if len(its) in _INITIALS and not UNSPACED.search(letters) and (its is words or len(its) < len(words)):
            yield initials("".join(word[0] for word in its)), _BY_INITIALS


class Names(Protocol):
    """Looks up names by their keys."""

    in_memory: bool  # otherwise a look-up waits and belongs in a thread

    def get(self, key: str) -> Sequence[Name]:
        """Return the names with a key. May raise LibraryError."""
        ...

    def part(self, word: str) -> Sequence[Name]:
        """Return the names with a word in them; none if the word is in too many. May raise LibraryError."""
        ...

    def expect(self, keys: Iterable[str]) -> None:
        """Look up keys together, in preparation for `find`. May raise LibraryError."""
        ...


class NamesInMemory:
    """All names of a catalogue in memory."""

    in_memory = True

    def __init__(self, shows: Iterable[Show]) -> None:
        """Add every key of every show."""
        self._names: dict[str, list[Name]] = defaultdict(list)
        self._in_too_many: set[str] = set()
        self._ids: list[str] = []
        for show in shows:
            self._ids.append(show.id)
            self._add(show)
        for key in self._in_too_many:
            del self._names[key]

    @classmethod
    def restored(cls, shows: Sequence[Show], stored: JsonObject) -> NamesInMemory:
        """Return the names of these shows from the result of `stored`. Raises LookupError, TypeError."""
        names = [
            Name(shows[at].id, title, shows[at].year, season, level, main, shows[at].votes or 0)
            for at, title, season, level, main in stored["names"]
        ]
        restored = cls(())
        restored._names.update({key: [names[at] for at in places] for key, places in stored["keys"].items()})
        return restored

    def stored(self) -> JsonObject:
        """Return the names as JSON values; shows are numbered in their order."""
        places: dict[Name, int] = {}
        keys = {key: [places.setdefault(one, len(places)) for one in names] for key, names in self._names.items()}
        shows = {show_id: at for at, show_id in enumerate(self._ids)}
        names = [[shows[one.id], one.title, one.season, one.level, one.main] for one in places]
        return {"names": names, "keys": keys}

    def get(self, key: str) -> Sequence[Name]:
        """Return the names with a key."""
        return self._names.get(key, ())

    def part(self, word: str) -> Sequence[Name]:
        """Return the names with a word in them; none if the word is in too many."""
        return self._names.get(part(word), ())

    def expect(self, keys: Iterable[str]) -> None:
        """Do nothing: all names are in memory."""

    def _add(self, show: Show) -> None:
        titles = titles_of(show.title, show.titles)
        names: dict[tuple[int, int], Name] = {}
        for one in keys_of(show.title, show.titles):
            if one.key in self._in_too_many:
                continue
            at = one.place, one.level
            if at not in names:
                title, votes = titles[one.place], show.votes or 0
                names[at] = Name(show.id, title, show.year, one.season, one.level, title == show.title, votes)
            listed = self._names[one.key]
            listed.append(names[at])
            if one.key.startswith("p") and len(listed) > MOST_OF_A_WORD:
                listed.clear()
                self._in_too_many.add(one.key)


# "An isekai with an OP MC" has an overpowered main character; no synopsis has these words.
_SLANG = ("op", "mc", "mcs", "ml", "fl")


def synopsis_words(show: Show) -> set[str]:
    """Return the words that a show's synopsis has in lower case."""
    return {word for word in _WORD.findall(show.description) if word.islower()}


def title_words(show: Show) -> set[str]:
    """Return the folded words of a show's titles, without those in scripts without spaces and in very long titles."""
    tokens = (title_tokens(title) for title in titles_of(show.title, show.titles))
    words = {token.folded for some in tokens if len(some) <= LONGEST_TITLE for token in some}
    return {word for word in words if not word.startswith(MARK) and not UNSPACED.search(word)}


class TitleVocabulary:
    """The words of titles, and the ordinary words of synopses, whose number hardly grows with the catalogue."""

    def __init__(self) -> None:
        """Start without words."""
        self.words: set[str] = set()
        self._ordinary: set[str] = {*STOP_WORDS, *_SLANG}
        self._seen: set[str] = set()
        self._by_length: Mapping[int, Sequence[str]] = {}

    @classmethod
    def of(cls, shows: Iterable[Show]) -> TitleVocabulary:
        """Return the vocabulary of shows."""
        vocabulary = cls()
        for show in shows:
            vocabulary.learn(show)
        vocabulary.finish()
        return vocabulary

    @classmethod
    def restored(cls, stored: JsonObject) -> TitleVocabulary:
        """Return the vocabulary from the result of `stored`. Raises LookupError, TypeError."""
        vocabulary = cls()
        vocabulary.words.update(stored["words"])
        vocabulary._ordinary.update(stored["ordinary"])
        vocabulary.finish()
        return vocabulary

    def stored(self) -> JsonObject:
        """Return the vocabulary as JSON values."""
        return {"words": sorted(self.words), "ordinary": sorted(self._ordinary)}

    def learn(self, show: Show) -> None:
        """Add the words of a show. A word that two synopses use in lower case is not a name by itself."""
        words = synopsis_words(show)
        self._ordinary |= words & self._seen
        self._seen |= words
        self.words |= title_words(show)

    def finish(self) -> None:
        """Sort the collected words, after the last show."""
        by_length: dict[int, list[str]] = defaultdict(list)
        for word in sorted(self.words):
            by_length[len(word)].append(word)
        self._by_length, self._seen = by_length, set()

    def is_ordinary(self, word: str) -> bool:
        """Return whether a folded word is a common word, or too short to be a name."""
        return word in self._ordinary or word.isdigit() or len(word) == 1 or word.startswith(MARK)

    def of_about(self, length: int, difference: int) -> list[str]:
        """Return the words of titles whose lengths differ from `length` by `difference` at most."""
        sizes = range(length - difference, length + difference + 1)
        return list(chain.from_iterable(self._by_length.get(size, ()) for size in sizes))
