"""Endless answers and decompression bombs: only a little of each is read, once."""

import gzip
import json
import resource
import zlib

import pytest

from animerag.errors import ProviderUnusableError
from animerag.models.answers import AnswerStatus, Finish, Prompt
from animerag.models.providers import Priority
from animerag.providers import openai_chat, openai_embeddings
from animerag.providers.openai import OpenAIChat, OpenAIConnection, OpenAIEmbedder
from animerag.rate_limits import Gate
from tests.raw_server import embedded, raw_server, reply

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
PROMPT = Prompt(question="Who?", sources=(), system="Answer.", user="Who?")
MB = 2**20


def endless(head, piece):
    async def sent():
        yield head + b"\r\n"
        while True:
            yield piece

    return sent()


def bomb(encoding, size):
    """Compress zeros in small pieces."""
    packing = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    parts = [packing.compress(b"0" * MB) for _ in range(size // MB)]
    return reply(200, b"".join([*parts, packing.flush()]), {"content-encoding": encoding})


async def embed(url, texts=("a", "b"), width=None):
    connection = OpenAIConnection(api_key="key", base_url=url, gate=Gate())
    try:
        embedder = OpenAIEmbedder(connection, model="m", dimensions=width)
        return await embedder.embed(list(texts), priority=Priority.INGEST)
    finally:
        await connection.close()


async def answer(url):
    connection = OpenAIConnection(api_key="key", base_url=url, gate=Gate())
    try:
        chat = OpenAIChat(connection, model="m", api="chat")
        pieces = [piece async for piece in chat.stream(PROMPT, priority=Priority.LIVE)]
        assert isinstance(pieces[-1], Finish)
        return "".join(pieces[:-1]), pieces[-1]
    finally:
        await connection.close()


@pytest.mark.parametrize("status", [b"200 OK", b"400 Bad Request", b"429 Slow down", b"500 Trouble"])
async def test_an_endless_answer_is_read_up_to_its_limit_and_not_requested_again(status):
    head = HEAD.replace(b"200 OK", status)
    async with raw_server(lambda _: endless(head, b" " * 2**14)) as server:
        with pytest.raises(ProviderUnusableError, match="larger than"):
            await embed(server.url)
        assert len(server.requests) == 1
        vectors = openai_embeddings.FRAME_BYTES + 2 * openai_embeddings.WIDEST * openai_embeddings.NUMBER_BYTES
        most = vectors if status == b"200 OK" else 2**16
        assert server.sent_bytes < most + 16 * MB, "beside what the sockets hold"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_decompression_bomb_takes_little_memory_and_one_request(encoding):
    content = bomb(encoding, 150 * MB)
    assert len(content) < MB
    async with raw_server(lambda _: content) as server:
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(ProviderUnusableError, match="larger than"):
            await embed(server.url)
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
        assert len(server.requests) == 1
    assert grown_kb < 64 * 1024


async def test_a_response_that_a_proxy_compresses_is_read():
    def packed(request):
        plain = embedded(request).partition(b"\r\n\r\n")[2]
        return reply(200, gzip.compress(plain), {"content-encoding": "gzip"})

    async with raw_server(packed) as server:
        assert (await embed(server.url)).vectors.shape == (2, 8)
        assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_an_unsupported_compression_is_named_in_the_error():
    async with raw_server(lambda _: reply(200, b"\x00", {"content-encoding": "br"})) as server:
        with pytest.raises(ProviderUnusableError, match="compresses its answers as br"):
            await embed(server.url)
        assert len(server.requests) == 1


async def test_a_hundred_vectors_with_long_numbers_are_accepted():
    texts = [f"text {number}" for number in range(100)]
    async with raw_server(lambda request: embedded(request, 3072)) as server:
        assert (await embed(server.url, texts, 3072)).vectors.shape == (100, 3072)


def stated(text):
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': text}}]})}\n\n".encode()


async def test_an_answer_that_never_ends_is_cut_and_says_so():
    async with raw_server(lambda _: endless(HEAD.replace(b"json", b"event-stream"), stated("word " * 50))) as server:
        text, finish = await answer(server.url)
        assert (len(text), finish.status) == (openai_chat.TEXT_CHARACTERS, AnswerStatus.TRUNCATED)
        assert len(server.requests) == 1


@pytest.mark.parametrize("piece", [b": wait\n\n" * 2048, b"data: " + b"x" * 2**14, b"data: x\n" * 2048])
async def test_a_stream_without_text_is_ended_at_its_limit(piece):
    async with raw_server(lambda _: endless(HEAD, piece)) as server:
        with pytest.raises(ProviderUnusableError, match="larger than"):
            await answer(server.url)
        assert len(server.requests) == 1
