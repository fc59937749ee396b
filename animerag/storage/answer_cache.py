"""A cache of answers: repeating a question over an unchanged catalogue costs nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from animerag.errors import LibraryError
from animerag.storage.bulk_insert import add, insert_many
from animerag.storage.schema import answers, facts
from animerag.storage.serialization import CachedRetrieval, dump, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from animerag.models.answers import Answer
    from animerag.models.retrieval import Retrieval
    from animerag.storage.database import Database

log = logging.getLogger(__name__)
_REVISION = select(facts.c.value).where(facts.c.key == "revision")


class AnswerCache:
    """A cache in the database. An answer that it cannot read or store is simply written again."""

    def __init__(self, database: Database, at_work: Callable[[], bool] = lambda: False) -> None:
        """`at_work` returns whether an import or a repair is running; nothing is stored while it is."""
        self._database = database
        self._at_work = at_work
        self._unwritten: dict[str, tuple[int, CachedRetrieval]] = {}
        self._writer: asyncio.Task[None] | None = None

    async def key(self, **parts: object) -> tuple[str, int]:
        """Return a key made of everything an answer depends on, and the revision of the catalogue, which is part of it.

        Raises LibraryError.
        """
        revision = await self._database.revision()
        text = json.dumps([revision, sorted(parts.items())], default=repr, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest(), revision

    async def get(self, key: str) -> CachedRetrieval | None:
        """Return the entry stored under a key, or None."""
        if key in self._unwritten:
            return self._unwritten[key][1]
        try:
            text = await self._database.scalar(select(answers.c.content).where(answers.c.key == key))
            return load(text) if text else None
        except (LibraryError, ValueError) as error:
            log.info("a cached answer could not be read: %s", error)
            return None

    def put(self, key: str, revision: int, retrieval: Retrieval, answer: Answer) -> None:
        """Store an answer; it is written in the background, so that no question waits for the disk.

        Nothing is stored while an import or a repair runs: the answer may be based on a part of its changes.
        """
        if self._at_work():
            return
        self._unwritten[key] = (revision, CachedRetrieval(retrieval, answer))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="store answers")

    async def close(self) -> None:
        """Wait until everything is written."""
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        """Write all waiting answers in one commit, until none are left, and delete those of earlier revisions.

        The revision is read inside the transaction: the catalogue may have changed since an answer was computed.
        """
        while self._unwritten:
            batch = dict(self._unwritten)
            rows = await asyncio.to_thread(_rows, batch)
            try:
                async with self._database.writing() as connection:
                    revision = int(await connection.scalar(_REVISION) or 0)
                    await connection.execute(delete(answers).where(answers.c.revision != revision))
                    await insert_many(connection, add(answers), [row for row in rows if row["revision"] == revision])
            except LibraryError as error:
                log.info("answers could not be stored: %s", error)
            for key, cached in batch.items():
                if self._unwritten.get(key) is cached:
                    del self._unwritten[key]


def _rows(batch: Mapping[str, tuple[int, CachedRetrieval]]) -> list[dict[str, object]]:
    return [
        {"key": key, "revision": revision, "content": dump(cached.retrieval, cached.answer)}
        for key, (revision, cached) in batch.items()
    ]
