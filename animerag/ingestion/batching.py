"""Cuts documents into embedding requests that fill the rounds of a concurrency level and keep the token limit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from animerag.rate_limits import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from animerag.text.documents import Document

USUAL = 100  # documents in a request, unless configured or chosen by `sizes`
MOST, LEAST = 200, 64  # larger requests take too long; smaller ones only add requests
_REQUEST_TOKENS = 250_000  # below the API's 300,000, because tokens are estimated


def sizes(documents: int, rounds: Iterator[int], *, most: int = MOST) -> list[int]:
    """Return the size of each request, so that as few rounds as possible are needed.

    `rounds` yields the level of each round, without end; `most` bounds a request. Early rounds are as large as
    possible and the last one is split evenly: its documents are the only ones that are not written during a request.
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
    """Cuts a stream of documents into batches of the given sizes; the last size applies to the rest.

    A batch is smaller if its tokens would not fit one request. Needs at least one size.
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
            if self._batch and self._tokens + needed > _REQUEST_TOKENS:
                yield self._full()
            self._batch.append(document)
            self._tokens += needed
            if len(self._batch) >= self._size:  # now, not with the next document, which may be read much later
                yield self._full()

    def _full(self) -> list[Document]:
        batch = self._batch
        self._batch, self._tokens = [], 0
        self._size = next(self._following, self._size)
        return batch

    def rest(self) -> list[Document]:
        """Return the documents that do not fill a batch yet."""
        return self._batch


def cut(documents: Iterable[Document], given: Iterable[int]) -> Iterator[list[Document]]:
    """Cut a complete sequence of documents into batches."""
    cutter = Cutter(given)
    yield from cutter.add(documents)
    if rest := cutter.rest():
        yield rest
