"""The result of a full-text search."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WordHit:
    """A show that shares words with a question; `score` is the negated BM25 value, so higher is better."""

    id: str
    score: float
