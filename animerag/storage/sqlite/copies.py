"""Copies of a library's file, made while other processes write to it."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError, LibraryError, reason_of
from animerag.storage.schema_version import BASELINE, VERSION
from animerag.storage.sqlite.page_check import damaged_pages

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = "library.db"


def copy_before_upgrade(database: Path, *, version: int) -> Path:
    """Copy the library of an earlier schema `version` beside itself and return the copy. Raises LibraryError.

    If another process has upgraded the library in the meantime, its copy is kept.
    """
    copy = database.with_name(f"{database.name}.schema-{version}")
    unfinished = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}.part")
    try:
        copy_file(database, unfinished)
        schema, _ = inspected(unfinished)
        if schema == version:
            unfinished.replace(copy)
    except (OSError, sqlite3.Error) as error:
        raise LibraryError(
            f"The library {database} has to be upgraded and could not be copied first:"
            f" {reason_of(error)}. Free some disk space and start again."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return copy


def copy_file(database: Path, target: Path) -> None:
    """Copy a consistent snapshot of a library that other processes may be writing. Raises sqlite3.Error."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as into:
        source.backup(into)


def inspected(path: Path) -> tuple[int, int]:
    """Return a library's schema version and number of shows.

    Raises KeyError if there is none, InvalidInputError if a newer version made it, sqlite3.DatabaseError.
    """
    if not path.exists():
        raise KeyError(LIBRARY)
    if damage := damaged_pages(path):
        raise sqlite3.DatabaseError(damage)
    with closing(sqlite3.connect(path)) as connection:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        (shows,) = connection.execute("SELECT count(*) FROM shows").fetchone()
    if schema > VERSION:
        raise InvalidInputError(
            f"A newer animerag made this library (schema {schema}; this version supports {VERSION}): upgrade animerag."
        )
    if schema < BASELINE:
        raise InvalidInputError(
            f"This library was made by a version that was never released (schema {schema}): import your files again."
        )
    return schema, shows
