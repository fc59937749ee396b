"""Uploads of imports in the database, so that a process on another machine can resume the import.

An upload is stored in parts, in one transaction: it is there completely or not at all.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from animerag.errors import LibraryError
from animerag.storage.dialects import dialect_of
from animerag.storage.schema import job_requests, jobs, uploads
from animerag.storage.upload_files import UNFINISHED, stored_names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from animerag.storage.database import Database

LARGEST = 50 * 2**20  # bytes, the largest file that the app accepts; larger ones are read from the inbox
_PART = 64 * 2**10  # bytes in one row
_ROWS = 100  # rows in memory at a time


class SharedUploads:
    """The table of uploads. It stays empty in SQLite, whose processes share a data directory."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    async def put(self, paths: Iterable[Path]) -> None:
        """Store uploads that are not stored yet, up to 50 MB each, if other machines can use the database.

        Raises LibraryError.
        """
        if not self._database.shared:
            return
        for path in paths:
            if 0 < (await asyncio.to_thread(path.stat)).st_size <= LARGEST and not await self._parts(path.name):
                await self._put(path)

    async def fetch(self, path: Path) -> None:
        """Write an upload to its file if the file is missing and the upload is stored. Raises LibraryError."""
        if await asyncio.to_thread(path.exists):
            return
        if parts := await self._parts(path.name):
            await self._write(path, parts)

    async def clean(self) -> None:
        """Remove the uploads that no running or interrupted import needs. Raises LibraryError."""
        if not await self._database.scalar(select(func.count()).select_from(uploads)):
            return
        requests = (
            select(job_requests.c.request)
            .join(jobs, jobs.c.id == job_requests.c.job_id)
            .where(jobs.c.state.in_(UNFINISHED))
        )
        async with self._database.writing() as connection:  # no job can begin until the others are removed
            needed = {name for request in await connection.scalars(requests) for name in stored_names(request)}
            await connection.execute(delete(uploads).where(uploads.c.sha256.not_in(needed)))

    async def _parts(self, name: str) -> int:
        """Return the number of stored parts of an upload."""
        return int(await self._database.scalar(select(func.count()).where(uploads.c.sha256 == name)))

    async def _put(self, path: Path) -> None:
        with await asyncio.to_thread(path.open, "rb") as file:
            async with self._database.writing() as connection:
                add = dialect_of(connection).insert(uploads).on_conflict_do_nothing()
                number = 0
                while content := await asyncio.to_thread(file.read, _ROWS * _PART):
                    parts = [content[start : start + _PART] for start in range(0, len(content), _PART)]
                    rows = [{"sha256": path.name, "number": n, "content": part} for n, part in enumerate(parts, number)]
                    await connection.execute(add, rows)
                    number += len(rows)

    async def _write(self, path: Path, parts: int) -> None:
        """Write a stored upload to `path`, which has its name once it is complete."""
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        digest = hashlib.sha256()
        try:
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            for start in range(0, parts, _ROWS):
                wanted = (
                    select(uploads.c.content)
                    .where(uploads.c.sha256 == path.name, uploads.c.number.between(start, start + _ROWS - 1))
                    .order_by(uploads.c.number)
                )
                rows = await self._database.rows(wanted)
                content = b"".join(row.content for row in rows)
                digest.update(content)
                await asyncio.to_thread(_append, unfinished, content)
            if digest.hexdigest() == path.name:
                await asyncio.to_thread(unfinished.replace, path)
        except OSError as error:
            raise LibraryError(
                f"The upload could not be stored: {error.strerror or error}. Free some disk space."
            ) from error
        finally:
            await asyncio.to_thread(unfinished.unlink, missing_ok=True)


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
