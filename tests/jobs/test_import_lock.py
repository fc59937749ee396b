"""Tabs and processes that import one file at the same time: each show is embedded once, and all reports add up."""

import asyncio

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.jobs.jobs import Control
from animerag.simulator import SimulatorProcess, SimulatorSettings

SHOWS = 60


@pytest.fixture
async def provider():
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.1)) as process:
        yield process


@pytest.fixture
def process(settings, provider):
    """Open services as one more process would."""

    def opened():
        chosen = {"openai_base_url": provider.url, "data_dir": settings.data_dir, "chroma_url": settings.chroma_url}
        return open_services(load_settings(**chosen, database_url=settings.database_url), warm=False)

    return opened


def run(services, source, control=None):
    return services.ingestion.run([source], control or Control(), batch_size=10, concurrency=3)


@pytest.mark.both_databases
async def test_two_processes_importing_one_file_pay_once(process, provider, source):
    async with process() as one, process() as other:
        reports = await asyncio.gather(run(one, source), run(other, source))
        healthy = (await one.maintenance.check()).healthy
    assert sorted((report.ingested, report.unchanged) for report in reports) == [(0, SHOWS), (SHOWS, 0)]
    assert (await provider.stats()).texts == SHOWS
    assert healthy


async def test_two_tabs_importing_one_file_pay_once(process, provider, source):
    async with process() as services:
        reports = await asyncio.gather(run(services, source), run(services, source))
        assert (await services.library.counts()).shows == SHOWS
        assert (await services.maintenance.check()).healthy
    assert all(report.read == report.ingested + report.unchanged == SHOWS for report in reports)
    assert (await provider.stats()).texts == SHOWS


@pytest.mark.both_databases
async def test_a_repair_does_not_touch_what_another_process_is_importing(process, provider, source):
    async with process() as one, process() as other:
        importing = asyncio.create_task(run(one, source))
        while (await provider.stats()).texts == 0:
            await asyncio.sleep(0.01)
        repairing = Control()
        repair = asyncio.create_task(other.maintenance.repair_exclusively(repairing))
        while not repairing.progress.stage.startswith("Waiting for an import or repair"):
            await asyncio.sleep(0.01)
        report = await importing
        assert (await repair).repaired == 0
        healthy = (await one.maintenance.check()).healthy
    assert (report.ingested, healthy) == (SHOWS, True)


async def test_a_stop_ends_the_wait_for_another_process(process, source):
    async with process() as one, process() as other:
        control = Control()
        async with one.ingestion._import_lock.held(Control()):
            waiting = asyncio.create_task(run(other, source, control))
            while not control.progress.stage.startswith("Waiting for an import or repair"):
                assert not waiting.done(), waiting
                await asyncio.sleep(0.01)
            control.stop()
            stopped = await waiting
        assert (stopped.read, stopped.cancelled) == (SHOWS, SHOWS)
        assert (await run(one, source)).ingested == SHOWS


@pytest.mark.both_databases
async def test_the_sample_and_an_upload_wait_for_each_other_in_one_process(process, source):
    async with process() as services:
        lock, sample, own = services.ingestion._import_lock, Control(), Control()
        async with lock.held(Control()):
            importing = asyncio.create_task(services.catalogue.import_sample(sample))
            while not sample.progress.stage.startswith("Waiting for an import or repair"):
                assert not importing.done(), importing
                await asyncio.sleep(0.01)
        assert (await importing).ingested == 150
        async with lock.held(Control(), exclusive=True):
            importing = asyncio.create_task(run(services, source, own))
            while not own.progress.stage.startswith("Waiting for an import or repair"):
                assert not importing.done(), importing
                await asyncio.sleep(0.01)
        assert (await importing).ingested == (await services.library.counts()).shows == SHOWS
