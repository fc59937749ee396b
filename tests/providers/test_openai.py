"""The OpenAI adapter against a scripted server on a real socket."""

import asyncio
import base64
import json
import socket
import struct
import time
import traceback
from email.utils import formatdate

import numpy as np
import pytest
from aiohttp import web

from animerag.errors import ProviderUnusableError, RateLimitedError, RequestRefusedError, TransientProviderError
from animerag.models.answers import AnswerStatus, Finish, Prompt
from animerag.models.providers import Priority
from animerag.providers import openai_chat, openai_embeddings
from animerag.providers.openai import OpenAIChat, OpenAIConnection, OpenAIEmbedder
from animerag.providers.pricing import DEFAULT_PRICES, cost_usd, price_table
from animerag.rate_limits import Gate, metering
from animerag.telemetry.tracing import recording

KEY = "sk-canary0123456789abcdef"
SPEED = 100.0  # seconds of the gate's clock in one of ours
PROMPT = Prompt(question="Who?", sources=(), system="Answer from the sources.", user="Sources: … Question: Who?")


class Server:
    """Answers each request with the next behaviour of its script, the last one again and again."""

    def __init__(self):
        self.url = ""
        self.script = []
        self.paths = []
        self.bodies = []
        self.keys = []
        self.left = asyncio.Event()
        self.listing = replies({"object": "list", "data": []})

    async def handle(self, request):
        if request.path.endswith("/models"):
            return await self.listing(request)
        self.paths.append(request.path.removeprefix("/v1/"))
        self.bodies.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        behaviour = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        try:
            return await behaviour(request)
        except asyncio.CancelledError:
            self.left.set()
            raise


@pytest.fixture
async def server():
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield server
    await runner.cleanup()


@pytest.fixture
def gate():
    return Gate(
        ingest=4,
        query=4,
        clock=lambda: time.monotonic() * SPEED,
        sleep=lambda seconds: asyncio.sleep(seconds / SPEED),
        chance=lambda: 0.5,
    )


@pytest.fixture
async def connection(server, gate):
    connection = OpenAIConnection(api_key=KEY, base_url=server.url, gate=gate)
    yield connection
    await connection.close()


@pytest.fixture
def embedder(connection):
    return OpenAIEmbedder(connection, model="text-embedding-3-small")


@pytest.fixture
def chat(connection):
    return OpenAIChat(connection, model="gpt-5-nano")


# Behaviours of the server


def vector(seed, width=8):
    return np.random.default_rng(seed).normal(size=width).astype("<f4")


def packed(values):
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def items(*embeddings):
    return [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(embeddings)]


def replies(payload, status=200, headers=None):
    async def behaviour(request):
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return web.Response(body=body, status=status, headers=headers, content_type="application/json")

    return behaviour


def embeds(data, tokens=7, headers=None):
    return replies({"data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}, headers=headers)


def fails(status, code=None, message="no", headers=None, param=None):
    body = {"error": {"message": message, "type": "error", "code": code, "param": param}}
    return replies(body, status=status, headers=headers)


def streams(*events, then="end", headers=None):
    """Send server-sent events, then `end` properly, `hang`, or `drop` the connection."""

    async def behaviour(request):
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **(headers or {})})
        await response.prepare(request)
        for event in events:
            text = event if isinstance(event, str) else json.dumps(event)
            await response.write(f"data: {text}\n\n".encode())
        if then == "hang":
            await asyncio.sleep(60)
        if then == "drop":
            reset(request)
        return response

    return behaviour


async def drops(request):
    reset(request)
    return web.Response()


def reset(request):
    sock = request.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


