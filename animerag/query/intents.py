"""Recognises the intent of a question: by cues if there are any, otherwise by similar examples."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np

from animerag.query.grammar import SHOW

if TYPE_CHECKING:
    from animerag.models.json_types import JsonObject
    from animerag.ports import Vectors
    from animerag.query.plan import Intent

_NEAREST = 3
_RIDGE = 1.0
_SURE = 0.3  # the examples decide if the likeliest intent leads the next one by this margin (docs/quality.md)
_DIGITS = 4  # decimals; processors differ in the seventh


@dataclass(frozen=True, slots=True)
class Likely:
    """The result of comparing a question with examples: an intent, its margin over the next one, near examples."""

    intent: Intent
    margin: float
    nearest: tuple[str, ...]

    @property
    def is_sure(self) -> bool:
        """Return whether the examples are clear enough to decide."""
        return self.margin >= _SURE


@cache
def table() -> JsonObject:
    """Return cues and examples by intent."""
    return tomllib.loads(files("animerag.query").joinpath("intents.toml").read_text(encoding="utf-8"))


@cache
def cues(intent: Intent) -> re.Pattern[str] | None:
    """Return the patterns of cues by intent, for questions whose titles are blanked out."""
    patterns = table()[intent].get("cues", [])
    return re.compile("|".join(patterns).replace("<show>", f"{SHOW}+")) if patterns else None


def has_cue(intent: Intent, text: str) -> bool:
    """Return whether a question has a cue of an intent."""
    pattern = cues(intent)
    return pattern is not None and bool(pattern.search(text))


@cache
def carrying_words(intent: Intent) -> frozenset[str]:
    """Return the words that express only the intent and have no other meaning."""
    return frozenset(table()[intent].get("words", "").split())


def examples() -> list[tuple[Intent, str]]:
    """Return every example with its intent."""
    return [(intent, example) for intent, entry in table().items() for example in entry["examples"]]  # type: ignore[misc]


@cache
def _vectors() -> tuple[str, Vectors]:
    with as_file(files("animerag.query").joinpath("intents.npz")) as path, np.load(path, allow_pickle=False) as stored:
        return str(stored["examples_hash"]), stored["vectors"].astype(np.float32)


@cache
def _labels() -> np.ndarray[Any, np.dtype[np.str_]]:
    return np.array([intent for intent, _ in examples()])


@cache
def _weights() -> tuple[list[Intent], Vectors]:
    """Return the intents and the weights (513, intents) that separate their examples, by ridge regression."""
    rows = _with_constant(_vectors()[1])
    intents = sorted(set(_labels().tolist()))
    wanted = np.where(_labels()[:, None] == np.array(intents)[None, :], 1.0, -1.0)
    weights = np.linalg.solve(rows.T @ rows + _RIDGE * np.eye(rows.shape[1]), rows.T @ wanted)
    return intents, weights.astype(np.float32)


def _with_constant(vectors: Vectors) -> Vectors:
    return np.hstack([vectors, np.ones((len(vectors), 1), np.float32)])


def likely(vector: Vectors) -> Likely:
    """Return the likeliest intent of a question.

    `vector` of shape (512,) is the embedded encoder's for the question with its titles replaced by X and Y.
    """
    intents, weights = _weights()
    scores = np.round((_with_constant(vector[None, :]) @ weights)[0], _DIGITS)
    second, best = np.argsort(scores, kind="stable")[-2:]
    likeness = np.round(_vectors()[1] @ vector, _DIGITS)
    nearest = np.argsort(np.where(_labels() == intents[best], -likeness, 1.0), kind="stable")[:_NEAREST]
    return Likely(intents[best], float(scores[best] - scores[second]), tuple(examples()[one][1] for one in nearest))
