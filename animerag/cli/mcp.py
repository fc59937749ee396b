"""`animerag mcp`: the catalogue for Claude, Cursor and other MCP clients that start a command."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from animerag.cli.job_runner import CANCELLED, DONE, on_interrupt, services
from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    import argparse

    from animerag.cli.job_runner import Commands


def add(commands: Commands) -> None:
    """Add `mcp` to the command line."""
    about = "serve the catalogue to an MCP client over standard input and output; the client starts this command"
    commands.add_parser("mcp", help=about, description=about).set_defaults(run=run)


async def run(_options: argparse.Namespace) -> int:
    """Serve until the client disconnects. Raises InvalidInputError without the package mcp, LibraryError."""
    from animerag.api.backend import LocalBackend
    from animerag.api.endpoints import NO_MCP

    try:
        from animerag.api.mcp_server import build
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise InvalidInputError(NO_MCP) from None
    stopped = asyncio.Event()
    on_interrupt(stopped.set)
    async with services(warm=True) as opened:
        serving = asyncio.create_task(build(LocalBackend(opened)).run_stdio_async(), name="MCP over stdio")
        stopping = asyncio.create_task(stopped.wait(), name="stop")
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if serving.done():
            await serving
            return DONE
    # The services are closed. A thread still waits for input; only the end of the process interrupts it.
    sys.stderr.flush()
    os._exit(CANCELLED)
