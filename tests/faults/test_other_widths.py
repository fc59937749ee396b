"""Servers with other models under OpenAI's names: the width comes from their response, and is requested once."""

import contextlib

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import OtherWidthError
from animerag.jobs.jobs import Control
from tests.raw_server import embedded, error, raw_server

SHOWS = 12


@pytest.fixture
def opened(settings):
    def over(server, **options):
        places = ("data_dir", "chroma_url", "database_url")
        chosen = {"openai_base_url": server.url, **{name: getattr(settings, name) for name in places}}
        return open_services(load_settings(**chosen, chat_provider="local", **options), warm=False)

    return over


@pytest.mark.parametrize("width", [256, 384])
async def test_a_server_with_an_alias_of_the_model_works_and_is_paid_once(opened, source, width):
    async with raw_server(lambda request: embedded(request, width)) as server:
        async with opened(server) as services:
            report = await services.ingestion.run([source], Control(), batch_size=4)
            healthy = (await services.maintenance.check()).healthy
        async with opened(server) as services:  # another process asks nothing and pays nothing
            again = await services.ingestion.run([source], Control(), batch_size=4)
            spec = await services.ingestion._indexer.spec()
        assert (report.ingested, report.embedding_requests, healthy) == (SHOWS, 3, True)
        assert (again.unchanged, spec.dimensions) == (SHOWS, width)
        assert len(server.texts) == len(set(server.texts)) == SHOWS, "every text once, and nothing for the width"


async def test_simultaneous_calls_ask_for_the_width_once(opened):
    async with raw_server(embedded) as server, opened(server) as services:
        for _ in range(2):
            assert await services.embedder.dimensions() == 8
        assert len(server.requests) == 1


@pytest.mark.both_databases
async def test_widths_are_stored_by_address_and_model(opened):
    async with raw_server(embedded) as one, raw_server(lambda request: embedded(request, 16)) as other:
        for server, model, width in ((one, "a", 8), (other, "a", 16), (one, "b", 8), (one, "a", 8)):
            async with opened(server, embedding_model=model) as services:
                assert await services.embedder.dimensions() == width
        assert (len(one.requests), len(other.requests)) == (2, 1)


@pytest.mark.both_databases
async def test_a_server_that_changes_its_model_stops_the_import_and_the_next_one_follows(opened, export, record):
    width = [8]
    first, second = (
        [record(n, f"Voyage {n}", f"Island {n}.") for n in numbers] for numbers in (range(1, 5), range(1, 10))
    )
    async with raw_server(lambda request: embedded(request, width[0])) as server, opened(server) as services:
        await services.ingestion.run([export(*first)], Control())
        width[0] = 16
        with pytest.raises(Exception, match="16 numbers instead of 8"):
            await services.ingestion.run([export(*second)], Control())
        report = await services.ingestion.run([export(*second)], Control())
        assert (report.ingested + report.unchanged, report.stopped_by) == (9, None)
        assert (await services.embedder.dimensions(), (await services.catalogue.status()).not_indexed) == (16, 0)


async def test_first_responses_of_different_widths_end_the_import_and_the_next_one_embeds_the_rest(opened, source):
    answered = []

    def answer(request):
        answered.append(request)
        return embedded(request, 16 if len(answered) == 1 else 8)

    async with raw_server(answer) as server, opened(server) as services:
        with contextlib.suppress(OtherWidthError):  # what was stored before the other width stays
            report = await services.ingestion.run([source], Control(), batch_size=4, concurrency=3)
            assert "numbers instead of" in (report.stopped_by or "")
        rest = await services.ingestion.run([source], Control(), batch_size=4, concurrency=3)
        assert (rest.ingested + rest.unchanged, rest.stopped_by) == (SHOWS, None)
        assert (await services.embedder.dimensions(), (await services.catalogue.status()).not_indexed) == (8, 0)


def obedient(request):
    return embedded(request, request.json.get("dimensions", 8))


def refusing(request):
    if "dimensions" in request.json:
        return error(400, "Model m does not support matryoshka representation, changing output dimensions")
    return embedded(request)


@pytest.mark.parametrize(("answer", "width"), [(obedient, 24), (refusing, 8), (embedded, 8)])
async def test_a_width_is_requested_if_the_server_supports_it(opened, source, answer, width):
    async with raw_server(answer) as server, opened(server, embedding_dimensions=24) as services:
        report = await services.ingestion.run([source], Control(), batch_size=4, concurrency=1)
        spec = await services.ingestion._indexer.spec()
        asked = ["dimensions" in request.json for request in server.requests]
    assert (report.ingested, report.stopped_by, spec.dimensions) == (SHOWS, None, width)
    assert asked == ([True, False, False, False] if answer is refusing else [True] * 3)
