"""Runs experiments: the same work by sync, threads and async on scratch catalogues, never on the user's.

Every run has a new library, collection and gate, and clients that connect before its clock starts. Runs follow one
another in an order shuffled by the plan's seed. A comparison is an exclusive job.
"""

from __future__ import annotations

import gc
import logging
import secrets
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from animerag.comparison.experiment import Experiment
from animerag.comparison.measurements import MeasuredRun
from animerag.comparison.plan import SYNC, ExperimentPlan, Workload
from animerag.comparison.presets import PRESETS, ExperimentEstimate, estimate
from animerag.comparison.progress import ExperimentProgress
from animerag.comparison.serialization import from_object, to_object
from animerag.comparison.timing import MAIN_SPAN, Measurer, measured_run
from animerag.comparison.workspaces import Workspaces
from animerag.errors import AnimeRAGError, InvalidInputError
from animerag.models.jobs import Progress
from animerag.models.providers import Priority
from animerag.saved_settings import SETTING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.comparison.environment import MeasuredProvider, ScratchBench
    from animerag.comparison.plan import Mode
    from animerag.comparison.workspaces import Workspace
    from animerag.jobs.jobs import Control, Job, Jobs
    from animerag.ports import VectorIndex
    from animerag.storage.library import Library

log = logging.getLogger(__name__)

COMPARE_JOB, RACE_JOB = "compare", "race"
# Sync takes 12 s for eight answers and 8 s for five embedding requests; threads and async take less than 2 s each.
RACES: Mapping[Workload, ExperimentPlan] = MappingProxyType(
    {
        "batch": ExperimentPlan(workload="batch", questions=8, levels=(8,), repeats=1, warmup=0, preset="fast"),
        "ingest": ExperimentPlan(documents=500, levels=(5,), repeats=1, warmup=0, preset="typical"),
    }
)
_STORED_SPANS = 8000  # enough spans for a usual experiment; larger ones store only those of the first repeat


