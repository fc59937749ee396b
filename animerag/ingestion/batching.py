"""How documents are cut into requests: sizes that fill the rounds a level of concurrency works in, and token limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from animerag.rate_limits import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from animerag.text.documents import Document

USUAL = 100  # documents in a request, unless it is configured or left to `sizes`
MOST, LEAST = 200, 64  # larger requests answer too late to be worth it; smaller ones only cost requests
_REQUEST_TOKENS = 250_000  # below the API's 300,000 a request, since the estimate is one


def sizes(documents: int, rounds: Iterator[int], *, most: int = MOST) -> list[int]:
    """Return the size of each request, as few rounds as `most` documents a request allow.

    `rounds` yields the level of each round, without end. Early rounds take all they can and the last one shares out
    the rest: what arrives before it is written while it is under way, what arrives with it has to wait.
    """
    batches: list[int] = []
    left = documents
    while left > 0:
        level = next(rounds)
        size = min(most, max(LEAST, math.ceil(left / level)))
        here = [size] * min(level, math.ceil(left / size))
        batches += here
        left -= sum(here)
    return batches


class Cutter:
    """Cuts a stream of documents into batches of the given sizes; the last size holds for the rest.

    A batch is smaller where its tokens would be too many for one request. Needs at least one size.
    """

    def __init__(self, given: Iterable[int]) -> None:
        self._following = iter(given)
        self._size = next(self._following)
        self._batch: list[Document] = []
        self._tokens = 0

    def add(self, documents: Iterable[Document]) -> Iterator[list[Document]]:
        """Add documents and yield the batches that are full."""
        for document in documents:
            needed = estimate_tokens(document.text)
            if self._batch and (len(self._batch) >= self._size or self._tokens + needed > _REQUEST_TOKENS):
                yield self._batch
                self._batch, self._tokens = [], 0
                self._size = next(self._following, self._size)
            self._batch.append(document)
            self._tokens += needed

    def rest(self) -> list[Document]:
        """Return what has not filled a batch."""
        return self._batch


def cut(documents: Iterable[Document], given: Iterable[int]) -> Iterator[list[Document]]:
    """Cut documents that are all there, as a Cutter does."""
    cutter = Cutter(given)
    yield from cutter.add(documents)
    if rest := cutter.rest():
        yield rest
