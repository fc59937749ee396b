"""Two processes on one catalogue: each sees the other's jobs with progress, answers their questions and stops them."""

import asyncio

import pytest

from animerag.errors import InvalidInputError
from animerag.jobs import journalled_control
from animerag.jobs.jobs import Jobs
from animerag.models.imports import IngestReport, RowError
from animerag.models.jobs import Progress
from animerag.storage.library import Library

pytestmark = pytest.mark.both_databases
REPORT = IngestReport(
    read=2, ingested=1, quarantined=1, rows=(RowError(file="f", line=2, id=None, stage="read", reason="no title"),)
)


class Elsewhere:
    """The jobs of one more process, and whether it is alive."""

    def __init__(self, library, lease, alive):
        self.library, self.alive, self.deaths = library, alive, []
        self.jobs = Jobs(library, lease, is_free=lambda other: not alive.get(other, True), on_interrupted=self._died)

    async def _died(self):
        self.deaths.append(True)

    async def until(self, true):
        """Poll like a page until a condition is met; the test's time limit ends the wait."""
        while not true():
            await self.jobs.refresh()
            await asyncio.sleep(0.01)


@pytest.fixture
async def processes(place, monkeypatch):
    monkeypatch.setattr(journalled_control, "_BETWEEN_WRITES_S", 0.0)
    alive = {}
    libraries = [await Library.open(place) for _ in range(2)]
    both = [Elsewhere(library, f"process-{number}", alive) for number, library in enumerate(libraries)]
    yield both
    for one in both:
        await one.jobs.close()
        await one.library.close()


async def until_stopped(control):
    control.progress = Progress(done=3, total=9, stage="Embedding")
    await control.stopped()
    return REPORT


async def asking(control):
    return REPORT if await control.ask("1 of 2 rows has errors. Import the rest?") else None


async def test_a_page_reads_the_jobs_while_an_import_writes(processes):
    one, other = processes
    await other.jobs.start(until_stopped, kind="ingest", title="a.csv", key="ingest:a")
    await asyncio.sleep(0)
    await other.jobs.refresh()
    mine = await one.jobs.start(until_stopped, kind="reindex", title="Index", key="reindex")
    async with one.library.writing():
        mine.control.progress = Progress(done=5, total=9, stage="Embedding")
        polling = asyncio.create_task(one.jobs.refresh())
        await asyncio.sleep(0)
        await one.jobs.read()
        assert one.jobs.latest("ingest").control.progress.done == 3
        assert not polling.done(), "progress is written after the import's transaction"
    await polling


async def test_another_process_draws_the_progress_of_a_job_and_stops_it(processes):
    one, other = processes
    job = await one.jobs.start(until_stopped, kind="ingest", title="a.csv", key="ingest:a")
    await asyncio.sleep(0)
    await one.jobs.refresh()
    await other.jobs.refresh()
    seen = other.jobs.latest("ingest")
    assert (seen.id, seen.title, seen.key, seen.here, seen.state) == (job.id, "a.csv", "ingest:a", False, "running")
    assert seen.control.progress == Progress(done=3, total=9, stage="Embedding")
    assert seen.host == job.host
    await other.jobs.stop(seen.id)
    assert seen.state == "cancelling"
    await one.until(lambda: not job.running)
    await other.until(lambda: not seen.running)
    assert (job.state, seen.state) == ("cancelled", "cancelled")
    assert seen.report_as(IngestReport) == REPORT
    assert other.jobs.get(job.id) is seen, "a page holds the same job from poll to poll"


async def test_another_process_answers_the_question_of_a_job(processes):
    one, other = processes
    for yes, report in ((True, REPORT), (False, None)):
        job = await one.jobs.start(asking, kind="ingest", title="a.csv")
        await one.until(lambda job=job: job.control.question is not None)
        await one.jobs.refresh()
        await other.jobs.refresh()
        seen = other.jobs.get(job.id)
        assert seen.control.question == job.control.question
        await other.jobs.answer(seen, yes=yes)
        assert seen.control.question is None
        await one.until(lambda job=job: not job.running)
        await other.until(lambda seen=seen: not seen.running)
        assert (job.report, seen.report_as(IngestReport)) == (report, report)


async def test_a_late_answer_is_ignored(processes):
    one, other = processes

    async def asking_twice(control):
        return [await control.ask("First?"), await control.ask("Second?")]

    job = await one.jobs.start(asking_twice, kind="ingest", title="a.csv")
    await one.until(lambda: job.control.question == "First?")
    await one.jobs.refresh()
    await other.jobs.refresh()
    seen = other.jobs.get(job.id)
    await one.jobs.answer(job, yes=False)
    await one.until(lambda: job.control.question == "Second?")
    await one.jobs.refresh()
    await other.jobs.answer(seen, yes=True)
    await one.jobs.refresh()
    assert job.control.question == "Second?"
    await one.jobs.answer(job, yes=False)
    await one.until(lambda: not job.running)
    assert job.report == [False, False]


