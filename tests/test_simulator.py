"""The simulated provider over real sockets, called by the real SDK and by plain HTTP."""

import argparse
import asyncio
import base64
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

import aiohttp
import numpy as np
import openai
import pytest

from animerag.errors import InvalidInputError, ProviderUnusableError
from animerag.simulator import Fault, SimulatorProcess, SimulatorSettings, add_arguments, parse_faults, settings_from
from animerag.simulator.content import NOT_FOUND, answer
from animerag.simulator.protocol import POISON, duration
from animerag.simulator.server import Dice, listening, serve
from animerag.simulator.traffic import SimulatedBucket

PROMPT = """Answer from these sources only.
```sources 5f1c
[1] Fullmetal Alchemist (2003)
Tags: alchemy, brothers
Description: Two brothers search for the stone. They lost much.
[2] Mushishi
Ginko wanders through a land of spirits and heals those they touch. He smokes.
[3] Monster
A doctor saves a boy.
```
Question: Who looks for a stone?"""
ANSWER = (
    "This is what the sources say. Two brothers search for the stone. [1] "
    "Ginko wanders through a land of spirits and heals those they touch. [2]"
)
EMBED = {"model": "m", "input": ["a text"]}
ASK = {"model": "m", "input": PROMPT}
SHORT_TOKENS = 2  # "a text" is six bytes


def fast(**given):
    return SimulatorSettings(**{"embed_latency_s": 0, "chat_latency_s": 0, **given})


def sdk(url):
    # Loading certificates takes longer than a test, and loopback needs none.
    transport = openai.DefaultAioHttpClient(verify=False)
    return openai.AsyncOpenAI(base_url=url, api_key="sk-test", max_retries=0, http_client=transport)


class Caller:
    """Plain HTTP and the SDK on one simulator."""

    def __init__(self, url, session):
        self.url, self.session = url, session

    @cached_property
    def openai(self):
        return sdk(self.url)

    async def post(self, path, payload):
        body = io.BytesIO(json.dumps(payload).encode())  # aiohttp warns of large bodies in plain bytes
        async with self.session.post(f"{self.url}{path}", data=body) as response:
            return response, await response.read()

    async def embed(self, payload=EMBED):
        return await self.post("/embeddings", payload)

    async def statuses(self, count):
        return [(await self.embed())[0].status for _ in range(count)]

    async def stats(self, query=""):
        async with self.session.get(f"{self.url.removesuffix('/v1')}/stats{query}") as response:
            return await response.json()

    async def reset(self):
        async with self.session.post(f"{self.url.removesuffix('/v1')}/reset") as response:
            assert response.status == 200


@asynccontextmanager
async def simulator(**given):
    async with (
        listening(fast(**given)) as url,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
    ):
        caller = Caller(url, session)
        yield caller
        if "openai" in vars(caller):
            await caller.openai.close()


async def vectors(caller, *texts, **options):
    result = await caller.openai.embeddings.create(model="m", input=list(texts), **options)
    return np.array([item.embedding for item in result.data], np.float32)


# Embeddings


async def test_base64_and_float_vectors_are_equal():
    async with simulator() as caller:
        as_base64 = await vectors(caller, "one", "two")
        as_floats = await vectors(caller, "one", "two", encoding_format="float")
    assert as_base64.shape == (2, 1536)
    np.testing.assert_array_equal(as_base64, as_floats)


