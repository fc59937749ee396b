"""What a question is after: cues decide where they can, the nearest examples where they cannot."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np

from animerag.query.grammar import SHOW

if TYPE_CHECKING:
    from animerag.ports import Vectors
    from animerag.query.plan import Intent

_NEAREST = 3
_SURE = 0.62  # mean likeness of the three nearest examples from which they are believed


@cache
def table() -> dict[str, Any]:
    """Return cues and examples by intent."""
    return tomllib.loads(files("animerag.query").joinpath("intents.toml").read_text(encoding="utf-8"))


@cache
def cues(intent: Intent) -> re.Pattern[str] | None:
    """Return what tells an intent by its words, for questions whose titles are blanked out."""
    patterns = table()[intent].get("cues", [])
    return re.compile("|".join(patterns).replace("<show>", f"{SHOW}+")) if patterns else None


def has_cue(intent: Intent, text: str) -> bool:
    """Tell whether a question has a cue of an intent."""
    pattern = cues(intent)
    return pattern is not None and bool(pattern.search(text))


@cache
def carrying_words(intent: Intent) -> frozenset[str]:
    """Return the words that only say the intent, and mean nothing beside it."""
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


def nearest(vector: Vectors) -> tuple[Intent, float]:
    """Return the intent of the nearest examples and the mean likeness of its three nearest.

    `vector` of shape (512,) is the embedded encoder's, of the question with each title replaced by X.
    """
    _, vectors = _vectors()
    likeness = vectors @ vector
    best: dict[str, float] = {}
    for intent in table():
        own = np.sort(likeness[_labels() == intent])[-_NEAREST:]
        best[intent] = float(own.mean())
    intent = max(best, key=lambda name: best[name])
    return intent, best[intent]  # type: ignore[return-value]


def is_sure(likeness: float) -> bool:
    """Tell whether examples are near enough to decide."""
    return likeness >= _SURE


def masked(text: str) -> str:
    """Return a question with titles replaced by X, as the examples name them."""
    return re.sub(f"{SHOW}+", "X", text)
