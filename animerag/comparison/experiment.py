"""Experiments as values: what is compared, what was measured, and the arithmetic that follows. No clock, no I/O."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass, field, replace
from statistics import mean, median, pstdev
from typing import TYPE_CHECKING, Any, Literal, get_args

from animerag.errors import InvalidInputError
from animerag.telemetry.statistics import percentile
from animerag.telemetry.tracing import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Workload = Literal["ingest", "batch", "query"]
Mode = Literal["sync", "threads", "threads-unlocked", "async", "async-early"]
Against = Literal["simulated", "configured"]
WORKLOADS: tuple[Workload, ...] = get_args(Workload)
MODES: tuple[Mode, ...] = get_args(Mode)
YARDSTICK: Mode = "sync"
OURS: tuple[Mode, ...] = ("async", "async-early")  # what the app's own services run
UNLOCKED: Mode = "threads-unlocked"  # import only: no lock around the writes
EARLY: Mode = "async-early"  # one question only: the model starts on the title match alone

MAX_LEVEL = 64
SUSPECT_CV = 0.20  # repeats that differ by more than a fifth say more about the machine than about the code
FEW = 100  # below that many requests a 99th percentile is the maximum by another name
WITHIN = 1.05  # a lower level that is this near the fastest is the better choice
STANDSTILL_S = 0.1  # a loop that comes back later than this has been blocked by somebody
LITTLE = 1.25  # requests counted as in flight for a quarter longer than the provider needed were waited for by nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentPlan:
    """What to run. Raises InvalidInputError for what cannot be.

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
        _require(self.workload in WORKLOADS, f"There is no workload {self.workload!r}; there are {_list(WORKLOADS)}.")
        unknown = [mode for mode in self.modes if mode not in MODES]
        _require(not unknown, f"There is no mode {', '.join(unknown)}; there are {_list(MODES)}.")
        _require(bool(self.settings()), "Choose at least one mode.")
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

    def settings(self) -> list[tuple[Mode, int]]:
        """Return every pair of mode and level, the yardstick once; a single question has no levels."""
        levels = (1,) if self.workload == "query" else tuple(sorted(set(self.levels)))
        modes = [mode for mode in modes_of(self.workload) if mode in self.modes]
        return [(mode, level) for mode in modes for level in ((1,) if mode == YARDSTICK else levels)]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Seconds of `n` requests. Percentiles by the nearest rank; all 0 when there were none."""

    n: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    min: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, values: Iterable[float]) -> Distribution:
        """Summarise values."""
        ordered = sorted(values)
        if not ordered:
            return cls()
        return cls(
            n=len(ordered),
            mean=mean(ordered),
            p50=percentile(ordered, 50),
            p90=percentile(ordered, 90),
            p95=percentile(ordered, 95),
            p99=percentile(ordered, 99),
            min=ordered[0],
            max=ordered[-1],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """One run as it was measured. Spans are in seconds since its start.

    `provider_s` is the sum of what the provider itself spent on the requests, where it tells (the simulator does).
    """

    mode: Mode
    concurrency: int
    repeat: int
    wall_s: float
    items: int
    errors: int = 0
    rate_limited: int = 0
    retries: int = 0
    throttled_s: float = 0.0
    concurrency_mean: float = 0.0
    concurrency_peak: int = 0
    latency_s: Distribution = Distribution()
    ttft_s: Distribution = Distribution()
    loop_lag_p95_s: float = 0.0
    loop_lag_max_s: float = 0.0
    provider_s: float | None = None
    spans: tuple[Span, ...] = ()
    error: str | None = None

    @property
    def throughput(self) -> float:
        """Return what was done a second: items that did not fail."""
        return (self.items - self.errors) / self.wall_s if self.wall_s else 0.0

    @property
    def blocked(self) -> str | None:
        """Name a blocked event loop, or return None.

        By Little's law (Operations Research 9, 1961) requests in flight are their rate times their latency. Counted
        here that is the time they were waited for; counted by the provider, the time it needed. A loop that stands
        still makes the first longer than the second.
        """
        waited_s = self.concurrency_mean * self.wall_s
        lag = f"lag p95 {self.loop_lag_p95_s * 1000:.0f} ms, longest {self.loop_lag_max_s * 1000:.0f} ms"
        overdue = self.provider_s is not None and waited_s > LITTLE * self.provider_s
        if self.loop_lag_p95_s > STANDSTILL_S and overdue:
            return (
                f"The event loop was blocked ({lag}): requests were in flight for {waited_s:.1f} s in all, of which "
                f"the provider needed {self.provider_s:.1f} s. Something in this process computes on the loop."
            )
        if self.loop_lag_p95_s > STANDSTILL_S:
            return f"The event loop was blocked ({lag}). Something in this process computes on the loop."
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One mode at one level over its repeats. `speedup` is against sync in the same experiment, where that ran."""

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
        """Tell whether the repeats differ too much to be believed."""
        return self.cv > SUSPECT_CV


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The level to use, and why."""

    concurrency: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the project's founding note promises at a level, as a band of speed-ups, and what arithmetic says to it."""

    concurrency: int
    low: float
    high: float
    verdict: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A finished or cancelled experiment; everything shown is computed from `plan`, `settings` and `runs`."""

    plan: ExperimentPlan
    settings: Mapping[str, Any]
    runs: tuple[MeasuredRun, ...]
    id: str = ""
    created_at: str = ""
    cancelled: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def levels(self) -> list[Level]:
        """Return every mode and level that ran, in the plan's order."""
        return summarise(self.plan, self.runs)

    @property
    def recommended(self) -> Recommendation | None:
        """Return the level to use for this workload; None where async did not run."""
        return recommend(self.levels)

    @property
    def claims(self) -> list[Claim]:
        """Return the note's claims for this workload, each with what arithmetic and this experiment say to it."""
        return claims(self.plan, self.levels, self.settings)

    @property
    def journalled(self) -> dict[str, str]:
        """Return what the journal of jobs keeps: where to find the rest."""
        return {"experiment": self.id}

    @property
    def simulated(self) -> bool:
        """Tell whether the provider was the simulator: every figure then says so."""
        return self.plan.against == "simulated"


