"""Joins words as in a sentence: "a, b and c"."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def listed(words: Iterable[str], *, japanese: bool = False) -> str:
    """Join words as in a sentence; "" without any."""
    *first, last = words or [""]
    if japanese:
        return "、".join((*first, last))
    return f"{', '.join(first)} and {last}" if first else last
