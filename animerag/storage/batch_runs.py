"""The journal of question sheets: every answer is stored as it arrives, so that a run can be resumed."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from animerag.errors import InvalidInputError
from animerag.models.answers import AnswerStatus
from animerag.models.filters import Filters
from animerag.models.providers import Usage
from animerag.models.questions import QuestionRow
from animerag.models.stored_answers import StoredAnswer
from animerag.storage.schema import jobs, run_rows, runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Row

    from animerag.models.json_types import JsonMapping, JsonObject
    from animerag.readers.questions import Sheet
    from animerag.storage.database import Database

FAILED = (AnswerStatus.ERROR, AnswerStatus.TRUNCATED)
_ESTIMATED = "usage_estimated"  # stored with the timings, which are short: totals read them for every row
_JOBS_OF_RUNS = "batch:"  # followed by the id of the run: the keys of its jobs
_AT_ONCE = 500  # rows written in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a sheet is answered; a row's own `k` takes precedence. `max_cost_usd` applies to all jobs of a run."""

    k: int = 8
    use_cache: bool = True
    retrieval_only: bool = False
    max_cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAnswer:
    """The answer of one row, and when the question was asked."""

    answer: StoredAnswer
    began_at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One row of a run; `answer` is None until the question has been answered."""

    number: int
    asked: QuestionRow
    answer: StoredAnswer | None = None

    @property
    def status(self) -> AnswerStatus | None:
        """Return how the question ended; None if it has not been asked yet."""
        return self.answer.status if self.answer is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """The timings of one question in seconds; `began_at` is seconds since the epoch."""

    number: int
    status: AnswerStatus
    began_at: float
    timings: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRun:
    """One execution of a sheet: `counts` by status; None counts the rows that have not been asked yet."""

    id: str
    created_at: str
    name: str
    headings: tuple[str, ...]
    column: str
    options: RunOptions
    sha256: str
    job_id: str | None
    job_state: str | None  # from the journal: a job whose process has ended is "interrupted"
    stopped_by: str | None  # why its last job stopped early, unless it was cancelled
    seconds: float
    counts: Mapping[AnswerStatus | None, int] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)

    @property
    def total(self) -> int:
        """Count the rows."""
        return sum(self.counts.values())

    @property
    def missing(self) -> int:
        """Count the rows that have not been asked yet."""
        return self.counts.get(None, 0)

    @property
    def failed(self) -> int:
        """Count the rows that a retry may answer."""
        return sum(self.counts.get(status, 0) for status in FAILED)

    @property
    def unanswered(self) -> int:
        """Count the rows without an answer: failed, cancelled, or not asked yet."""
        return self.missing + self.failed + self.counts.get(AnswerStatus.CANCELLED, 0)

    @property
    def at_work(self) -> bool:
        """Return whether a job of any process is running it."""
        return self.job_state == "running"


def job_key(run_id: str) -> str:
    """Return the key of the jobs of a run, so that only one of them runs."""
    return f"{_JOBS_OF_RUNS}{run_id}"


class Runs:
    """Question sheets in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unwritten: list[tuple[str, RowAnswer]] = []
        self._writing = asyncio.Lock()

    async def begin(self, sheet: Sheet, options: RunOptions, *, sha256: str) -> str:
        """Store a sheet with all rows unanswered, and return the run's id. Raises LibraryError."""
        run_id = secrets.token_urlsafe(9)
        rows = [
            {"run_id": run_id, "number": number, "asked": _stored_row(row), "input_tokens": 0, "output_tokens": 0}
            for number, row in enumerate(sheet.rows)
        ]
        async with self._database.writing() as connection:
            await connection.execute(
                insert(runs).values(
                    id=run_id,
                    created_at=datetime.now(UTC).isoformat(),
                    name=sheet.name,
                    sheet={"headings": list(sheet.headings), "column": sheet.column},
                    options=asdict(options),
                    sha256=sha256,
                    seconds=0.0,
                )
            )
            for start in range(0, len(rows), _AT_ONCE):
                await connection.execute(insert(run_rows), rows[start : start + _AT_ONCE])
                await asyncio.sleep(0)
        return run_id

    async def keep(self, run_id: str, answers: Iterable[RowAnswer]) -> None:
        """Store answers; they are on disk when this returns. Concurrent calls share one commit.

        Raises LibraryError.
        """
        self._unwritten.extend((run_id, one) for one in answers)
        async with self._writing:  # the first caller writes the answers of all
            batch, self._unwritten = self._unwritten, []
            if not batch:
                return
            try:
                async with self._database.writing() as connection:
                    await connection.execute(_KEEP, [_stored_answer(run, one) for run, one in batch])
            except BaseException:
                self._unwritten = batch + self._unwritten
                raise

    async def note_job(self, run_id: str, job_id: str) -> None:
        """Record the job that runs a sheet."""
        async with self._database.writing() as connection:
            await connection.execute(update(runs).where(runs.c.id == run_id).values(job_id=job_id))

    async def note_work(self, run_id: str, seconds: float) -> None:
        """Add the running time of a job."""
        async with self._database.writing() as connection:
            longer = {"seconds": runs.c.seconds + seconds}
            await connection.execute(update(runs).where(runs.c.id == run_id).values(**longer))

    async def latest(self, limit: int = 50) -> list[BatchRun]:
        """Return the newest runs, newest first."""
        return await self._runs(_RUN.order_by(runs.c.created_at.desc()).limit(limit))

    async def get(self, run_id: str) -> BatchRun:
        """Return one run. Raises InvalidInputError if it does not exist."""
        selected = await self._runs(_RUN.where(runs.c.id == run_id))
        if not selected:
            raise InvalidInputError("This run has been deleted: choose another one.")
        return selected[0]

    async def of_file(self, sha256: str, column: str) -> BatchRun | None:
        """Return the newest run over a file's questions."""
        newest = await self._runs(_RUN.where(runs.c.sha256 == sha256).order_by(runs.c.created_at.desc()))
        return next((run for run in newest if run.column == column), None)

    async def of_job(self, job_id: str) -> BatchRun:
        """Return the run that a job works on, or has worked on. Raises InvalidInputError if there is none."""
        key = await self._database.scalar(select(jobs.c.key).where(jobs.c.id == job_id))
        if key is None or not key.startswith(_JOBS_OF_RUNS):
            raise InvalidInputError(f'"{job_id}" is not the job of a sheet: run `animerag jobs` to list the ids.')
        return await self.get(key.removeprefix(_JOBS_OF_RUNS))

    async def rows(
        self,
        run_id: str,
        *,
        offset: int = 0,
        limit: int | None = None,
        statuses: Collection[AnswerStatus | None] | None = None,
        numbers: Collection[int] | None = None,
    ) -> list[RunRow]:
        """Return rows in order; `statuses` selects rows by status, None those that have not been asked."""
        wanted = select(run_rows.c.number, run_rows.c.asked, run_rows.c.answer).where(run_rows.c.run_id == run_id)
        if statuses is not None:
            held = run_rows.c.status.in_([str(status) for status in statuses if status is not None])
            wanted = wanted.where(held | run_rows.c.status.is_(None) if None in statuses else held)
        if numbers is not None:
            wanted = wanted.where(run_rows.c.number.in_(numbers))
        query = wanted.order_by(run_rows.c.number).offset(offset).limit(limit)
        return await self._database.read(
            lambda connection: [
                RunRow(
                    number=row.number,
                    asked=_row(row.asked),
                    answer=StoredAnswer.from_json(row.answer) if row.answer is not None else None,
                )
                for row in connection.execute(query)
            ]
        )

    async def timed(self, run_id: str) -> list[Timed]:
        """Return the timings of all answered rows, in row order."""
        wanted = select(run_rows.c.number, run_rows.c.status, run_rows.c.timings).where(
            run_rows.c.run_id == run_id, run_rows.c.status.is_not(None)
        )
        return [
            Timed(
                number=row.number,
                status=AnswerStatus(row.status),
                began_at=row.timings["began_at"],
                timings=row.timings,
            )
            for row in await self._database.rows(wanted.order_by(run_rows.c.number))
        ]

    async def delete(self, run_id: str) -> None:
        """Delete a run and its answers. Raises InvalidInputError while a job is running it."""
        if (await self.get(run_id)).at_work:
            raise InvalidInputError("This run is in progress: cancel it first.")
        async with self._database.writing() as connection:
            await connection.execute(delete(runs).where(runs.c.id == run_id))

    async def _runs(self, wanted: Any) -> list[BatchRun]:
        rows = await self._database.rows(wanted)
        totals = await self._database.rows(_TOTALS.where(run_rows.c.run_id.in_([row.id for row in rows])))
        return [_run(row, [total for total in totals if total.run_id == row.id]) for row in rows]


