"""Experiments as JSON, for scripts and for the library."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from animerag.comparison.experiment import Experiment
from animerag.comparison.measurements import Distribution, MeasuredRun
from animerag.comparison.plan import ExperimentPlan, mode_named
from animerag.telemetry.tracing import Span

if TYPE_CHECKING:
    from animerag.models.json_types import JsonMapping, JsonObject


def to_object(experiment: Experiment, *, spans: bool = False) -> JsonObject:
    """Return an experiment in its public JSON form; `spans` adds those, which `from_object` needs for charts."""
    best = experiment.recommended
    return {
        "workload": experiment.plan.workload,
        "provider": experiment.plan.against,
        "settings": {**asdict(experiment.plan), **experiment.settings},
        "runs": [_run_object(run, spans=spans) for run in experiment.runs],
        "levels": [_rounded(asdict(level)) for level in experiment.levels],
        "recommended": asdict(best) if best else None,
        "cancelled": experiment.cancelled,
        "notes": list(experiment.notes),
        "id": experiment.id,
        "created_at": experiment.created_at,
        "plan": asdict(experiment.plan),
        "provider_settings": dict(experiment.settings),
    }


def from_object(stored: JsonMapping) -> Experiment:
    """Return the experiment that `to_object` wrote. Raises KeyError or TypeError for anything else."""
    plan = dict(stored["plan"])
    plan["modes"], plan["levels"] = tuple(plan["modes"]), tuple(plan["levels"])
    return Experiment(
        plan=ExperimentPlan(**plan),
        settings=stored["provider_settings"],
        runs=tuple(_run(run) for run in stored["runs"] if _is_measured_today(run, plan["modes"])),
        id=stored["id"],
        created_at=stored["created_at"],
        cancelled=stored["cancelled"],
        notes=tuple(stored["notes"]),
    )


def _is_measured_today(run: JsonMapping, modes: tuple[str, ...]) -> bool:
    """Return False for a run of a renamed mode whose successor also ran: their medians must not mix."""
    return run["mode"] == mode_named(run["mode"]) or mode_named(run["mode"]) not in modes


def _run_object(run: MeasuredRun, *, spans: bool) -> JsonObject:
    values = asdict(run)
    values["spans"] = [[span.name, round(span.start_s, 4), round(span.end_s, 4), span.lane] for span in run.spans]
    if not spans:
        del values["spans"]
    return {**_rounded(values), "throughput": round(run.throughput, 2), "blocked": run.blocked}


def _run(stored: JsonMapping) -> MeasuredRun:
    values = {name: value for name, value in stored.items() if name not in ("throughput", "blocked")}
    values["mode"] = mode_named(values["mode"])
    values["latency_s"], values["ttft_s"] = Distribution(**values["latency_s"]), Distribution(**values["ttft_s"])
    values["spans"] = tuple(Span(*span) for span in values.get("spans", ()))
    return MeasuredRun(**values)


def _rounded(values: JsonMapping) -> JsonObject:
    return {
        name: round(value, 4) if isinstance(value, float) else _rounded(value) if isinstance(value, dict) else value
        for name, value in values.items()
    }
