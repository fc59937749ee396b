"""A provider that fails in every way, over real sockets: every row is counted, and little is paid twice."""

import asyncio
import contextlib
import csv
import io

import aiohttp
import pytest

from animerag.batch import export as exports
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import ProviderError
from animerag.jobs.jobs import Control
from animerag.models.answers import AnswerStatus
from animerag.models.questions import QuestionRow
from animerag.rate_limits import admission, circuit_breaker
from animerag.readers.questions import Sheet
from animerag.simulator import SimulatorProcess, SimulatorSettings, parse_faults
from animerag.simulator.server import listening
from animerag.storage.batch_runs import RunOptions

pytestmark = [pytest.mark.long, pytest.mark.timeout(180), pytest.mark.both_databases]

SHOWS, BATCH, LANES = 80, 4, 3
WORDS = 3  # single texts: the width, once, and the probes of the provider


@pytest.fixture
def import_from(settings, source):
    """Import through a provider; returns the report, or the error, and whether index and library agree."""

    async def run(url):
        chosen = {
            "openai_base_url": url,
            "data_dir": settings.data_dir,
            "chroma_url": settings.chroma_url,
            "database_url": settings.database_url,
        }
        async with open_services(load_settings(**chosen, ingest_concurrency=LANES), warm=False) as services:
            try:
                report = await services.ingestion.run([source], Control(), batch_size=BATCH)
            except ProviderError as error:
                return error, (await services.library.counts()).shows
            return report, (await services.maintenance.check()).healthy

    return run


def with_faults(faults, **more):
    return SimulatorSettings(embed_latency_s=0.01, seed=5, faults=parse_faults(faults), **more)


def adds_up(report):
    parts = report.ingested + report.unchanged + report.duplicate + report.quarantined + report.cancelled
    return report.read == parts == SHOWS


@pytest.mark.parametrize("kind", ["429=0.05", "500", "502", "503", "504", "drop", "truncated", "malformed", "slow=5"])
async def test_occasional_failures_lose_nothing(import_from, kind):
    async with SimulatorProcess(with_faults(f"{kind}@0.2")) as provider:
        report, healthy = await import_from(provider.url)
        stats = await provider.stats()
    assert sum(stats.faults.values()) > 0, "the faults happen"
    assert (report.ingested, report.stopped_by, healthy) == (SHOWS, None, True)
    assert sum(stats.requests.values()) <= 2 * SHOWS / BATCH + LANES, "no storm of retries"


@pytest.mark.parametrize("kind", ["401", "403", "404", "insufficient_quota"])
async def test_a_provider_that_cannot_be_used_is_not_asked_again(import_from, kind):
    async with SimulatorProcess(with_faults(f"{kind}@1")) as provider:
        error, shows = await import_from(provider.url)
        stats = await provider.stats()
    assert isinstance(error, ProviderError)
    assert shows == 0
    assert sum(stats.requests.values()) <= LANES, "what was under way, and nothing after it"


class Provider:
    """A provider that stops and returns at the same address; `texts` counts embedded texts."""

    def __init__(self, **latency):
        self._settings = SimulatorSettings(**latency)
        self._stack, self.url, self.texts = contextlib.AsyncExitStack(), "", 0

    async def up(self):
        port = int(self.url.rsplit(":", 1)[1].removesuffix("/v1")) if self.url else 0
        self.url = await self._stack.enter_async_context(listening(self._settings, port))

    async def stats(self):
        """Return the provider's requests since its start."""
        async with aiohttp.ClientSession() as session, session.get(self.url.removesuffix("/v1") + "/stats") as response:
            return await response.json()

    async def down(self):
        self.texts += (await self.stats())["texts"]
        await self._stack.aclose()


@pytest.fixture
async def provider():
    # Slow enough that an import is still running when two fifths of it have been answered.
    opened = Provider(embed_latency_s=0.3, chat_latency_s=0.05, first_token_s=0.01)
    await opened.up()
    yield opened
    await opened._stack.aclose()


async def until(run, seen):
    """Wait until `seen` returns true; if the run ends before, fail with its result."""
    while not await seen():
        assert not run.done(), run
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def abandoned(settings, source, provider):
    """Import until the provider stops at two fifths; yield the services and the run."""
    chosen = {
        "openai_base_url": provider.url,
        "data_dir": settings.data_dir,
        "chroma_url": settings.chroma_url,
        "database_url": settings.database_url,
    }
    async with open_services(load_settings(**chosen, ingest_concurrency=LANES), warm=False) as services:
        run = asyncio.create_task(services.ingestion.run([source], Control(), batch_size=BATCH))
        await until(run, lambda: answered(provider, "texts", SHOWS * 0.4 + WORDS))
        await provider.down()
        yield services, run


async def answered(provider, name, number):
    """Return whether the provider has counted this many texts or requests."""
    counted = (await provider.stats())[name]
    return (sum(counted.values()) if isinstance(counted, dict) else counted) >= number


