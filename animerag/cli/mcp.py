"""`animerag mcp`: the catalogue for Claude, Cursor and other MCP clients that start a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.cli.job_runner import DONE, services
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
    async with services(warm=True) as opened:
        await build(LocalBackend(opened)).run_stdio_async()
    return DONE
