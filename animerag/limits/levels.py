"""How many requests may be in flight: a fixed number, or one that feels its way to where the provider slows down."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Literal, TypeAlias

LevelChoice: TypeAlias = "int | Literal['auto']"

MAXIMUM = 64  # twice what any provider measured so far rewarded
SMALLEST_ROUND = 4
BASELINE_SAMPLES = 16  # enough for a median that answers scattered by half do not shift by a third
KNEE_LATENCY = 1.3  # times the baseline, while ...
KNEE_THROUGHPUT = 1.2  # ... a doubled level brought less than this
SLOW_LATENCY = 1.5  # once the knee is known, this alone says that the level is past it


class FixedLevel:
    """A number the user chose; nothing that happens changes it."""

    choice: LevelChoice

    def __init__(self, level: int) -> None:
        self.choice = level
        self.now = level

    def begin(self, in_flight: int, now: float) -> int:
        """Note a request that starts as the `in_flight`th; return the round it belongs to."""
        del in_flight, now
        return 0

    def succeed(self, round_number: int, model: str, seconds: float, now: float) -> None:
        """Note a request that was answered after `seconds`."""

    def fail(self) -> None:
        """Note a request that failed in passing: the round is not clean."""

    def refuse(self) -> None:
        """Note a 429."""


class AutoLevel(FixedLevel):
    """Doubles per clean round up to the first 429 or the knee, then adds one a round and backs off by shares."""

    def __init__(self, start: int, maximum: int = MAXIMUM) -> None:
        super().__init__(start)
        self.choice = "auto"
        self._maximum = maximum
        self._doubling = True
        self._before = start  # the level before the last doubling
        self._throughput: float | None = None
        self._firsts: dict[str, list[float]] = {}
        self._number = 0
        self._samples: list[tuple[str, float]] = []
        self._began_at: float | None = None
        self._full = False
        self._clean = True

    def begin(self, in_flight: int, now: float) -> int:
        """Start a round with its first request, and note whether the level is used up."""
        self._began_at = now if self._began_at is None else self._began_at
        self._full = self._full or in_flight >= self.now
        return self._number

    def succeed(self, round_number: int, model: str, seconds: float, now: float) -> None:
        """Take a sample; a full round moves the level."""
        firsts = self._firsts.setdefault(model, [])
        if len(firsts) < BASELINE_SAMPLES:
            firsts.append(seconds)
        if round_number != self._number:
            return
        self._samples.append((model, seconds))
        if len(self._samples) >= max(self.now, SMALLEST_ROUND):
            self._end_round(now)

    def fail(self) -> None:
        """Keep this round from raising the level."""
        self._clean = False

    def refuse(self) -> None:
        """Halve the level."""
        self._doubling = False
        self.now = max(1, self.now // 2)
        self._next_round()

    def _next_round(self) -> None:
        self._number += 1
        self._samples = []
        self._began_at = None
        self._full, self._clean = False, True

    def _end_round(self, now: float) -> None:
        throughput = len(self._samples) / max(now - (self._began_at or 0.0), 1e-9)
        grew = self._throughput is None or throughput >= KNEE_THROUGHPUT * self._throughput
        if self._doubling:
            self._double_or_stop(knee=self._slowdown() > KNEE_LATENCY and not grew)
        elif self._slowdown() > SLOW_LATENCY:
            self.now = max(1, self.now * 3 // 4)
        elif self._full and self._clean:
            self.now = min(self._maximum, self.now + 1)
        self._throughput = throughput
        self._next_round()

    def _double_or_stop(self, *, knee: bool) -> None:
        if knee:
            self._doubling = False
            self.now = self._before
        elif self._full and self._clean:
            self._before = self.now
            self.now = min(self._maximum, self.now * 2)

    def _slowdown(self) -> float:
        """Return this round's median latency over the first ones', for the model that was called most."""
        model, _ = Counter(model for model, _ in self._samples).most_common(1)[0]
        typical = median(seconds for name, seconds in self._samples if name == model)
        return typical / max(median(self._firsts[model]), 1e-9)


def level_for(choice: LevelChoice, start: int) -> FixedLevel:
    """Return the level for a choice; `start` is where `auto` begins."""
    return AutoLevel(start) if choice == "auto" else FixedLevel(max(1, choice))
