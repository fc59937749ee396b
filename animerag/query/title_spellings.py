"""Cuts titles into tokens, and derives other spellings: other forms of seasons, without subtitle, shortened."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from animerag.text.subtitles import SUBTITLE
from animerag.text.tokens import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_CLAUSE_END = re.compile(r"[,.?!;:]\s")
_ARTICLES = ("the", "a", "an")
_HEAD = 4  # words before a comma or a question mark that identify a longer title
_BEGINNING = 6  # first words of a title that identify it
SHORTEST_HEAD = 3  # letters before a subtitle
# Accents of Latin, Greek and Cyrillic; Japanese voicing marks belong to the letter.
_ACCENTS = re.compile("[\u0300-\u036f]")
LONGEST_TITLE = 16  # tokens; longer titles are found by their words

_ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"]
_CARDINALS = ("one", "two", "three", "four", "five", "six", "seven")
_OTHERWISE = {word: str(number) for number, word in enumerate(_CARDINALS, 1)}
_OTHERWISE |= {number: word for word, number in _OTHERWISE.items()}
_TAIL = 3  # words of a subtitle that identify the show: "love is war", not "the movie"
ROMAN = ["ii", "iii", "iv", "v", "vi", "vii"]
_NUMBER = rf"(\d\d?)(?:st|nd|rd|th)?|({'|'.join(_ORDINALS)})"
_WRITTEN = "|".join((*_CARDINALS, *ROMAN))
_SEASON = re.compile(
    rf"\b(?:(?!\d\d?[\s-]+cour\b)(?:{_NUMBER})[\s-]+(?:season|cour|part)(?!\s+\d)|(?:season|part|cour)\s+(?:(\d\d?)|({_WRITTEN}))|s0?(\d))\b"
    r"|第?\s*([0-9一二三四五六])\s*(?:期|シーズン)|シーズン\s*([0-9])",
    re.IGNORECASE,
)
_KANJI_NUMBERS = "一二三四五六"
MARK = "§"  # starts the mark of a season: "2nd Season" and "第2期" are both §2
_OPENS = re.compile(r"(?:^|[.!?…:;]\s+|\n)[\"'“‘(]*$")
_UNSPACED = "぀-ヿ㐀-鿿豈-﫿々"  # a title in Latin letters may be followed by one of these without a space
_TOKEN_OR_MARK = re.compile(rf"{MARK}\d+|[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")

# Kinds of names of a show, best first.
WHOLE, SHORTENED, BEFORE_SUBTITLE = range(3)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text, as written and folded, or the mark of a season, and its place in the folded text."""

    raw: str
    folded: str
    start: int
    end: int
    opens: bool  # starts a sentence, where a capital means nothing


def folded(text: str) -> str:
    """Fold width and accents; seasons of all languages become marks: "2nd Season" and "第2期" are "§2"."""
    plain = text
    if not text.isascii():
        plain = unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", text)))
    return _SEASON.sub(lambda match: f" {MARK}{_season_number(match)} ", plain)


def _season_number(match: re.Match[str]) -> int:
    word = next(group for group in match.groups() if group)
    for numbers, first in ((_ORDINALS, 1), (_CARDINALS, 1), (ROMAN, 2), (_KANJI_NUMBERS, 1)):
        if word.lower() in numbers:
            return numbers.index(word.lower()) + first
    return int(word)


def season_of(tokens: Sequence[Token]) -> int:
    """Return the season at the end of a title ("II", "2" or "§2"); 1 if there is none."""
    last = tokens[-1].folded if len(tokens) > 1 else ""
    marked = next((token.folded for token in tokens if token.folded.startswith(MARK)), "")
    if marked:
        return int(marked[1:])
    if last in ROMAN:
        return ROMAN.index(last) + 2
    return int(last) if last.isdigit() and 1 < int(last) < 10 else 1


def spellings(title: str, tokens: Sequence[Token]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the title, the title with other forms of its season or without a final year, and both of its halves."""
    whole = tuple(token.folded for token in tokens)
    yield whole, WHOLE
    season = season_of(tokens)
    if season > 1 and whole[-1] in (f"{MARK}{season}", str(season), *ROMAN):
        others = {f"{MARK}{season}", str(season), *ROMAN[season - 2 : season - 1]}
        for word in others - {whole[-1]}:
            yield (*whole[:-1], word), WHOLE
    elif season == 1:
        yield (*whole, f"{MARK}1"), WHOLE
    if len(whole) > 1 and YEAR.fullmatch(whole[-1]):
        yield whole[:-1], SHORTENED
    before = tuple(token.folded for token in title_tokens(SUBTITLE.split(title)[0]))
    if len(before) < len(whole) and len("".join(before)) >= SHORTEST_HEAD:
        yield before, BEFORE_SUBTITLE
    after = whole[len(before) :]
    if before == whole[: len(before)] and len(after) >= _TAIL:
        yield after, BEFORE_SUBTITLE
    if len(whole) > 2 and (number := _OTHERWISE.get(whole[0])):  # "7 deadly sins"
        yield (number, *whole[1:]), SHORTENED
    if len(whole) > 3 and whole[0] in _ARTICLES and (number := _OTHERWISE.get(whole[1])):
        yield (number, *whole[2:]), SHORTENED
    if len(plain := without_articles(whole)) > 1 and plain != whole:
        yield plain, SHORTENED
    if (
        len(before) > 2
        and before[-1].startswith(MARK)
        and len(whole[0]) >= SHORTEST_HEAD
        and whole[0] not in STOP_WORDS
    ):
        yield (whole[0], before[-1]), SHORTENED  # "JoJo part 4"


def without_articles(words: Sequence[str]) -> tuple[str, ...]:
    """Return words without articles and "and", which people add, leave out or write as "&": "welcome to nhk"."""
    return tuple(word for word in words if word not in _ARTICLES and word != "and")


def beginnings(title: str, tokens: Sequence[Token]) -> Iterator[tuple[str, ...]]:
    """Yield the beginnings of a long title: up to its first comma or question mark, and of six words or more."""
    whole = tuple(token.folded for token in tokens)
    head = tuple(token.folded for token in title_tokens(_CLAUSE_END.split(title)[0]))
    if _HEAD <= len(head) < min(len(whole), _BEGINNING):
        yield head
    for length in range(_BEGINNING, min(len(whole), LONGEST_TITLE + 1)):
        yield whole[:length]


def base(title: str) -> tuple[str, ...]:
    """Return the words of a title without seasons, numbers and subtitle, which the titles of a franchise share."""
    words = (token.folded for token in title_tokens(SUBTITLE.split(title)[0]))
    return tuple(word for word in words if not word.startswith(MARK) and not word.isdigit() and word not in ROMAN)


@lru_cache(maxsize=256)  # a title is cut three times while the index is built
def title_tokens(text: str) -> tuple[Token, ...]:
    """Return the words and season marks of a title or a question, in order."""
    plain = folded(text)
    return tuple(
        Token(
            match.group(),
            match.group().casefold(),
            match.start(),
            match.end(),
            _OPENS.search(plain, max(0, match.start() - 4), match.start()) is not None,
        )
        for match in _TOKEN_OR_MARK.finditer(plain)
    )
