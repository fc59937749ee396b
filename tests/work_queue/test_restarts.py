"""PostgreSQL and Chroma are killed and started again in the middle of imports and sheets."""

import asyncio

import psycopg
import pytest

from animerag.jobs.job import Control
from animerag.models.answers import AnswerStatus
from animerag.models.imports import IngestReport
from animerag.readers.questions import QuestionRow, Sheet
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.storage.batch_runs import RunOptions

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

SHOWS, SIZE, LEVEL = 72, 3, 2


@pytest.fixture
def chroma_index_url(chroma_server):
    """The address of the server that is killed."""
    return chroma_server.url


async def killed_and_started(*servers):
    for server in servers:
        await asyncio.to_thread(server.kill)
    await asyncio.sleep(1)  # calls in between are refused
    for server in servers:
        await asyncio.to_thread(server.start)


class PostgreSQLServer:
    """The server of the suite, killed as a power failure would; it then loses its last commits."""

    def __init__(self, server, database):
        self._server, self._database = server, database
        self.start = server.start

    def kill(self):
        self._server.stop("immediate")

    def keep_commits(self):
        self._server.sql(f"ALTER DATABASE {self._database} SET synchronous_commit = on")


@pytest.fixture
def postgresql(postgresql_server, postgresql_url):
    return PostgreSQLServer(postgresql_server, psycopg.conninfo.conninfo_to_dict(postgresql_url)["dbname"])


async def until(condition, seconds=60):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_an_import_outlasts_the_restart_of_both_servers(host, serving, file_of, chroma_server, postgresql):
    postgresql.keep_commits()
    async with (
        SimulatorProcess(SimulatorSettings(embed_latency_s=0.4, dimensions=64)) as provider,
        host("app", provider.url) as app,
        host("a", provider.url, ingest_concurrency=LEVEL) as a,
        host("b", provider.url, ingest_concurrency=LEVEL) as b,
    ):
        async with serving(a, b):
            job = await app.uploads.start([file_of(SHOWS)], batch_size=SIZE)
            await until(lambda: job.control.progress.done >= 4 * SIZE)
            await killed_and_started(postgresql, chroma_server)
            async with asyncio.timeout(90):
                await app.jobs.wait(job)
            requests = (await provider.stats()).requests["embeddings"]
        health = await app.maintenance.check()
        recorded = await app.library.journal.get(job.id)
    report = job.report_as(IngestReport)
    assert (job.state, job.error, recorded.state) == ("done", None, "done")
    assert (report.ingested, report.cancelled, report.stopped_by) == (SHOWS, 0, None)
    assert health.healthy
    in_flight = 2 * 2 * LEVEL  # two batches per slot on two hosts: those whose end was not recorded are repeated
    assert SHOWS // SIZE <= requests <= SHOWS // SIZE + in_flight


async def test_a_sheet_outlasts_the_restart_of_both_servers(host, serving, file_of, chroma_server, postgresql):
    """Without lasting commits, an answer may be lost whose task is recorded as done after the restart."""
    postgresql.keep_commits()
    questions = [QuestionRow(question=f"Which show is about number {n}?") for n in range(1, 121)]
    sheet = Sheet(
        name="q.csv", headings=("question",), column="question", rows=tuple(questions), certain=True, format="CSV"
    )
    async with host("app") as app, host("a") as a, host("b") as b, serving(a, b):
        await app.ingestion.run([file_of(60)], Control())
        run_id = await app.batch.begin(sheet, RunOptions(), sha256="x")
        job = await app.batch.start(app.jobs, run_id)
        await until(lambda: job.control.progress.done >= 20)
        await killed_and_started(postgresql, chroma_server)
        async with asyncio.timeout(90):
            await app.jobs.wait(job)
        rows = await app.batch.runs.rows(run_id)
    assert (job.state, job.error) == ("done", None)
    assert [row.status for row in rows if row.status not in (AnswerStatus.OK, AnswerStatus.NO_MATCH)] == []
    assert len(rows) == 120
