"""After an unclean stop, the index is checked once, by a process with exclusive access."""

import asyncio
import os
import time

import pytest

from animerag.composition import open_services
from animerag.errors import InvalidInputError
from animerag.indexing.doctor import DOCTOR_JOB
from animerag.jobs.jobs import Control
from animerag.storage.postgresql import session_locks

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def killed(settings, export, record, database, monkeypatch):
    """Leave a catalogue like a killed process: with a dead lock, and a job that is journalled as running."""
    lease = "process:1" if database == "postgresql" else "dead.lock"
    monkeypatch.setattr(session_locks, "_RETURN_S", 0.0)  # the suite's server may have started just now

    async def leave(*, job):
        async with open_services(settings, warm=False) as services:
            await services.ingestion.run([export(record(1, "A"))], Control())
            if job:
                await services.library.journal.begin("x", owner="local", kind="ingest", title="t", lease=lease)
            if database == "postgresql":
                await services.library.set_meta(lease, "yes")
                return
        left = settings.data_dir / "processes" / lease
        left.touch()
        os.utime(left, (time.time() - 60, time.time() - 60))

    return leave


async def journalled(settings):
    async with open_services(settings) as services:
        async with asyncio.timeout(20):
            while (job := services.jobs.latest(DOCTOR_JOB)) is None:
                await asyncio.sleep(0.01)
        return (await services.jobs.wait(job)).report.healthy


async def test_a_killed_job_triggers_a_repair(settings, killed):
    await killed(job=True)
    assert await journalled(settings)


async def test_a_command_before_the_repair_does_not_cancel_it(settings, killed):
    await killed(job=False)
    async with open_services(settings, warm=False):
        pass
    assert await journalled(settings)


async def test_imports_and_repairs_wait_for_each_other(services, export, record, monkeypatch):
    started, go_on = asyncio.Event(), asyncio.Event()
    repair = services.maintenance.repair

    async def slow():
        started.set()
        await go_on.wait()
        return await repair()

    monkeypatch.setattr(services.maintenance, "repair", slow)
    await services.ingestion.run([export(record(1, "A"))], Control())
    doctor = await services.maintenance.start_repair(services.jobs)
    await started.wait()
    job = await services.uploads.start([export(record(2, "B"), name="b.json")])
    await asyncio.sleep(0)
    assert job.control.progress.stage == "Waiting until this ends: Repairing the index"
    go_on.set()
    assert (await services.jobs.wait(doctor)).report.healthy
    assert (await services.jobs.wait(job)).report.ingested == 1
    held = await services.jobs.start(lambda control: control.stopped(), kind="ingest", title="a file")
    with pytest.raises(InvalidInputError, match="Other jobs are running"):
        await services.maintenance.repair_as_job(services.jobs)
    services.jobs.cancel(held.id)
