"""The same services over a provider that speaks the OpenAI protocol, on real sockets."""

import asyncio

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import ProviderUnusableError
from animerag.jobs.jobs import Control
from animerag.models.answers import AnswerStatus
from animerag.simulator import SimulatorProcess, SimulatorSettings, parse_faults
from animerag.simulator.server import listening


@pytest.fixture
def simulated(settings):
    """Open services that embed and answer through a simulator with the given settings."""

    def opened(url, **options):
        chosen = {"openai_base_url": url, "data_dir": settings.data_dir, "chroma_url": settings.chroma_url}
        return open_services(load_settings(**chosen, **options), warm=False)

    return opened


@pytest.fixture
def source(export, record):
    rows = [record(n, f"Title {n}", f"Somebody number {n} crosses the sea.") for n in range(1, 41)]
    return export(record(99, "Monster", "A surgeon saves a boy."), *rows)


async def test_shows_are_embedded_and_questions_answered_with_checked_citations(simulated, source):
    async with listening(SimulatorSettings(embed_latency_s=0, chat_latency_s=0)) as url, simulated(url) as services:
        report = await services.ingestion.run([source], Control(), batch_size=10)
        answer = await services.answering.ask("What is Monster about?")
        health = await services.maintenance.check()
    assert (report.ingested, report.batches, report.embedding_requests) == (41, 5, 5)
    assert report.usage.embedding_tokens > 0
    assert health.healthy
    assert (answer.status, answer.provider, answer.citations[0]) == (AnswerStatus.OK, "openai", "99")
    assert "A surgeon saves a boy." in answer.text
    assert answer.usage.input_tokens > 0


async def test_faults_during_an_import_lose_no_show(simulated, source):
    faults = parse_faults("429=0.05@0.2,500@0.08,drop@0.05")
    faulty = SimulatorSettings(embed_latency_s=0, chat_latency_s=0, faults=faults, seed=4)
    async with listening(faulty) as url, simulated(url) as services:
        report = await services.ingestion.run([source], Control(), batch_size=4)
    assert (report.ingested, report.cancelled, report.stopped_by) == (41, 0, None)
    assert report.retries + report.rate_limited > 0


async def test_a_key_without_quota_stops_the_job_at_once_with_a_plain_reason(simulated, source):
    faulty = SimulatorSettings(embed_latency_s=0, faults=parse_faults("insufficient_quota@1"))
    async with listening(faulty) as url, simulated(url) as services:
        with pytest.raises(ProviderUnusableError):
            await services.ingestion.run([source], Control(), batch_size=4)


async def test_a_cost_cap_stops_an_import_in_time_and_the_rest_can_be_resumed(simulated, source):
    prices = {"text-embedding-3-small": 1000.0}  # USD per million tokens: one cent pays for ten
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.02)) as provider:
        async with simulated(provider.url, prices=prices, max_cost_usd=0.2) as services:
            capped = await services.ingestion.run([source], Control(), batch_size=4, concurrency=3)
        spent = (await provider.stats()).texts
        async with simulated(provider.url, prices=prices) as services:
            rest = await services.ingestion.run([source], Control(), batch_size=4)
        assert (await provider.stats()).texts == 41, "nothing is paid twice, nor for the width"
    assert "cost cap of $0.2 is reached" in capped.stopped_by
    assert 0 < capped.ingested == spent < 41
    assert capped.usage.cost_usd <= 0.2
    assert capped.ingested + rest.ingested == 41


async def test_a_lane_sends_a_batch_only_after_its_last_vectors_are_stored(simulated, source, monkeypatch):
    lanes, batch = 3, 4

    async def never(*_):
        await asyncio.Event().wait()

    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.01)) as provider:
        async with simulated(provider.url, ingest_concurrency=lanes) as services:
            monkeypatch.setattr(services.library.embeddings, "save", never)
            run = asyncio.create_task(services.ingestion.run([source], Control(), batch_size=batch))
            while (await provider.stats()).texts < lanes * batch:
                assert not run.done(), run
            for _ in range(30):  # the time of many requests
                await provider.stats()
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        paid = (await provider.stats()).texts
    assert paid <= lanes * batch, "a batch a lane"


async def test_a_cap_without_a_price_is_refused_before_anything_is_sent(simulated, source):
    async with listening(SimulatorSettings(embed_latency_s=0)) as url:
        async with simulated(url, embedding_model="my-own", max_cost_usd=1.0) as services:
            with pytest.raises(ProviderUnusableError, match="ANIMERAG_PRICES"):
                await services.ingestion.run([source], Control())


async def test_a_chat_model_over_local_vectors_never_forces_a_new_index(simulated, source, settings):
    async with open_services(settings, warm=False) as services:
        await services.ingestion.run([source], Control())
    async with listening(SimulatorSettings(chat_latency_s=0)) as url:
        async with simulated(url, embedding_provider="local") as services:
            status = await services.catalogue.status()
            answer = await services.answering.ask("What is Monster about?")
    assert (status.indexed, status.not_indexed) == (41, 0)
    assert answer.provider == "openai"


async def test_titles_and_words_are_found_after_a_change_of_the_embedding_model(simulated, source, settings):
    async with open_services(settings, warm=False) as services:
        await services.ingestion.run([source], Control())
    async with listening(SimulatorSettings(embed_latency_s=0, chat_latency_s=0)) as url, simulated(url) as services:
        before = await services.catalogue.status()
        answer = await services.answering.ask("What is Monster about?")
        report = await services.ingestion.reindex(Control())
        after = await services.catalogue.status()
    assert (before.indexed, before.not_indexed) == (0, 41)
    assert answer.sources[0].show.id == "99"
    assert (report.ingested, after.not_indexed) == (41, 0)
