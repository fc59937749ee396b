"""`animerag worker`: process imports and sheets that any process of this catalogue has started."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from animerag.cli.job_runner import CANCELLED, Commands, number_or_auto, on_interrupt, services
from animerag.errors import ProviderError
from animerag.text.counting import counted

if TYPE_CHECKING:
    import argparse


def add(commands: Commands) -> None:
    """Add `worker` to the command line."""
    parser = commands.add_parser("worker", help="process imports and sheets from the queue, on any host")
    parser.add_argument(
        "--concurrency", type=number_or_auto, metavar="N|auto", help="embedding requests in flight on this host"
    )
    parser.set_defaults(run=worker)


async def worker(options: argparse.Namespace) -> int:
    """Take work until Ctrl-C. Raises SettingsError, LibraryError, and InvalidInputError for another release."""
    # It logs a warning for each attempt while PostgreSQL is unavailable.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    async with services(engine="queue", ingest_concurrency=options.concurrency) as opened:
        assert opened.worker is not None
        # Done before any task, because two threads must not import the same vendor package at once.
        await opened.index.start()
        await opened.embedder.warm()
        with suppress(ProviderError):  # an import that needs the width of the vectors finds it in the library
            await opened.indexer.spec()
        requests = counted(opened.worker.slots, "request")
        serving = asyncio.ensure_future(opened.worker.serve())
        on_interrupt(partial(_cancel, serving))
        print(
            f"Waiting for tasks of {opened.library}, up to {requests} in flight. Ctrl-C stops the worker.",
            file=sys.stderr,
        )
        try:
            await serving
        except asyncio.CancelledError:
            print("The worker has stopped. Other workers do the remaining tasks.", file=sys.stderr)
    return CANCELLED


def _cancel(serving: asyncio.Future[None]) -> None:
    serving.cancel()