async def test_numbers_are_sent_unless_base64_is_asked_for():
    async with simulator(dimensions=8) as caller:
        _, plain = await caller.embed()
        _, packed = await caller.embed({**EMBED, "encoding_format": "base64"})
    numbers = json.loads(plain)["data"][0]["embedding"]
    text = json.loads(packed)["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(text), "<f4").tolist() == numbers


async def test_a_text_has_the_same_unit_vector_at_every_position():
    async with simulator() as caller:
        first = await vectors(caller, "a wandering swordsman", "x")
        again = await vectors(caller, "y", "!?", "a wandering swordsman")
    np.testing.assert_array_equal(first[0], again[2])
    np.testing.assert_allclose(np.linalg.norm(np.vstack([first, again]), axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("question", "near", "far"),
    [
        ("boy alchemist searching a stone", "Two alchemists search for a stone.", "A girls' band plays at school."),
        ("巨人と戦う少年", "少年は巨人と戦う。", "高校の軽音部の日常。"),
    ],
)
async def test_texts_that_share_words_are_nearer(question, near, far):
    async with simulator() as caller:
        asked, close, distant = await vectors(caller, question, near, far)
    assert asked @ close > asked @ distant + 0.1


async def test_the_requested_dimensions_are_used_otherwise_the_simulators():
    async with simulator(dimensions=64) as caller:
        assert (await vectors(caller, "text")).shape == (1, 64)
        assert (await vectors(caller, "text", dimensions=3)).shape == (1, 3)


async def test_embedding_usage_counts_every_text():
    async with simulator() as caller:
        result = await caller.openai.embeddings.create(model="m", input=["a text", "a text"])
        stats = await caller.stats()
    assert result.usage.prompt_tokens == result.usage.total_tokens == 2 * SHORT_TOKENS
    assert (stats["texts"], stats["tokens"]) == (2, 2 * SHORT_TOKENS)


@pytest.mark.parametrize(
    "payload",
    [
        {"model": "m"},
        {"model": "m", "input": []},
        {"model": "m", "input": ["good", ""]},
        {"model": "m", "input": ["x"] * 2049},
        {"model": "m", "input": "x" * 40_000},
        {"model": "m", "input": ["x" * 30_000] * 50},
        {"model": "m", "input": ["good", f"bad {POISON} text"]},
        {"model": "m", "input": "x", "dimensions": 0},
        {"input": "x"},
    ],
)
async def test_a_request_that_the_api_would_refuse_gets_a_400(payload):
    async with simulator() as caller:
        response, body = await caller.embed(payload)
    assert response.status == 400
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


async def test_a_body_that_is_not_json_gets_a_400():
    async with simulator() as caller, caller.session.post(f"{caller.url}/responses", data=b"{") as response:
        assert response.status == 400


# Answers


async def test_responses_have_a_complete_answer_and_usage():
    async with simulator() as caller:
        reply = await caller.openai.responses.create(model="gpt-5-nano", input=PROMPT, instructions="Be brief.")
    assert (reply.status, reply.model, reply.output_text) == ("completed", "gpt-5-nano", ANSWER)
    assert reply.usage.input_tokens == math.ceil(len(PROMPT) / 4) + 3
    assert reply.usage.output_tokens == math.ceil(len(ANSWER) / 4)


async def test_responses_stream_from_created_to_completed():
    async with simulator() as caller:
        stream = await caller.openai.responses.create(model="m", input=PROMPT, stream=True)
        events = [event async for event in stream]
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
    assert events[-1].response.output_text == ANSWER
    assert events[-1].response.usage.output_tokens == math.ceil(len(ANSWER) / 4)


async def test_the_sdks_strict_stream_helper_accepts_the_order_of_events():
    messages = [{"role": "user", "content": [{"type": "input_text", "text": PROMPT}]}]
    async with simulator() as caller, caller.openai.responses.stream(model="m", input=messages) as stream:
        final = await stream.get_final_response()
    assert final.output_text == ANSWER


async def test_chat_answers_the_last_user_message_with_usage():
    earlier = [{"role": "user", "content": "[1] Old\nAn old text."}, {"role": "assistant", "content": "[1] Old."}]
    async with simulator() as caller:
        reply = await caller.openai.chat.completions.create(
            model="m", messages=[*earlier, {"role": "user", "content": PROMPT}]
        )
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (ANSWER, "stop")
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


async def test_chat_streams_pieces_then_usage_when_asked():
    async with simulator() as caller:
        stream = await caller.openai.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": PROMPT}],
            stream=True,
            stream_options={"include_usage": True},
        )
        *chunks, last = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert (last.choices, last.usage.completion_tokens) == ([], math.ceil(len(ANSWER) / 4))


async def test_a_chat_stream_ends_with_done_and_without_usage_unless_asked():
    async with simulator() as caller:
        response, body = await caller.post(
            "/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        )
    assert response.content_type == "text/event-stream"
    assert body.endswith(b"data: [DONE]\n\n")
    assert b"usage" not in body


async def test_deltas_are_spread_from_the_first_token_to_the_end():
    async with simulator(first_token_s=0.1, chat_latency_s=0.3) as caller:
        begun_s = time.perf_counter()
        stream = await caller.openai.responses.create(model="m", input=PROMPT, stream=True)
        moments_s = [time.perf_counter() - begun_s async for event in stream if event.type.endswith("text.delta")]
    step_s = 0.2 / (len(moments_s) - 1)
    assert len(moments_s) == len(ANSWER.split())
    assert all(moment_s >= 0.099 + index * step_s for index, moment_s in enumerate(moments_s))


async def test_models_are_listed():
    async with simulator() as caller:
        names = [model.id async for model in caller.openai.models.list()]
    assert names == ["gpt-5-nano", "text-embedding-3-small"]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Question: What is [1]?", NOT_FOUND),
        ("[7] Only a title", "This is what the sources say. Only a title. [7]"),
        (
            "[1] 虫師\n蟲が見える男。旅をする。\n<end>\nlong question?",
            "This is what the sources say. 蟲が見える男。 [1]",
        ),
        ("[1] T\n\nIt cost 3.5 yen. Really.", "This is what the sources say. It cost 3.5 yen. [1]"),
        ("[1] ", "This is what the sources say. Nothing more is known. [1]"),
    ],
)
def test_an_answer_quotes_a_sentence_of_each_source_or_says_there_is_none(prompt, expected):
    assert answer(prompt) == expected


