"""Steps from the tables of each earlier version to today's, run by Alembic; what a new library has stands in schema.py.

SQLite's `user_version` holds the number of the last step. A library that is to be changed is copied first.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from importlib.resources import files
from typing import TYPE_CHECKING

from animerag.errors import LibraryError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

_IN_PARTS = 3  # its tables came one after another under one number, so its step is run again


def upgrade(connection: Connection, *, version: int) -> None:
    """Change the tables of a library of an earlier `version`, within the connection's transaction."""
    from alembic.config import Config
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(files(__name__)))
    config.set_main_option("path_separator", "os")
    steps = ScriptDirectory.from_config(config)
    context = MigrationContext.configure(connection)
    with Operations.context(context):
        for step in reversed(list(steps.walk_revisions())):
            if int(step.revision) > version or (int(step.revision) == version == _IN_PARTS):
                step.module.upgrade()


def keep_copy(path: Path, *, version: int) -> Path:
    """Copy the library of an earlier `version` beside itself; returns the copy. Raises LibraryError."""
    copy = path.with_name(f"{path.name}.schema-{version}")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        with suppress(OSError):
            copy.unlink(missing_ok=True)
        raise LibraryError(
            f"The library {path} is of an earlier version and could not be copied before its upgrade ({error})."
            " Make room on the disk and start again."
        ) from error
    return copy
