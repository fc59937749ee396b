"""Reads numbers in digits and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.query.lexicon import lexicon

if TYPE_CHECKING:
    import re

WORDS: dict[str, int] = lexicon()["numbers"]
NUMBER = (
    r"(?P<{0}>\d[\d,]*(?:\.\d+)?|(?:" + "|".join(sorted(WORDS, key=len, reverse=True)) + r")\b)"
    r"(?:\s*(?P<{0}_times>million|thousand|hundred|k\b|m\b|万))?"
)
_TIMES = {"million": 1_000_000, "m": 1_000_000, "thousand": 1000, "k": 1000, "hundred": 100, "万": 10_000}


def number_of(match: re.Match[str], name: str) -> float:
    """Return the number in the group `name` of a match of `NUMBER`."""
    figure = match[name]
    number = WORDS[figure] if figure in WORDS else float(figure.replace(",", ""))
    return number * _TIMES.get(match[f"{name}_times"] or "", 1)
