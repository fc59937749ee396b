"""The concurrency level: a fixed number, or one that adapts to where the provider slows down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import repeat
from statistics import median
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

LevelChoice: TypeAlias = "int | Literal['auto']"

MAXIMUM = 64  # twice the highest level that helped with any measured provider
SMALLEST_ROUND = 4
BASELINE_SAMPLES = 16  # enough for a stable median when latencies vary by half
KNEE_LATENCY = 1.3  # the knee: latency grew by this factor, while ...
KNEE_THROUGHPUT = 1.2  # ... doubling the level raised the throughput by less than this factor
SLOW_LATENCY = 1.5  # once the knee is known, this factor means that the level is beyond it


class FixedLevel:
    """A fixed level, which never changes."""

    choice: LevelChoice

    def __init__(self, level: int) -> None:
        self.choice = level
        self.now = level

    def begin(self, in_flight: int, now: float) -> int:
        """Record the start of a request, the `in_flight`th at that time; return its round."""
        del in_flight, now
        return 0

    def succeed(self, round_number: int, model: str, seconds: float, now: float) -> None:
        """Record a request that was answered after `seconds`."""

    def fail(self) -> None:
        """Record a transient failure: the round is not clean."""

    def refuse(self) -> None:
        """Record a 429."""

    def rounds(self) -> Iterator[int]:
        """Predict the level of each coming round."""
        return repeat(self.now)


@dataclass(slots=True)
class _Round:
    """As many requests as the level; the next round starts when answers of this one arrive."""

    began_at: float = 0.0
    started: int = 0
    full: bool = False
    clean: bool = True
    samples: list[tuple[str, float]] = field(default_factory=list)


class AutoLevel(FixedLevel):
    """Doubles after each clean round up to the first 429 or the knee, then adds one per round and backs off by shares.

    While it doubles, every fast answer admits two requests, so that a round does not wait for its last answer. The
    level is decided at the end of the round.
    """

    def __init__(self, start: int, maximum: int = MAXIMUM) -> None:
        super().__init__(start)
        self.choice = "auto"
        self._maximum = maximum
        self._doubling = True
        self._start = start
        self._base = start  # the level at the start of this round
        self._before = start  # the level before the last doubling
        self._throughput: float | None = None
        self._firsts: dict[str, list[float]] = {}
        self._number = 0
        self._rounds: dict[int, _Round] = {}

    def begin(self, in_flight: int, now: float) -> int:
        """Record the start of a request, the `in_flight`th at that time; return its round."""
        number = self._number
        current = self._rounds.get(number)
        if current is not None and current.samples and current.started >= self._size:
            number += 1
        own = self._rounds.setdefault(number, _Round(began_at=now))
        own.started += 1
        own.full = own.full or in_flight >= self._base
        return number

    def succeed(self, round_number: int, model: str, seconds: float, now: float) -> None:
        """Record a latency; a full round changes the level."""
        firsts = self._firsts.setdefault(model, [])
        if len(firsts) < BASELINE_SAMPLES:
            firsts.append(seconds)
        if round_number not in self._rounds:
            return
        own = self._rounds[round_number]
        own.samples.append((model, seconds))
        if round_number != self._number:
            self._give_up_stragglers(own, now)
            return
        prompt = seconds <= KNEE_LATENCY * median(firsts)
        if self._doubling and own.full and own.clean and prompt and self.now < 2 * self._base:
            self.now = min(self._maximum, self.now + 1)
        if len(own.samples) >= self._size:
            self._end_round(own, now)

    def fail(self) -> None:
        """Keep the current rounds from raising the level."""
        for own in self._rounds.values():
            own.clean = False

    def refuse(self) -> None:
        """Halve the level."""
        self._doubling = False
        self.now = max(1, min(self.now, self._base) // 2)
        self._base = self.now
        self._number += 2
        self._rounds.clear()

    def rounds(self) -> Iterator[int]:
        """Predict the level of each round if all of them are clean."""
        level = self._base
        while True:
            yield level
            level = min(self._maximum, level * 2 if self._doubling else level + 1)

    @property
    def _size(self) -> int:
        return max(self._base, SMALLEST_ROUND)

    def _give_up_stragglers(self, following: _Round, now: float) -> None:
        """End a round that cancelled or failed calls left incomplete, once the next one is complete."""
        late = self._rounds.get(self._number)
        if len(following.samples) >= self._size and late is not None and late.samples:
            self._end_round(late, now)

    def _end_round(self, ended: _Round, now: float) -> None:
        throughput = len(ended.samples) / max(now - ended.began_at, 1e-9)
        grew = self._throughput is None or throughput >= KNEE_THROUGHPUT * self._throughput
        slowdown = self._slowdown(ended)
        if self._doubling:
            self._double_or_stop(ended, knee=slowdown > KNEE_LATENCY and not grew)
        elif slowdown > SLOW_LATENCY:
            # Not below the start: answers are also slow when this machine is busy writing earlier ones.
            self.now = max(min(self._start, self._base), self._base * 3 // 4)
        elif ended.full and ended.clean:
            self.now = min(self._maximum, self._base + 1)
        self._base = self.now
        self._throughput = throughput
        del self._rounds[self._number]
        self._number += 1

    def _double_or_stop(self, ended: _Round, *, knee: bool) -> None:
        if knee:
            self._doubling = False
            self.now = self._before
        elif ended.full and ended.clean:
            self._before = self._base
            self.now = min(self._maximum, self._base * 2)
        else:
            self.now = self._base

    def _slowdown(self, ended: _Round) -> float:
        """Return the round's median latency relative to the first requests, for the most frequent model."""
        model, _ = Counter(model for model, _ in ended.samples).most_common(1)[0]
        typical = median(seconds for name, seconds in ended.samples if name == model)
        return typical / max(median(self._firsts[model]), 1e-9)


def level_for(choice: LevelChoice, start: int) -> FixedLevel:
    """Return the level for a choice; `auto` starts at `start`."""
    return AutoLevel(start) if choice == "auto" else FixedLevel(max(1, choice))
