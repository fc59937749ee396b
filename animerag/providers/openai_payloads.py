"""Parses and validates the responses of an OpenAI-compatible server."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np
from pydantic_core import from_json

from animerag.errors import UnusableAnswerError

if TYPE_CHECKING:
    from animerag.ports import Vectors


class ErrorInAnswer(Exception):  # noqa: N818 - it carries the server's own error to where it is translated
    """A response with a success status contains an error."""

    def __init__(self, error: object) -> None:
        super().__init__("the answer reports an error")
        self.error = error


def decoded(content: bytes, count: int) -> tuple[Vectors, int]:
    """Return the vectors of a response and the tokens it counted.

    Raises ValueError for invalid JSON, ErrorInAnswer, UnusableAnswerError.
    """
    body = from_json(content)
    if not isinstance(body, dict):
        raise unusable("it is not an object")
    if body.get("error") and "data" not in body:
        raise ErrorInAnswer(body["error"])
    used = tokens_of(body.get("usage"), "total_tokens") or tokens_of(body.get("usage"), "prompt_tokens")
    return _vectors(body.get("data"), count), used


def _vectors(data: object, count: int) -> Vectors:
    """Return the vectors in the order of the texts. Raises UnusableAnswerError if any is missing or invalid."""
    if not isinstance(data, list) or len(data) != count:
        raise unusable(f"it has {len(data) if isinstance(data, list) else 'no'} vectors for {count} texts")
    given = [(item.get("index"), item.get("embedding")) for item in data if isinstance(item, dict)]
    by_index = {index: embedding for index, embedding in given if type(index) is int}
    if by_index.keys() != set(range(count)):
        raise unusable("it does not say which vector belongs to which text")
    rows = [_vector(by_index[index]) for index in range(count)]
    if len({row.size for row in rows}) != 1:
        raise unusable("its vectors have different lengths")
    vectors: Vectors = np.stack(rows)
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise unusable("a vector is all zeros or contains NaN")
    return vectors


def _vector(value: object) -> Vectors:
    """Read base64 of little-endian float32, or the plain numbers that some servers send instead."""
    try:
        if isinstance(value, str):
            return np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float32)
        numbers = np.asarray(value)
    except ValueError as error:
        raise unusable("a vector cannot be read") from error
    if numbers.ndim != 1 or numbers.size == 0 or numbers.dtype.kind not in "fi":
        raise unusable("a vector cannot be read")
    with np.errstate(over="ignore"):  # too large a number becomes infinite, which is rejected below
        return numbers.astype(np.float32)


def unusable(why: str) -> UnusableAnswerError:
    """Return the error for an unusable response."""
    return UnusableAnswerError(f"The provider's answer cannot be used: {why}. Try again.")


def tokens_of(usage: object, name: str) -> int:
    """Return a token count; 0 if it is missing or invalid."""
    value = at(usage, name)
    return value if type(value) is int and value > 0 else 0


def at(value: object, *names: str) -> object:
    """Follow names into nested objects; None if one is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text_at(value: object, *names: str) -> str:
    """Return a text field; empty if it is missing or not text."""
    text = at(value, *names)
    return text if isinstance(text, str) else ""
