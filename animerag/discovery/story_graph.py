"""Graphs of shows: neighbours, reachable shows, and an order in which each part follows the one it continues."""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def both_ways(edges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return the neighbours of every id, in either direction of its edges."""
    ways: dict[str, set[str]] = defaultdict(set)
    for earlier, later in edges:
        ways[earlier].add(later)
        ways[later].add(earlier)
    return ways


def reachable(start: str, ways: Mapping[str, set[str]]) -> set[str]:
    """Return all ids that can be reached from an id, including itself."""
    reached, waiting = {start}, [start]
    while waiting:
        fresh = ways.get(waiting.pop(), set()) - reached
        reached |= fresh
        waiting += fresh
    return reached


def in_order(ids: Iterable[str], edges: Iterable[tuple[str, str]], places: Mapping[str, int]) -> list[str]:
    """Sort topologically, and by `place` where edges leave a choice; a cycle starts with its first id by place."""
    left = set(ids)
    after: dict[str, set[str]] = defaultdict(set)
    waits = dict.fromkeys(left, 0)
    for earlier, later in set(edges):
        if earlier in left and later in left and later not in after[earlier]:
            after[earlier].add(later)
            waits[later] += 1
    ready = [(places[one], one) for one in left if not waits[one]]
    heapq.heapify(ready)
    result: list[str] = []
    while left:
        if not ready:
            first = min(left, key=places.__getitem__)
            heapq.heappush(ready, (places[first], first))
        _, show_id = heapq.heappop(ready)
        if show_id not in left:
            continue
        left.remove(show_id)
        result.append(show_id)
        for later in after[show_id]:
            waits[later] -= 1
            if not waits[later] and later in left:
                heapq.heappush(ready, (places[later], later))
    return result


class Groups:
    """Disjoint sets of ids."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._parents = {one: one for one in ids}

    def join(self, one: str, other: str) -> None:
        """Merge the sets of two ids."""
        self._parents[self._root(one)] = self._root(other)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Return each id's whole set."""
        members: dict[str, list[str]] = defaultdict(list)
        for one in self._parents:
            members[self._root(one)].append(one)
        sets = {root: tuple(sorted(ids)) for root, ids in members.items()}
        return {one: sets[self._root(one)] for one in self._parents}

    def _root(self, one: str) -> str:
        while self._parents[one] != one:
            self._parents[one] = self._parents[self._parents[one]]
            one = self._parents[one]
        return one
