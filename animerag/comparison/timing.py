"""Measures one run: the app's services on the event loop, or a baseline in threads."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from animerag.comparison.measurements import Distribution, MeasuredRun
from animerag.comparison.plan import EARLY, OURS, SYNC
from animerag.comparison.progress import drawn_spans
from animerag.ingestion.batching import cut
from animerag.models.answers import Answer, AnswerStatus
from animerag.models.questions import QuestionRow
from animerag.rate_limits import metering
from animerag.retrieval.retriever import DEFAULT_K
from animerag.telemetry.loop_lag import LoopLag
from animerag.telemetry.tracing import Span, recording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.comparison.baselines import Baseline, SearchFixture
    from animerag.comparison.plan import Mode, Workload
    from animerag.comparison.ports import Observed, Sandbox
    from animerag.comparison.progress import ExperimentProgress
    from animerag.comparison.workspaces import ExperimentWork, Workspace, Workspaces
    from animerag.jobs.jobs import Control
    from animerag.ports import VectorIndex
    from animerag.rate_limits import Meter

# The span of one request of the workload's main kind.
MAIN_SPAN: dict[Workload, str] = {"ingest": "embedding", "batch": "model", "query": "model"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRun:
    """The raw figures of one run; times and spans are those of `time.perf_counter`."""

    started_s: float
    ended_s: float
    meter: Meter
    lag: LoopLag
    spans: Sequence[Span]
    failed: int
    rate_limited: int
    error: str | None
    ttft_s: Sequence[float] = ()


class Measurer:
    """Runs the work of a workspace in one mode at one level."""

    def __init__(self, index: VectorIndex, workspaces: Workspaces) -> None:
        self._index = index
        self._workspaces = workspaces

    async def run(
        self, workspace: Workspace, control: Control, live: ExperimentProgress, mode: Mode, level: int
    ) -> RawRun:
        """Measure one run. Raises ProviderError, VectorStoreError, LibraryError."""
        return await (self._ours if mode in OURS else self._baseline)(workspace, control, live, mode, level)

    async def _ours(
        self, workspace: Workspace, control: Control, live: ExperimentProgress, mode: Mode, level: int
    ) -> RawRun:
        async with self._workspaces.scratch(
            workspace, workspace.run_directory(), level=level, early=mode == EARLY
        ) as scratch:
            spec = await scratch.indexer.spec()
            await self._index.ensure(spec)
            try:
                with recording() as recorder, metering() as meter:
                    async with LoopLag() as lag:
                        live.spans, live.started_s = recorder.spans, time.perf_counter()
                        outcome = await _our_work(scratch, workspace.work, control, level)
                        ended_s = time.perf_counter()
            finally:
                if workspace.work.plan.workload == "ingest":
                    await self._index.drop(spec)
        return RawRun(
            started_s=live.started_s,
            ended_s=ended_s,
            meter=meter,
            lag=lag,
            spans=recorder.spans,
            failed=outcome.failed,
            rate_limited=meter.rate_limited,
            error=outcome.error,
            ttft_s=outcome.ttft_s,
        )

    async def _baseline(
        self, workspace: Workspace, control: Control, live: ExperimentProgress, mode: Mode, level: int
    ) -> RawRun:
        from animerag.comparison.baselines import Baseline, BaselineStats, SearchFixture

        work, stats, stop = workspace.work, BaselineStats(), threading.Event()
        spec = workspace.searched or await self._workspaces.new_collection(workspace)
        fixture = SearchFixture(
            shows=work.shows, aliases=workspace.aliases(), alias_latency_s=work.plan.alias_latency_s, k=DEFAULT_K
        )
        baseline = await asyncio.to_thread(
            Baseline, workspace.endpoint, spec, stats, lambda: stop.is_set() or control.stopping
        )
        try:
            async with LoopLag() as lag:
                live.spans, live.started_s = stats.spans, time.perf_counter()
                await _in_thread(partial(_baseline_work, baseline, work, fixture, mode, level), stop)
                ended_s = time.perf_counter()
        finally:
            await asyncio.to_thread(baseline.close)
            if spec is not workspace.searched:
                await self._index.drop(spec)
        return RawRun(
            started_s=live.started_s,
            ended_s=ended_s,
            meter=stats.meter,
            lag=lag,
            spans=stats.spans,
            failed=stats.failed,
            rate_limited=stats.rate_limited,
            error=stats.error,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _WorkResult:
    """The outcome of a run's work: failed items, the first error, and times to the first token."""

    failed: int
    error: str | None
    ttft_s: Sequence[float] = ()


