"""A finished experiment, and the figures computed from its runs. No clock, no I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import mean, median, pstdev
from typing import TYPE_CHECKING

from animerag.comparison.plan import MODES, SYNC, attainable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.comparison.measurements import MeasuredRun
    from animerag.comparison.plan import ExperimentPlan, Mode

SUSPECT_CV = 0.20  # a larger coefficient of variation says more about the machine than about the code
WITHIN = 1.05  # a lower level is recommended if it takes at most this factor of the fastest time
SINGLE_RUN_NOISE = 0.15  # how much single runs of the same work differ on a shared machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The repeats of one mode at one level. `speedup` compares with sync in the same experiment, if that ran."""

    mode: Mode
    concurrency: int
    n: int
    wall_s: float
    fastest_s: float
    slowest_s: float
    cv: float
    throughput: float
    attainable: float
    speedup: float | None = None
    efficiency: float | None = None
    errors: int = 0
    rate_limited: int = 0

    @property
    def suspect(self) -> bool:
        """Return whether the repeats differ too much to be reliable."""
        return self.cv > SUSPECT_CV


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The recommended level and the reason."""

    concurrency: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A finished or cancelled experiment; all figures are computed from `plan`, `settings` and `runs`."""

    plan: ExperimentPlan
    settings: Mapping[str, object]
    runs: tuple[MeasuredRun, ...]
    id: str = ""
    created_at: str = ""
    cancelled: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def levels(self) -> list[Level]:
        """Return every mode and level that ran, ordered by mode and level."""
        return summarise(self.plan, self.runs)

    @property
    def recommended(self) -> Recommendation | None:
        """Return the recommended level for this workload; None if async did not run."""
        return recommend(self.levels)

    @property
    def journalled(self) -> dict[str, str]:
        """Return what the job journal stores: the id under which the experiment is saved."""
        return {"experiment": self.id}

    @property
    def simulated(self) -> bool:
        """Return whether the provider was the simulator, which every figure then shows."""
        return self.plan.against == "simulated"


def summarise(plan: ExperimentPlan, runs: Sequence[MeasuredRun]) -> list[Level]:
    """Return medians and spread by mode and level. Failed runs do not count."""
    by_setting: dict[tuple[Mode, int], list[MeasuredRun]] = {}
    for run in runs:
        if run.error is None:
            by_setting.setdefault((run.mode, run.concurrency), []).append(run)
    sync_walls = [run.wall_s for run in by_setting.get((SYNC, 1), ())]
    sync_s = median(sync_walls) if sync_walls else None
    ordered = sorted(by_setting, key=lambda setting: (MODES.index(setting[0]), setting[1]))
    return [_level(plan, by_setting[setting], sync_s) for setting in ordered]


def _level(plan: ExperimentPlan, runs: Sequence[MeasuredRun], sync_s: float | None) -> Level:
    level = runs[0].concurrency
    walls = [run.wall_s for run in runs]
    wall_s = median(walls)
    speedup = sync_s / wall_s if sync_s and wall_s else None
    return Level(
        mode=runs[0].mode,
        concurrency=level,
        n=len(walls),
        wall_s=wall_s,
        fastest_s=min(walls),
        slowest_s=max(walls),
        cv=pstdev(walls) / mean(walls) if mean(walls) else 0.0,
        throughput=median(run.throughput for run in runs),
        attainable=attainable(plan.requests, level),
        speedup=speedup,
        efficiency=None if speedup is None else speedup / level,
        errors=sum(run.errors for run in runs),
        rate_limited=sum(run.rate_limited for run in runs),
    )


def recommend(levels: Sequence[Level]) -> Recommendation | None:
    """Return the lowest async level without errors whose time is within 5 % of the fastest."""
    ours = [level for level in levels if level.mode == "async"]
    whole = [level for level in ours if not level.errors] or ours
    if not whole:
        return None
    fastest = min(whole, key=lambda level: level.wall_s)
    best = min((level for level in whole if level.wall_s <= WITHIN * fastest.wall_s), key=lambda one: one.concurrency)
    gain = f", {best.speedup:.1f}× as fast as one at a time" if best.speedup else ""
    if best is fastest:
        beyond = [level for level in ours if level.concurrency > best.concurrency]
        why = "the fastest level" + ("; higher levels were not faster" if beyond else " that was measured")
    else:
        why = f"within 5 % of level {fastest.concurrency}, with fewer requests in flight"
    failed = f"; {best.errors} failed" if best.errors else ""
    return Recommendation(concurrency=best.concurrency, reason=f"{why}: {best.wall_s:.1f} s{gain}{failed}.")


def noise(one: Level, other: Level) -> float:
    """Return the share by which two medians may differ by chance: two standard errors, or 15 % for single runs."""
    if min(one.n, other.n) < 2:
        return SINGLE_RUN_NOISE
    return max(WITHIN - 1, 2 * math.hypot(one.cv / math.sqrt(one.n), other.cv / math.sqrt(other.n)))


def fastest_modes(levels: Sequence[Level]) -> list[Level]:
    """Return the best level of each mode that no other mode beats by more than noise, ordered by mode."""
    best: dict[Mode, Level] = {}
    for level in sorted(levels, key=lambda level: (level.errors > 0, level.wall_s)):
        best.setdefault(level.mode, level)
    if not best:
        return []
    first = min(best.values(), key=lambda level: (level.errors > 0, level.wall_s))
    tied = [level for level in best.values() if level.wall_s <= first.wall_s * (1 + noise(first, level))]
    return sorted((level for level in tied if bool(level.errors) == bool(first.errors)), key=_by_mode)


def _by_mode(level: Level) -> int:
    return MODES.index(level.mode)
