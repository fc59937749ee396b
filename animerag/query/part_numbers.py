"""Reads numbers after titles that mean a season: "JJK3", "Overlord V", "kaguya 3" and "code geass r3"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.query.lexicon import carrying
from animerag.query.title_spellings import MARK, ROMAN, folded, title_tokens
from animerag.text.tokens import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from animerag.query.titles import AliasIndex

_NUMBER = re.compile(rf"r?(?P<digit>[2-9])|(?P<roman>{'|'.join(sorted(ROMAN, key=len, reverse=True))})")
_JOINED = re.compile(r"(?P<name>[^\W\d_]{2,})(?P<digit>[2-9])")
_LONGEST_NAME = 6  # words before the number
_SHORTEST = 2  # letters; at least one word of a name has as many
# In "Naruto 3 movies" the number counts something; it is no season if one of these follows.
_COUNTED = re.compile(
    r"\s*(?:-\s*\d|[.,]\d|%|(?:\w+ )?(?:episodes?|eps|movies?|films?|ovas?|specials?|seasons?|shows?|series|anime"
    r"|titles?|stars?|points?|volumes?|hours?|minutes?|mins?|days?|weeks?|months?|years?|times?|ones|more|or more"
    r"|or higher|and up|out of|parts?|characters?|girls?|boys?|people|friends?|best|worst)\b)",
    re.IGNORECASE,
)
_COUNTS = ("top", "best", "rated", "rating", "over", "above", "under", "than", "least", "most", "of", "or", "and")
_LONGEST_QUESTION = 12  # words; only shorter questions may name a season by a part of a title
_JOINING = ("of", "from", "in")
SEASON_MARK = re.compile(rf"{MARK}(\d+)")
_SHORT = 7  # words; longer questions describe plots, where ordinary words before a number are no title


def with_season(
    question: str, titles: AliasIndex, titled: Callable[[str], bool], meaningful: Collection[str]
) -> str | None:
    """Return the question with "season 3" instead of a number after a title; None for other questions.

    `titled` returns whether words are in a title; `meaningful` are words that are more likely a condition. A title that
    has the number itself stays as it is.
    """
    tokens = title_tokens(question)
    text = folded(question)
    marks = [at for at, token in enumerate(tokens) if token.folded.startswith(MARK)]

    def is_title(whole: str) -> bool:
        length = len(title_tokens(whole))
        if marks:  # in "Titan 4 part 2", the whole title would include the part
            return False
        return titled(whole) or any(one.named and one.exact and one.tokens == length for one in titles.match(whole))

    def is_name(name: str) -> bool:
        words = [token.folded for token in title_tokens(name)]
        if words[-1] in _COUNTS or not _may_be_name(words):
            return False
        if len(tokens) > _SHORT and all(map(titles.is_ordinary, words)):
            return False
        if any(match.named and match.tokens == len(words) for match in titles.match(name)):
            return True
        return len(tokens) <= _SHORT and _tells(words, meaningful) and titled(name)

    for at, token in enumerate(tokens):
        if joined := _JOINED.fullmatch(token.folded):
            name = token.raw[: len(joined["name"])]
            if token.folded not in titles.words and not is_title(token.raw) and is_name(name):
                return _written(f"{text[: token.start]}{name} season {joined['digit']}{text[token.end :]}")
            continue
        number = _NUMBER.fullmatch(token.folded) if at else None
        if marks and marks != [at + 1]:  # the question names a season elsewhere
            continue
        if number is None or (token.folded == "v" and token.raw != "V") or _COUNTED.match(text, token.end):
            continue
        season = number["digit"] or str(ROMAN.index(number["roman"]) + 2)
        begins = [tokens[start].start for start in range(max(0, at - _LONGEST_NAME), at)]
        named = any(is_name(text[start : tokens[at - 1].end]) for start in begins)
        if named and not any(is_title(text[start : token.end]) for start in begins):
            return _written(f"{text[: token.start]}season {season}{text[token.end :]}")
    return None


def _written(text: str) -> str:
    """Return a folded text as it was written: a mark after a season is a part of it."""
    return " ".join(SEASON_MARK.sub(r"part \1", text).split())


def title_beside_season(
    text: str, titled: Callable[[str], bool], meaningful: Collection[str]
) -> tuple[int, int, int] | None:
    """Return the place of a title's words before or after a season in a folded text, and the season's number.

    The longest such words count. None for a text without a season, and for long ones, which describe plots.
    """
    tokens = title_tokens(text)
    marks = [at for at, token in enumerate(tokens) if SEASON_MARK.fullmatch(token.folded)]
    if not marks or len(tokens) > _LONGEST_QUESTION:
        return None
    at = marks[0]
    behind = at + 2 if at + 1 < len(tokens) and tokens[at + 1].folded in _JOINING else at + 1
    places = [(start, at) for start in range(max(0, at - _LONGEST_NAME), at)]
    places += [(behind, end) for end in range(min(len(tokens), behind + _LONGEST_NAME), behind, -1)]
    for start, end in places:
        words = [token.folded for token in tokens[start:end]]
        first, last = tokens[start].start, tokens[end - 1].end
        if _may_be_name(words) and _tells(words, meaningful) and titled(text[first:last]):
            return first, last, int(tokens[at].folded[1:])
    return None


def _may_be_name(words: Sequence[str]) -> bool:
    return words[0] not in STOP_WORDS - {"the"} and words[-1] not in STOP_WORDS and max(map(len, words)) >= _SHORTEST


def _tells(words: Sequence[str], meaningful: Collection[str]) -> bool:
    """Return whether words have a meaning of their own that is no condition."""
    return not all(word in carrying() or word in STOP_WORDS for word in words) and " ".join(words) not in meaningful
