"""An experiment in words, the same on the page, on the command line and in the report."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from animerag.comparison.experiment import SINGLE_RUN_NOISE, SUSPECT_CV, fastest_modes
from animerag.comparison.plan import SYNC

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.comparison.experiment import Experiment, Level
    from animerag.comparison.plan import ExperimentPlan, Mode, Workload

# What a mode stands for is not the same in every workload: only an import writes, only one question has overlap.
_WAYS: dict[Workload, dict[Mode, str]] = {
    "ingest": {
        "sync": "one after another (sync)",
        "threads": "in threads with one lock around the write (threads)",
        "async": "by the app's own pipeline (async)",
    },
    "batch": {
        "sync": "one after another (sync)",
        "threads": "in threads (threads)",
        "async": "by the app's own pipeline (async)",
    },
    "query": {
        "sync": "step after step (sync)",
        "threads": "with the title match in a thread beside the search (threads)",
        "async": "by the app's own pipeline (async)",
        "async-early": "with the model started on the title match alone (async-early)",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFigure:
    """One of the few numbers that stand above everything else."""

    label: str
    value: str
    detail: str


def setting_name(plan: ExperimentPlan, mode: str, concurrency: int) -> str:
    """Name a mode at a level, where the plan has levels."""
    return mode if mode == SYNC or plan.workload == "query" else f"{mode} at {concurrency}"


def plan_sentence(plan: ExperimentPlan) -> str:
    """Say in words what ran."""
    work = {
        "ingest": f"{_number(plan.documents, 'document')} in {plan.requests:,} batches of {plan.batch_size:,}",
        "batch": _number(plan.questions, "question"),
        "query": "One question",
    }[plan.workload]
    ways = listed([_WAYS[plan.workload][mode] for mode in dict.fromkeys(mode for mode, _ in plan.settings())])
    levels = "" if plan.workload == "query" else f", at {listed(map(str, plan.usable_levels))} in flight"
    warm_up = f"after {_number(plan.warmup, 'warm-up')}" if plan.warmup else "without warm-up"
    sentences = [
        f"{work}, {ways}{levels}.",
        f"{_number(plan.repeats, 'repeat')} of each {warm_up}, in an order shuffled by seed {plan.seed}.",
        f"Provider: simulated (preset “{plan.preset}”)." if plan.against == "simulated" else "Provider: as configured.",
    ]
    if plan.workload != "ingest":
        sentences.append(f"The title service takes {plan.alias_latency_s:g} s.")
    return " ".join(sentences)


def verdict(experiment: Experiment) -> str:
    """Say which mode is fastest and what that saves; modes that differ by no more than noise are tied."""
    levels = experiment.levels
    first = fastest_modes(levels)
    if not first:
        return "No run finished."
    best = min(first, key=lambda level: level.wall_s)
    name = " ≈ ".join(level.mode for level in first)
    sync = next((level for level in levels if level.mode == SYNC), None)
    if len({level.mode for level in levels}) == 1:
        return f"{setting_name(experiment.plan, best.mode, best.concurrency)} took {best.wall_s:.1f} s."
    if len(first) > 1:
        if sync is None or sync in first:
            return f"{name}: no difference beyond noise, {best.wall_s:.1f} s."
        about = f"{name}: both" if len(first) == 2 else f"{name}: all"
        return f"{about} about {_gain(sync, best)}."
    if sync is None or best is sync:
        return f"{setting_name(experiment.plan, best.mode, best.concurrency)} is fastest: {best.wall_s:.1f} s."
    return f"{setting_name(experiment.plan, best.mode, best.concurrency)} is fastest: {_gain(sync, best)}."


def _gain(sync: Level, best: Level) -> str:
    return f"{sync.wall_s / best.wall_s:.1f}× as fast as sync ({best.wall_s:.1f} s instead of {sync.wall_s:.1f} s)"


def doubt(experiment: Experiment) -> str | None:
    """Say what a tie of single runs leaves open; None where repeats or a clear winner leave nothing open."""
    tied = fastest_modes(experiment.levels)
    if len(tied) < 2 or min(level.n for level in tied) > 1:
        return None
    return f"A single run of each cannot show differences below {SINGLE_RUN_NOISE:.0%}: an experiment can."


def key_figures(experiment: Experiment) -> list[KeyFigure]:
    """Return best speed-up, recommended level, p95 and stability, as far as they are known."""
    levels = experiment.levels
    figures = [_best_speedup(experiment), _recommended(experiment), _p95(experiment, levels), _stability(experiment)]
    return [figure for figure in figures if figure is not None]


def warnings(experiment: Experiment) -> list[str]:
    """Return a sentence for each reason to doubt the figures."""
    sentences = ["The experiment was cancelled: only finished runs are shown."] if experiment.cancelled else []
    for run in experiment.runs:
        where = f"{setting_name(experiment.plan, run.mode, run.concurrency)}, repeat {run.repeat + 1}"
        if run.error is not None:
            sentences.append(f"{where} failed: {run.error}")
        if run.blocked is not None:
            sentences.append(f"{where}: {run.blocked}")
    for level in experiment.levels:
        where = setting_name(experiment.plan, level.mode, level.concurrency)
        if level.suspect:
            sentences.append(f"{where} is suspect: its repeats have a CV of {level.cv:.0%}, above {SUSPECT_CV:.0%}.")
        if level.errors:
            sentences.append(f"{_number(level.errors, 'item')} failed in {where}, over all its repeats.")
    # Notes repeat what runs report; here that stands beside its run already.
    of_runs = [text for run in experiment.runs for text in (run.error, run.blocked) if text]
    return sentences + [note for note in experiment.notes if not any(text in note for text in of_runs)]


def _best_speedup(experiment: Experiment) -> KeyFigure | None:
    others = [level for level in experiment.levels if level.speedup is not None and level.mode != SYNC]
    if not others:
        return None
    best = max(others, key=lambda level: level.speedup or 0.0)
    limit = "" if experiment.plan.workload == "query" else f"; {best.attainable:.1f}× is attainable"
    detail = f"{setting_name(experiment.plan, best.mode, best.concurrency)}{limit}"
    return KeyFigure(label="Best speed-up", value=f"{best.speedup:.1f}×", detail=detail)


def _recommended(experiment: Experiment) -> KeyFigure | None:
    best = experiment.recommended
    if best is None or experiment.plan.workload == "query":
        return None
    return KeyFigure(label="Recommended level", value=str(best.concurrency), detail=best.reason)


def _p95(experiment: Experiment, levels: Sequence[Level]) -> KeyFigure | None:
    best = experiment.recommended
    chosen = ("async", best.concurrency) if best else (levels[0].mode, levels[0].concurrency) if levels else None
    runs = [run for run in experiment.runs if (run.mode, run.concurrency) == chosen and run.latency_s.n]
    if chosen is None or not runs:
        return None
    detail = f"of {_number(sum(run.latency_s.n for run in runs), 'request')}, {setting_name(experiment.plan, *chosen)}"
    return KeyFigure(
        label="p95 of a request", value=f"{median(run.latency_s.p95 for run in runs):.2f} s", detail=detail
    )


def _stability(experiment: Experiment) -> KeyFigure | None:
    repeated = [level for level in experiment.levels if level.n > 1]
    if not repeated:
        return None
    worst = max(repeated, key=lambda level: level.cv)
    return KeyFigure(
        label="Spread of repeats",
        value="suspect" if worst.suspect else "stable",
        detail=f"CV at most {worst.cv:.0%}, {setting_name(experiment.plan, worst.mode, worst.concurrency)}",
    )


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(words: Iterable[str]) -> str:
    """Join words as a sentence lists them."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last
