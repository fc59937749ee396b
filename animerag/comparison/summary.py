"""An experiment in words, the same on the page, on the command line and in the report."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from animerag.comparison.experiment import SINGLE_RUN_NOISE, SUSPECT_CV, fastest_modes
from animerag.comparison.plan import SYNC
from animerag.text.counting import counted
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.comparison.experiment import Experiment, Level
    from animerag.comparison.plan import ExperimentPlan, Mode, Workload

# A mode means something else in each workload: only an import writes, only a single question overlaps its steps.
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
        "async-early": "with the model started as soon as a title matches (async-early)",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFigure:
    """A headline figure."""

    label: str
    value: str
    detail: str


def setting_name(plan: ExperimentPlan, mode: str, concurrency: int) -> str:
    """Return the name of a mode with its level, if the plan has levels."""
    return mode if mode == SYNC or plan.workload == "query" else f"{mode} at {concurrency}"


def plan_sentence(plan: ExperimentPlan) -> str:
    """Describe in words what ran."""
    work = {
        "ingest": f"{counted(plan.documents, 'document')} in {plan.requests:,} batches of {plan.batch_size:,}",
        "batch": counted(plan.questions, "question"),
        "query": "One question",
    }[plan.workload]
    ways = listed([_WAYS[plan.workload][mode] for mode in dict.fromkeys(mode for mode, _ in plan.settings())])
    levels = "" if plan.workload == "query" else f", at {listed(map(str, plan.usable_levels))} in flight"
    warm_up = f"after {counted(plan.warmup, 'warm-up')}" if plan.warmup else "without warm-up"
    sentences = [
        f"{work}, {ways}{levels}.",
        f"{counted(plan.repeats, 'repeat')} of each {warm_up}, in an order shuffled by seed {plan.seed}.",
        f"Provider: simulated (preset “{plan.preset}”)." if plan.against == "simulated" else "Provider: configured.",
    ]
    if plan.workload != "ingest":
        sentences.append(f"The title service takes {plan.alias_latency_s:g} s.")
    return " ".join(sentences)


def verdict(experiment: Experiment) -> str:
    """Return which mode is fastest and its gain; modes within noise of each other are tied."""
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
    """Return the limits of a tie between single runs; None if there are repeats or a clear winner."""
    tied = fastest_modes(experiment.levels)
    if len(tied) < 2 or min(level.n for level in tied) > 1:
        return None
    return f"Single runs cannot show differences below {100 * SINGLE_RUN_NOISE:.0f} %: use an experiment with repeats."


def key_figures(experiment: Experiment) -> list[KeyFigure]:
    """Return the best speed-up, the recommended level, the p95 latency and the stability, if known."""
    levels = experiment.levels
    figures = [_best_speedup(experiment), _recommended(experiment), _p95(experiment, levels), _stability(experiment)]
    return [figure for figure in figures if figure is not None]


def warnings(experiment: Experiment) -> list[str]:
    """Return a sentence for each reason to distrust the figures."""
    sentences = ["The experiment was cancelled; only finished runs are shown."] if experiment.cancelled else []
    for run in experiment.runs:
        where = f"{setting_name(experiment.plan, run.mode, run.concurrency)}, repeat {run.repeat + 1}"
        if run.error is not None:
            sentences.append(f"{where} failed: {run.error}")
        if run.blocked is not None:
            sentences.append(f"{where}: {run.blocked}")
    for level in experiment.levels:
        where = setting_name(experiment.plan, level.mode, level.concurrency)
        if level.suspect:
            sentences.append(
                f"{where} is suspect: its repeats vary by {_percent(level.cv)} (CV), more than {_percent(SUSPECT_CV)}."
            )
        if level.errors:
            sentences.append(f"{counted(level.errors, 'item')} failed in {where}, over all its repeats.")
    # Notes repeat what runs report, which is already listed by run.
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
    detail = f"of {counted(sum(run.latency_s.n for run in runs), 'request')}, {setting_name(experiment.plan, *chosen)}"
    return KeyFigure(
        label="Request latency (p95)", value=f"{median(run.latency_s.p95 for run in runs):.2f} s", detail=detail
    )


def _stability(experiment: Experiment) -> KeyFigure | None:
    repeated = [level for level in experiment.levels if level.n > 1]
    if not repeated:
        return None
    worst = max(repeated, key=lambda level: level.cv)
    return KeyFigure(
        label="Variation of repeats",
        value="suspect" if worst.suspect else "stable",
        detail=f"CV at most {_percent(worst.cv)}, {setting_name(experiment.plan, worst.mode, worst.concurrency)}",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
