"""Whether searches find every vector of an index.

A search of a small collection compares the question with every vector that the graph leads to. So a few searches for
all of them show which vectors cannot be reached. In a larger collection, each vector is searched for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from animerag.ports import SEARCHED_COMPLETELY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.ports import CollectionSpec, Neighbour, VectorIndex, Vectors

_PROBES = 16
_TIES = 10  # shows with identical texts share a rank
_SAME = 1e-4  # rounding stored vectors causes at most this distance; a changed vector is farther away


async def unsearchable(index: VectorIndex, spec: CollectionSpec, vectors: Mapping[str, Vectors]) -> list[str]:
    """Return the ids that searches do not find, or with another vector than theirs.

    `vectors` has the vector, of shape (dimensions,), that the index should hold for each id. Raises VectorStoreError.
    """
    if not vectors:
        return []
    ids, matrix = list(vectors), np.stack(list(vectors.values()))
    size = await index.count(spec)
    if size > SEARCHED_COMPLETELY:
        results = await index.query(spec, matrix, k=_TIES)
        return [one for one, near in zip(ids, results, strict=True) if one not in _at(near, 0.0)]
    probes, expected = await asyncio.to_thread(_probes, matrix)
    lost: set[str] = set()
    results = await index.query(spec, probes, k=max(size, 1))
    for near, distances in zip(results, expected, strict=True):
        by_id = {one.id: one.distance for one in near}
        measured = np.array([by_id.get(one, np.inf) for one in ids])
        lost.update(ids[row] for row in np.flatnonzero(~(np.abs(measured - distances) <= _SAME)))
    return [one for one in ids if one in lost]


def _at(near: list[Neighbour], distance: float) -> set[str]:
    return {one.id for one in near if abs(one.distance - distance) <= _SAME}


def _probes(matrix: Vectors) -> tuple[Vectors, Vectors]:
    """Return vectors to search with, and the distance of every row from each of them, of shape (probes, n).

    A search enters the graph near its question. Each probe is the row that is farthest from the earlier ones, so that
    the searches start in different parts of the graph; two wrong vectors do not have the right distance from all.
    """
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    units = matrix / np.where(lengths == 0, 1, lengths)
    distances: list[Vectors] = []
    chosen: list[int] = []
    row, nearest = 0, np.full(len(matrix), np.inf, np.float32)
    while len(chosen) < min(_PROBES, len(matrix)):
        chosen.append(row)
        distances.append(1 - units @ units[row])
        nearest = np.minimum(nearest, distances[-1])
        row = int(np.argmax(nearest))
    return matrix[chosen], np.stack(distances)