async def truncates(request):
    body = json.dumps({"data": items(packed(vector(1)))}).encode()
    response = web.StreamResponse(headers={"content-type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    request.transport.close()
    return response


async def hangs(request):
    await asyncio.sleep(60)


def says(text):
    return {"type": "response.output_text.delta", "delta": text}


def completed(input_tokens=100, output_tokens=20, **more):
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return {"type": "response.completed", "response": {"id": "r", "status": "completed", "usage": usage, **more}}


def chunk(text=None, finish=None, **delta):
    content = {} if text is None else {"content": text}
    return {"id": "c", "choices": [{"index": 0, "delta": {**content, **delta}, "finish_reason": finish}]}


USED = {"id": "c", "choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}}


async def answer(chat, priority=Priority.LIVE):
    pieces = [piece async for piece in chat.stream(PROMPT, priority=priority)]
    assert [isinstance(piece, Finish) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    return "".join(pieces[:-1]), pieces[-1]


# Embeddings


async def test_base64_vectors_come_back_as_float32(server, embedder):
    server.script = [embeds(items(packed(vector(1)), packed(vector(2))))]

    result = await embedder.embed(["a", "b"], priority=Priority.INGEST)

    assert result.vectors.dtype == np.float32
    np.testing.assert_array_equal(result.vectors, [vector(1), vector(2)])
    assert server.bodies == [
        {"input": ["a", "b"], "model": "text-embedding-3-small", "encoding_format": "base64"},
    ]


async def test_a_server_that_sends_plain_numbers_is_supported(server, embedder):
    server.script = [embeds(items(vector(1).tolist(), [1, 0, 0, 0, 0, 0, 0, 0]))]

    result = await embedder.embed(["a", "b"], priority=Priority.INGEST)

    np.testing.assert_allclose(result.vectors[0], vector(1), rtol=1e-6)


async def test_shuffled_answers_are_sorted_by_index(server, embedder):
    shuffled = list(reversed(items(*(packed(vector(seed)) for seed in range(5)))))
    server.script = [embeds(shuffled)]

    result = await embedder.embed(list("abcde"), priority=Priority.INGEST)

    np.testing.assert_array_equal(result.vectors, [vector(seed) for seed in range(5)])


GOOD = packed(vector(1))
BROKEN = {
    "one too few": embeds(items(GOOD)),
    "one too many": embeds(items(GOOD, GOOD, GOOD)),
    "none": embeds([]),
    "no index": embeds([{"embedding": GOOD}, {"embedding": GOOD}]),
    "an index twice": embeds([{"index": 0, "embedding": GOOD}, {"index": 0, "embedding": GOOD}]),
    "an index that is no number": embeds([{"index": True, "embedding": GOOD}, {"index": 0, "embedding": GOOD}]),
    "an index out of range": embeds([{"index": 1, "embedding": GOOD}, {"index": 2, "embedding": GOOD}]),
    "an index of no use": embeds([{"index": [], "embedding": GOOD}, {"index": 0, "embedding": GOOD}]),
    "two widths": embeds(items(GOOD, packed(vector(1, 4)))),
    "not a number": embeds(items(GOOD, packed([float("nan")] * 8))),
    "infinite": embeds(items(GOOD, [1e300] * 8)),
    "all zero": embeds(items(GOOD, packed([0.0] * 8))),
    "empty": embeds(items([], [])),
    "strings": embeds(items(["0.1"] * 8, ["0.2"] * 8)),
    "nested": embeds(items([[0.1] * 8], [[0.1] * 8])),
    "ragged": embeds(items([[0.1], [0.1, 0.2]], GOOD)),
    "no vector": embeds(items(None, GOOD)),
    "not base64": embeds(items("%%%", GOOD)),
    "half a float": embeds(items(base64.b64encode(b"12345").decode(), GOOD)),
    "no data": replies({}),
    "no object": replies([1, 2]),
    "HTML": replies(b"<html>Bad gateway</html>"),
    "half JSON": replies(b'{"data": [{"ind'),
    "a truncated body": truncates,
    "no response": drops,
}


@pytest.mark.parametrize("behaviour", BROKEN.values(), ids=BROKEN.keys())
async def test_an_unusable_answer_is_rejected_completely_and_requested_again(server, embedder, behaviour):
    server.script = [behaviour, embeds(items(packed(vector(1)), packed(vector(2))))]

    with metering() as meter:
        result = await embedder.embed(["a", "b"], priority=Priority.INGEST)

    assert result.vectors.shape == (2, 8)
    assert (meter.requests, meter.retries) == (2, 1)


@pytest.mark.parametrize(
    ("name", "tries"),
    [("no index", 2), ("not a number", 2), ("two widths", 2), ("HTML", 4), ("a truncated body", 4), ("no response", 4)],
)
async def test_a_charged_answer_is_retried_once_and_a_broken_one_three_times(server, embedder, name, tries):
    server.script = [BROKEN[name]]

    with pytest.raises(TransientProviderError):
        await embedder.embed(["a", "b"], priority=Priority.INGEST)

    assert len(server.paths) == tries


async def test_a_width_that_changes_is_refused(server, embedder):
    server.script = [embeds(items(packed(vector(1, 8)))), embeds(items(packed(vector(1, 2))))]
    await embedder.embed(["a"], priority=Priority.INGEST)

    with pytest.raises(TransientProviderError, match="2 numbers instead of 8"):
        await embedder.embed(["b"], priority=Priority.INGEST)


@pytest.mark.parametrize(
    ("model", "asked", "width"),
    [
        ("text-embedding-3-small", None, 1536),
        ("text-embedding-3-large", 256, 256),
        ("text-embedding-ada-002", 256, 1536),  # this model has a fixed width
    ],
)
async def test_dimensions_of_openais_own_models_come_from_the_table_without_a_request(gate, model, asked, width):
    connection = OpenAIConnection(api_key=KEY, base_url=None, gate=gate)

    assert await OpenAIEmbedder(connection, model=model, asked_dimensions=asked).dimensions() == width


async def test_dimensions_of_another_server_are_requested_whatever_its_models_name(server, embedder):
    server.script = [embeds(items(packed(vector(1, 24))))]

    assert [await embedder.dimensions(), await embedder.dimensions()] == [24, 24]
    assert server.paths == ["embeddings"]


async def test_dimensions_of_an_unknown_model_are_asked_once(server, connection):
    embedder = OpenAIEmbedder(connection, model="bge-m3")
    server.script = [embeds(items(packed(vector(1, 24))))]

    assert [await embedder.dimensions(), await embedder.dimensions()] == [24, 24]
    assert server.paths == ["embeddings"]


async def test_the_width_is_not_requested_while_a_response_is_on_its_way(server, connection):
    embedder = OpenAIEmbedder(connection, model="bge-m3")
    server.script = [embeds(items(packed(vector(1, 24))))]
    assert await embedder.known_dimensions() is None
    await connection.load()
    embedding = asyncio.create_task(embedder.embed(["a"], priority=Priority.INGEST))
    await asyncio.sleep(0)  # it has begun

    assert await embedder.dimensions() == 24
    assert (await embedding).vectors.shape == (1, 24)
    assert server.paths == ["embeddings"]


async def test_a_response_tells_the_width_while_it_is_looked_up(server, connection):
    class Slow:
        """A memory without the width, which answers only after the response has arrived."""

        def __init__(self):
            self.stored, self.arrived = {}, asyncio.Event()

        async def get_meta(self, key):
            await self.arrived.wait()

        async def set_meta(self, key, value):
            self.stored[key] = value
            self.arrived.set()

    memory = Slow()
    embedder = OpenAIEmbedder(connection, model="bge-m3", memory=memory)
    server.script = [embeds(items(packed(vector(1, 24))))]
    looked_up = asyncio.create_task(embedder.known_dimensions())
    await embedder.embed(["a"], priority=Priority.INGEST)

    assert await looked_up == await embedder.dimensions() == 24
    assert list(memory.stored.values()) == ["24"]
    assert server.paths == ["embeddings"]


async def test_the_width_in_a_response_overrides_the_table(server, embedder):
    server.script = [embeds(items(packed(vector(1, 24))))]

    await embedder.embed(["a"], priority=Priority.LIVE)

    assert await embedder.dimensions() == 24


async def test_an_empty_list_of_texts_sends_no_request(server, embedder):
    result = await embedder.embed([], priority=Priority.INGEST)

    assert len(result.vectors) == 0
    assert server.paths == []


async def test_an_embedding_reports_its_cost(server, embedder):
    server.script = [embeds(items(packed(vector(1))), tokens=1_000_000)]

    result = await embedder.embed(["a"], priority=Priority.INGEST)

    assert result.usage.embedding_tokens == 1_000_000
    assert result.usage.cost_usd == pytest.approx(0.02)


async def test_limits_are_learnt_from_the_headers(server, embedder, gate):
    headers = {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "599",
        "x-ratelimit-reset-requests": "100ms",
    }
    server.script = [embeds(items(packed(vector(1))), headers=headers)]

    await embedder.embed(["a"], priority=Priority.INGEST)

    assert gate.state().requests_left in {599, 600}


async def test_a_text_that_cannot_be_encoded_is_refused_without_a_request(server, embedder):
    with pytest.raises(RequestRefusedError):
        await embedder.embed(["\ud800"], priority=Priority.INGEST)

    assert server.paths == []


async def test_an_attempt_has_a_total_deadline(server, embedder, monkeypatch):
    monkeypatch.setattr(openai_embeddings, "EMBEDDING_DEADLINE_S", 0.05)
    server.script = [hangs, embeds(items(packed(vector(1))))]

    result = await embedder.embed(["a"], priority=Priority.INGEST)

    assert len(result.vectors) == 1
    await asyncio.wait_for(server.left.wait(), 2)


async def test_calls_are_recorded_as_spans(server, embedder):
    server.script = [embeds(items(packed(vector(1))))]

    with recording() as recorder:
        await embedder.embed(["a"], priority=Priority.INGEST)

    assert [span.name for span in recorder.spans] == ["embedding"]


# Errors

TRANSLATIONS = [
    (fails(400), RequestRefusedError, 1),
    (fails(413), RequestRefusedError, 1),
    (fails(422), RequestRefusedError, 1),
    (fails(401, message=f"Incorrect API key provided: {KEY}."), ProviderUnusableError, 1),
    (fails(403), ProviderUnusableError, 1),
    (fails(404, "model_not_found"), ProviderUnusableError, 1),
    (fails(429, "insufficient_quota"), ProviderUnusableError, 1),
    (fails(429, "rate_limit_exceeded", "Request too large for gpt-5-nano"), RequestRefusedError, 1),
    (fails(429, headers={"retry-after": "3600"}), RateLimitedError, 1),
    (fails(302, headers={"location": "http://127.0.0.1:9/v1"}), ProviderUnusableError, 1),
    (fails(408), TransientProviderError, 4),
    (fails(409), TransientProviderError, 4),
    (fails(500), TransientProviderError, 4),
    (fails(500, message="input (901 tokens) is too large to process"), RequestRefusedError, 1),
    (fails(501, message="This server does not support embeddings"), ProviderUnusableError, 1),
    (fails(503), TransientProviderError, 4),
    (drops, TransientProviderError, 4),
]


@pytest.mark.parametrize(("behaviour", "kind", "requests"), TRANSLATIONS)
async def test_every_failure_has_its_error_and_number_of_attempts(server, embedder, behaviour, kind, requests):
    server.script = [behaviour]

    with pytest.raises(kind) as caught:
        await embedder.embed(["a"], priority=Priority.INGEST)

    assert len(server.paths) == requests
    assert str(caught.value).endswith(".")


async def test_a_refused_connection_is_retried(unused_tcp_port, gate):
    connection = OpenAIConnection(api_key=KEY, base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", gate=gate)

    with pytest.raises(TransientProviderError, match="cannot be reached"):
        await OpenAIEmbedder(connection, model="m").embed(["a"], priority=Priority.LIVE)

    await connection.close()


async def test_an_address_without_a_scheme_is_unusable(gate):
    connection = OpenAIConnection(api_key=KEY, base_url="localhost:8000/v1", gate=gate)

    with pytest.raises(ProviderUnusableError, match="OPENAI_BASE_URL"):
        await OpenAIEmbedder(connection, model="m").embed(["a"], priority=Priority.LIVE)


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after-ms": "500", "retry-after": "90"},
        {"retry-after": "1"},
        {"retry-after": formatdate(time.time() + 2, usegmt=True)},
        {"retry-after": "soon"},
        {},
    ],
)
async def test_a_429_is_waited_out_without_using_up_an_attempt(server, embedder, headers):
    refusals = [fails(429, "rate_limit_exceeded", headers=headers)] * 5
    server.script = [*refusals, embeds(items(packed(vector(1))))]

    with metering() as meter:
        await embedder.embed(["a"], priority=Priority.INGEST)

    assert (meter.rate_limited, meter.retries) == (5, 0)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("key", [KEY, "plain-secret-of-another-server"])
async def test_an_echoed_key_is_in_no_message_and_no_traceback(server, gate, status, key):
    connection = OpenAIConnection(api_key=key, base_url=server.url, gate=gate)
    server.script = [fails(status, message=f"bad key {key} sk-proj-another_one", headers={"retry-after": "999"})]

    with pytest.raises(Exception, match=r"\.") as caught:
        await OpenAIEmbedder(connection, model="m").embed(["a"], priority=Priority.LIVE)

    shown = "".join(traceback.format_exception(caught.value))
    assert key not in shown
    assert "sk-proj" not in shown
    await connection.close()


async def test_the_key_is_sent_with_embeddings_and_answers(server, embedder, chat):
    server.script = [embeds(items(packed(vector(1)))), streams(says("Hi"), completed())]

    await embedder.embed(["a"], priority=Priority.LIVE)
    await answer(chat)

    assert server.keys == [f"Bearer {KEY}"] * 2


async def test_a_local_server_needs_no_key(server, gate):
    connection = OpenAIConnection(api_key=None, base_url=server.url, gate=gate)
    server.script = [embeds(items(packed(vector(1))))]

    await OpenAIEmbedder(connection, model="m").embed(["a"], priority=Priority.LIVE)

    await connection.close()


async def test_warming_up_is_free_and_ignores_errors(server, connection, gate, unused_tcp_port):
    nowhere = OpenAIConnection(api_key=KEY, base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", gate=gate)

    await connection.warm()
    await nowhere.warm()
    await nowhere.close()

    assert server.paths == []


# Answers by the Responses API


async def test_an_answer_streams_and_ends_with_its_usage(server, chat):
    server.script = [streams(says("Hel"), {"type": "response.something_new"}, says("lo"), completed())]

    text, finish = await answer(chat)

    assert text == "Hello"
    assert finish.status is AnswerStatus.OK
    assert (finish.usage.input_tokens, finish.usage.output_tokens) == (100, 20)
    assert finish.usage.cost_usd == pytest.approx((100 * 0.05 + 20 * 0.40) / 1e6)


async def test_the_question_is_sent_with_instructions_and_is_not_stored(server, chat):
    server.script = [streams(says("Hi"), completed())]

    await answer(chat)

    assert server.bodies == [
        {
            "model": "gpt-5-nano",
            "instructions": PROMPT.system,
            "input": PROMPT.user,
            "stream": True,
            "store": False,
            "reasoning": {"effort": "low"},
            "text": {"verbosity": "low"},
        }
    ]


@pytest.mark.parametrize(("model", "sent"), [("gpt-4.1", set()), ("o4-mini", {"reasoning"}), ("llama3", set())])
async def test_models_get_only_supported_options(server, connection, model, sent):
    server.script = [streams(says("Hi"), completed())]

    await answer(OpenAIChat(connection, model=model))

    assert server.bodies[0].keys() & {"reasoning", "text"} == sent


async def test_a_rejected_option_is_not_sent_again(server, chat):
    refusal = fails(400, message="Unsupported parameter: 'text.verbosity'.", param="text.verbosity")
    server.script = [refusal, streams(says("Hi"), completed())]

    await answer(chat)
    await answer(chat)

    assert ["text" in body for body in server.bodies] == [True, False, False]
    assert all("reasoning" in body for body in server.bodies)


async def test_a_400_about_something_else_is_an_error(server, chat):
    server.script = [fails(400, message="Your input exceeds the context window.")]

    with pytest.raises(RequestRefusedError, match="context window"):
        await answer(chat)

    assert len(server.paths) == 1


async def test_text_in_the_final_event_is_shown(server, chat):
    output = [{"type": "message", "content": [{"type": "output_text", "text": "All at once"}]}]
    server.script = [streams(completed(output=output))]

    text, finish = await answer(chat)

    assert (text, finish.status) == ("All at once", AnswerStatus.OK)


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([says("Half"), {"type": "response.incomplete", "response": {"status": "incomplete"}}], AnswerStatus.TRUNCATED),
        ([{"type": "response.incomplete", "response": {"status": "incomplete"}}], AnswerStatus.TRUNCATED),
        ([says("Half")], AnswerStatus.TRUNCATED),
        ([says("Half"), "{broken"], AnswerStatus.TRUNCATED),
        ([{"type": "response.refusal.delta", "delta": "I can't."}, completed()], AnswerStatus.REFUSED),
        ([{"type": "response.refusal.done", "refusal": "No."}, completed()], AnswerStatus.REFUSED),
        (
            [
                {
                    "type": "response.incomplete",
                    "response": {"incomplete_details": {"reason": "content_filter"}},
                }
            ],
            AnswerStatus.REFUSED,
        ),
    ],
)
async def test_an_answer_reports_how_it_ended(server, chat, events, status):
    server.script = [streams(*events)]

    _, finish = await answer(chat)

    assert finish.status is status


async def test_a_dropped_connection_after_the_first_word_is_a_truncated_answer(server, chat):
    server.script = [streams(says("Half"), then="drop")]

    text, finish = await answer(chat)

    assert (text, finish.status) == ("Half", AnswerStatus.TRUNCATED)
    assert finish.usage.estimated
    assert finish.usage.cost_usd > 0
    assert len(server.paths) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        streams(),
        streams(then="drop"),
        streams("{broken"),
        streams(completed()),
        replies(b"<html>hello</html>"),
        fails(500),
        drops,
    ],
)
async def test_a_failure_before_the_first_word_is_retried(server, chat, behaviour):
    server.script = [behaviour, streams(says("Hi"), completed())]

    text, _ = await answer(chat)

    assert text == "Hi"
    assert len(server.paths) == 2


