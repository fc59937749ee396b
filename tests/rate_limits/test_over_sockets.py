"""Configured and announced limits against the simulator, which counts requests where they arrive."""

import asyncio
import time

from animerag.models import Priority
from animerag.providers.openai import OpenAIConnection, OpenAIEmbedder
from animerag.rate_limits import Gate
from animerag.simulator import SimulatorProcess, SimulatorSettings


async def send(provider, gate, count):
    """Embed `count` texts, a request each; return the seconds it took and what the provider noted."""
    connection = OpenAIConnection(api_key=None, base_url=provider.url, gate=gate)
    embedder = OpenAIEmbedder(connection, model="text-embedding-3-small")
    await embedder.warm()
    began_s = time.perf_counter()
    await asyncio.gather(*(embedder.embed([f"text {n}"], priority=Priority.INGEST) for n in range(count)))
    seconds = time.perf_counter() - began_s
    await embedder.close()
    return seconds, await provider.stats(times=True)


async def test_the_provider_counts_no_more_than_the_set_number_in_any_window():
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.05)) as provider:
        gate = Gate(ingest=20, max_rpm=12, window_s=1.0)
        seconds, stats = await send(provider, gate, 40)

    arrived = [visit.arrived_s for visit in stats.times if visit.endpoint == "embeddings"]
    assert len(arrived) == 40
    assert max(sum(first <= each < first + 1.0 for each in arrived) for first in arrived) <= 12
    assert seconds <= 8  # 3 windows of 1.3 s and what was left of the fourth, on a busy machine