def modes_of(workload: Workload) -> tuple[Mode, ...]:
    """Return the modes that differ for this kind of work: only an import writes, only one question can start early."""
    alike: dict[Workload, tuple[Mode, ...]] = {
        "ingest": (EARLY,),
        "batch": (UNLOCKED, EARLY),
        "query": (UNLOCKED,),
    }
    return tuple(mode for mode in MODES if mode not in alike[workload])


def attainable(requests: int, level: int) -> float:
    """Return the best speed-up of `requests` equal requests: they go in ⌈n/c⌉ rounds."""
    return requests / math.ceil(requests / level)


def summarise(plan: ExperimentPlan, runs: Sequence[MeasuredRun]) -> list[Level]:
    """Return medians and spread by mode and level. Runs that failed altogether do not count."""
    found: list[Level] = []
    yardstick = _walls(runs, YARDSTICK, 1)
    for mode, level in plan.settings():
        chosen = [run for run in runs if (run.mode, run.concurrency) == (mode, level) and run.error is None]
        if not chosen:
            continue
        walls = [run.wall_s for run in chosen]
        wall_s = median(walls)
        speedup = median(yardstick) / wall_s if yardstick and wall_s else None
        found.append(
            Level(
                mode=mode,
                concurrency=level,
                n=len(walls),
                wall_s=wall_s,
                fastest_s=min(walls),
                slowest_s=max(walls),
                cv=pstdev(walls) / mean(walls) if mean(walls) else 0.0,
                throughput=median(run.throughput for run in chosen),
                attainable=attainable(plan.requests, level),
                speedup=speedup,
                efficiency=None if speedup is None else speedup / level,
                errors=sum(run.errors for run in chosen),
                rate_limited=sum(run.rate_limited for run in chosen),
            )
        )
    return found


def recommend(levels: Sequence[Level]) -> Recommendation | None:
    """Return the lowest async level without losses that is within 5 % of the fastest."""
    ours = [level for level in levels if level.mode == "async"]
    whole = [level for level in ours if not level.errors] or ours
    if not whole:
        return None
    fastest = min(whole, key=lambda level: level.wall_s)
    best = min((level for level in whole if level.wall_s <= WITHIN * fastest.wall_s), key=lambda one: one.concurrency)
    gained = f", {best.speedup:.1f}× as fast as one at a time" if best.speedup else ""
    if best is fastest:
        beyond = [level for level in ours if level.concurrency > best.concurrency]
        why = "the fastest level" + (", and more in flight brings nothing" if beyond else " that was tried")
    else:
        why = f"within 5 % of level {fastest.concurrency}, with fewer requests in flight"
    lost = f"; {best.errors} failed" if best.errors else ""
    return Recommendation(concurrency=best.concurrency, reason=f"{why}: {best.wall_s:.1f} s{gained}{lost}.")


_CLAIMED_REQUESTS = 10
# What the founding note promises: 1458 shows in batches of 100, ten questions, one question.
_CLAIMS: dict[Workload, dict[int, tuple[float, float]]] = {
    "ingest": {3: (2.5, 2.5), 5: (3.0, 4.0), 10: (4.0, 5.0)},
    "batch": {3: (3.0, 3.0), 5: (4.0, 4.0)},
    "query": {1: (1 / 0.8, 1 / 0.7)},  # 20 to 30 % less time
}