class Comparison:
    """Runs experiments and stores their results."""

    def __init__(self, library: Library, index: VectorIndex, bench: ScratchBench) -> None:
        self._library = library
        self._bench = bench
        self._workspaces = Workspaces(library, index, bench)
        self._measurer = Measurer(index, self._workspaces)

    def estimate(self, plan: ExperimentPlan, provider: Mapping[str, object]) -> ExperimentEstimate:
        """Estimate what a plan takes."""
        free = {"embedding": 0.0, "input": 0.0, "output": 0.0}
        return estimate(plan, provider, free if plan.against == "simulated" else self._bench.prices())

    def why_not_configured(self) -> str | None:
        """Return why the configured provider cannot be measured; None if it can."""
        return self._bench.why_not_configured()

    async def start(
        self, jobs: Jobs, plan: ExperimentPlan, provider: Mapping[str, object], *, kind: str = COMPARE_JOB
    ) -> Job:
        """Start an experiment as an exclusive job, whose report is the Experiment.

        Raises InvalidInputError while other jobs run, for a provider that is not configured, and for invalid settings
        of the simulator.
        """
        if plan.against == "configured" and (reason := self.why_not_configured()):
            raise InvalidInputError(reason)
        self._bench.check(provider)
        name = "Race" if kind == RACE_JOB else "Comparison"
        work_name = {"ingest": f"{plan.documents:,} documents", "batch": f"{plan.questions:,} questions"}
        title = f"{name}, {work_name.get(plan.workload, 'one question')}"
        work = partial(self.run, plan, provider)
        return await jobs.start(work, kind=kind, title=title, key=COMPARE_JOB, exclusive=True)

    async def start_race(self, jobs: Jobs, workload: Workload) -> Job:
        """Start a race: a little work against the simulator, once per mode. Raises InvalidInputError."""
        plan = RACES[workload]
        return await self.start(jobs, plan, PRESETS[plan.preset].provider, kind=RACE_JOB)

    async def run(self, plan: ExperimentPlan, provider: Mapping[str, object], control: Control) -> Experiment:
        """Run a plan; if it is stopped, finished runs count. Raises ProviderError, VectorStoreError."""
        order = plan.order()
        live = control.partial = ExperimentProgress(
            runs=len(order), requests=plan.requests, main_span=MAIN_SPAN[plan.workload]
        )
        _report(control, 0, len(order), "Starting the provider")
        await self._workspaces.remove_abandoned()
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(self._bench.provider(plan, provider))
            _report(control, 0, len(order), "Preparing the work")
            workspace = await stack.enter_async_context(self._workspaces.open(opened.endpoint, plan))
            await self._warm_up(opened, workspace, control, live)
            for done, (repeat, mode, level) in enumerate(order):
                if control.stopping:
                    break
                at = "" if plan.workload == "query" else f" at {level}"
                _report(control, done, len(order), f"{mode}{at}, repeat {repeat + 1} of {plan.repeats}")
                live.begin((mode, level, repeat), measuring=True)
                run = await self._measure(opened, workspace, control, live, (mode, level, repeat))
                if not control.stopping:  # an interrupted run has no valid figures
                    live.finished.append(run)
        live.current = None
        _report(control, len(live.finished), len(order), "Done")
        return await self._store(plan, provider, live.finished, cancelled=control.stopping)

    async def _warm_up(
        self, provider: MeasuredProvider, workspace: Workspace, control: Control, live: ExperimentProgress
    ) -> None:
        plan = workspace.work.plan
        for mode in dict.fromkeys(mode for mode, _ in plan.settings()):
            for _ in range(0 if control.stopping else plan.warmup):
                _report(control, 0, live.runs, f"Warming up {mode}")
                setting = (mode, 1 if mode == SYNC else max(plan.usable_levels), 0)
                live.begin(setting, measuring=False)
                await self._measure(provider, workspace.small(), control, live, setting)

    async def _measure(
        self,
        provider: MeasuredProvider,
        workspace: Workspace,
        control: Control,
        live: ExperimentProgress,
        setting: tuple[Mode, int, int],
    ) -> MeasuredRun:
        mode, level, repeat = setting
        gc.collect()
        await provider.reset()
        try:
            raw = await self._measurer.run(workspace, control, live, mode, level)
        except AnimeRAGError as error:
            log.warning("a run of %s at %d failed: %s", mode, level, error)
            return MeasuredRun(
                mode=mode, concurrency=level, repeat=repeat, wall_s=0.0, items=workspace.items, error=str(error)
            )
        return measured_run(setting, workspace.work, raw, await provider.observed())

    async def saved(self) -> list[Experiment]:
        """Return stored experiments without their spans, newest first."""
        return [from_object(stored) for stored in await self._library.experiments.summaries()]

    async def load(self, experiment_id: str) -> Experiment | None:
        """Return one complete experiment, or None."""
        stored = await self._library.experiments.load(experiment_id)
        return from_object(stored) if stored else None

    async def delete(self, experiment_id: str) -> None:
        """Delete an experiment; if it is the baseline, there is none afterwards."""
        await self._library.experiments.delete(experiment_id)
        if await self.baseline() == experiment_id:
            await self.set_baseline(None)

    async def baseline(self) -> str | None:
        """Return the id of the baseline experiment, or None."""
        return await self._library.get_meta("comparison_baseline") or None

    async def set_baseline(self, experiment_id: str | None) -> None:
        """Set or clear the baseline experiment."""
        await self._library.set_meta("comparison_baseline", experiment_id or "")

    async def use_level(self, workload: Workload, level: int) -> None:
        """Use a level for this workload from now on, and save it. Raises InvalidInputError if it is fixed."""
        setting = _setting(workload)
        if name := self._bench.fixed_by(setting):
            raise InvalidInputError(f"The level is set by {name}: change it there.")
        await self._library.set_meta(f"{SETTING}{setting}", str(level))
        self._bench.set_level(Priority.INGEST if workload == "ingest" else Priority.BATCH, level)

    async def level_fixed_by(self, workload: Workload) -> str | None:
        """Return the environment variable that sets the level of this workload, or None."""
        return self._bench.fixed_by(_setting(workload))

    async def _store(
        self, plan: ExperimentPlan, provider: Mapping[str, object], runs: Sequence[MeasuredRun], *, cancelled: bool
    ) -> Experiment:
        notes = [plan.left_out] if plan.left_out else []
        notes += dict.fromkeys(run.blocked for run in runs if run.blocked)
        notes += [f"{run.mode} at {run.concurrency} failed: {run.error}" for run in runs if run.error]
        if sum(len(run.spans) for run in runs) > _STORED_SPANS:
            runs = [run if run.repeat == 0 else replace(run, spans=()) for run in runs]
        experiment = Experiment(
            plan=plan,
            settings=dict(provider) if plan.against == "simulated" else {},
            runs=tuple(runs),
            id=secrets.token_urlsafe(9),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            cancelled=cancelled,
            notes=tuple(notes),
        )
        if runs:
            await self._library.experiments.save(
                experiment.id, to_object(experiment), to_object(experiment, spans=True)
            )
        return experiment


def _setting(workload: Workload) -> str:
    return "ingest_concurrency" if workload == "ingest" else "query_concurrency"


def _report(control: Control, done: int, total: int, stage: str) -> None:
    control.progress = Progress(done=done, total=total, stage=stage)