async def _our_work(scratch: Sandbox, work: ExperimentWork, control: Control, level: int) -> _WorkResult:
    plan = work.plan
    if plan.workload == "ingest":
        report = await scratch.ingestion.import_documents(work.documents, control.part(), batch_size=plan.batch_size)
        return _WorkResult(failed=report.read - report.ingested, error=report.stopped_by)
    if plan.workload == "query":
        answers: Sequence[Answer] = [await scratch.answering.ask(work.questions[0])]
    else:
        rows = [QuestionRow(question=question, columns={}) for question in work.questions]
        answers = (await scratch.batch.run(rows, control.part(), concurrency=level)).answers
    failed = [answer for answer in answers if answer.status in (AnswerStatus.ERROR, AnswerStatus.CANCELLED)]
    return _WorkResult(
        failed=len(failed),
        error=next((answer.error for answer in failed), None),
        ttft_s=[answer.timings.first_token_s for answer in answers if answer.timings.first_token_s],
    )


def _baseline_work(baseline: Baseline, work: ExperimentWork, fixture: SearchFixture, mode: Mode, level: int) -> None:
    """Do the work of a run in a mode."""
    if work.plan.workload == "ingest":
        baseline.ingest(list(cut(work.documents, [work.plan.batch_size])), level)
    elif work.plan.workload == "query" and mode != SYNC:
        baseline.answer_overlapped(work.questions[0], fixture)
    else:
        baseline.answer(work.questions[: work.plan.items], fixture, level)


async def _in_thread(work: Callable[[], None], stop: threading.Event) -> None:
    """Run blocking work in a thread; if the caller is cancelled, stop the work and wait for its end."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)
        raise


def measured_run(
    setting: tuple[Mode, int, int], work: ExperimentWork, raw: RawRun, observed: Observed | None
) -> MeasuredRun:
    """Return the figures of a run of (mode, level, repeat), with those that the provider reports."""
    mode, level, repeat = setting
    meter, wall_s, items = raw.meter, raw.ended_s - raw.started_s, work.plan.items
    spans = (
        Span(span.name, span.start_s - raw.started_s, span.end_s - raw.started_s, span.lane)
        for span in drawn_spans(raw.spans)
    )
    return MeasuredRun(
        mode=mode,
        concurrency=level,
        repeat=repeat,
        wall_s=wall_s,
        items=items,
        errors=raw.failed,
        rate_limited=observed.rate_limited if observed else raw.rate_limited,
        retries=meter.retries,
        throttled_s=meter.throttled_s,
        concurrency_mean=meter.in_flight_s / wall_s if wall_s else 0.0,
        concurrency_peak=meter.peak_in_flight,
        latency_s=Distribution.of(_latencies(raw.spans, MAIN_SPAN[work.plan.workload])),
        ttft_s=Distribution.of(raw.ttft_s),
        loop_lag_p95_s=raw.lag.p95_s,
        loop_lag_max_s=raw.lag.max_s,
        provider_s=observed.provider_s if observed else None,
        spans=tuple(sorted(spans, key=lambda span: span.start_s)),
        error=raw.error if raw.failed == items else None,
    )


def _latencies(spans: Sequence[Span], name: str) -> list[float]:
    """Return the latency of each lane from its first to its last span: an answer has one for its first words."""
    lanes: dict[int, list[Span]] = {}
    for span in spans:
        if span.name == name:
            lanes.setdefault(span.lane, []).append(span)
    return [max(one.end_s for one in lane) - min(one.start_s for one in lane) for lane in lanes.values()]
