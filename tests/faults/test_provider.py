"""A provider that goes wrong in every way, over real sockets: every row is accounted for, and little is paid twice."""

import pytest

from animerag.config import load_settings
from animerag.errors import ProviderError
from animerag.jobs import Control
from animerag.runtime import open_services
from animerag.simulator import SimulatorProcess, SimulatorSettings, parse_faults

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

SHOWS, BATCH, LANES = 80, 4, 3


@pytest.fixture
def source(export, record):
    return export(*(record(n, f"Voyage {n}", f"The captain finds island {n * 7}.") for n in range(1, SHOWS + 1)))


@pytest.fixture
def import_from(settings, source):
    """Import through a provider; returns the report, or the error, and whether index and library agree."""

    async def run(url):
        chosen = {"openai_base_url": url, "data_dir": settings.data_dir, "chroma_url": settings.chroma_url}
        async with open_services(load_settings(**chosen, ingest_concurrency=LANES), warm=False) as services:
            try:
                report = await services.ingestion.run([source], Control(), batch_size=BATCH)
            except ProviderError as error:
                return error, (await services.library.counts()).shows
            return report, (await services.maintenance.check()).healthy

    return run


def told(faults, **more):
    return SimulatorSettings(embed_latency_s=0.01, seed=5, faults=parse_faults(faults), **more)


def adds_up(report):
    parts = report.ingested + report.unchanged + report.duplicate + report.quarantined + report.cancelled
    return report.read == parts == SHOWS


@pytest.mark.parametrize("kind", ["429=0.05", "500", "502", "503", "504", "drop", "truncated", "malformed", "slow=5"])
async def test_what_goes_wrong_now_and_then_loses_nothing(import_from, kind):
    async with SimulatorProcess(told(f"{kind}@0.2")) as provider:
        report, healthy = await import_from(provider.url)
        stats = await provider.stats()
    assert sum(stats.faults.values()) > 0, "the faults happen"
    assert (report.ingested, report.stopped_by, healthy) == (SHOWS, None, True)
    assert sum(stats.requests.values()) <= 2 * SHOWS / BATCH + LANES, "no storm of retries"


@pytest.mark.parametrize("kind", ["401", "403", "404", "insufficient_quota"])
async def test_a_provider_that_cannot_be_used_is_left_alone_at_once(import_from, kind):
    async with SimulatorProcess(told(f"{kind}@1")) as provider:
        error, shows = await import_from(provider.url)
        stats = await provider.stats()
    assert isinstance(error, ProviderError)
    assert shows == 0
    assert sum(stats.requests.values()) <= LANES, "what was under way, and nothing after it"


async def test_a_provider_that_goes_down_on_the_way_is_given_up_and_the_rest_is_paid_once(import_from):
    async with SimulatorProcess(told("503@0.75")) as down:
        report, healthy = await import_from(down.url)
        paid = (await down.stats()).texts
    assert report.stopped_by
    assert 0 < report.ingested < SHOWS
    assert adds_up(report)
    assert (report.quarantined, healthy) == (0, True), "no row is set aside for what the provider did"
    async with SimulatorProcess(told("")) as up:
        again, healthy = await import_from(up.url)
        paid += (await up.stats()).texts
    assert (again.unchanged, again.ingested, healthy) == (report.ingested, SHOWS - report.ingested, True)
    assert paid - SHOWS <= 1, "every text once; one asks for the width of the vectors"
