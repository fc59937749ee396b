"""What an experiment compares: kinds of work, modes, levels, and how many runs that makes. No clock, no I/O."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast, get_args

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

Workload = Literal["ingest", "batch", "query"]
Mode = Literal["sync", "threads", "async", "async-early"]
Against = Literal["simulated", "configured"]
WORKLOADS: tuple[Workload, ...] = get_args(Workload)
MODES: tuple[Mode, ...] = get_args(Mode)
SYNC: Mode = "sync"  # what the other modes are compared with
OURS: tuple[Mode, ...] = ("async", "async-early")  # what the app's own services run
EARLY: Mode = "async-early"  # one question only: the model starts on the title match alone
ITEMS: dict[Workload, str] = {"ingest": "documents", "batch": "questions", "query": "questions"}
_RENAMED: dict[str, Mode] = {"threads-unlocked": "threads"}  # names that scripts and older experiments use

MAX_LEVEL = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentPlan:
    """What to run. Raises InvalidInputError for a plan that cannot be run.

    `documents` counts for ingest, `questions` for batch;
    `alias_latency_s` stands for a slow title service and is slept in every mode alike, but for `async-early`, whose
    point is titles in memory. `warmup` runs are made of each mode, on a few requests, before anything counts.
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
        _require(self.workload in WORKLOADS, f"There is no workload {self.workload!r}: choose from {_list(WORKLOADS)}.")
        object.__setattr__(self, "modes", tuple(dict.fromkeys(map(mode_named, self.modes))))
        unknown = [mode for mode in self.modes if mode not in MODES]
        _require(not unknown, f"There is no mode {', '.join(unknown)}: choose from {_list(MODES)}.")
        _require(any(mode in self.modes for mode in modes_of(self.workload)), "Choose at least one mode.")
        _require(
            bool(self.levels) and all(1 <= level <= MAX_LEVEL for level in self.levels),
            f"Levels must be numbers from 1 to {MAX_LEVEL}.",
        )
        for name, most in (("repeats", 50), ("documents", 20_000), ("questions", 1000), ("batch_size", 2048)):
            _require(1 <= getattr(self, name) <= most, f"{name.replace('_', ' ')} must be from 1 to {most:,}.")
        _require(0 <= self.warmup <= 10, "warmup must be from 0 to 10.")
        _require(0 <= self.alias_latency_s <= 60, "The title service's latency must be from 0 to 60 seconds.")

    @property
    def items(self) -> int:
        """Return how many documents or questions one run works through."""
        return {"ingest": self.documents, "batch": self.questions, "query": 1}[self.workload]

    @property
    def requests(self) -> int:
        """Return how many requests of the workload's main kind one run makes: embeddings or answers."""
        return math.ceil(self.documents / self.batch_size) if self.workload == "ingest" else self.items

    @property
    def usable_levels(self) -> tuple[int, ...]:
        """Return the chosen levels that the work can fill, in ascending order; a single question has one."""
        if self.workload == "query":
            return (1,)
        return tuple(sorted({level for level in self.levels if level <= self.requests})) or (self.requests,)

    @property
    def left_out(self) -> str | None:
        """Say which of the chosen levels are not measured, and why; None where all are."""
        idle = sorted(set(self.levels) - set(self.usable_levels))
        if self.workload == "query" or not idle:
            return None
        instead = "" if set(self.usable_levels) <= set(self.levels) else f" Level {self.requests} is measured instead."
        requests = f"{self.requests} request{'' if self.requests == 1 else 's'}"
        levels = f"level{'' if len(idle) == 1 else 's'} {_list(idle)} {'is' if len(idle) == 1 else 'are'} left out"
        return f"This work makes {requests}, so {levels}: there is nothing to fill more slots with.{instead}"

    def settings(self) -> list[tuple[Mode, int]]:
        """Return every pair of mode and level, sync once; a single question has no levels."""
        modes = [mode for mode in modes_of(self.workload) if mode in self.modes]
        return [(mode, level) for mode in modes for level in ((1,) if mode == SYNC else self.usable_levels)]

    def order(self) -> list[tuple[int, Mode, int]]:
        """Return (repeat, mode, level) of all runs: repeats one after another, each in an order of its own by `seed`.

        Interleaved, a machine that slows down half way slows all settings alike.
        """
        chance = random.Random(self.seed)  # noqa: S311 - an order, not a secret
        runs: list[tuple[int, Mode, int]] = []
        for repeat in range(self.repeats):
            settings = self.settings()
            chance.shuffle(settings)
            runs += [(repeat, mode, level) for mode, level in settings]
        return runs

    def small(self) -> ExperimentPlan:
        """Return the same plan with a few requests only, for warming up."""
        return replace(self, documents=min(self.documents, 3 * self.batch_size), questions=min(self.questions, 3))


def mode_named(name: str) -> Mode:
    """Return the mode that a name means today; a name that none has comes back as it is, for the plan to refuse."""
    return _RENAMED.get(name) or cast("Mode", name)


def modes_of(workload: Workload) -> tuple[Mode, ...]:
    """Return the modes that differ for this kind of work: only one question can start early."""
    return MODES if workload == "query" else tuple(mode for mode in MODES if mode != EARLY)


def attainable(requests: int, level: int) -> float:
    """Return the best speed-up of `requests` equal requests: they go in ⌈n/c⌉ rounds."""
    return requests / math.ceil(requests / level)


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise InvalidInputError(sentence)


def _list(names: Iterable[object]) -> str:
    *first, last = map(str, names)
    return f"{', '.join(first)} and {last}" if first else last
