"""Comparison: the same work by sync, threads and async on scratch catalogues; nothing of the user's is touched.

Every run has a new library, collection and gate, and clients that are connected before its clock starts. Runs follow
each other in an order shuffled by the plan's seed, alone in the process: a comparison is an exclusive job.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import shutil
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from animerag.comparison.experiment import (
    EARLY,
    OURS,
    UNLOCKED,
    YARDSTICK,
    Distribution,
    Experiment,
    ExperimentPlan,
    MeasuredRun,
    from_object,
    to_object,
)
from animerag.comparison.ports import Bench, Endpoint, ObservableProvider, Observed, Sandbox
from animerag.comparison.presets import PRESETS, ExperimentEstimate, Preset, estimate
from animerag.errors import AnimeRAGError, InvalidInputError
from animerag.indexing.indexer import collection_for
from animerag.ingestion.batching import cut
from animerag.models import Answer, AnswerStatus, Priority, Progress
from animerag.ports import CollectionSpec
from animerag.query.titles import AliasIndex
from animerag.rate_limits import metering
from animerag.readers.questions import QuestionRow
from animerag.retrieval.retriever import DEFAULT_K, Retriever
from animerag.saved_settings import SETTING
from animerag.telemetry.loop_lag import LoopLag
from animerag.telemetry.tracing import Span, recording
from animerag.text.documents import Document

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from animerag.comparison.baselines import Baseline, SearchFixture
    from animerag.comparison.experiment import Mode, Workload
    from animerag.indexing.indexer import Indexer
    from animerag.jobs.jobs import Control, Job, Jobs
    from animerag.models import Show
    from animerag.ports import VectorIndex
    from animerag.query.titles import AliasMatch
    from animerag.rate_limits import Meter
    from animerag.storage.library import Library

__all__ = [
    "COMPARE_JOB",
    "PRESETS",
    "RACE_JOB",
    "Comparison",
    "Endpoint",
    "ExperimentEstimate",
    "ExperimentProgress",
    "Preset",
    "Sandbox",
]

log = logging.getLogger(__name__)

COMPARE_JOB, RACE_JOB = "compare", "race"
# Five requests of 1.5 s: sync takes 8 s, the other two under 2 s each.
RACE = ExperimentPlan(documents=500, levels=(5,), repeats=1, warmup=0, preset="typical")
_SEARCHED = 200  # shows that questions are asked of: enough to choose from, two requests to prepare
_KEPT_SPANS = 8000  # all repeats of a usual experiment; of a larger one the first repeat
_LEFT_OVER_S = 3600.0  # a scratch directory that old belongs to a process that was killed


class SlowTitles(Retriever):
    """A retriever whose title match takes as long as a title service on a network would."""

    def __init__(self, indexer: Indexer, latency_s: float) -> None:
        super().__init__(indexer)
        self._latency_s = latency_s

    async def match_titles(self, question: str) -> list[AliasMatch]:
        """Match after the latency."""
        await asyncio.sleep(self._latency_s)
        return await super().match_titles(question)


@dataclass(slots=True)
class ExperimentProgress:
    """An experiment under way, for a page that looks on. Spans are in seconds of `time.perf_counter`."""

    finished: list[MeasuredRun] = field(default_factory=list)
    current: tuple[Mode, int, int] | None = None
    started_s: float = 0.0  # 0 until the current run's clock has started
    spans: Sequence[Span] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExperimentWork:
    """What all runs of an experiment do: documents to take in, or questions and the shows they are asked of."""

    plan: ExperimentPlan
    documents: Sequence[Document]
    questions: Sequence[str]
    shows: Mapping[str, Show]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One run's raw figures, with spans in seconds of `time.perf_counter`."""

    started_s: float
    ended_s: float
    meter: Meter
    lag: LoopLag
    latencies_s: Sequence[float]
    spans: Sequence[Span]
    ttft_s: Sequence[float] = ()
    errors: int = 0
    rate_limited: int = 0
    error: str | None = None


