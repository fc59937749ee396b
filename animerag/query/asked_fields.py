"""Reads the fields that a question asks for about the shows it names: one, or several at once. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from animerag.query.cue_tables import first_of, pattern_of
from animerag.query.lexicon import carrying, lexicon

if TYPE_CHECKING:
    from animerag.query.grammar import Question

_JOINED = re.compile(r"\b(?:and|und|plus|as well as)\b|[,&、+]|と")
_BOTH_ENDS = re.compile(r"\b(?:start|begin|air|premiere)\w*\b.{0,12}\band\b.{0,12}\b(?:end|finish)\w*\b")
_MOST = 6  # fields of one question


def read_fields(reading: Question) -> tuple[str, ...]:
    """Return the requested fields in the order of the question, and claim their words.

    "Rating and type of X" names them, "when did X air and how many episodes does it have" asks for each.
    """
    places: dict[str, int] = {}
    several = bool(_JOINED.search(reading.text))
    while len(places) < (_MOST if several else 1):
        before = len(reading.claims)
        name = first_of(reading, "fields", "field")
        if name is None:
            break
        places.setdefault(name, min(claim.start for claim in reading.claims[before:]))
    if "end_year" in places and _BOTH_ENDS.search(reading.text):
        places.setdefault("year", places["end_year"] - 1)
    if _names_fields_only(reading):
        for match in list(_nouns().finditer(reading.rest)):
            name = next(
                name for name, nouns in lexicon()["field_nouns"].items() if _one(nouns).fullmatch(match.group())
            )
            places.setdefault(name, match.start())
            reading.claim(match.start(), match.end(), "cue")
    return tuple(sorted(places, key=lambda name: places[name]))


def _names_fields_only(reading: Question) -> bool:
    """Return whether the unread words name fields and nothing else."""
    if not _nouns().search(reading.rest):
        return False
    rest = _nouns().sub(" ", reading.rest)
    words = re.findall(r"[^\W\d_\ue000]+", rest)
    return all(word in carrying() for word in words)


@cache
def _nouns() -> re.Pattern[str]:
    return re.compile("|".join(_one(nouns).pattern for nouns in lexicon()["field_nouns"].values()))


def _one(nouns: list[str]) -> re.Pattern[str]:
    return pattern_of(tuple(rf"\b(?:{noun})\b" for noun in nouns))