async def test_an_answer_that_stays_empty_is_an_error(server, chat):
    server.script = [streams(completed())]

    with pytest.raises(TransientProviderError, match="empty"):
        await answer(chat)


def failed(code, message="it broke"):
    return {"type": "response.failed", "response": {"status": "failed", "error": {"code": code, "message": message}}}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (failed("server_error"), TransientProviderError),
        (failed("invalid_prompt"), RequestRefusedError),
        (failed("insufficient_quota"), ProviderUnusableError),
        ({"type": "error", "code": "server_error", "message": "it broke"}, TransientProviderError),
        ({"type": "error", "error": {"code": "server_error", "message": "it broke"}}, TransientProviderError),
        ({"error": {"code": "insufficient_quota", "message": "it broke"}}, ProviderUnusableError),
    ],
)
@pytest.mark.parametrize("before", [[], [says("Half")]])
async def test_a_failure_inside_the_stream_is_an_error(server, chat, event, kind, before):
    server.script = [streams(*before, event)]

    with pytest.raises(kind):
        await answer(chat)


async def test_a_key_inside_the_stream_is_not_repeated(server, chat):
    server.script = [streams(failed("invalid_prompt", f"bad {KEY}"))]

    with pytest.raises(RequestRefusedError) as caught:
        await answer(chat)

    assert KEY not in "".join(traceback.format_exception(caught.value))