# Statistics


async def test_the_peak_in_flight_is_what_was_sent_at_once():
    async with simulator(embed_latency_s=0.3, chat_latency_s=0.3) as caller:
        await asyncio.gather(*(caller.embed() for _ in range(7)), *(caller.post("/responses", ASK) for _ in range(4)))
        await caller.embed()
        stats = await caller.stats()
    assert stats["peak_in_flight"] == {"embeddings": 7, "responses": 4, "overall": 11}
    assert stats["requests"] == {"embeddings": 8, "responses": 4}
    assert (stats["in_flight"], stats["statuses"]) == (0, {"200": 12})


async def test_times_are_returned_on_request_and_cover_the_latency():
    async with simulator(embed_latency_s=0.05, embed_per_item_s=0.05) as caller:
        await caller.embed({"model": "m", "input": ["a", "b"]})
        assert (await caller.stats())["times"] == []
        (visit,) = (await caller.stats("?times=1"))["times"]
    assert visit["status"] == "200"
    assert visit["finished_s"] - visit["arrived_s"] >= 0.149


async def test_a_disconnected_client_is_not_in_flight():
    async with simulator(chat_latency_s=60) as caller:
        request = asyncio.create_task(caller.post("/responses", ASK))
        while not (await caller.stats())["in_flight"]:
            await asyncio.sleep(0)
        request.cancel()
        while (await caller.stats())["in_flight"]:
            await asyncio.sleep(0)
        assert (await caller.stats())["statuses"] == {"gone": 1}


async def test_reset_zeroes_the_statistics_refills_the_buckets_and_restarts_randomness():
    async with simulator(requests_per_minute=1, burst=2, faults=parse_faults("500@0.5"), seed=3) as caller:
        before = await caller.statuses(3)
        await caller.reset()
        assert (await caller.stats())["requests"] == {}
        assert await caller.statuses(3) == before


# Limits


def test_a_bucket_refills_continuously_up_to_its_capacity():
    now_s = 0.0
    bucket = SimulatedBucket(per_minute=30, capacity=5, clock=lambda: now_s)
    bucket.take(5)
    assert (bucket.remaining, bucket.wait_s(1), bucket.reset_s) == (0, 2.0, 10.0)
    now_s = 2.0
    assert (bucket.remaining, bucket.wait_s(1), bucket.wait_s(2)) == (1, 0.0, 2.0)
    now_s = 1000.0
    assert (bucket.remaining, bucket.reset_s) == (5, 0.0)
    assert bucket.wait_s(6) == math.inf


