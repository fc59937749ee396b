"""The database is opened without SQLAlchemy's ORM, which a command would import for nothing."""

import subprocess
import sys

PROGRAM = """
import asyncio, sys
from pathlib import Path
from animerag.storage.library import Library

async def main():
    library = await Library.open(Path(sys.argv[1]))
    assert (await library.counts()).shows == 0
    await library.close()

asyncio.run(main())
assert "sqlalchemy.orm" not in sys.modules
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from animerag.storage import async_engine
assert AsyncEngine is async_engine.AsyncEngine
assert AsyncSession.__module__ == "sqlalchemy.ext.asyncio.session"
"""


def test_a_library_needs_no_orm_and_other_code_can_still_use_it(tmp_path):
    command = [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path / "library.db")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
