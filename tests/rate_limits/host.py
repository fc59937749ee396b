"""A host for tests: executes the request in each line of its input, and prints the result, both as JSON."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from animerag.errors import AnimeRAGError, ProviderUnusableError
from animerag.models.providers import Priority
from animerag.providers.openai import OpenAIConnection, OpenAIEmbedder
from animerag.rate_limits import Gate
from animerag.rate_limits.distributed_window import WindowLimits
from animerag.storage.library import Library
from animerag.storage.spending import SpendingLedger


async def send(library, provider, priorities, **limits):
    """Send an embedding request for each priority; return how many were answered, and the errors."""
    gate = Gate(ingest=20, query=20, shared=library.shared_window(provider, WindowLimits(**limits)))
    connection = OpenAIConnection(api_key=None, base_url=provider, gate=gate)
    embedder = OpenAIEmbedder(connection, model="text-embedding-3-small")
    await embedder.warm()
    calls = (
        embedder.embed([f"text {n}"], priority=Priority[priority])
        for priority, count in priorities.items()
        for n in range(count)
    )
    results = await asyncio.gather(*calls, return_exceptions=True)
    await embedder.close()
    await gate.disconnect()
    errors = [str(result) for result in results if isinstance(result, AnimeRAGError)]
    return {"answered": len(results) - len(errors), "errors": errors}


async def spend(ledger, account, times):
    """Make calls of 0.06 USD, each with an expected cost of 0.1, as far as a cap of one dollar allows."""
    made = 0
    for _ in range(times):
        try:
            async with ledger.budget(account, 1.0).spending(0.1) as settle:
                settle(0.06)
                made += 1
        except ProviderUnusableError:
            pass
    return {"made": made}


async def reserve(ledger, account, usd):
    """Reserve an amount of a dollar and never settle it."""
    return {"reserved": await ledger.reserve(account, usd, cap_usd=1.0) is not None}


def reply(result):
    sys.stdout.write(f"{json.dumps(result)}\n")
    sys.stdout.flush()


async def main(url):
    library = await Library.open(url)
    with tempfile.TemporaryDirectory() as directory:
        locks = await library.locks(Path(directory))
        ledger = SpendingLedger(library, locks.lease, is_free=locks.is_free)
        reply({"ready": True})
        while line := await asyncio.to_thread(sys.stdin.readline):
            asked = json.loads(line)
            work = {"send": send, "spend": spend, "reserve": reserve}[asked.pop("work")]
            result = await work(library if work is send else ledger, **asked)
            reply(result)
        locks.close()
    await library.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
