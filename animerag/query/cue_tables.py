"""Searches a question with the lexicon's tables of regular expressions. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from animerag.query.grammar import SHOW
from animerag.query.lexicon import lexicon

if TYPE_CHECKING:
    from animerag.query.grammar import Question


@cache
def pattern_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return the alternatives of the lexicon as one pattern."""
    return re.compile("|".join(patterns))


def first_of(reading: Question, table: str, claim: str = "") -> str | None:
    """Return the key of the first entry whose words are in the question, and claim them if `claim` is set."""
    for key, patterns in lexicon()[table].items():
        match = pattern_of(tuple(patterns)).search(reading.rest)
        if match:
            if claim:
                claim_words(reading, match)
            return str(key)
    return None


def claim_words(reading: Question, match: re.Match[str]) -> None:
    """Claim a cue, except for a title within it."""
    for part in re.finditer(rf"[^{SHOW}\x00]+", match.group()):
        if part.group().strip():
            reading.claim(match.start() + part.start(), match.start() + part.end(), "cue")
