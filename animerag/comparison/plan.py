"""The plan of an experiment: workload, modes, levels and repeats, and the runs that follow. No clock, no I/O."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast, get_args

from animerag.errors import InvalidInputError
from animerag.text.counting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

Workload = Literal["ingest", "batch", "query"]
Mode = Literal["sync", "threads", "async", "async-early"]
Against = Literal["simulated", "configured"]
WORKLOADS: tuple[Workload, ...] = get_args(Workload)
MODES: tuple[Mode, ...] = get_args(Mode)
SYNC: Mode = "sync"  # the baseline of every speed-up
OURS: tuple[Mode, ...] = ("async", "async-early")  # the modes of the app's own services
EARLY: Mode = "async-early"  # a single question: the model starts as soon as a title matches
ITEMS: dict[Workload, str] = {"ingest": "documents", "batch": "questions", "query": "questions"}
_RENAMED: dict[str, Mode] = {"threads-unlocked": "threads"}  # former names, which scripts and older experiments use

MAX_LEVEL = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentPlan:
    """The plan of an experiment. Raises InvalidInputError for a plan that cannot run.

    `documents` applies to ingest and `questions` to batch. `alias_latency_s` simulates a slow title service in every
    mode except `async-early`, which needs titles in memory. `warmup` is the number of short runs of each mode before
    the measured ones.
    """

    workload: Workload = "ingest"
    modes: tuple[Mode, ...] = ("sync", "threads", "async")
    levels: tuple[int, ...] = (1, 3, 5, 10)
    repeats: int = 3
    warmup: int = 1
    documents: int = 1458
    questions: int = 10
    batch_size: int = 100
    alias_latency_s: float = 0.2
    against: Against = "simulated"
    preset: str = "typical"
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.workload in WORKLOADS, f"{self.workload!r} is not a workload: use {_list(WORKLOADS)}.")
        object.__setattr__(self, "modes", tuple(dict.fromkeys(map(mode_named, self.modes))))
        unknown = [mode for mode in self.modes if mode not in MODES]
        _require(not unknown, f"{', '.join(unknown)} is not a mode: use {_list(MODES)}.")
        _require(any(mode in self.modes for mode in modes_of(self.workload)), "Choose at least one mode.")
        _require(
            bool(self.levels) and all(1 <= level <= MAX_LEVEL for level in self.levels),
            f"Levels must be whole numbers from 1 to {MAX_LEVEL}.",
        )
        for name, most in (("repeats", 50), ("documents", 20_000), ("questions", 1000), ("batch_size", 2048)):
            _require(
                1 <= getattr(self, name) <= most, f"{name.replace('_', ' ').capitalize()} must be from 1 to {most:,}."
            )
        _require(0 <= self.warmup <= 10, "Warmup must be from 0 to 10.")
        _require(0 <= self.alias_latency_s <= 60, "The latency of the title service must be from 0 to 60 s.")

    @property
    def items(self) -> int:
        """Return the number of documents or questions in one run."""
        return {"ingest": self.documents, "batch": self.questions, "query": 1}[self.workload]

    @property
    def requests(self) -> int:
        """Return the number of requests of the main kind in one run: embeddings or answers."""
        return math.ceil(self.documents / self.batch_size) if self.workload == "ingest" else self.items

    @property
    def usable_levels(self) -> tuple[int, ...]:
        """Return the chosen levels that the work can fill, in ascending order; a single question has one level."""
        if self.workload == "query":
            return (1,)
        return tuple(sorted({level for level in self.levels if level <= self.requests})) or (self.requests,)

    @property
    def left_out(self) -> str | None:
        """Return which chosen levels are not measured and why; None if all are."""
        idle = sorted(set(self.levels) - set(self.usable_levels))
        if self.workload == "query" or not idle:
            return None
        instead = "" if set(self.usable_levels) <= set(self.levels) else f" Level {self.requests} is measured instead."
        levels = f"level {idle[0]} is" if len(idle) == 1 else f"levels {_list(idle)} are"
        return f"This work makes only {counted(self.requests, 'request')}, so {levels} left out.{instead}"

    def settings(self) -> list[tuple[Mode, int]]:
        """Return every pair of mode and level; sync has one level, and so has a single question."""
        modes = [mode for mode in modes_of(self.workload) if mode in self.modes]
        return [(mode, level) for mode in modes for level in ((1,) if mode == SYNC else self.usable_levels)]

    def order(self) -> list[tuple[int, Mode, int]]:
        """Return (repeat, mode, level) of all runs, shuffled within each repeat by `seed`.

        Interleaving makes a machine that slows down affect all settings alike.
        """
        chance = random.Random(self.seed)  # noqa: S311 - for an order, not for secrets
        runs: list[tuple[int, Mode, int]] = []
        for repeat in range(self.repeats):
            settings = self.settings()
            chance.shuffle(settings)
            runs += [(repeat, mode, level) for mode, level in settings]
        return runs

    def small(self) -> ExperimentPlan:
        """Return the plan with only a few requests, for warming up."""
        return replace(self, documents=min(self.documents, 3 * self.batch_size), questions=min(self.questions, 3))


def mode_named(name: str) -> Mode:
    """Return the current name of a mode; an unknown name is returned unchanged, and the plan refuses it."""
    return _RENAMED.get(name) or cast("Mode", name)


def modes_of(workload: Workload) -> tuple[Mode, ...]:
    """Return the modes of a workload: only a single question can start early."""
    return MODES if workload == "query" else tuple(mode for mode in MODES if mode != EARLY)


def attainable(requests: int, level: int) -> float:
    """Return the highest possible speed-up of n equal requests, which take ⌈n/c⌉ rounds."""
    return requests / math.ceil(requests / level)


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise InvalidInputError(sentence)


def _list(names: Iterable[object]) -> str:
    *first, last = map(str, names)
    return f"{', '.join(first)} and {last}" if first else last
