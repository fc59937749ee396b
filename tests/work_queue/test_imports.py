"""Imports whose batches are embedded and indexed by workers on other hosts."""

import asyncio
import json
import time
from contextlib import suppress

import psycopg
import pytest

from animerag.errors import InvalidInputError, ProviderUnusableError
from animerag.jobs.job import Control
from animerag.models.imports import IngestReport
from animerag.simulator import SimulatorSettings, parse_faults
from animerag.simulator.server import listening
from animerag.work_queue import workers
from animerag.work_queue.takeover import Takeover

FAST = SimulatorSettings(embed_latency_s=0.05, dimensions=64)


async def until(condition, seconds=40):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def width_without_a_request(app):
    """Return the width of the vectors if a worker has stored it; the app must not wait for a request of its own."""
    embed, app.embedder.embed = app.embedder.embed, None
    try:
        return await app.embedder.dimensions()
    finally:
        app.embedder.embed = embed


async def test_two_hosts_share_an_import_and_report_it_as_one_machine_would(host, serving, file_of):
    together = SimulatorSettings(embed_latency_s=0.5, dimensions=64)  # so that both hosts take part
    async with listening(together) as url, host("app", url) as app, host("a", url) as a, host("b", url) as b:
        async with serving(a, b):
            control = Control()
            report = await app.ingestion.run([file_of(60)], control, batch_size=3)
            again = await app.ingestion.run([file_of(60)], Control(), batch_size=3)
            done = {worker.lease: worker.done for worker in await app.queue.workers.alive()}
        health = await app.maintenance.check()
        assert await app.queue.items.open_size("embed_batch") == 0
    assert (report.read, report.ingested, report.batches, report.embedding_requests) == (60, 60, 20, 20)
    assert (report.cancelled, report.stopped_by, again.unchanged, again.embedding_requests) == (0, None, 60, 0)
    assert report.usage.embedding_tokens > 0
    assert report.concurrency.peak > 1
    assert control.progress.done == control.progress.total == 60
    assert health.healthy
    assert len(done) == 2


async def test_an_import_waits_for_a_worker_and_shows_it(host, serving, file_of):
    async with listening(FAST) as url, host("app", url) as app, host("a", url) as a:
        control = Control()
        job = asyncio.create_task(app.ingestion.run([file_of(4)], control, batch_size=2))

        async def says():
            return "animerag worker" in control.progress.stage

        await until(says)
        async with serving(a):
            assert (await job).ingested == 4


async def test_a_cancelled_import_stores_what_is_paid_for_and_can_be_resumed(host, serving, file_of):
    slow = SimulatorSettings(embed_latency_s=0.3, dimensions=64)
    async with listening(slow) as url, host("app", url) as app, host("a", url, ingest_concurrency=1) as a:
        async with serving(a):
            control = Control()
            job = asyncio.create_task(app.ingestion.run([file_of(40)], control, batch_size=2))

            async def some():
                return control.progress.done >= 2

            await until(some)
            control.stop()
            stopped = await job
            rest = await app.ingestion.run([file_of(40)], Control(), batch_size=20)
        health = await app.maintenance.check()
    assert 2 <= stopped.ingested < 40
    assert stopped.cancelled == 40 - stopped.ingested
    assert (rest.unchanged, rest.ingested) == (stopped.ingested, stopped.cancelled)
    assert health.healthy


async def test_a_queued_import_is_cancelled_by_a_command_of_another_process(host, serving, file_of, command):
    slow = SimulatorSettings(embed_latency_s=0.3, dimensions=64)
    async with listening(slow) as url, host("app", url) as app, host("a", url, ingest_concurrency=1) as a:
        async with serving(a):
            job = await app.uploads.start([file_of(200)], batch_size=2)

            async def some():
                return job.control.progress.done >= 2

            await until(some)
            printed = json.loads(await command("b", url, "jobs", "--cancel", job.id, "--json"))
            await app.jobs.wait(job)
    report = job.report_as(IngestReport)
    assert printed["id"] == job.id
    assert job.state == "cancelled"
    assert 2 <= report.ingested < 200
    assert report.cancelled == 200 - report.ingested


async def test_a_provider_without_quota_ends_the_import_with_its_reason(host, serving, file_of):
    broke = SimulatorSettings(embed_latency_s=0, dimensions=64, faults=parse_faults("insufficient_quota@1"))
    async with listening(broke) as url, host("app", url) as app, host("a", url) as a, serving(a):
        with pytest.raises(ProviderUnusableError):
            await app.ingestion.run([file_of(6)], Control(), batch_size=2)


async def test_a_cost_cap_holds_over_all_hosts(host, serving, file_of):
    prices = {"text-embedding-3-small": 1000.0}  # USD per million tokens
    options = {"prices": prices, "max_cost_usd": 0.3}
    async with (
        listening(FAST) as url,
        host("app", url, **options) as app,
        host("a", url, prices=prices) as a,
        host("b", url, prices=prices) as b,
        serving(a, b),
    ):
        report = await app.ingestion.run([file_of(60)], Control(), batch_size=2)
    assert "cost cap of $0.3 is reached" in report.stopped_by
    assert 0 < report.ingested < 60
    assert 0.1 < report.usage.cost_usd <= 0.3


