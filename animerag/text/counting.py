"""Numbers with their noun, as people read them: "1 episode", "1,458 shows"."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where the number is not 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
