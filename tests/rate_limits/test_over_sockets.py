"""Configured and announced limits with the simulator, which counts requests on arrival."""

import asyncio
import time
from collections import defaultdict

from animerag.models.answers import Prompt
from animerag.models.providers import Priority
from animerag.providers.openai import OpenAIChat, OpenAIConnection, OpenAIEmbedder
from animerag.rate_limits import Gate
from animerag.rate_limits.window import JITTER_S
from animerag.simulator import SimulatorProcess, SimulatorSettings

PROMPT = Prompt(question="Who?", sources=(), system="Answer.", user="Who?")


async def send(provider, gate, count):
    """Embed `count` texts, one per request; return the seconds and the provider's record."""
    connection = OpenAIConnection(api_key=None, base_url=provider.url, gate=gate)
    embedder = OpenAIEmbedder(connection, model="text-embedding-3-small")
    await embedder.warm()
    began_s = time.perf_counter()
    await asyncio.gather(*(embedder.embed([f"text {n}"], priority=Priority.INGEST) for n in range(count)))
    seconds = time.perf_counter() - began_s
    await embedder.close()
    return seconds, await provider.stats(times=True)


async def send_both(provider, gate, count):
    """Send `count` embeddings and answers alternately; return the seconds, and when requests arrived by status."""
    connection = OpenAIConnection(api_key=None, base_url=provider.url, gate=gate)
    embedder = OpenAIEmbedder(connection, model="text-embedding-3-small")
    chat = OpenAIChat(connection, model="gpt-5-nano", api="chat")
    await embedder.warm()

    async def one(number):
        if number % 2:
            return await embedder.embed([f"text {number}"], priority=Priority.BATCH)
        return [event async for event in chat.stream(PROMPT, priority=Priority.BATCH)]

    began_s = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(count)))
    seconds = time.perf_counter() - began_s
    await connection.close()
    arrived = defaultdict(list)
    for visit in (await provider.stats(times=True)).times:
        arrived[visit.status].append(visit.arrived_s)
    return seconds, arrived


def most_in(window_s, moments):
    return max((sum(first <= each < first + window_s for each in moments) for first in moments), default=0)


async def test_answers_and_embeddings_that_share_an_announced_limit_use_it_up_with_hardly_a_refusal():
    limited = SimulatorSettings(embed_latency_s=0.05, chat_latency_s=0.1, requests_per_minute=300, burst=5)
    async with SimulatorProcess(limited) as provider:
        seconds, arrived = await send_both(provider, Gate(query=10), 20)

    assert len(arrived["200"]) == 20
    assert most_in(1.0, arrived["429"]) <= 1
    assert seconds <= 1.1 * (15 / 5 + 0.1) + 0.3, "and what a busy machine takes"


async def test_answers_and_embeddings_together_stay_within_a_set_limit_and_use_it_up():
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.02, chat_latency_s=0.05)) as provider:
        seconds, arrived = await send_both(provider, Gate(query=20, max_rpm=10, window_s=1.0), 30)

    assert len(arrived["200"]) == 30
    assert most_in(1.0, arrived["200"]) <= 10
    assert seconds <= 1.1 * (2 * (1.0 + JITTER_S) + 1.0) + 0.3, "two windows and the last ten, at the bucket's rate"


async def test_the_provider_counts_no_more_than_the_set_number_in_any_window():
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.05)) as provider:
        gate = Gate(ingest=20, max_rpm=12, window_s=1.0)
        seconds, stats = await send(provider, gate, 40)

    arrived = [visit.arrived_s for visit in stats.times if visit.endpoint == "embeddings"]
    assert len(arrived) == 40
    assert max(sum(first <= each < first + 1.0 for each in arrived) for first in arrived) <= 12
    assert seconds <= 8  # 3 windows of 1.3 s and what was left of the fourth, on a busy machine