async def test_closing_the_answer_closes_it_at_the_server_and_frees_the_slot(server, chat, gate):
    server.script = [streams(says("Hel"), says("lo"), then="hang")]
    pieces = chat.stream(PROMPT, priority=Priority.LIVE)
    assert await anext(pieces) == "Hel"
    assert gate.state().total_in_flight == 1

    await pieces.aclose()

    await asyncio.wait_for(server.left.wait(), 2)
    assert gate.state().total_in_flight == 0


async def test_cancelling_before_the_first_word_closes_it_at_the_server(server, chat, gate):
    server.script = [streams(then="hang")]
    task = asyncio.create_task(answer(chat))
    while not server.paths:
        await asyncio.sleep(0.01)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.left.wait(), 2)
    assert gate.state().total_in_flight == 0


async def test_a_stream_that_never_ends_is_cut_at_the_deadline(server, chat, monkeypatch):
    monkeypatch.setattr(openai_chat, "CHAT_DEADLINE_S", 0.2)
    server.script = [streams(says("Half"), then="hang")]

    text, finish = await answer(chat)

    assert (text, finish.status) == ("Half", AnswerStatus.TRUNCATED)


async def test_a_connection_left_open_after_the_end_causes_no_wait(server, chat, monkeypatch):
    monkeypatch.setattr(openai_chat, "DRAIN_S", 0.05)
    server.script = [streams(says("Hi"), completed(), then="hang")]

    _, finish = await answer(chat)

    assert finish.status is AnswerStatus.OK
    assert finish.usage.output_tokens == 20


