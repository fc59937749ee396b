"""Cuts the results of a vector search so that shows at equal distances are never separated by chance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from animerag.models.providers import Usage
from animerag.retrieval.fusion import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.ports import CollectionSpec, Neighbour, VectorIndex, Vectors

_MORE = 10  # neighbours beyond the candidates, because shows at equal distances are ordered before the list is cut
_MOST = 2000  # neighbours that one search considers


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """The result of a vector search, its usage and times; `vector` is the question's, of shape (dimensions,)."""

    neighbours: Sequence[Neighbour] = ()
    vector: Vectors | None = None
    usage: Usage = Usage()
    embed_s: float = 0.0
    vector_s: float = 0.0


async def around(
    index: VectorIndex, spec: CollectionSpec, vectors: Vectors, candidates: int, ids: Sequence[str] | None = None
) -> list[list[Neighbour]]:
    """Return the candidates of each row of `vectors`, and all shows as far as the last of them.

    `ids` restricts the search to those shows. Raises VectorStoreError.
    """
    wanted = candidates + _MORE
    while True:
        neighbours = await index.query(spec, vectors, k=wanted, ids=ids)
        if wanted >= _MOST or not any(_ends_in_a_tie(near, candidates, wanted) for near in neighbours):
            return neighbours
        wanted = min(_MOST, 4 * wanted)


def nearest(near: Sequence[Neighbour], votes: Mapping[str, int], candidates: int) -> list[Neighbour]:
    """Return the candidates with their rounded distances; of equal ones, those with more votes."""
    ranked = [replace(one, distance=rounded(one.distance)) for one in near]
    ranked.sort(key=lambda one: (one.distance, -votes.get(one.id, 0), one.id))
    return ranked[:candidates]


def before_the_last(near: Sequence[Neighbour], wanted: int) -> list[Neighbour]:
    """Return the neighbours without those as far as the last one, if others at that distance may be missing."""
    if len(near) < wanted:
        return list(near)
    return [one for one in near if rounded(one.distance) < rounded(near[-1].distance)]


def between(vectors: Sequence[Vectors]) -> Vectors | None:
    """Return the direction in the middle of vectors, of the same shape and length 1; None without vectors."""
    if not vectors:
        return None
    middle = np.mean(vectors, axis=0)
    return (middle / (np.linalg.norm(middle) or 1.0)).astype(np.float32)  # type: ignore[no-any-return]


def _ends_in_a_tie(near: Sequence[Neighbour], candidates: int, wanted: int) -> bool:
    """Return whether shows as far as the last candidate may be missing from `wanted` neighbours."""
    return len(near) >= wanted and rounded(near[candidates - 1].distance) == rounded(near[-1].distance)
