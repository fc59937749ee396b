"""`animerag backup` and `animerag restore`: save a catalogue in one file, and restore it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from animerag.cli.job_runner import DONE, ROWS_LEFT, Commands, services
from animerag.text.counting import counted

if TYPE_CHECKING:
    import argparse


def add(commands: Commands) -> None:
    """Add `backup` and `restore` to the command line."""
    parser = commands.add_parser("backup", help="save the catalogue in one file, even while the app is running")
    parser.add_argument(
        "file", nargs="?", type=Path, help="path of a new .zip file (default: a name with the current time)"
    )
    parser.set_defaults(run=backup)

    parser = commands.add_parser("restore", help="restore the catalogue from a backup")
    parser.add_argument("file", type=Path, help="the backup")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace the catalogue even if it has shows; its old files stay beside it",
    )
    parser.set_defaults(run=restore)


async def backup(options: argparse.Namespace) -> int:
    """Write the backup."""
    from animerag.config import load_settings
    from animerag.storage import backup as backups

    settings = load_settings()
    target = options.file or Path(backups.default_name())
    shows = await asyncio.to_thread(backups.write, settings.database, settings.data_dir, target)
    print(f"Saved {counted(shows, 'show')} to {target} ({target.stat().st_size / 2**20:,.1f} MB).")
    return DONE


async def restore(options: argparse.Namespace) -> int:
    """Restore the backup and rebuild the index."""
    from animerag.config import load_settings
    from animerag.storage import backup as backups

    settings = load_settings()
    place = (options.file, settings.database, settings.data_dir)
    shows = await asyncio.to_thread(backups.restore, *place, replace=options.replace)
    async with services() as opened:
        report = await opened.maintenance.repair_as_job(opened.jobs)
    left = len(report.missing)
    rest = f" {left:,} still need a vector for the current model: run `animerag ingest --reindex`." if left else ""
    print(f"Restored {counted(shows, 'show')}; {report.indexed:,} are in the search index.{rest}")
    return ROWS_LEFT if left else DONE
