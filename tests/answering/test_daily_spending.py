"""Cost caps with a server that reports no tokens, over real sockets."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from animerag.answering.daily_spending import DailySpending
from animerag.batch.estimate import source_tokens
from animerag.errors import ProviderUnusableError
from animerag.models.answers import AnswerStatus, Finish, Prompt
from animerag.models.providers import Priority
from animerag.providers.openai import OpenAIChat, OpenAIConnection, OpenAIEmbedder
from animerag.rate_limits import Gate, budgeted
from animerag.storage.spending import SpendingLedger

PROMPT = Prompt(question="Who?", sources=(), system="Answer.", user="Who sails? " * 50, sent=())
DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"Nobody does."}}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.fixture
async def silent_server():
    """A server that reports no usage; it breaks off an answer if the question asks for that."""

    async def embeddings(request):
        texts = (await request.json())["input"]
        data = [{"index": n, "embedding": [1.0, 0.5, 0.25, float(n)]} for n in range(len(texts))]
        return web.json_response({"data": data})

    async def chat(request):
        asked = await request.text()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(DELTA)
        if "break off" not in asked:
            await response.write(END)
            await response.write_eof()
        else:
            request.transport.close()
        return response

    app = web.Application()
    app.add_routes([web.post("/v1/embeddings", embeddings), web.post("/v1/chat/completions", chat)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


@pytest.fixture
async def connection(silent_server):
    connection = OpenAIConnection(api_key=None, base_url=silent_server, gate=Gate())
    yield connection
    await connection.close()


async def test_embeddings_without_reported_usage_count_against_the_cap(connection):
    embedder = OpenAIEmbedder(connection, model="m", prices={"m": 1_000_000.0 / 100})  # one cent per token
    with budgeted(1.0):
        for _ in range(5):
            embedding = await embedder.embed(["a" * 60], priority=Priority.INGEST)  # 20 tokens
            assert embedding.usage.estimated
            assert embedding.usage.cost_usd == pytest.approx(0.2)
        with pytest.raises(ProviderUnusableError, match=r"cap of \$1 is reached"):
            await embedder.embed(["a" * 60], priority=Priority.INGEST)


@pytest.mark.parametrize(("also", "status"), [("", AnswerStatus.OK), ("break off", AnswerStatus.TRUNCATED)])
async def test_answers_without_reported_usage_count_against_the_cap(connection, also, status):
    chat = OpenAIChat(connection, model="m", api="chat", prices={"m": 100.0, "m:output": 100.0})
    prompt = Prompt(question="Who?", sources=(), system=also, user=PROMPT.user, sent=())

    async def finish():
        events = [event async for event in chat.stream(prompt, priority=Priority.BATCH)]
        assert isinstance(events[-1], Finish)
        return events[-1]

    with budgeted(0.07):  # the expected cost of one answer is a little under 0.05
        ended = await finish()
        assert ended.status is status
        assert ended.usage.estimated
        assert 0.035 < ended.usage.cost_usd < 0.07
        with pytest.raises(ProviderUnusableError, match="is reached"):
            await finish()


async def test_an_abandoned_answer_costs_its_estimate(connection):
    chat = OpenAIChat(connection, model="m", api="chat", prices={"m": 100.0, "m:output": 100.0})
    with budgeted(0.07):
        events = chat.stream(PROMPT, priority=Priority.LIVE)
        await anext(events)
        await events.aclose()
        with pytest.raises(ProviderUnusableError, match="is reached"):
            await anext(chat.stream(PROMPT, priority=Priority.LIVE))


@pytest.mark.both_databases
async def test_daily_spending_survives_a_restart_and_resets_at_midnight(services):
    today = datetime(2026, 11, 29, 23, 59, tzinfo=UTC)
    spent = DailySpending(SpendingLedger(services.library), 1.0, now=lambda: today)
    async with spent.budget().spending(0.8) as settle:
        settle(0.7)

    restarted = DailySpending(SpendingLedger(services.library), 1.0, now=lambda: today)
    assert await restarted.committed_usd() == pytest.approx(0.7)
    with pytest.raises(
        ProviderUnusableError, match=r"Today's cost cap of \$1 .* raise ANIMERAG_MAX_COST_USD, .* midnight"
    ):
        async with restarted.budget().spending(0.4):
            raise AssertionError("no call is made")

    tomorrow = DailySpending(SpendingLedger(services.library), 1.0, now=lambda: today.replace(day=30))
    assert await tomorrow.committed_usd() == 0


@pytest.mark.both_databases
async def test_a_failed_or_cancelled_call_returns_its_reservation(services):
    spending = DailySpending(SpendingLedger(services.library), 1.0)
    with pytest.raises(KeyError):
        async with spending.budget().spending(0.6):
            raise KeyError("failed")

    async def hang():
        async with spending.budget().spending(0.6):
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    while not await spending.committed_usd():
        await asyncio.sleep(0)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    assert await spending.committed_usd() == pytest.approx(0)


ASK = """
import asyncio, sys
from pathlib import Path
from animerag.answering.daily_spending import DailySpending
from animerag.errors import ProviderUnusableError
from animerag.storage.library import Library
from animerag.storage.spending import SpendingLedger

async def main():
    place = sys.argv[1]
    library = await Library.open(place if "://" in place else Path(place))
    print("ready", flush=True)
    sys.stdin.readline()
    spending = DailySpending(SpendingLedger(library), 1.0)
    made = 0
    for _ in range(20):
        try:
            async with spending.budget().spending(0.1) as settle:
                settle(0.06)
                made += 1
        except ProviderUnusableError:
            pass
    print(made)
    await library.close()

asyncio.run(main())
"""


@pytest.mark.both_databases
async def test_two_processes_share_one_cap(services, settings):
    """Each call reserves 0.10 and costs 0.06, so 16 calls fit under the cap, or 15 while two are in flight."""
    asking = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ASK, str(settings.database)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(2)
    ]
    for process in asking:
        assert await process.stdout.readline() == b"ready\n"
    made = sum([int((await process.communicate(b"go\n"))[0]) for process in asking])
    committed_usd = await DailySpending(SpendingLedger(services.library), 1.0).committed_usd()
    assert made in (15, 16)
    assert committed_usd == pytest.approx(0.06 * made)
    assert committed_usd <= 1.0


def test_an_estimate_counts_no_more_text_than_a_prompt_has():
    assert source_tokens(5, 400) == 5 * (400 + 60)
    assert source_tokens(50, 400) == 3_000 + 50 * 60
