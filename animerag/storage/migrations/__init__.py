"""Migrations from the baseline to the current tables, run by Alembic; schema.py has the tables of a new library.

SQLite's `user_version` holds the number of the last step instead of an Alembic table: a library that is up to date is
recognised without importing Alembic. `sqlite.copies.copy_before_upgrade` copies a library first.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection


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
            if int(step.revision) > version:
                step.module.upgrade()
