"""Cuts a show's plot into passages of two sentences, which are compared with questions about a scene."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from animerag.text.cleaning import clean, plot

if TYPE_CHECKING:
    from animerag.models.shows import Show

_SENTENCES = 2
_PASSAGES = 12  # per show; the first ones contain the premise


def passages_of(show: Show) -> tuple[str, ...]:
    """Return overlapping pairs of sentences of a show's plot in order, at most twelve; none without a description."""
    return _passages(show.description)


def tags_of(show: Show) -> str:
    """Return a show's tags as the text that is embedded; empty if it has none."""
    return ", ".join(show.tags)


def texts_of(show: Show) -> tuple[str, ...]:
    """Return all texts of a show that questions are compared with: its passages, then its tags, if it has any."""
    return (*passages_of(show), tags_of(show)) if show.tags else passages_of(show)


@lru_cache(maxsize=3000)  # the same shows are candidates again and again
def _passages(description: str) -> tuple[str, ...]:
    lines = plot(clean(description))
    starts = range(max(1, len(lines) - _SENTENCES + 1)) if lines else ()
    return tuple(" ".join(lines[start : start + _SENTENCES]) for start in starts)[:_PASSAGES]
