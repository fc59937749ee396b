"""The command line: the same services as the pages, from a shell.

It contains neither widgets nor business logic: a command reads its options, calls one service and prints the result.
`main` picks the command, `job_runner` shows progress, and every other module is a command, which is imported only when
it is used.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import gc
import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from animerag import __version__
from animerag.cli.job_runner import CANCELLED, UNUSABLE, discard_output
from animerag.errors import AnimeRAGError
from animerag.storage.private_files import restrict_umask

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence


# Python's garbage collector runs after every 700 new objects. That takes a tenth of a command's time, and imports leave
# no garbage.
_GARBAGE = (100_000, 50, 100)

# The module of each command, in the order in which help lists them.
_MODULES = {
    "app": "app",
    "ingest": "ingest",
    "sync": "sync",
    "export": "export",
    "query": "query",
    "compare": "compare",
    "evaluate": "evaluate",
    "stats": "stats",
    "jobs": "jobs",
    "simulate": "simulate",
    "doctor": "doctor",
    "info": "info",
    "backup": "backup",
    "restore": "backup",
    "move": "move",
    "worker": "worker",
    "mcp": "mcp",
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Build the parser with all commands, or with the module of one command, which takes a tenth of the time."""
    about = "Ask questions about your anime catalogue. Without a command, the app opens."
    parser = argparse.ArgumentParser(prog="animerag", description=about)
    parser.set_defaults(run=_open_app, port=None, no_browser=False)
    parser.add_argument("--version", action="version", version=f"animerag {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    chosen = [_MODULES[command]] if command in _MODULES else dict.fromkeys(_MODULES.values())
    for module in chosen:
        import_module(f"animerag.cli.{module}").add(commands)
    return parser


async def _open_app(options: argparse.Namespace) -> int:
    from animerag.cli import app

    return await app.run(options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    restrict_umask()
    gc.set_threshold(*_GARBAGE)
    atexit.register(gc.freeze)  # otherwise the interpreter's last collection takes 0.3 s, and the process ends anyway
    given = sys.argv[1:] if arguments is None else arguments
    if (unreadable := next((word for word in given if not _is_utf8(word)), None)) is not None:
        shown = unreadable.encode("utf-8", "backslashreplace").decode()
        print(f"The argument {shown} is not UTF-8: type it in a UTF-8 terminal, or rename the file.", file=sys.stderr)
        return UNUSABLE
    options = build_parser(given[0] if given else None).parse_args(given)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        run: Callable[[argparse.Namespace], Coroutine[Any, Any, int]] = options.run
        return asyncio.run(run(options))
    except AnimeRAGError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        return CANCELLED
    except BrokenPipeError:  # the program that reads the output has closed the pipe
        discard_output()
        return CANCELLED


def _is_utf8(word: str) -> bool:
    """Return whether a word is valid UTF-8: Python passes other bytes on as lone surrogates."""
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