async def test_an_import_survives_an_outage_of_the_provider(settings, source, provider, monkeypatch):
    monkeypatch.setattr(admission, "PROBE_S", 0.5)
    async with abandoned(settings, source, provider) as (services, run):

        async def noticed():
            return "has not answered for" in services.gate.state().words()

        await until(run, noticed)
        await provider.up()
        report = await run
        healthy = (await services.maintenance.check()).healthy
    await provider.down()
    assert adds_up(report)
    assert (report.ingested, report.quarantined, report.stopped_by, healthy) == (SHOWS, 0, None, True)
    assert provider.texts - SHOWS <= LANES * BATCH + WORDS, "what was under way is paid twice, nothing else"


async def test_an_import_stops_after_a_long_outage_and_nothing_is_paid_twice(settings, source, provider, monkeypatch):
    monkeypatch.setattr(admission, "PROBE_S", 0.2)
    monkeypatch.setattr(circuit_breaker, "DOWN_PATIENCE_S", 0.5)
    async with abandoned(settings, source, provider) as (services, run):
        report = await run
        assert "stopped answering" in report.stopped_by
        assert 0 < report.ingested < SHOWS
        assert adds_up(report)
        assert (report.quarantined, (await services.maintenance.check()).healthy) == (0, True)
        await provider.up()
        services.gate.reset()  # like every job that a user starts
        again = await services.ingestion.run([source], Control(), batch_size=BATCH)
        healthy = (await services.maintenance.check()).healthy
    await provider.down()
    assert (again.unchanged, again.ingested, healthy) == (report.ingested, SHOWS - report.ingested, True)
    assert provider.texts - SHOWS <= LANES * BATCH + WORDS, "what was under way is paid twice, nothing else"


async def test_a_sheet_can_be_resumed_after_an_outage_of_the_provider(settings, source, provider, monkeypatch):
    monkeypatch.setattr(admission, "PROBE_S", 0.2)
    monkeypatch.setattr(circuit_breaker, "DOWN_PATIENCE_S", 0.5)
    chosen = {
        "openai_base_url": provider.url,
        "data_dir": settings.data_dir,
        "chroma_url": settings.chroma_url,
        "database_url": settings.database_url,
    }
    chosen |= {"embedding_provider": "local", "query_concurrency": LANES}
    rows = tuple(QuestionRow(question=f"What does voyage {n} find on island {n * 7}?") for n in range(1, SHOWS + 1))
    sheet = Sheet(name="q", format="lines", headings=("question",), column="question", certain=True, rows=rows)
    async with open_services(load_settings(**chosen), warm=False) as services:
        await services.ingestion.run([source], Control())
        run_id = await services.batch.begin(sheet, RunOptions(), sha256="0" * 64)
        run = asyncio.create_task(services.batch.answer(run_id, Control()))
        await until(run, lambda: answered(provider, "requests", SHOWS * 0.4))
        await provider.down()
        report = await run
        assert "stopped answering" in report.stopped_by
        stored = await services.batch.runs.get(run_id)
        assert stored.counts.keys() <= {AnswerStatus.OK, AnswerStatus.ERROR, None}
        assert stored.counts.get(AnswerStatus.ERROR, 0) <= LANES, "those whose answer was cut off half-way"
        assert stored.missing >= SHOWS * 0.4
        await provider.up()
        services.gate.reset()
        assert (await services.batch.answer(run_id, Control())).stopped_by is None
        await services.batch.answer(run_id, Control(), which="failed")
        assert (await services.batch.runs.get(run_id)).counts == {AnswerStatus.OK: SHOWS}


async def test_a_sheet_can_be_resumed_after_its_key_was_refused(settings, source):
    rows = tuple(QuestionRow(question=f"What does voyage {n} find?") for n in range(1, 21))
    sheet = Sheet(name="q", format="lines", headings=("question",), column="question", certain=True, rows=rows)
    async with SimulatorProcess(with_faults("401@1")) as refusing:
        chosen = {
            "openai_base_url": refusing.url,
            "data_dir": settings.data_dir,
            "chroma_url": settings.chroma_url,
            "database_url": settings.database_url,
        }
        async with open_services(load_settings(**chosen, embedding_provider="local"), warm=False) as services:
            await services.ingestion.run([source], Control())
            run_id = await services.batch.begin(sheet, RunOptions(), sha256="0" * 64)
            job = await services.jobs.wait(await services.batch.start(services.jobs, run_id))
            stored, report = await services.batch.runs.get(run_id), job.report
            file = exports.written(".csv", stored, await services.batch.runs.rows(run_id)).decode("utf-8-sig")
            unkept = await services.batch.run(rows, Control(), concurrency=2)
        stats = await refusing.stats()
    assert "rejects the key" in report.stopped_by
    assert (stored.missing, stored.failed) == (20, 0)
    assert {(answer.status, answer.error) for answer in unkept.answers} == {("error", report.stopped_by)}
    assert {(row["status"], row["error"]) for row in csv.DictReader(io.StringIO(file))} == {
        ("error", stored.stopped_by)
    }
    assert sum(stats.requests.values()) <= 8, "what was under way of both, and nothing after it"
