"""`animerag move`: copy the catalogue to another database, between SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from animerag.cli.job_runner import DONE, Commands
from animerag.text.counting import counted

if TYPE_CHECKING:
    import argparse


def add(commands: Commands) -> None:
    """Add `move` to the command line."""
    parser = commands.add_parser("move", help="copy the catalogue to another database")
    parser.add_argument(
        "--to", required=True, metavar="URL", help="an empty database: postgresql://user@host/name or sqlite:///path"
    )
    parser.set_defaults(run=move)


async def move(options: argparse.Namespace) -> int:
    """Copy the catalogue, vectors included, and compare the copy row by row; the original stays."""
    from animerag.config import load_settings
    from animerag.errors import InvalidInputError
    from animerag.storage import transfer

    settings = load_settings()
    source, target = settings.database, load_settings(database_url=options.to, engine="local").database
    if source == target:
        raise InvalidInputError("The catalogue is in this database already: name another one.")
    if isinstance(source, Path) and not source.exists():
        raise InvalidInputError(
            f"There is no catalogue at {source} to move: set ANIMERAG_DATA_DIR to a directory that has one."
        )
    await transfer.require_unused(source, settings.data_dir)
    done = await transfer.copy(source, target, on_table=lambda name, rows: print(f"{name}: {rows:,}", flush=True))
    print(
        f"Copied {counted(done.shows, 'show')} with everything stored beside them, and compared every row."
        " Set ANIMERAG_DATABASE_URL to the new address; the original was not changed."
    )
    return DONE
