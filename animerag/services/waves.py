"""How documents are cut into requests: sizes that fill the rounds a level of concurrency works in, and token limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from animerag.limits import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from animerag.texts import Document

USUAL = 100  # documents in a request, unless somebody says otherwise or leaves it to `sizes`
MOST, LEAST = 200, 64  # larger requests answer too late to be worth it; smaller ones only cost requests
_REQUEST_TOKENS = 250_000  # below the API's 300,000 a request, since the estimate is one


def sizes(documents: int, rounds: Iterator[int], *, most: int = MOST) -> list[int]:
    """Return the size of each request, as few rounds as `most` documents a request allow.

    `rounds` tells the level of each round, without end. Early rounds take all they can and the last one shares out
    the rest: what arrives before it is written while it is under way, what arrives with it has to wait.
    """
    found: list[int] = []
    left = documents
    while left > 0:
        level = next(rounds)
        size = min(most, max(LEAST, math.ceil(left / level)))
        here = [size] * min(level, math.ceil(left / size))
        found += here
        left -= sum(here)
    return found


def cut(documents: Iterable[Document], given: Iterable[int]) -> Iterator[list[Document]]:
    """Cut into batches of the given sizes, the last of them for all that is left; fewer where tokens would be too many.

    Needs at least one size.
    """
    following = iter(given)
    size = next(following)
    batch: list[Document] = []
    tokens = 0
    for document in documents:
        needed = estimate_tokens(document.text)
        if batch and (len(batch) >= size or tokens + needed > _REQUEST_TOKENS):
            yield batch
            batch, tokens = [], 0
            size = next(following, size)
        batch.append(document)
        tokens += needed
    if batch:
        yield batch
