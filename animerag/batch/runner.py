"""Answers sheets of questions, several at a time; journals every answer on arrival, and isolates rows that fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from animerag.batch.groups import LandedAnswer, RowGroup, grouped
from animerag.batch.prefetch import QuestionPrefetcher
from animerag.batch.progress import BatchReport, RunProgress, RunReport
from animerag.batch.stopping import cap_reached, grace_over, until_stopped
from animerag.batch.threads import Threads
from animerag.concurrency import fan_out
from animerag.errors import InvalidInputError
from animerag.models.answers import Answer, AnswerStatus
from animerag.models.providers import Priority, Usage
from animerag.models.questions import QuestionRow, asked_as
from animerag.models.stored_answers import StoredAnswer
from animerag.rate_limits.budget import Budget, drawing_on
from animerag.rate_limits.usage import metering
from animerag.storage.batch_runs import FAILED, RowAnswer, RunOptions, job_key
from animerag.telemetry.load_shedding import LoadShedder, PageActivity, between_steps, yielding_to
from animerag.telemetry.tracing import lane

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from animerag.answering.answering import Answering
    from animerag.batch.estimate import BatchCosts, SheetEstimate
    from animerag.batch.queued import SheetQueue
    from animerag.jobs.jobs import Control, Job, Jobs
    from animerag.ports import Locate, VectorHits, Vectors
    from animerag.rate_limits import LevelChoice
    from animerag.readers.questions import Sheet, SheetOptions
    from animerag.storage.batch_runs import BatchRun, RunRow, Runs
    from animerag.storage.spending import SpendingLedger

log = logging.getLogger(__name__)

Which = Literal["missing", "failed"]
BATCH_JOB = "batch"


class Batch:
    """Answers whole sheets of questions."""

    def __init__(
        self,
        answering: Answering,
        *,
        level: Callable[[], int],
        set_level: Callable[[LevelChoice], None] = lambda _: None,
        runs: Runs | None = None,
        costs: BatchCosts | None = None,
        visits: PageActivity | None = None,
        spending: SpendingLedger | None = None,
        queue: SheetQueue | None = None,
    ) -> None:
        """`runs` is the journal; without it only `run` can be used. `visits` shows whether somebody views a page.

        With a `queue`, workers answer the rows of runs. `spending` has the costs of runs; without it, a cap holds
        within this process.
        """
        self._visits = visits or PageActivity()
        self._answering = answering
        self._level = level
        self._runs = runs
        self._costs = costs
        self._spending = spending
        self._queue = queue
        self.set_level = set_level  # the number of questions in flight; it may be called during a run

    @property
    def runs(self) -> Runs:
        """Return the journal."""
        assert self._runs is not None, "this batch has no journal"
        return self._runs

    @property
    def k(self) -> int:
        """Return the default number of sources per question."""
        return self._answering.k

    @property
    def level(self) -> int:
        """Return the current number of questions in flight."""
        return self._level()

    async def estimate(
        self, rows: Sequence[QuestionRow], options: RunOptions, *, concurrency: LevelChoice = "auto"
    ) -> SheetEstimate:
        """Estimate what answering rows would take. Raises LibraryError."""
        assert self._costs is not None, "this batch knows no costs"
        level = self._level() if concurrency == "auto" else concurrency
        return await self._costs.estimate(rows, options, concurrency=concurrency, level=level)

    async def begin(self, sheet: Sheet, options: RunOptions, *, sha256: str) -> str:
        """Journal a sheet without asking anything; return the id of the run.

        Raises InvalidInputError for a cost cap without a known price, LibraryError.
        """
        if options.max_cost_usd is not None and (await self.estimate(sheet.rows, options)).cost_usd is None:
            raise InvalidInputError(
                f"A cost cap needs a price, and the price of {self._answering.model} is not known:"
                " set ANIMERAG_PRICES, or remove the cap."
            )
        return await self.runs.begin(sheet, options, sha256=sha256)

    async def start(
        self, jobs: Jobs, run_id: str, which: Which = "missing", *, concurrency: LevelChoice | None = None
    ) -> Job:
        """Start a job for a run. Raises InvalidInputError while the run has another job, LibraryError."""
        run = await self.runs.get(run_id)
        if run.at_work:
            raise InvalidInputError("This run already has a job: wait for it, or cancel it.")
        work = partial(self.answer, run_id, which=which, concurrency=concurrency)
        job = await jobs.start(work, kind=BATCH_JOB, title=run.name, key=job_key(run_id))
        await self.runs.note_job(run_id, job.id)
        return job

    async def read(self, path: Path, name: str, options: SheetOptions) -> Sheet:
        """Read a sheet of questions. Raises InvalidInputError for any other file."""
        from animerag.readers import confinement

        return await asyncio.to_thread(confinement.read_questions, path, name, options)

    async def run(
        self,
        rows: Sequence[QuestionRow],
        control: Control,
        *,
        k: int | None = None,
        concurrency: int | None = None,
        retrieval_only: bool = False,
        on_answer: Callable[[int, Answer], Awaitable[None]] | None = None,
    ) -> BatchReport:
        """Answer rows without a journal; `on_answer` is called in question order, as soon as that is possible."""
        answers: list[Answer | None] = [None] * len(rows)
        options = RunOptions(k=k or self.k, retrieval_only=retrieval_only)
        reported = 0
        with metering() as meter:
            live = control.partial = RunProgress(run_id=None, total=len(rows), meter=meter)
            groups, threads = grouped(dict(enumerate(rows))), Threads(dict(enumerate(rows)))
            work = self._ask_all(groups, control, live, options=options, threads=threads, concurrency=concurrency)
            async for landed in work:
                for number in landed.group.numbers:
                    answers[number] = landed.answer
                while reported < len(rows) and (ready := answers[reported]) is not None:
                    if on_answer is not None:
                        await on_answer(reported, ready)
                    reported += 1
        finished = tuple(answer or live.unreached(row) for answer, row in zip(answers, rows, strict=True))
        if on_answer is not None and live.stopped_by is not None:
            for number in range(reported, len(rows)):
                await on_answer(number, finished[number])
        return BatchReport(rows=tuple(rows), answers=finished, seconds=live.elapsed_s)

    async def answer(
        self,
        run_id: str,
        control: Control,
        *,
        which: Which = "missing",
        concurrency: LevelChoice | None = None,
        on_stored: Callable[[RowAnswer], Awaitable[None]] | None = None,
        numbers: Collection[int] | None = None,
    ) -> RunReport:
        """Ask the missing or the failed questions of a run, and store each answer as it arrives.

        An earlier answer stays until it is replaced. A question that another row has answered is not asked again.
        `numbers` selects rows for a worker, with all rows of their conversations; without it, workers answer them if
        there is a queue. Raises LibraryError when an answer cannot be stored.
        """
        run = await self.runs.get(run_id)
        if concurrency is not None:
            self.set_level(concurrency)
        rows = {row.number: row for row in await self.runs.rows(run_id, numbers=numbers)}
        statuses = (None, AnswerStatus.CANCELLED) if which == "missing" else FAILED
        wanted = {number: row for number, row in rows.items() if row.status in statuses}
        # Earlier jobs of the run count towards its cap; from here on each call reserves its cost in advance.
        cap = run.options.max_cost_usd
        budget = None
        if cap is not None:
            budget = self._budget(run_id, cap, start_usd=run.usage.cost_usd or 0.0)
        with metering() as meter, drawing_on(budget):
            live = control.partial = RunProgress(run_id=run_id, total=len(wanted), meter=meter)
            live.usage = Usage(cost_usd=run.usage.cost_usd, estimated=run.usage.estimated)
            asked = 0
            try:
                await self._share_answers(run_id, wanted, rows, live)
                groups = grouped({number: row.asked for number, row in wanted.items()})
                if self._queue is not None and numbers is None:
                    await self._queue.answer(run_id, groups, rows, control, live, which=which, on_stored=on_stored)
                else:
                    asked = await self._answer_here(
                        run, groups, wanted, rows, control=control, live=live, on_stored=on_stored
                    )
            finally:
                if numbers is None:
                    await asyncio.shield(self.runs.note_work(run_id, live.elapsed_s))
            if asked and self._costs is not None and concurrency is not None:
                await self._costs.note_speed(asked, live.elapsed_s, run.options, concurrency)
        return RunReport(
            run_id=run_id,
            answered=live.done - live.failed,
            left=live.failed + live.total - live.done,
            seconds=live.elapsed_s,
            rate_limited=meter.rate_limited,
            retries=meter.retries,
            peak_in_flight=meter.peak_in_flight,
            usage=live.usage,
            stopped_by=live.stopped_by,
        )

    async def _answer_here(
        self,
        run: BatchRun,
        groups: Sequence[RowGroup],
        wanted: Mapping[int, RunRow],
        rows: Mapping[int, RunRow],
        *,
        control: Control,
        live: RunProgress,
        on_stored: Callable[[RowAnswer], Awaitable[None]] | None,
    ) -> int:
        """Answer rows in this process, and return how many questions were asked."""
        threads = Threads({number: row.asked for number, row in wanted.items()})
        for number, row in rows.items():
            if number not in wanted and row.asked.thread and row.answer:
                threads.add_asked(number, row.asked.thread, row.answer.turn)
        keep = partial(self._keep, run.id, rows, on_stored)
        asked = 0
        async for landed in self._ask_all(groups, control, live, options=run.options, threads=threads, keep=keep):
            asked += landed.attempts > 0 or not self._answering.written_by_a_model
        return asked

    def _budget(self, run_id: str, cap_usd: float, *, start_usd: float) -> Budget:
        """Return the budget of a run, which all processes that answer its rows share."""
        reached = cap_reached(cap_usd)
        if self._spending is None:
            return Budget(cap_usd, start_usd=start_usd, reached=reached)
        return self._spending.budget(f"run {run_id}", cap_usd, reached=reached, start_usd=start_usd)

    async def _share_answers(
        self, run_id: str, wanted: dict[int, RunRow], rows: Mapping[int, RunRow], live: RunProgress
    ) -> None:
        """Give rows the answer of another row with the same question, and remove them from `wanted`."""
        answered = {
            asked_as(row.asked): row
            for row in rows.values()
            if row.status in (AnswerStatus.OK, AnswerStatus.NO_MATCH, AnswerStatus.REFUSED)
        }
        shared = [
            RowAnswer(answer=twin.answer.repeated(number), began_at=time.time())
            for number, row in wanted.items()
            if not row.asked.thread
            and (twin := answered.get(asked_as(row.asked))) is not None
            and twin.answer is not None
        ]
        await self.runs.keep(run_id, shared)
        for row in shared:
            del wanted[row.answer.number]
        live.done += len(shared)

    async def _keep(
        self,
        run_id: str,
        rows: Mapping[int, RunRow],
        on_stored: Callable[[RowAnswer], Awaitable[None]] | None,
        landed: LandedAnswer,
    ) -> None:
        first, *others = landed.group.numbers
        before = rows[first].answer
        attempts = landed.attempts + ((before.attempts or 0) if before else 0)
        answer = StoredAnswer.of(first, landed.answer, attempts=attempts)
        stored = [answer, *(answer.repeated(number) for number in others)]
        answers = [RowAnswer(answer=one, began_at=landed.began_at) for one in stored]
        await self.runs.keep(run_id, answers)
        if on_stored is not None:
            for one in answers:
                await on_stored(one)

    async def _ask_all(
        self,
        groups: Sequence[RowGroup],
        control: Control,
        live: RunProgress,
        *,
        options: RunOptions,
        threads: Threads,
        concurrency: int | None = None,
        keep: Callable[[LandedAnswer], Awaitable[None]] | None = None,
    ) -> AsyncGenerator[LandedAnswer, None]:
        """Ask each group and yield its answer; groups that were not asked are left out."""
        embeds = self._answering.retriever.embeds_over_a_network
        live.show(control, "Embedding the questions" if embeds else "Answering")
        if options.max_cost_usd is not None:
            live.dearest_usd = (await self.estimate([group.row for group in groups], options)).each_usd
        texts = [group.row.question.strip() for group in groups if group.row.problem is None]
        prefetcher = QuestionPrefetcher(self._answering.retriever, texts, control)
        ended = asyncio.create_task(grace_over(control))

        async def ask(group: RowGroup) -> LandedAnswer | None:
            text = group.row.question.strip()

            async def locate() -> VectorHits | Vectors | None:
                located = await prefetcher.locate(text)
                if located is None and control.stopping:
                    await asyncio.wait({ended})  # a stopped run embeds nothing else
                return located

            try:
                landed = await self._ask(group, locate, options, ended, threads)
            except BaseException:
                threads.answered(group.numbers[0], None)
                raise
            threads.answered(group.numbers[0], landed.answer if landed is not None else None)
            if landed is None:
                return None
            if landed.answer.nobody_served:  # the question is not the cause; it is asked when the run is resumed
                live.stopped_by = live.stopped_by or landed.answer.error
                return None
            landed = landed.with_usage(await prefetcher.usage(text))
            if keep is not None:
                await keep(landed)
            return landed

        room = LoadShedder(self._visits)
        limit = partial(self._limit, room, concurrency)
        try:
            todo = until_stopped(groups, control, live, options)
            async with room, contextlib.aclosing(fan_out(ask, todo, limit=limit)) as outcomes:
                async for outcome in outcomes:
                    live.asking -= 1
                    if (landed := outcome.unwrap()) is not None:
                        live.count(len(landed.group.numbers), landed.answer)
                        live.show(control, "Answering")
                        yield landed
        finally:
            ended.cancel()
            await prefetcher.close()

    def _limit(self, room: LoadShedder, concurrency: int | None) -> int:
        """Return how many questions may be in flight now."""
        if self._answering.somebody_waits:
            return 1
        level = room.of(concurrency or self._level())
        # While answers wait at the gate, the next questions are searched, so that no slot stays empty.
        return level + max(1, level // 4) if self._answering.written_by_a_model else level

    async def _ask(
        self,
        group: RowGroup,
        locate: Locate,
        options: RunOptions,
        ended: asyncio.Task[None],
        threads: Threads,
    ) -> LandedAnswer | None:
        """Ask one question; return None if the run was stopped before the answer."""
        began_at = time.time()
        with lane(group.numbers[0]), metering() as meter:
            asking = asyncio.create_task(self._answer(group, locate, options, threads))
            try:
                await asyncio.wait({asking, ended}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not asking.done():
                    asking.cancel()
                    await asyncio.gather(asking, return_exceptions=True)
        if asking.cancelled():
            return None
        answer = asking.result()
        timings = replace(answer.timings, queue_s=meter.queued_s, throttle_s=meter.throttled_s)
        return LandedAnswer(
            group=group, answer=replace(answer, timings=timings), began_at=began_at, attempts=meter.requests
        )

    async def _answer(self, group: RowGroup, locate: Locate, options: RunOptions, threads: Threads) -> Answer:
        row = group.row
        if row.problem is not None:
            return Answer(question=row.question, status=AnswerStatus.ERROR, error=row.problem)
        with yielding_to(self._visits):
            await between_steps()
            return await self._answering.ask(
                row.question,
                k=row.k or options.k,
                history=await threads.history(group.numbers[0]),
                priority=Priority.BATCH,
                retrieval_only=options.retrieval_only,
                vector=locate,
                filters=row.filters,
                use_cache=options.use_cache,
            )
