"""Steps from the tables of each earlier version to today's, run by Alembic; what a new library has stands in schema.py.

SQLite's `user_version` holds the number of the last step, and not a table of Alembic's: one number tells a library that
needs nothing, and Alembic is not imported for it. `backups.keep_copy` copies a library before it is changed.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