async def test_the_same_work_is_one_job_across_processes(processes):
    one, other = processes
    both = await asyncio.gather(
        *(each.jobs.start(until_stopped, kind="ingest", title="a.csv", key="ingest:a") for each in processes)
    )
    assert both[0].id == both[1].id
    assert sorted(job.here for job in both) == [False, True]
    assert [record.key for record in await one.library.journal.jobs()] == ["ingest:a"]
    (here,) = (each for each, job in zip(processes, both, strict=True) if job.here)
    await here.jobs.stop(both[0].id)
    await here.until(lambda: not here.jobs.running())
    again = await other.jobs.start(until_stopped, kind="ingest", title="a.csv", key="ingest:a")
    assert again.here


async def test_an_exclusive_job_waits_for_the_jobs_of_all_processes(processes):
    one, other = processes
    await one.jobs.start(until_stopped, kind="ingest", title="a.csv")
    with pytest.raises(InvalidInputError, match="Other jobs are running"):
        await other.jobs.start(until_stopped, kind="compare", title="a race", exclusive=True)


async def test_a_job_is_interrupted_once_its_process_has_been_dead_for_a_while(processes, monkeypatch):
    one, other = processes
    job = await one.jobs.start(until_stopped, kind="ingest", title="a.csv", key="ingest:a")
    await other.jobs.refresh()
    seen = other.jobs.get(job.id)
    other.alive["process-0"] = False  # for a moment, like during a restart of PostgreSQL
    await other.jobs.refresh()
    assert (seen.state, other.deaths) == ("running", [])
    other.alive["process-0"] = True
    await other.jobs.refresh()
    other.alive["process-0"] = False
    monkeypatch.setattr(journalled_control, "_DEAD_S", 0.05)
    await other.until(lambda: not seen.running)
    assert (seen.state, other.deaths) == ("interrupted", [True])
    assert (await other.library.journal.get(job.id)).state == "interrupted"


async def test_jobs_that_ended_before_a_process_started_are_not_followed(processes, place):
    one, _ = processes

    async def short(_control):
        return REPORT

    await one.jobs.wait(await one.jobs.start(short, kind="ingest", title="a.csv"))
    late = Jobs(one.library, "process-3")
    await late.refresh()
    assert late.all() == []
    assert (await one.library.journal.jobs())[0].status == "done"


async def test_a_wait_for_a_job_of_another_process_ends_with_it(processes, monkeypatch):
    one, other = processes
    job = await one.jobs.start(until_stopped, kind="ingest", title="a.csv")
    await other.jobs.refresh()
    monkeypatch.setattr("animerag.jobs.jobs.POLL_S", 0.01)
    waiting = asyncio.create_task(other.jobs.wait(other.jobs.get(job.id)))
    await one.jobs.stop(job.id)
    assert (await waiting).state == "cancelled"


async def test_an_unavailable_database_stops_no_job(processes, monkeypatch):
    one, _ = processes
    job = await one.jobs.start(until_stopped, kind="ingest", title="a.csv")
    await one.library.close()
    await one.jobs.refresh()
    assert job.running


async def test_a_job_that_ended_by_a_slow_clock_ends_elsewhere_too(processes, monkeypatch):
    one, other = processes
    job = await one.jobs.start(until_stopped, kind="ingest", title="a.csv")
    await other.jobs.refresh()
    monkeypatch.setattr("animerag.storage.job_journal.now", lambda: "2020-01-01T00:00:00+00:00")
    one.jobs.cancel(job.id)
    await one.jobs.wait(job)
    await other.jobs.refresh()
    seen = other.jobs.get(job.id)
    assert (seen.state, seen.report_as(IngestReport)) == ("cancelled", REPORT)


async def test_running_jobs_are_listed_before_all_that_ended(processes, monkeypatch):
    one, other = processes
    monkeypatch.setattr("animerag.storage.job_journal._MOST", 3)
    job = await one.jobs.start(until_stopped, kind="ingest", title="the oldest")

    async def short(_control):
        return None

    for number in range(4):
        await one.jobs.wait(await one.jobs.start(short, kind="ingest", title=f"{number}"))
    await other.jobs.refresh()
    assert other.jobs.get(job.id).running