def test_waiting_exactly_as_long_as_asked_is_enough():
    now_s = 0.1
    bucket = SimulatedBucket(per_minute=7, capacity=1, clock=lambda: now_s)
    for _ in range(100):
        bucket.take(1)
        now_s += bucket.wait_s(1)
        assert bucket.wait_s(1) == 0
        assert bucket.remaining == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.12, "120ms"), (0.0001, "1ms"), (1, "1s"), (1.5, "1.5s"), (59.9999, "1m0s"), (360, "6m0s")],
)
def test_durations_are_written_as_openai_does(seconds, text):
    assert duration(seconds) == text


async def test_a_full_bucket_accepts_the_burst_and_then_names_the_wait():
    async with simulator(requests_per_minute=6, burst=2) as caller:
        first, _ = await caller.embed()
        await caller.embed()
        refused, body = await caller.embed()
        stats = await caller.stats()
    assert (first.status, refused.status, stats["rate_limited"]) == (200, 429, 1)
    assert first.headers["x-ratelimit-limit-requests"] == "6"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert int(refused.headers["retry-after-ms"]) <= 1000 * int(refused.headers["retry-after"])
    assert json.loads(body)["error"]["code"] == "rate_limit_exceeded"
    assert (stats["statuses"], stats["texts"]) == ({"200": 2, "429": 1}, 2)


async def test_tokens_have_their_own_bucket():
    async with simulator(tokens_per_minute=3 * SHORT_TOKENS - 1) as caller:
        assert await caller.statuses(3) == [200, 200, 429]
        refused, body = await caller.embed()
    assert refused.headers["x-ratelimit-limit-tokens"] == "5"
    assert refused.headers["x-ratelimit-remaining-tokens"] in {"1", "2"}
    assert "x-ratelimit-limit-requests" not in refused.headers
    assert "tokens per min (TPM): Limit 5" in json.loads(body)["error"]["message"]


async def test_a_request_larger_than_the_bucket_gets_no_wait():
    async with simulator(tokens_per_minute=1) as caller:
        refused, body = await caller.embed()
    assert refused.status == 429
    assert "retry-after" not in refused.headers
    assert json.loads(body)["error"]["message"].startswith("Request too large")


