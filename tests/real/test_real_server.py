"""The OpenAI adapter against a llama.cpp server with a small real model: poor answers, a real protocol."""

import asyncio
import logging
import os
from contextlib import aclosing

import numpy as np
import pytest

from animerag.errors import RequestRefusedError
from animerag.models.answers import AnswerStatus, Finish, Prompt
from animerag.models.providers import Priority
from animerag.providers import openai_connection
from animerag.providers.openai import OpenAIChat, OpenAIConnection, OpenAIEmbedder
from animerag.providers.openai_streams import ResponsesReader
from animerag.rate_limits import Gate, metering

if "REAL_MODEL" not in os.environ:
    pytest.skip("no real server here: `make test-real` fetches one with its model", allow_module_level=True)

pytestmark = pytest.mark.real

APIS = ["responses", "chat"]
MODEL = "gpt-5-nano"  # the server has one model whatever it is asked for; this name sends every option that we have
WIDTH = 576  # of SmolLM2-135M
LONGEST = 512  # tokens of a text that the server embeds, its default


def prompt(user):
    return Prompt(question=user, sources=(), system="You are brief.", user=user)


HELLO, ENDLESS = prompt("Say hello."), prompt("Count from 1 to 1000, one number a line.")


@pytest.fixture
async def connection(server):
    connection = OpenAIConnection(api_key=None, base_url=server.url, gate=Gate(ingest=2, query=2))
    yield connection
    await connection.close()


@pytest.fixture
def embedder(connection):
    return OpenAIEmbedder(connection, model="smollm2")


async def answer(chat, asked=HELLO):
    pieces = [piece async for piece in chat.stream(asked, priority=Priority.LIVE)]
    assert [isinstance(piece, Finish) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    return pieces[:-1], pieces[-1]


async def test_warming_finds_the_models(connection, caplog):
    with caplog.at_level(logging.DEBUG, openai_connection.__name__):
        await connection.warm()

    assert "warm-up" not in caplog.text  # the log would contain the reason


@pytest.mark.parametrize("api", APIS)
async def test_an_answer_is_streamed_and_reports_its_usage(connection, api):
    pieces, finish = await answer(OpenAIChat(connection, model=MODEL, api=api))

    assert len(pieces) > 1
    assert "".join(pieces).strip()
    assert finish.status is AnswerStatus.OK
    assert finish.usage.input_tokens > 0
    assert finish.usage.output_tokens > 0


async def test_responses_are_found_where_the_server_has_them(connection):
    await answer(OpenAIChat(connection, model=MODEL))

    assert not connection.lacks_responses


async def test_a_route_that_the_server_lacks_is_replaced_by_chat_completions(connection, monkeypatch):
    monkeypatch.setattr(ResponsesReader, "path", "/not-a-route")

    pieces, finish = await answer(OpenAIChat(connection, model=MODEL))

    assert "".join(pieces).strip()
    assert finish.usage.output_tokens > 0
    assert connection.lacks_responses


async def test_an_answer_cut_by_the_server_says_so(server, connection):
    _, finish = await answer(OpenAIChat(connection, model=MODEL, api="chat"), ENDLESS)

    assert (finish.status, finish.usage.output_tokens) == (AnswerStatus.TRUNCATED, server.limit)


@pytest.mark.parametrize("api", APIS)
async def test_leaving_an_answer_early_ends_it_at_the_server(server, connection, api):
    chat = OpenAIChat(connection, model=MODEL, api=api)
    before = await server.generated()

    async with aclosing(chat.stream(ENDLESS, priority=Priority.LIVE)) as pieces:
        await anext(pieces)
    generated = await server.generated() - before

    assert 0 < generated < server.limit / 2
    assert (await answer(chat))[0]


async def test_questions_share_the_slots_and_all_are_answered(connection):
    chat = OpenAIChat(connection, model=MODEL)
    with metering() as meter:
        answers = await asyncio.gather(*(answer(chat, prompt(f"Say hello to number {n}.")) for n in range(4)))

    assert all("".join(pieces).strip() for pieces, _ in answers)
    assert (meter.requests, meter.retries) == (4, 0)


@pytest.mark.parametrize("api", APIS)
async def test_a_question_too_long_is_refused_at_once(connection, api):
    with metering() as meter, pytest.raises(RequestRefusedError, match="context size"):
        await answer(OpenAIChat(connection, model=MODEL, api=api), prompt("word " * 3000))

    assert meter.requests == 1


async def test_vectors_have_the_order_of_their_texts(embedder):
    embedding = await embedder.embed(["a cat", "the open sea", "a cat"], priority=Priority.INGEST)

    assert embedding.vectors.shape == (3, WIDTH)
    np.testing.assert_allclose(embedding.vectors[0], embedding.vectors[2], atol=1e-3)
    assert embedding.vectors[0] @ embedding.vectors[1] < 0.99
    assert embedding.usage.embedding_tokens > 0


async def test_the_width_is_asked_of_the_server(embedder):
    assert await embedder.dimensions() == WIDTH


async def test_a_text_that_is_too_long_is_refused_at_once_and_the_next_one_embedded(embedder):
    with metering() as meter, pytest.raises(RequestRefusedError, match="too large"):
        await embedder.embed(["short", "word " * (LONGEST + 1)], priority=Priority.INGEST)
    embedding = await embedder.embed(["short"], priority=Priority.INGEST)

    assert meter.requests == 1
    assert embedding.vectors.shape == (1, WIDTH)