async def test_a_429_before_the_first_word_is_waited_out(server, chat):
    server.script = [fails(429, headers={"retry-after": "2"}), streams(says("Hi"), completed())]

    with metering() as meter:
        text, _ = await answer(chat)

    assert (text, meter.rate_limited) == ("Hi", 1)
    assert meter.throttled_s >= 1.9


# Whether the provider knows a model


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ({"data": [{"id": "gpt-5-nano"}, {"id": "other"}]}, "works and has gpt-5-nano"),
        ({"data": [{"id": "gpt-5-nano:latest"}]}, "works and has gpt-5-nano"),
        ({"data": []}, "ask a question to see"),
        ({"data": "none"}, "ask a question to see"),
    ],
)
async def test_a_model_is_looked_up_in_the_providers_list(server, chat, listed, sentence):
    server.listing = replies(listed)

    assert sentence in await chat.check()


async def test_an_unlisted_model_is_reported_with_the_listed_ones(server, chat):
    server.listing = replies({"data": [{"id": f"model-{n}"} for n in range(10)]})

    with pytest.raises(ProviderUnusableError, match=r"does not list gpt-5-nano\. It has: model-0, .* …"):
        await chat.check()


async def test_a_server_without_a_model_list_is_accepted(server, chat):
    server.listing = fails(404, message="Not Found")

    assert "ask a question to see" in await chat.check()


