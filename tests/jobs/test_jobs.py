"""Jobs: started once, journalled, stopped at a safe point."""

import asyncio

import pytest

from animerag.errors import InvalidInputError
from animerag.jobs.jobs import MAX_RUNNING, Jobs
from animerag.storage.library import Library

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def jobs(place):
    library = await Library.open(place)
    opened = Jobs(library, "lease.lock")
    yield opened
    await opened.close()
    await library.close()


async def until_stopped(control):
    await control.stopped()
    return "report"


async def test_a_job_ends_with_its_report_and_is_journalled(jobs):
    async def work(_control):
        return "report"

    job = await jobs.wait(await jobs.start(work, kind="ingest", title="file"))
    assert (job.state, job.report, job.running) == ("done", "report", False)
    (record,) = await jobs._library.journal.jobs()
    assert (record.id, record.state, record.lease) == (job.id, "done", "lease.lock")


async def test_the_same_key_is_one_job_while_it_runs(jobs):
    first, second = await asyncio.gather(
        *(jobs.start(until_stopped, kind="ingest", title="f", key="same") for _ in range(2))
    )
    assert first is second


async def test_a_cancelled_job_ends_at_a_safe_point(jobs):
    job = await jobs.start(until_stopped, kind="ingest", title="f")
    jobs.cancel(job.id)
    assert job.state == "cancelling"
    await jobs.wait(job)
    assert (job.state, job.report) == ("cancelled", "report")


async def test_a_failure_has_a_reason_and_an_unexpected_one_hides_its_text(jobs):
    async def expected(_control):
        raise InvalidInputError("The file is empty.")

    async def unexpected(_control):
        raise ValueError("secret /path")

    first = await jobs.wait(await jobs.start(expected, kind="a", title="f"))
    second = await jobs.wait(await jobs.start(unexpected, kind="b", title="f"))
    assert (first.state, first.error) == ("failed", "The file is empty.")
    assert second.state == "failed"
    assert "secret" not in second.error


async def test_too_many_jobs_are_refused(jobs):
    for number in range(MAX_RUNNING):
        await jobs.start(until_stopped, kind="k", title="f", key=str(number))
    with pytest.raises(InvalidInputError, match="already running"):
        await jobs.start(until_stopped, kind="k", title="f")


async def test_cancelling_a_wait_does_not_stop_the_job(jobs):
    job = await jobs.start(until_stopped, kind="k", title="f")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await jobs.wait(job)
    assert job.running


async def test_an_exclusive_job_excludes_others_and_later_jobs_wait(jobs):
    order = []

    async def note(control):
        order.append(control)
        return "later"

    first = await jobs.start(until_stopped, kind="ingest", title="a file")
    with pytest.raises(InvalidInputError, match="Other jobs are running"):
        await jobs.start(until_stopped, kind="compare", title="a race", exclusive=True)
    jobs.cancel(first.id)
    await jobs.wait(first)
    race = await jobs.start(until_stopped, kind="compare", title="a race", exclusive=True)
    later = await jobs.start(note, kind="ingest", title="a file")
    await asyncio.sleep(0)
    assert later.control.progress.stage == "Waiting until this ends: a race"
    assert not order
    jobs.cancel(race.id)
    await jobs.wait(later)
    assert (later.state, later.report) == ("done", "later")


async def test_a_job_that_waits_can_be_cancelled(jobs):
    race = await jobs.start(until_stopped, kind="compare", title="a race", exclusive=True)
    later = await jobs.start(until_stopped, kind="ingest", title="a file")
    jobs.cancel(later.id)
    await jobs.wait(later)
    assert later.state == "cancelled"
    assert race.running


async def test_on_start_is_called_before_each_job(tmp_path):
    library = await Library.open(tmp_path / "library.db")
    started = []
    jobs = Jobs(library, "lease.lock", on_start=lambda: started.append(True))
    await jobs.wait(await jobs.start(lambda _control: asyncio.sleep(0), kind="ingest", title="f"))
    assert started == [True]
    await library.close()
