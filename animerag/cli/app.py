"""`animerag app`, or `animerag` without a command: open the app, from a checkout or a wheel, in any directory."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import TYPE_CHECKING

from animerag import __version__
from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    import argparse

    from animerag.cli.job_runner import Commands

_HOST = "127.0.0.1"  # the default in .streamlit/config.toml


def add(commands: Commands) -> None:
    """Add `app` to the command line."""
    parser = commands.add_parser("app", help="open the app in a browser (the default command)")
    parser.add_argument("--port", type=int, metavar="N", help="port of the app (default: the first free one from 8501)")
    parser.add_argument("--no-browser", action="store_true", help="print the address without opening a browser")
    parser.set_defaults(run=run)


async def run(options: argparse.Namespace) -> int:
    """Replace this process with the app's server. Raises InvalidInputError for an unusable port, SettingsError."""
    from animerag.config import app_script, load_settings

    if options.port is not None:
        _check(options.port)
    print(f"animerag {__version__}\nData directory: {load_settings().data_dir}", flush=True)
    command = [sys.executable, "-m", "streamlit", "run", str(app_script()), *server_options(options)]
    if os.name != "nt":
        os.execv(sys.executable, command)  # noqa: S606 - the interpreter itself; signals then reach the server
    # On Windows, after exec the terminal would have no process to wait for.
    return await (await asyncio.create_subprocess_exec(*command)).wait()


def server_options(options: argparse.Namespace) -> list[str]:
    """Return the options for Streamlit that its configuration file does not set."""
    port = [] if options.port is None else [f"--server.port={options.port}"]
    return [*port, f"--server.headless={str(options.no_browser).lower()}", "--server.showEmailPrompt=false"]


def _check(port: int) -> None:
    """Raise InvalidInputError unless the port can be used."""
    if not 1 <= port <= 65_535:
        raise InvalidInputError(f"{port} is not a port: use a number from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # a socket that was just closed does not block the port
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            sentence = f"Port {port} is not available ({error.strerror}): choose another with --port."
            raise InvalidInputError(sentence) from None