@pytest.mark.parametrize("stream", [False, True])
async def test_limits_are_announced_with_every_answer(stream):
    async with simulator(requests_per_minute=60, tokens_per_minute=10_000) as caller:
        answered, _ = await caller.post("/responses", {**ASK, "stream": stream})
        refused, _ = await caller.post("/responses", {})
        async with caller.session.get(f"{caller.url}/models") as listed:
            pass
    names = {f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")}
    assert (answered.status, refused.status, listed.status) == (200, 400, 200)
    assert all(names <= {name.lower() for name in each.headers} for each in (answered, refused, listed))


async def test_the_sdk_sees_a_rate_limit_error():
    async with simulator(requests_per_minute=1, burst=1) as caller:
        await vectors(caller, "x")
        with pytest.raises(openai.RateLimitError) as caught:
            await vectors(caller, "x")
    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after-ms"]) > 0


# Faults


@pytest.mark.parametrize(
    ("spec", "error", "code"),
    [
        ("400@1", openai.BadRequestError, None),
        ("401@1", openai.AuthenticationError, "invalid_api_key"),
        ("403@1", openai.PermissionDeniedError, "forbidden"),
        ("404@1", openai.NotFoundError, "model_not_found"),
        ("429@1", openai.RateLimitError, "rate_limit_exceeded"),
        ("insufficient_quota@1", openai.RateLimitError, "insufficient_quota"),
        ("500@1", openai.InternalServerError, None),
        ("503@1", openai.InternalServerError, None),
    ],
)
async def test_a_refusal_reaches_the_sdk_as_its_own_error(spec, error, code):
    async with simulator(faults=parse_faults(spec)) as caller:
        with pytest.raises(error) as caught:
            await caller.openai.responses.create(model="m", input="x")
        stats = await caller.stats()
    assert caught.value.code == code
    assert stats["faults"] == {spec.removesuffix("@1"): 1}
    assert stats["rate_limited"] == (code == "rate_limit_exceeded")
    assert stats["tokens"] == 0


async def test_a_random_429_asks_for_the_configured_wait():
    async with simulator(faults=parse_faults("429=0.05@1")) as caller:
        refused, _ = await caller.embed()
    assert (refused.headers["retry-after"], refused.headers["retry-after-ms"]) == ("1", "50")


@pytest.mark.parametrize("payload", [ASK, {**ASK, "stream": True}])
async def test_a_dropped_request_gets_no_response(payload):
    async with simulator(faults=parse_faults("drop@1")) as caller:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await caller.post("/responses", payload)
        assert (await caller.stats())["statuses"] == {"drop": 1}


async def test_a_truncated_body_is_shorter_than_promised():
    async with (
        simulator(faults=parse_faults("truncated@1")) as caller,
        caller.session.post(f"{caller.url}/embeddings", json=EMBED) as response,
    ):
        begun = await response.content.readany()
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert response.status == 200
    assert 0 < len(begun) < response.content_length


async def test_a_truncated_stream_stops_between_words():
    seen = []
    async with simulator(faults=parse_faults("truncated@1")) as caller:
        stream = await caller.openai.responses.create(model="m", input=PROMPT, stream=True)
        with pytest.raises(openai.APIConnectionError):
            seen.extend([event async for event in stream])
    assert "response.completed" not in {event.type for event in seen}


@pytest.mark.parametrize("payload", [ASK, {**ASK, "stream": True}])
async def test_a_malformed_answer_is_html_with_a_200(payload):
    async with simulator(faults=parse_faults("malformed@1")) as caller:
        response, body = await caller.post("/responses", payload)
    assert (response.status, response.content_type) == (200, "text/html")
    assert body.startswith(b"<html>")


@pytest.mark.parametrize(("spec", "least_s"), [("slow@1", 0.199), ("slow=15@1", 0.299)])
async def test_slow_multiplies_the_latency(spec, least_s):
    async with simulator(embed_latency_s=0.02, faults=parse_faults(spec)) as caller:
        response, _ = await caller.embed()
        (visit,) = (await caller.stats("?times=1"))["times"]
    assert response.status == 200
    assert visit["finished_s"] - visit["arrived_s"] >= least_s


async def test_a_poisoned_text_makes_its_request_a_400_and_no_other():
    async with simulator() as caller:
        with pytest.raises(openai.BadRequestError):
            await vectors(caller, "good", f"{POISON}")
        assert (await vectors(caller, "good")).shape == (1, 1536)
        with pytest.raises(openai.BadRequestError):
            await caller.openai.chat.completions.create(model="m", messages=[{"role": "user", "content": POISON}])


async def test_a_seed_repeats_its_faults_exactly():
    async def statuses(seed):
        async with simulator(faults=parse_faults("500@0.3,401@0.2"), seed=seed) as caller:
            return await caller.statuses(40)

    first, again, other = await statuses(1), await statuses(1), await statuses(2)
    assert first == again
    assert first != other
    assert set(first) == {200, 401, 500}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("500", "'500' has no rate"),
        ("500@", "'500@' has no rate"),
        ("500@often", "'500@often' contains something that is not a number"),
        ("slow=x@0.1", "'slow=x@0.1' contains something that is not a number"),
        ("teapot@0.1", "'teapot' is not a fault"),
        ("500@1.5", "The rate of 500 must be between 0 and 1, not 1.5."),
        ("500@nan", "must be between 0 and 1"),
        ("500=3@0.1", "only slow and 429 take a number"),
        ("slow=0@0.1", "and it must be above 0"),
    ],
)
def test_an_invalid_fault_is_refused_with_a_reason(spec, says):
    with pytest.raises(InvalidInputError) as caught:
        parse_faults(spec)
    assert says in str(caught.value)
    assert str(caught.value).endswith(".")


def test_the_text_of_a_fault_can_be_parsed_again():
    faults = parse_faults(" 429=0.5@0.1, drop@0.02,,slow@1e-05 ")
    assert faults == (Fault(kind="429", rate=0.1, value=0.5), Fault(kind="drop", rate=0.02), faults[2])
    assert parse_faults(",".join(map(str, faults))) == faults
    assert parse_faults("") == ()