def claims(plan: ExperimentPlan, levels: Sequence[Level], settings: Mapping[str, Any]) -> list[Claim]:
    """Hold the note's claims against arithmetic and against the async levels that ran."""
    ours = {level.concurrency: level for level in levels if level.mode == "async"}
    if plan.workload == "query":
        early = next((level for level in levels if level.mode == EARLY), None)
        verdict = " ".join(_verdict_on_one(plan, settings, ours.get(1), early))
        return [Claim(concurrency=1, low=low, high=high, verdict=verdict) for low, high in _CLAIMS["query"].values()]
    if plan.requests < _CLAIMED_REQUESTS:
        return []  # the note speaks of 15 requests and of ten questions
    return [
        Claim(concurrency=level, low=low, high=high, verdict=_verdict(plan, level, low, ours[level]))
        for level, (low, high) in _CLAIMS[plan.workload].items()
        if level in ours
    ]


def _verdict_on_one(
    plan: ExperimentPlan, settings: Mapping[str, Any], overlapped: Level | None, early: Level | None
) -> Iterator[str]:
    """Say what arithmetic allows for one question, with all searches before the answer and with none."""
    embed_s, chat_s = float(settings.get("embed_latency_s", 0.0)), float(settings.get("chat_latency_s", 0.0))
    title_s, all_s = plan.alias_latency_s, plan.alias_latency_s + embed_s + chat_s
    if chat_s:
        least = 1 - (max(title_s, embed_s) + chat_s) / all_s
        yield f"Overlapping the title match and the embedding saves {least:.0%} at most{_saved(overlapped)}."
        yield f"Starting the model on a title match in memory saves {1 - chat_s / all_s:.0%}{_saved(early)}."
        if early is not None:
            service = 1 - (title_s + chat_s) / all_s
            yield f"With a title service of {title_s:g} s that would be {service:.0%}."


def _saved(measured: Level | None) -> str:
    return f" (measured: {1 - 1 / measured.speedup:.0%})" if measured is not None and measured.speedup else ""


def _verdict(plan: ExperimentPlan, level: int, low: float, measured: Level) -> str:
    limit = attainable(plan.requests, level)
    reached = f" Measured: {measured.speedup:.2f}×." if measured.speedup else ""
    if limit < low:
        rounds = math.ceil(plan.requests / level)
        return (
            f"{plan.requests} equal requests at {level} go in {rounds} rounds: at most {limit:.1f}×, so the note's "
            f"{low:g}× is out of reach unless latencies vary.{reached}"
        )
    return f"Arithmetic allows {limit:.1f}×.{reached}"


def to_object(experiment: Experiment, *, spans: bool = False) -> dict[str, Any]:
    """Return an experiment in the JSON shape that scripts rely on; with `spans` all that `from_object` needs."""
    best = experiment.recommended
    return {
        "workload": experiment.plan.workload,
        "provider": experiment.plan.against,
        "settings": {**asdict(experiment.plan), **experiment.settings},
        "runs": [_run_object(run, spans=spans) for run in experiment.runs],
        "levels": [_rounded(asdict(level)) for level in experiment.levels],
        "recommended": asdict(best) if best else None,
        "claims": [_rounded(asdict(claim)) for claim in experiment.claims],
        "cancelled": experiment.cancelled,
        "notes": list(experiment.notes),
        "id": experiment.id,
        "created_at": experiment.created_at,
        "plan": asdict(experiment.plan),
        "provider_settings": dict(experiment.settings),
    }


def from_object(kept: Mapping[str, Any]) -> Experiment:
    """Return the experiment that `to_object` wrote. Raises KeyError or TypeError for anything else."""
    plan = dict(kept["plan"])
    plan["modes"], plan["levels"] = tuple(plan["modes"]), tuple(plan["levels"])
    return Experiment(
        plan=ExperimentPlan(**plan),
        settings=kept["provider_settings"],
        runs=tuple(_run(run) for run in kept["runs"]),
        id=kept["id"],
        created_at=kept["created_at"],
        cancelled=kept["cancelled"],
        notes=tuple(kept["notes"]),
    )


def _run_object(run: MeasuredRun, *, spans: bool) -> dict[str, Any]:
    told = asdict(run)
    told["spans"] = [[span.name, round(span.start_s, 4), round(span.end_s, 4), span.lane] for span in run.spans]
    if not spans:
        del told["spans"]
    return {**_rounded(told), "throughput": round(run.throughput, 2), "blocked": run.blocked}


def _run(kept: Mapping[str, Any]) -> MeasuredRun:
    given = {name: value for name, value in kept.items() if name not in ("throughput", "blocked")}
    given["latency_s"], given["ttft_s"] = Distribution(**given["latency_s"]), Distribution(**given["ttft_s"])
    given["spans"] = tuple(Span(*span) for span in given.get("spans", ()))
    return MeasuredRun(**given)


def _rounded(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 4) if isinstance(value, float) else _rounded(value) if isinstance(value, dict) else value
        for name, value in told.items()
    }


def _walls(runs: Iterable[MeasuredRun], mode: Mode, level: int) -> list[float]:
    return [run.wall_s for run in runs if (run.mode, run.concurrency) == (mode, level) and run.error is None]


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise InvalidInputError(sentence)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