async def test_a_release_that_differs_is_refused(host, serving, file_of, monkeypatch):
    async with listening(FAST) as url, host("app", url) as app, host("a", url) as a:
        with monkeypatch.context() as other:
            other.setattr(workers, "RELEASE", "9.9")
            await a.queue.workers.put(concurrency=1, began_at="2026-01-01", done=0)
        with pytest.raises(InvalidInputError, match="install the same version on all hosts"):
            await app.ingestion.run([file_of(2)], Control())
        with pytest.raises(InvalidInputError, match="runs animerag"):
            await app.worker.serve()


async def test_a_worker_with_another_model_ends_the_import_with_its_reason(host, serving, file_of):
    async with listening(FAST) as url, host("app", url) as app, host("a") as a, serving(a):
        with pytest.raises(InvalidInputError, match="give all hosts the same settings"):
            await app.ingestion.run([file_of(2)], Control())


async def test_workers_run_a_whole_import(host, serving, file_of):
    async with listening(FAST) as url, host("app", url) as app, host("a", url) as a:
        with pytest.raises(InvalidInputError, match="No worker is running"):
            await app.detached.imports.hand_over([file_of(12)])
        async with serving(a):
            job_id = await app.detached.imports.hand_over([file_of(12)], batch_size=4)

            async def ended():
                return (await app.library.journal.get(job_id)).state == "done"

            await until(ended, 40)
        job = await app.library.journal.get(job_id)
        shows = (await app.library.counts()).shows
    assert (job.report["read"], job.report["ingested"], shows) == (12, 12, 12)
    assert job.title == "shows.json"


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_the_tasks_of_a_killed_worker_run_elsewhere_within_15_seconds(host, serving, file_of, worker_process):
    """The other host completes the import; at most the requests in flight of the killed one are paid twice."""
    slow = SimulatorSettings(embed_latency_s=0.5, dimensions=64)
    in_flight, size = 2, 3
    async with listening(slow) as url, host("app", url) as app, host("a", url, ingest_concurrency=in_flight) as a:
        killed = await worker_process("b", url, "--concurrency", str(in_flight))
        lease = ""
        try:

            async def ready():
                return len(await app.queue.workers.alive()) == 1

            await until(ready, 60)
            (doomed,) = await app.queue.workers.alive()
            lease = doomed.lease
            assert await width_without_a_request(app) == 64
            job = asyncio.create_task(app.ingestion.run([file_of(90)], Control(), batch_size=size))

            async def busy():
                return sum(one.items for one in await working()) >= in_flight

            async def working():
                return [one for one in await app.queue.items.backlog() if (one.state, one.worker) == ("working", lease)]

            await until(busy)
        finally:
            with suppress(ProcessLookupError):
                killed.kill()
            await killed.wait()
        killed_s = time.monotonic()

        async def taken_over():
            return not await working()

        async with serving(a), asyncio.timeout(45):
            await until(taken_over)
            taken_s = time.monotonic() - killed_s
            report = await job
        health = await app.maintenance.check()
        vectors = await app.library.embeddings.size_bytes(app.embedder.model)
    assert taken_s < 15
    assert (report.ingested, report.cancelled, report.stopped_by) == (90, 0, None)
    assert vectors == 90 * 64 * 4
    assert health.healthy


async def test_a_busy_worker_keeps_its_tasks_and_late_work_of_a_hung_one_counts_once(
    host, serving, file_of, postgresql_url, caplog
):
    slow = SimulatorSettings(embed_latency_s=4, dimensions=64)

    async def rows(statement, *values):
        async with await psycopg.AsyncConnection.connect(postgresql_url, autocommit=True) as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

    async def silent_for(seconds):
        statement = "UPDATE procrastinate_workers SET last_heartbeat = now() - make_interval(secs => %s)"
        await rows(statement, seconds)

    async def no_heartbeat(_worker):
        """Send no heartbeat, like a process that is too busy."""

    async with listening(slow) as url, host("app", url) as app, host("a", url) as a:
        a.queue.records.update_heartbeat = no_heartbeat
        async with serving(a):
            job = asyncio.create_task(app.ingestion.run([file_of(2)], Control(), batch_size=2))

            async def begun():
                return [one for one in await app.queue.items.backlog() if one.state == "working"]

            await until(begun)
            takeover = Takeover(app.queue)
            await silent_for(30)
            assert await takeover.look() == 0, "the worker holds its lease"
            await silent_for(120)
            given_back = await takeover.look()
            report = await job

            async def over():
                return await rows("SELECT count(*) FROM procrastinate_jobs") == [(0,)]

            await until(over)
    assert given_back >= 1
    assert (report.ingested, report.stopped_by) == (2, None)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
