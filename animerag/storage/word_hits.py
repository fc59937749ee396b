"""What a full-text search returns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WordHit:
    """A show that shares words with a question; `score` is BM25 turned positive, higher is better."""

    id: str
    score: float