# Settings


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"embed_latency_s": -1}, "--embed-latency must be a number of seconds of at least 0, not -1."),
        ({"chat_latency_s": math.nan}, "--chat-latency must be"),
        ({"jitter": 2}, "--jitter must be between 0 and 1, not 2."),
        ({"requests_per_minute": 0}, "--rpm must be 1 or more, not 0."),
        ({"burst": 5}, "--burst needs --rpm"),
        ({"dimensions": 0}, "--dim must be between 1 and 4096, not 0."),
        ({"faults": parse_faults("500@0.6,429@0.6")}, "must not exceed 1"),
    ],
)
def test_invalid_numbers_are_refused_with_a_reason(given, says):
    with pytest.raises(InvalidInputError, match=says):
        SimulatorSettings(**given)


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(arguments)


def test_flags_make_settings_and_settings_make_flags():
    given = (
        "--embed-latency 1.5 --embed-per-item 0.01 --chat-latency 2 --first-token 0.5 --jitter 0.2 --rpm 30 --tpm 9000"
        " --burst 5 --faults 429@0.1,slow=3@0.01 --dim 8 --seed 7"
    )
    settings = settings_from(parsed("--port", "81", *given.split()))
    assert (settings.embed_latency_s, settings.requests_per_minute, settings.burst) == (1.5, 30, 5)
    assert settings_from(parsed(*settings.arguments())) == settings
    assert settings_from(parsed()) == SimulatorSettings()
    assert settings_from(argparse.Namespace(seed=2)) == SimulatorSettings(seed=2)


def test_jitter_moves_the_latency_both_ways_within_its_share_and_repeats():
    paces = [[dice.pace() for _ in range(100)] for dice in (Dice(fast(jitter=0.2)), Dice(fast(jitter=0.2)))]
    assert paces[0] == paces[1]
    assert 0.8 <= min(paces[0]) < 0.85
    assert 1.15 < max(paces[0]) <= 1.2
    assert Dice(fast()).pace() == 1


# Process


async def run_module(*arguments, stdin=asyncio.subprocess.PIPE):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "animerag.simulator", *arguments),
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )


async def test_a_process_serves_counts_and_leaves_nothing_behind():
    async with SimulatorProcess(fast(dimensions=8)) as process:
        async with sdk(process.url) as client:
            await client.embeddings.create(model="m", input="text")
        stats = await process.stats(times=True)
        await process.reset()
        assert (await process.stats()).requests == {}
        pid = process.pid
    assert (stats.requests, stats.peak_in_flight["overall"], stats.times[0].status) == ({"embeddings": 1}, 1, "200")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_process_ends_while_a_client_is_waiting():
    async with aiohttp.ClientSession() as session:
        async with SimulatorProcess(fast(chat_latency_s=600)) as process:
            request = asyncio.create_task(session.post(f"{process.url}/responses", json=ASK))
            while not (await process.stats()).in_flight:
                await asyncio.sleep(0)
        with pytest.raises(aiohttp.ClientError):
            await request


async def test_an_error_inside_still_ends_the_process():
    with pytest.raises(ZeroDivisionError):
        async with SimulatorProcess(fast()) as process:
            raise ZeroDivisionError
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


@pytest.mark.skipif(os.name != "posix", reason="there is no program that does nothing but fail")
async def test_a_process_that_does_not_start_has_a_clear_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(ProviderUnusableError, match="did not start"):
        await SimulatorProcess(fast()).__aenter__()


async def test_the_module_prints_its_url_and_ends_when_stdin_does():
    process = await run_module("--watch-stdin", "--dim=8")
    printed = json.loads(await process.stdout.readline())
    assert printed["url"].startswith("http://127.0.0.1:")
    process.stdin.close()
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without a signal handler")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_module_outlives_stdin_and_ends_on_a_signal(number):
    process = await run_module(stdin=asyncio.subprocess.DEVNULL)
    await process.stdout.readline()
    process.send_signal(number)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_invalid_options_exit_with_2():
    process = await run_module("--faults", "500@9")
    out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.decode().strip() == "The rate of 500 must be between 0 and 1, not 9."


async def test_a_used_port_is_refused_with_a_reason():
    async with listening(fast()) as url:
        port = int(url.removesuffix("/v1").rpartition(":")[2])
        with pytest.raises(InvalidInputError, match=f"Port {port} on 127.0.0.1 is not available"):
            await serve(fast(), port)


def test_flags_are_light_to_import():
    code = "import sys, animerag.simulator; print([n for n in ('aiohttp', 'numpy') if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    assert done.stdout.strip() == "[]"