_RUN = select(runs, jobs.c.state.label("job_state"), jobs.c.report.label("job_report")).outerjoin(
    jobs, runs.c.job_id == jobs.c.id
)
_TOTALS = select(
    run_rows.c.run_id,
    run_rows.c.status,
    func.count().label("number"),
    func.sum(run_rows.c.input_tokens).label("input_tokens"),
    func.sum(run_rows.c.output_tokens).label("output_tokens"),
    func.sum(run_rows.c.cost_usd).label("cost_usd"),
    func.max(run_rows.c.timings[_ESTIMATED].as_integer()).label("estimated"),
).group_by(run_rows.c.run_id, run_rows.c.status)
_KEEP = (
    update(run_rows)
    .where(run_rows.c.run_id == bindparam("of_run"), run_rows.c.number == bindparam("of_number"))
    .values(
        {name: bindparam(f"new_{name}") for name in ("status", "answer", "timings", "input_tokens", "output_tokens")}
        | {"cost_usd": bindparam("new_cost_usd")}
    )
)


def _stored_row(row: QuestionRow) -> JsonObject:
    """Return a row as JSON, without default values."""
    stored: JsonObject = {"question": row.question, "columns": dict(row.columns)}
    filters = {name: value for name, value in asdict(row.filters).items() if value not in (None, (), "")}
    more = {"k": row.k, "filters": filters, "expected_ids": list(row.expected_ids), "problem": row.problem}
    return stored | {name: value for name, value in more.items() if value}


