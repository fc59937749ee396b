"""Reads the citations of an answer and checks them against its sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.retrieval import Source

_CITATION = re.compile(r"\[(\d{1,3})\]")


def cited(text: str, sources: Sequence[Source]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the ids of the cited sources in order of appearance, and the numbers that match no source."""
    numbers = dict.fromkeys(int(number) for number in _CITATION.findall(text))
    ids = tuple(sources[number - 1].show.id for number in numbers if 0 < number <= len(sources))
    return ids, tuple(number for number in numbers if not 0 < number <= len(sources))
