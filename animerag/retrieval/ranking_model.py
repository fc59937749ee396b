"""The learnt ranking: one weight for each piece of evidence, in a file with its provenance.

`benchmarks/train_ranking.py` learns the weights from questions whose answers are known; docs/quality.md has the
results.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from operator import mul

FILE = "ranking_model.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The features of one candidate: cosine similarities from -1 to 1, shares from 0 to 1."""

    similarity: float = 0.0  # similarity of the question with description and tags
    words: float = (
        0.0  # BM25 divided by the square root of the question's length, because many words add up to a high score
    )
    coverage: float = 0.0  # share of the question's words that the show has, related words included
    passage: float = 0.0  # similarity of the nearest passage, weighted more the longer the question
    tags: float = 0.0  # similarity of the list of tags, weighted more the shorter the question
    premise: float = 0.0  # by how much a well-known show's premise is more similar than those of other shows

    def values(self) -> tuple[float, ...]:
        """Return the features in the order of this class."""
        return self.similarity, self.words, self.coverage, self.passage, self.tags, self.premise


@dataclass(frozen=True, slots=True)
class RankingModel:
    """A weight for each feature, in units of similarity: that of `similarity` is 1."""

    weights: tuple[float, ...]

    def score(self, features: Features) -> float:
        """Return the weighted sum by which candidates are ordered."""
        return math.fsum(map(mul, self.weights, features.values()))


@cache
def ranking_model() -> RankingModel:
    """Return the package's own weights."""
    text = files("animerag.retrieval").joinpath(FILE).read_text(encoding="utf-8")
    weights = json.loads(text)["weights"]
    return RankingModel(tuple(weights[each.name] for each in fields(Features)))