async def test_the_check_reports_a_rejected_key(server, chat):
    server.listing = fails(401, message="Incorrect API key provided")

    with pytest.raises(ProviderUnusableError, match="key"):
        await chat.check()


# Answers by Chat Completions


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_without_responses_gets_chat_completions(server, chat, status):
    spoken = streams(chunk("Hel"), chunk("lo"), chunk(finish="stop"), USED, "[DONE]")
    server.script = [fails(status, message="Not Found"), spoken]

    first = await answer(chat)
    second = await answer(chat)

    assert first == second
    assert first[0] == "Hello"
    assert first[1].usage.input_tokens == 50
    assert server.paths == ["responses", "chat/completions", "chat/completions"]


async def test_chat_completions_get_their_own_option_names(server, connection):
    server.script = [streams(chunk("Hi"), chunk(finish="stop"), "[DONE]")]

    await answer(OpenAIChat(connection, model="gpt-5-nano", api="chat"))

    assert server.bodies == [
        {
            "model": "gpt-5-nano",
            "messages": [{"role": "system", "content": PROMPT.system}, {"role": "user", "content": PROMPT.user}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "reasoning_effort": "low",
            "verbosity": "low",
        }
    ]


async def test_a_server_without_stream_options_gets_none(server, connection):
    server.script = [
        fails(422, message="stream_options: extra fields not permitted"),
        streams(chunk("Hi"), chunk(finish="stop"), "[DONE]"),
    ]

    _, finish = await answer(OpenAIChat(connection, model="m", api="chat"))

    assert finish.status is AnswerStatus.OK
    assert finish.usage.cost_usd is None


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([chunk("Half"), chunk(finish="length")], AnswerStatus.TRUNCATED),
        ([chunk("Half")], AnswerStatus.TRUNCATED),
        ([chunk(refusal="I can't."), chunk(finish="stop")], AnswerStatus.REFUSED),
        ([chunk(finish="content_filter")], AnswerStatus.REFUSED),
        ([chunk("All", finish="stop")], AnswerStatus.OK),
    ],
)
async def test_a_completion_reports_how_it_ended(server, connection, events, status):
    server.script = [streams(*events)]

    _, finish = await answer(OpenAIChat(connection, model="m", api="chat"))

    assert finish.status is status


