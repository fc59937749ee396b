"""The content of simulated answers: vectors from letters, quotes from sources, and token counts."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.ports import Vectors

NOT_FOUND = "I could not find that in the sources."
_MAX_QUOTE = 300
_SOURCE = re.compile(r"\s*\[(\d+)\]\s*(.*)")
_SOURCES_END = re.compile(r"\s*(?:```|~~~|---|===|<|question\b)", re.IGNORECASE)
_DESCRIPTION = re.compile(r"\s*(?:description|synopsis|plot|about)\s*:\s*(?=\S)", re.IGNORECASE)
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s|$)|[。！？])|.+")


def vector(text: str, dimensions: int) -> Vectors:
    """Return a unit vector computed from the letters of `text`; texts that share words are similar.

    Each group of four bytes is hashed to one position and a sign, which is a sparse random projection: it takes
    microseconds, works for Japanese as for English, and is the same in every process.
    """
    data = f"  {text.lower()} ".encode("utf-8", "surrogatepass")
    codes = np.ndarray(len(data) - 3, "<u4", data, strides=(1,)) * np.uint32(0x9E3779B1)
    codes = (codes ^ codes >> np.uint32(15)) * np.uint32(0x85EBCA6B) >> np.uint32(8)
    # The upper half of the positions is the lower half with a minus; the root reduces the weight of common words.
    counts = np.sqrt(np.bincount(codes % np.uint32(2 * dimensions), minlength=2 * dimensions))
    sums = (counts[:dimensions] - counts[dimensions:]).astype(np.float32)
    if not sums.any():  # signs can cancel out with few dimensions
        sums[0] = 1
    return sums / np.linalg.norm(sums)


def count_tokens(text: str) -> int:
    """Return roughly the tokens that a model would count: a quarter of the UTF-8 bytes."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / 4)


def answer(prompt: str) -> str:
    """Quote the first sentence of the first two sources in `prompt` with their numbers, or say that there are none."""
    quotes = [f"{_quote(lines)} [{number}]" for number, lines in _sources(prompt)[:2]]
    return " ".join(["This is what the sources say.", *quotes]) if quotes else NOT_FOUND


def _sources(prompt: str) -> list[tuple[str, list[str]]]:
    """Return the number and the lines of each block that starts with `[n]`."""
    sources: list[tuple[str, list[str]]] = []
    is_inside = False
    for line in prompt.splitlines():
        if head := _SOURCE.match(line):
            sources.append((head[1], [head[2]]))
            is_inside = True
        elif _SOURCES_END.match(line):
            is_inside = False
        elif is_inside:
            sources[-1][1].append(line)
    return sources


def _quote(lines: Sequence[str]) -> str:
    """Return the first sentence of the description: the line with that label, otherwise the longest line."""
    named = (line[label.end() :] for line in lines if (label := _DESCRIPTION.match(line)))
    text = next(named, None) or max(lines[1:], key=len, default="").strip() or lines[0]
    sentence = _SENTENCE.match(text.strip())
    quoted = (sentence[0] if sentence else "Nothing more is known")[:_MAX_QUOTE]
    return quoted if quoted[-1] in ".!?。！？" else f"{quoted}."
