"""Apps and commands in separate processes on one catalogue: they see, cancel and resume each other's imports."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from animerag.catalogue.status import SAMPLE_JOB
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile
from animerag.jobs import journalled_control
from animerag.models.imports import IngestReport
from animerag.models.jobs import Progress
from animerag.simulator import SimulatorProcess, SimulatorSettings

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
SHOWS = 40
APP = """
import asyncio, sys
from pathlib import Path
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile

async def main():
    async with open_services(load_settings(), warm=False) as services:
        path = services.spool.store(Path(sys.argv[1]).read_bytes()).path
        await services.uploads.start([SourceFile(path=path, name="mine.json")], concurrency=1, batch_size=4)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def latency_s():
    return 0.3


@pytest.fixture
async def provider(latency_s):
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=latency_s)) as process:
        yield process


class Catalogue:
    """Opens one catalogue in this process, and starts other processes on it."""

    def __init__(self, settings, provider):
        self.settings, self._url = settings, provider.url

    def opened(self, data_dir=None):
        chosen = {"data_dir": data_dir or self.settings.data_dir, "chroma_url": self.settings.chroma_url}
        return open_services(
            load_settings(**chosen, database_url=self._database, openai_base_url=self._url), warm=False
        )

    @property
    def _database(self):
        return self.settings.database if isinstance(self.settings.database, str) else None

    def process(self, *arguments):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OPENAI_BASE_URL": self._url,
            "ANIMERAG_DATA_DIR": str(self.settings.data_dir),
            "ANIMERAG_CHROMA_URL": self.settings.chroma_url,
            **({"ANIMERAG_DATABASE_URL": self._database} if self._database else {}),
        }
        command = [sys.executable, *map(str, arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def catalogue(settings, provider):
    return Catalogue(settings, provider)


async def until(services, true):
    """Poll the jobs of other processes until a condition is met; the test's time limit ends the wait."""
    while not (result := true()):
        await services.jobs.refresh()
        await asyncio.sleep(0.05)
    return result


def at_work(services, kind="ingest"):
    job = services.jobs.latest(kind)
    return job if job is not None and job.control.progress.done else None


@pytest.mark.parametrize("latency_s", [2.0])  # it is cancelled long before it would end
async def test_an_import_of_a_command_is_seen_and_cancelled_in_an_app(catalogue, source):
    async with catalogue.opened() as app:
        arguments = ("ingest", source.path, "--json", "--concurrency", "1", "--batch-size", "4")
        command = catalogue.process("-m", "animerag", *arguments)
        job = await until(app, lambda: at_work(app))
        assert (job.here, job.title, job.control.progress.total) == (False, source.name, SHOWS)
        await app.jobs.stop(job.id)
        out, _ = await asyncio.to_thread(command.communicate)
        printed = json.loads(out)
        await until(app, lambda: not job.running)
        report = job.report_as(IngestReport)
        stored = (await app.library.counts()).shows
    assert (command.returncode, job.state) == (130, "cancelled")
    assert (printed["ingested"], printed["cancelled"]) == (report.ingested, report.cancelled)
    assert 0 < report.ingested == stored < SHOWS


async def test_a_command_cancels_a_job_of_an_app(catalogue):
    async def until_stopped(control):
        control.progress = Progress(done=3, total=9, stage="Embedding")
        await control.stopped()

    async with catalogue.opened() as app:
        job = await app.jobs.start(until_stopped, kind="reindex", title="Indexing")
        cancelling = catalogue.process("-m", "animerag", "jobs", "--cancel", job.id, "--json")
        out, err = await asyncio.to_thread(cancelling.communicate)
        assert job.state == "cancelled"
    printed = json.loads(out)
    assert (cancelling.returncode, err, printed["id"], printed["state"]) == (0, "", job.id, "cancelled")
    assert printed["progress"] == {"done": 3, "total": 9, "stage": "Embedding"}


@pytest.mark.both_databases
async def test_an_import_whose_process_is_killed_is_resumed_by_an_app_that_is_already_open(
    catalogue, source, provider, tmp_path, monkeypatch
):
    monkeypatch.setattr(journalled_control, "_DEAD_S", 0.2)
    elsewhere = tmp_path / "elsewhere" if isinstance(catalogue.settings.database, str) else None
    async with catalogue.opened(elsewhere) as app:
        killed = catalogue.process("-c", APP, source.path)
        job = await until(app, lambda: at_work(app))
        assert await app.uploads.unfinished() is None
        killed.kill()
        await asyncio.to_thread(killed.communicate)
        await until(app, lambda: not job.running)
        unfinished = await app.uploads.unfinished()
        assert (job.state, unfinished.id) == ("interrupted", job.id)
        resumed = await app.jobs.wait(await app.uploads.resume(job.id))
        report = resumed.report_as(IngestReport)
        assert (report.read, report.ingested + report.unchanged, report.cancelled) == (SHOWS, SHOWS, 0)
        assert await app.uploads.unfinished() is None
    assert (await provider.stats()).texts <= SHOWS + 4 + 2, (
        "what was in flight is paid twice, and a word for each width"
    )


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_two_apps_import_the_sample_and_an_upload_once(catalogue, source, provider, tmp_path):
    async with catalogue.opened() as one, catalogue.opened(tmp_path / "elsewhere") as other:
        apps = (one, other)
        samples = await asyncio.gather(*(app.catalogue.start_sample(app.jobs) for app in apps))
        assert sorted(job.here for job in samples) == [False, True]
        stored = [SourceFile(path=app.spool.store(source.path.read_bytes()).path, name="mine.json") for app in apps]
        imports = await asyncio.gather(*(app.uploads.start([file]) for app, file in zip(apps, stored, strict=True)))
        await asyncio.gather(*(app.jobs.wait(job) for app, job in zip(apps, samples, strict=True)))
        await asyncio.gather(*(app.jobs.wait(job) for app, job in zip(apps, imports, strict=True)))
        reports = [job.report_as(IngestReport) for job in imports]
        kinds = [record.kind for record in await one.library.journal.jobs()]
        assert sorted(kinds) == ["ingest", SAMPLE_JOB]
        assert reports[0] == reports[1]
        assert (reports[0].ingested, (await one.library.counts()).shows) == (SHOWS, SHOWS)
        assert (await one.maintenance.check()).healthy