def _row(stored: JsonMapping) -> QuestionRow:
    filters: JsonObject = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.get("filters", {}).items()
    }
    return QuestionRow(
        question=stored["question"],
        columns=stored["columns"],
        k=stored.get("k"),
        filters=Filters(**filters),
        expected_ids=tuple(stored.get("expected_ids", ())),
        problem=stored.get("problem"),
    )


def _stored_answer(run_id: str, row: RowAnswer) -> JsonObject:
    answer, usage = row.answer, row.answer.usage
    return {
        "of_run": run_id,
        "of_number": answer.number,
        "new_status": str(answer.status),
        "new_answer": answer.as_json(),
        "new_timings": {**asdict(answer.timings), "began_at": row.began_at, _ESTIMATED: int(usage.estimated)},
        "new_input_tokens": usage.input_tokens + usage.embedding_tokens,
        "new_output_tokens": usage.output_tokens,
        "new_cost_usd": usage.cost_usd,
    }


def _run(row: Row[Any], totals: Sequence[Row[Any]]) -> BatchRun:
    costs = [total.cost_usd for total in totals if total.cost_usd is not None]
    return BatchRun(
        id=row.id,
        created_at=row.created_at,
        name=row.name,
        headings=tuple(row.sheet["headings"]),
        column=row.sheet["column"],
        options=RunOptions(**row.options),
        sha256=row.sha256,
        job_id=row.job_id,
        job_state=row.job_state,
        stopped_by=(row.job_report or {}).get("stopped_by"),
        seconds=row.seconds,
        counts={AnswerStatus(total.status) if total.status else None: total.number for total in totals},
        usage=Usage(
            input_tokens=sum(total.input_tokens for total in totals),
            output_tokens=sum(total.output_tokens for total in totals),
            cost_usd=sum(costs) if costs else None,
            estimated=any(total.estimated for total in totals),
        ),
    )
