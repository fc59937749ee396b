"""The whole app with a llama.cpp server: detected on this machine, chosen, asked, stopped and asked again."""

import os
from contextlib import aclosing
from urllib.parse import urlsplit

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.jobs.jobs import Control
from animerag.models.answers import Answer, AnswerStatus, Turn
from animerag.models.retrieval import Retrieval
from animerag.providers import discovery

if "REAL_MODEL" not in os.environ:
    pytest.skip("no real server here: `make test-real` fetches one with its model", allow_module_level=True)

pytestmark = pytest.mark.real

WRITTEN = (AnswerStatus.OK, AnswerStatus.TRUNCATED)  # the server writes 128 tokens at most


@pytest.fixture
async def services(settings, server, export, record):
    """The app after the server was found and chosen, over two shows."""
    [found] = await discovery.find({urlsplit(server.url).port: "llama.cpp"})
    own = {"data_dir": settings.data_dir, "chroma_url": settings.chroma_url}
    async with open_services(load_settings(**own), warm=False) as embedded:
        rows = record(1, "Monster", "A surgeon saves a boy."), record(2, "Planetes", "Astronauts collect trash.")
        await embedded.ingestion.run([export(*rows)], Control())
        await embedded.preferences.use(found, found.models[0])
    async with open_services(load_settings(**own), warm=False) as opened:
        yield opened


async def events_of(services, question, **options):
    async with aclosing(services.answering.stream(question, **options)) as events:
        return [event async for event in events]


async def test_a_question_streams_after_its_sources(services):
    first, *pieces, answer = await events_of(services, "What is Monster about?")

    assert isinstance(first, Retrieval)
    assert first.sources[0].show.id == "1"
    assert len(pieces) > 1
    assert isinstance(answer, Answer)
    assert answer.status in WRITTEN
    assert answer.text == "".join(pieces).strip()
    assert answer.usage.output_tokens > 0
    assert answer.timings.first_token_s < answer.timings.total_s


async def test_a_stopped_question_ends_at_the_server(services, server):
    before = await server.generated()
    async with aclosing(services.answering.stream("Tell me the whole story of Planetes.")) as events:
        assert isinstance(await anext(events), Retrieval)
        await anext(events)

    assert 0 < await server.generated() - before < server.limit / 2


async def test_a_follow_up_is_understood_and_answered(services):
    turn = Turn(question="What is Monster about?", answer="A surgeon saves a boy [1].", cited=("1",))

    *_, answer = await events_of(services, "Who is the hero of it?", history=[turn])

    assert "Monster" in answer.standalone
    assert answer.sources[0].show.id == "1"
    assert answer.status in WRITTEN


async def test_the_models_in_use_pass_their_check(services):
    assert [one.ok for one in await services.preferences.check()] == [True, True]
