"""`animerag export list`: your list as a file for MyAnimeList, or for a spreadsheet."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from animerag.cli.job_runner import DONE, Commands, services
from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    import argparse


def add(commands: Commands) -> None:
    """Add `export` to the command line."""
    parser = commands.add_parser("export", help="write your list to a file")
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    listed = what.add_parser("list", help="your list: status, score and progress of your shows")
    listed.add_argument(
        "--format", choices=("mal", "csv"), required=True, help="mal: MyAnimeList's XML; csv: a spreadsheet"
    )
    listed.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: standard output)")
    listed.set_defaults(run=export)


async def export(options: argparse.Namespace) -> int:
    """Write the list. Raises InvalidInputError if the file cannot be written, LibraryError."""
    async with services() as opened:
        data = await opened.list_export.written(options.format)
    if options.out is None:
        sys.stdout.buffer.write(data)
        return DONE
    try:
        await asyncio.to_thread(options.out.write_bytes, data)
    except OSError as error:
        raise InvalidInputError(
            f"{options.out} cannot be written ({error.strerror or error}): choose another file."
        ) from error
    print(f"Saved your list to {options.out}.", file=sys.stderr)
    return DONE