class Comparison:
    """Runs experiments and keeps their results."""

    def __init__(self, library: Library, index: VectorIndex, bench: Bench) -> None:
        self._library = library
        self._index = index
        self._bench = bench

    # Before

    def estimate(self, plan: ExperimentPlan, provider: Mapping[str, Any]) -> ExperimentEstimate:
        """Say roughly what a plan takes."""
        free = {"embedding": 0.0, "input": 0.0, "output": 0.0}
        return estimate(plan, provider, free if plan.against == "simulated" else self._bench.prices())

    def why_not_configured(self) -> str | None:
        """Return a sentence why the configured provider cannot be measured; None when it can."""
        return self._bench.why_not_configured()

    async def start(
        self, jobs: Jobs, plan: ExperimentPlan, provider: Mapping[str, Any], *, kind: str = COMPARE_JOB
    ) -> Job:
        """Start an experiment as a job that has the process to itself; its report is the Experiment.

        Raises InvalidInputError while other jobs run, for a provider that is not configured, and for numbers of a
        simulated one that mean nothing.
        """
        if plan.against == "configured" and (reason := self.why_not_configured()):
            raise InvalidInputError(reason)
        self._bench.check(provider)
        title = f"Race, {plan.documents} documents" if kind == RACE_JOB else f"Comparison, {plan.workload}"
        work = partial(self.run, plan, provider)
        return await jobs.start(work, kind=kind, title=title, key=COMPARE_JOB, exclusive=True)

    async def start_race(self, jobs: Jobs) -> Job:
        """Start the race: a small ingestion against the simulator, each mode once."""
        return await self.start(jobs, RACE, PRESETS[RACE.preset].provider, kind=RACE_JOB)

    # During

    async def run(self, plan: ExperimentPlan, provider: Mapping[str, Any], control: Control) -> Experiment:
        """Run a plan; stopping it keeps the runs that are finished. Raises ProviderError, VectorStoreError."""
        live = control.partial = ExperimentProgress()
        order = plan.order()
        await self._clear_left_overs()
        async with self._bench.provider(plan, provider) as opened, self._site(opened.endpoint, plan) as site:
            for mode in dict.fromkeys(mode for mode, _ in plan.settings()):
                for _ in range(0 if control.stopping else plan.warmup):
                    _show(control, 0, len(order), f"Warming up {mode}")
                    level = 1 if mode == YARDSTICK or plan.workload == "query" else max(plan.levels)
                    await self._measure(opened, site.small(), control, live, (mode, level, 0))
            for done, (repeat, mode, level) in enumerate(order):
                if control.stopping:
                    break
                at = "" if plan.workload == "query" else f" at {level}"
                _show(control, done, len(order), f"{mode}{at}, repeat {repeat + 1} of {plan.repeats}")
                run = await self._measure(opened, site, control, live, (mode, level, repeat))
                if not control.stopping:  # a run that was stopped half way measured nothing
                    live.finished.append(run)
        live.current = None
        _show(control, len(live.finished), len(order), "Done")
        return await self._keep(plan, provider, live.finished, cancelled=control.stopping)

    # After

    async def saved(self) -> list[Experiment]:
        """Return kept experiments without their spans, newest first."""
        return [from_object(kept) for kept in await self._library.experiments.summaries()]

    async def load(self, experiment_id: str) -> Experiment | None:
        """Return one experiment whole, or None."""
        kept = await self._library.experiments.load(experiment_id)
        return from_object(kept) if kept else None

    async def delete(self, experiment_id: str) -> None:
        """Forget an experiment, also as the baseline."""
        await self._library.experiments.delete(experiment_id)
        if await self.baseline() == experiment_id:
            await self.set_baseline(None)

    async def baseline(self) -> str | None:
        """Return the id of the experiment that others are shown beside."""
        return await self._library.get_meta("comparison_baseline") or None

    async def set_baseline(self, experiment_id: str | None) -> None:
        """Choose the experiment that others are shown beside."""
        await self._library.set_meta("comparison_baseline", experiment_id or "")

    async def use_level(self, workload: Workload, level: int) -> None:
        """Use a level for this kind of work from now on, and after the next start. Raises InvalidInputError."""
        setting = _setting(workload)
        if name := self._bench.fixed_by(setting):
            raise InvalidInputError(f"The level is fixed by {name}: change it there.")
        await self._library.set_meta(f"{SETTING}{setting}", str(level))
        self._bench.set_level(Priority.INGEST if workload == "ingest" else Priority.BATCH, level)

    async def level_fixed_by(self, workload: Workload) -> str | None:
        """Return the environment variable that fixes the level of this kind of work, or None."""
        return self._bench.fixed_by(_setting(workload))

    # Runs

    @asynccontextmanager
    async def _site(self, endpoint: Endpoint, plan: ExperimentPlan) -> AsyncIterator[_Site]:
        """Make the work and, for questions, a catalogue to ask; remove all of it at the end."""
        directory = self._bench.directory / secrets.token_hex(8)
        if plan.workload == "ingest":
            shows = await self._shows(plan.documents)
        else:  # no doubles: a name that two shows have names neither
            shows = await self._shows(min(_SEARCHED, (await self._library.counts()).shows))
        documents = await asyncio.to_thread(lambda: [Document.of(show) for show in shows])
        questions = questions_about(shows, plan.questions)
        work = _ExperimentWork(
            plan=plan, documents=documents, questions=questions, shows={show.id: show for show in shows}
        )
        site = _Site(work=work, endpoint=endpoint, directory=directory, dimensions=endpoint.dimensions)
        try:
            if plan.workload != "ingest":
                async with self._scratch(site, directory / "searched", level=10) as scratch:
                    from animerag.jobs.jobs import Control

                    await scratch.ingestion.take_in(documents, Control())
                    site.searched = await scratch.indexer.spec()
            yield site
        finally:
            if site.searched:
                await self._index.drop(site.searched)
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def _shows(self, number: int) -> list[Show]:
        """Return as many shows as asked for: the catalogue's, repeated under new ids where it has fewer."""
        ids = sorted(await self._library.hashes())[:number]
        shows = list((await self._library.shows(ids)).values())
        if not shows:
            raise InvalidInputError("The catalogue is empty: upload an export first, or open the app for its sample.")
        return [copy_of(shows[n % len(shows)], n // len(shows)) for n in range(number)]

    async def _measure(
        self,
        provider: ObservableProvider,
        site: _Site,
        control: Control,
        live: ExperimentProgress,
        setting: tuple[Mode, int, int],
    ) -> MeasuredRun:
        mode, level, repeat = setting
        gc.collect()
        await provider.reset()
        live.spans, live.started_s, live.current = (), 0.0, setting
        try:
            measured = await (self._ours if mode in OURS else self._theirs)(site, control, live, mode, level)
        except AnimeRAGError as error:
            log.warning("a run of %s at %d failed: %s", mode, level, error)
            return MeasuredRun(
                mode=mode, concurrency=level, repeat=repeat, wall_s=0.0, items=site.items, error=str(error)
            )
        return _run(setting, site.items, measured, await provider.observed())

    async def _ours(self, site: _Site, control: Control, live: ExperimentProgress, mode: Mode, level: int) -> _Measured:
        plan, directory = site.work.plan, site.run_directory()
        async with self._scratch(site, directory, level=level, early=mode == EARLY) as scratch:
            spec = await scratch.indexer.spec()
            await self._index.ensure(spec)
            try:
                with recording() as recorder, metering() as meter:
                    async with LoopLag() as lag:
                        live.spans, live.started_s = recorder.spans, time.perf_counter()
                        done = await _our_work(scratch, site.work, control, level)
                        ended_s = time.perf_counter()
            finally:
                if plan.workload == "ingest":
                    await self._index.drop(spec)
        return _Measured(
            started_s=live.started_s,
            ended_s=ended_s,
            meter=meter,
            lag=lag,
            latencies_s=_latencies(recorder.spans, "embedding" if plan.workload == "ingest" else "model"),
            ttft_s=done.ttft_s,
            spans=recorder.spans,
            errors=done.lost,
            rate_limited=meter.rate_limited,
            error=done.error if done.lost == site.items else None,
        )

    async def _theirs(
        self, site: _Site, control: Control, live: ExperimentProgress, mode: Mode, level: int
    ) -> _Measured:
        from animerag.comparison.baselines import Baseline, BaselineStats, SearchFixture

        plan, tally, stop = site.work.plan, BaselineStats(), threading.Event()
        spec = site.searched or await self._new_collection(site)
        stand = SearchFixture(
            shows=site.work.shows, aliases=site.aliases(), alias_latency_s=plan.alias_latency_s, k=DEFAULT_K
        )
        baseline = await asyncio.to_thread(
            Baseline, site.endpoint, spec, tally, lambda: stop.is_set() or control.stopping
        )
        try:
            async with LoopLag() as lag:
                live.spans, live.started_s = tally.spans, time.perf_counter()
                await _in_thread(partial(_baseline_work, baseline, site.work, stand, mode, level), stop)
                ended_s = time.perf_counter()
        finally:
            await asyncio.to_thread(baseline.close)
            if spec is not site.searched:
                await self._index.drop(spec)
        return _Measured(
            started_s=live.started_s,
            ended_s=ended_s,
            meter=tally.meter,
            lag=lag,
            latencies_s=_latencies(tally.spans, "embedding" if plan.workload == "ingest" else "model"),
            spans=tally.spans,
            errors=tally.lost,
            rate_limited=tally.rate_limited,
            error=tally.error if tally.lost == site.items else None,
        )

    async def _new_collection(self, site: _Site) -> CollectionSpec:
        """Make an empty collection like the ones that ours writes to."""
        if site.dimensions is None:
            async with self._scratch(site, site.run_directory(), level=1) as scratch:
                site.dimensions = (await scratch.indexer.spec()).dimensions
        spec = collection_for(secrets.token_hex(6), site.endpoint.embedding_model, site.dimensions)
        await asyncio.to_thread(_note_collection, site.run_directory(), spec)
        await self._index.ensure(spec)
        return spec

    @asynccontextmanager
    async def _scratch(
        self, site: _Site, directory: Path, *, level: int, early: bool = False
    ) -> AsyncIterator[Sandbox]:
        latency_s = 0.0 if early else site.work.plan.alias_latency_s
        async with self._bench.scratch(
            site.endpoint, directory, level=level, alias_latency_s=latency_s, early_start=early
        ) as scratch:
            spec = await scratch.indexer.spec()
            await asyncio.to_thread(_note_collection, directory, spec)
            yield scratch

    async def _clear_left_overs(self) -> None:
        """Remove what experiments of killed processes left behind: directories and their collections."""

        def old() -> list[Path]:
            now = time.time()
            return [path for path in self._bench.directory.glob("*/") if now - path.stat().st_mtime > _LEFT_OVER_S]

        for directory in await asyncio.to_thread(old):
            for noted in directory.rglob("collection"):
                name = await asyncio.to_thread(noted.read_text, "utf-8")
                await self._index.drop(CollectionSpec(name=name, model="", dimensions=1, recipe=""))
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def _keep(
        self, plan: ExperimentPlan, provider: Mapping[str, Any], runs: Sequence[MeasuredRun], *, cancelled: bool
    ) -> Experiment:
        notes = list(dict.fromkeys(run.blocked for run in runs if run.blocked))
        notes += [f"{run.mode} at {run.concurrency} failed: {run.error}" for run in runs if run.error]
        if sum(len(run.spans) for run in runs) > _KEPT_SPANS:
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


@dataclass(slots=True, kw_only=True)
class _Site:
    """Where an experiment works: its endpoint, its work, its directory; `searched` is what questions are asked of."""

    work: _ExperimentWork
    endpoint: Endpoint
    directory: Path
    searched: CollectionSpec | None = None
    dimensions: int | None = None
    _aliases: AliasIndex | None = None

    @property
    def items(self) -> int:
        return self.work.plan.items

    def small(self) -> _Site:
        """Return the same site with a few requests only, for warming up."""
        plan = self.work.plan.small()
        work = replace(
            self.work,
            plan=plan,
            documents=self.work.documents[: plan.documents] if plan.workload == "ingest" else self.work.documents,
            questions=self.work.questions[: plan.questions],
        )
        return replace(self, work=work)

    def run_directory(self) -> Path:
        """Return a new directory for an ingestion, the prepared one for questions."""
        return self.directory / (secrets.token_hex(4) if self.work.plan.workload == "ingest" else "searched")

    def aliases(self) -> AliasIndex:
        """Return the titles of all shows, made once."""
        if self._aliases is None:
            self._aliases = AliasIndex(list(self.work.shows.values()))
        return self._aliases


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What our own services made of a run's work."""

    lost: int
    error: str | None
    ttft_s: Sequence[float] = ()


async def _our_work(scratch: Sandbox, work: _ExperimentWork, control: Control, level: int) -> _Done:
    plan = work.plan
    if plan.workload == "ingest":
        report = await scratch.ingestion.take_in(work.documents, control.part(), batch_size=plan.batch_size)
        return _Done(lost=report.read - report.ingested, error=report.stopped_by)
    if plan.workload == "query":
        answers: Sequence[Answer] = [await scratch.answering.ask(work.questions[0])]
    else:
        rows = [QuestionRow(question=question, columns={}) for question in work.questions]
        answers = (await scratch.batch.run(rows, control.part(), concurrency=level)).answers
    failed = [answer for answer in answers if answer.status in (AnswerStatus.ERROR, AnswerStatus.CANCELLED)]
    return _Done(
        lost=len(failed),
        error=next((answer.error for answer in failed), None),
        ttft_s=[answer.timings.first_token_s for answer in answers if answer.timings.first_token_s],
    )


def _baseline_work(baseline: Baseline, work: _ExperimentWork, stand: SearchFixture, mode: Mode, level: int) -> None:
    """Do a run's work in the form that `mode` stands for."""
    if work.plan.workload == "ingest":
        batches = list(cut(work.documents, [work.plan.batch_size]))
        baseline.ingest(batches, level, None if mode == UNLOCKED else threading.Lock())
    elif work.plan.workload == "query" and mode != YARDSTICK:
        baseline.answer_overlapped(work.questions[0], stand)
    else:
        baseline.answer(work.questions[: work.plan.items], stand, level)


async def _in_thread(work: Callable[[], None], stop: threading.Event) -> None:
    """Run blocking work in a thread of its own; a cancelled caller makes it stop and waits until it has."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)
        raise


def _run(setting: tuple[Mode, int, int], items: int, measured: _Measured, observed: Observed | None) -> MeasuredRun:
    mode, level, repeat = setting
    meter, wall_s = measured.meter, measured.ended_s - measured.started_s
    spans = (
        Span(span.name, span.start_s - measured.started_s, span.end_s - measured.started_s, span.lane)
        for span in measured.spans
    )
    return MeasuredRun(
        mode=mode,
        concurrency=level,
        repeat=repeat,
        wall_s=wall_s,
        items=items,
        errors=measured.errors,
        rate_limited=observed.rate_limited if observed else measured.rate_limited,
        retries=meter.retries,
        throttled_s=meter.throttled_s,
        concurrency_mean=meter.in_flight_s / wall_s if wall_s else 0.0,
        concurrency_peak=meter.peak_in_flight,
        latency_s=Distribution.of(measured.latencies_s),
        ttft_s=Distribution.of(measured.ttft_s),
        loop_lag_p95_s=measured.lag.p95_s,
        loop_lag_max_s=measured.lag.max_s,
        provider_s=observed.provider_s if observed else None,
        spans=tuple(sorted(spans, key=lambda span: span.start_s)),
        error=measured.error,
    )


def _latencies(spans: Sequence[Span], name: str) -> list[float]:
    """Return the seconds from the first to the last span of each lane: an answer's first words and the rest are two."""
    lanes: dict[int, list[Span]] = {}
    for span in spans:
        if span.name == name:
            lanes.setdefault(span.lane, []).append(span)
    return [max(one.end_s for one in lane) - min(one.start_s for one in lane) for lane in lanes.values()]


def questions_about(shows: Sequence[Show], number: int) -> list[str]:
    """Return so many questions, no two alike: ours would ask a repeated one once, and the yardsticks again."""
    return [f"What is {shows[n % len(shows)].title} about{'?' * (1 + n // len(shows))}" for n in range(number)]


def copy_of(show: Show, copy: int) -> Show:
    """Return the show itself, or its `copy`th double: another id and a text of its own, so that no cache helps."""
    if not copy:
        return show
    return replace(show, id=f"{show.id}-{copy}", description=f"{show.description} (copy {copy})")


def _note_collection(directory: Path, spec: CollectionSpec) -> None:
    """Leave a note by which a later experiment finds the collection, should this process be killed."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "collection").write_text(spec.name, encoding="utf-8")


def _setting(workload: Workload) -> str:
    return "ingest_concurrency" if workload == "ingest" else "query_concurrency"


def _show(control: Control, done: int, total: int, stage: str) -> None:
    control.progress = Progress(done=done, total=total, stage=stage)