@pytest.mark.parametrize(("events", "tries"), [([chunk(finish="stop")], 2), ([{"id": "c", "choices": []}], 4), ([], 4)])
async def test_a_completion_without_text_is_an_error(server, connection, events, tries):
    server.script = [streams(*events)]

    with pytest.raises(TransientProviderError):
        await answer(OpenAIChat(connection, model="m", api="chat"))

    assert len(server.paths) == tries


async def test_an_unknown_model_is_not_mistaken_for_a_missing_api(server, connection):
    server.script = [fails(404, message='model "llama9" not found, try pulling it first')]

    with pytest.raises(ProviderUnusableError, match="llama9"):
        await answer(OpenAIChat(connection, model="llama9"))

    assert server.paths == ["responses"]


async def test_the_responses_setting_does_not_fall_back(server, connection):
    server.script = [fails(404, message="Not Found")]

    with pytest.raises(ProviderUnusableError):
        await answer(OpenAIChat(connection, model="m", api="responses"))

    assert server.paths == ["responses"]


# Prices


def test_own_prices_take_precedence_and_unknown_ones_stay_unknown():
    prices = price_table({"gpt-5-nano": 1.0, "mine": 2.0})

    assert cost_usd(prices, "mine", input_tokens=500_000, output_tokens=500_000) == pytest.approx(2.0)
    assert cost_usd(prices, "gpt-5-nano", output_tokens=1_000_000) == DEFAULT_PRICES["gpt-5-nano:output"]
    assert cost_usd(prices, "unheard of", input_tokens=1) is None
