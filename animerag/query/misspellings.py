"""Corrects misspelt words of a question: "horor movies" asks for horror, "Sportanime" for sport.

Only words that are in no title, synopsis or dictionary are changed, and only into words with a meaning in this
catalogue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rapidfuzz import process
from rapidfuzz.distance import OSA

from animerag.query.intents import examples
from animerag.query.lexicon import carrying, lexicon

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from animerag.query.lexicon import Meaning

_WORD = re.compile(r"[^\W\d_]+")
_QUOTED = re.compile(r"[\"“„«][^\"“”„«»]*[\"”“»]")
_SHORTEST = 5  # letters; in a shorter word, one wrong letter makes a different word
_SWAPPED = 4  # letters of a word from which two may be swapped
_SWAPPED_IN_A_WORD = 6  # the same for words in lists of common words, which also contain common typing errors
_TWICE = 8  # letters of a word from which two may be wrong
_SHORTEST_CORRECT = 4  # minimum letters of a correction
_MOST_WORDS = 40  # words; longer questions describe plots, whose words are searched for without changes
_COMPOUND = re.compile(r"(?P<head>\w{3,}?)(?P<tail>anime|filme?n?|serien?)")
_GERMAN = re.compile(
    r"\b(?:mit|aus|mir|und|ohne|alle[ns]?|welche[rsn]?|wie|zeige?|nach|der|die|das|keine?|habe|seit)\b", re.IGNORECASE
)
_BESIDE = "seventies eighties nineties noughties decade decades highest lowest longest shortest oldest newest latest"


@dataclass(frozen=True, slots=True)
class Respelling:
    """A word as it was typed, and its correction."""

    typed: str
    read: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """Knowledge about folded words.

    `phrases` have a meaning in the catalogue, `covered` are words of titles in the question. `is_used` returns whether
    the catalogue's texts contain a word, `is_word` whether it is a common word of the language.
    """

    phrases: Mapping[str, Meaning]
    covered: Collection[str]
    is_used: Callable[[str], bool]
    is_word: Callable[[str], bool]


def respelt(question: str, spelling: Spelling) -> tuple[str, tuple[Respelling, ...]]:
    """Return the corrected question and its corrections."""
    words = list(_WORD.finditer(question))
    if len(words) > _MOST_WORDS or not question:
        return question, ()
    quoted = [match.span() for match in _QUOTED.finditer(question)]
    # German nouns have capitals.
    shouted = not any(letter.islower() for letter in question) or bool(_GERMAN.search(question))
    respellings: list[Respelling] = []
    text = question
    for place, match in reversed(list(enumerate(words))):
        typed = match.group()
        if any(start <= match.start() < end for start, end in quoted) or not typed.isascii():
            continue
        if typed != typed.lower() and not (shouted or (place == 0 and typed[1:].islower())):
            continue  # a capital makes it a name
        read = _corrected(typed.casefold(), spelling)
        if read:
            respellings.insert(0, Respelling(typed, read))
            text = text[: match.start()] + read + text[match.end() :]
    return text, tuple(respellings)


def _corrected(word: str, spelling: Spelling) -> str | None:
    """Return the correction of a folded word; None if it is right or resembles no known word."""
    right = word in spelling.covered or word in _meaningful() or word in spelling.phrases
    if len(word) < _SWAPPED or right or spelling.is_used(word):
        return None
    compound = _COMPOUND.fullmatch(word)
    if compound and compound["head"] in spelling.phrases:
        return f"{compound['head']} {compound['tail']}"
    known = spelling.is_word(word)
    if known and len(word) < _SWAPPED_IN_A_WORD:
        return None
    wrong = 1 if known or len(word) < _TWICE else 2
    # The first letter is rarely mistyped, and names differ in it.
    near = sorted(
        other
        for other in {*_meaningful(), *(one for phrase in spelling.phrases for one in phrase.split())}
        if other[0] == word[0] and len(other) >= _SHORTEST_CORRECT and abs(len(other) - len(word)) <= wrong
    )
    if word in near:
        return None
    if known or len(word) < _SHORTEST:
        near = [other for other in near if sorted(other) == sorted(word)]
    best = process.extractOne(word, near, scorer=OSA.distance, score_cutoff=wrong)
    return best[0] if best else None


@cache
def _meaningful() -> frozenset[str]:
    """Return the words of questions: those of the examples, numbers, seasons, months and similar words."""
    tables = lexicon()
    words = {word for _, example in examples() for word in _WORD.findall(example.lower()) if word.isascii()}
    words |= {word for names in tables["seasons"].values() for word in names if word.isascii()}
    words |= set(tables["numbers"]) | set(_BESIDE.split()) | carrying()
    return frozenset(word for word in words if word.isascii() and len(word) > 1)
