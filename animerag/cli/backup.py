"""`animerag backup` and `animerag restore`: a catalogue in one file, and back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from animerag.cli.job_runner import DONE, ROWS_LEFT, Commands, services

if TYPE_CHECKING:
    import argparse


def add(commands: Commands) -> None:
    """Add both to the command line."""
    parser = commands.add_parser("backup", help="copy the catalogue into one file, while it is used if need be")
    parser.add_argument("file", nargs="?", type=Path, help="a .zip that does not exist yet; named after the time")
    parser.set_defaults(run=backup)

    parser = commands.add_parser("restore", help="put a backup in the place of the catalogue")
    parser.add_argument("file", type=Path)
    parser.add_argument("--replace", action="store_true", help="also where shows are; what was there is kept beside it")
    parser.set_defaults(run=restore)


async def backup(options: argparse.Namespace) -> int:
    """Write the file."""
    from animerag.config import load_settings
    from animerag.storage import backup as backups

    settings = load_settings()
    target = options.file or Path(backups.default_name())
    shows = await asyncio.to_thread(backups.write, settings.database_path, settings.data_dir, target)
    print(f"{shows:,} shows in {target} ({target.stat().st_size / 2**20:,.1f} MB).")
    return DONE


async def restore(options: argparse.Namespace) -> int:
    """Read the file, and make the index anew from it."""
    from animerag.config import load_settings
    from animerag.storage import backup as backups

    settings = load_settings()
    place = (options.file, settings.database_path, settings.data_dir)
    shows = await asyncio.to_thread(backups.restore, *place, replace=options.replace)
    async with services() as opened:
        report = await opened.maintenance.repair_alone(opened.jobs)
    left = len(report.missing)
    rest = f" {left:,} have no vector for the current model: `animerag ingest --reindex` makes them." if left else ""
    print(f"{shows:,} shows are back, {report.indexed:,} of them indexed.{rest}")
    return ROWS_LEFT if left else DONE
