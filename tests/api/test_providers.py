"""The API with answers of a simulated model: usage, caps, priority, and a failing provider."""

import json

import httpx2
import pytest

from animerag.api import chat_completions
from animerag.api.backend import LocalBackend
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.providers import Priority
from animerag.rate_limits import Gate
from animerag.simulator import SimulatorSettings, parse_faults
from animerag.simulator.server import listening

QUICK = {"embed_latency_s": 0, "chat_latency_s": 0, "first_token_s": 0}
BODY = {"model": "animerag", "messages": [{"role": "user", "content": "Which captain walks through the rain?"}]}


@pytest.fixture
def opened(settings, export, record):
    """Send requests to `/v1` over one show and a simulated provider: `await opened(*bodies)` returns the responses."""
    source = export(record(1, "Voyage", "The captain walks through the rain and looks for the island. " * 5))

    async def asked(*bodies, faults="", **options):
        async with listening(SimulatorSettings(**QUICK)) as url:
            chosen = load_settings(
                data_dir=settings.data_dir, chroma_url=settings.chroma_url, openai_base_url=url, **options
            )
            async with open_services(chosen, warm=False) as services:
                await services.ingestion.run([SourceFile(path=source.path, name=source.name)], Control())
        async with listening(SimulatorSettings(**QUICK, faults=parse_faults(faults) if faults else ())) as url:
            chosen = chosen.model_copy(update={"openai_base_url": url})
            async with open_services(chosen, warm=False) as services:
                app = chat_completions.application(LocalBackend(services))
                transport = httpx2.ASGITransport(app=app)
                async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=50) as client:
                    responses = [await client.post("/v1/chat/completions", json=body) for body in bodies]
                return responses, services

    return asked


async def test_a_model_writes_the_answer_and_its_tokens_are_counted(opened):
    (whole, streamed), _ = await opened(BODY, BODY | {"stream": True, "stream_options": {"include_usage": True}})

    answer = whole.json()
    assert answer["usage"]["total_tokens"] == sum(
        answer["usage"][name] for name in ("prompt_tokens", "completion_tokens")
    )
    assert answer["usage"]["completion_tokens"] > 0
    assert answer["result"]["ids"] == ["1"]
    assert answer["choices"][0]["message"]["annotations"]
    *_, counted, done = [line[6:] for line in streamed.text.splitlines() if line]
    assert done == "[DONE]"
    assert json.loads(counted)["usage"]["total_tokens"] == 0, "the second answer came from the cache"


async def test_the_daily_cap_is_enforced_with_an_error_that_clients_do_not_retry(opened):
    (refused,), _ = await opened(BODY, max_cost_usd=0.0, prices={"gpt-5-nano": 1.0, "text-embedding-3-small": 0.0})

    assert refused.status_code == 503
    assert "ANIMERAG_MAX_COST_USD" in refused.json()["error"]["message"]
    assert refused.headers["x-should-retry"] == "false"


async def test_a_key_that_the_provider_refuses_is_a_server_error(opened):
    (refused,), _ = await opened(BODY, faults="401@1")

    assert refused.status_code in (502, 503)
    assert refused.json()["error"]["type"] == "server_error"


async def test_programs_have_the_priority_of_live_questions(opened, monkeypatch):
    asked, real = [], Gate.held

    def held(self, *given, priority, **options):
        asked.append(priority)
        return real(self, *given, priority=priority, **options)

    monkeypatch.setattr(Gate, "held", held)
    await opened(BODY)

    assert set(asked) == {Priority.LIVE, Priority.INGEST}  # the import of this test
    assert Priority.LIVE in asked[-2:]
