"""Answers that were written before: the same question over the same catalogue costs nothing again."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from animerag.errors import LibraryError
from animerag.kept import Found, dump, load
from animerag.schema import answers

if TYPE_CHECKING:
    from animerag.library import Library
    from animerag.models import Answer, Retrieval

log = logging.getLogger(__name__)


class KeptAnswers:
    """A cache in the library. It is never needed: what it cannot read or keep is asked anew."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._unwritten: dict[str, tuple[int, str]] = {}
        self._writing = asyncio.Lock()

    async def key(self, **parts: Any) -> tuple[str, int]:
        """Return the key of all that an answer depends on, the catalogue's revision among it, and that revision.

        Raises LibraryError.
        """
        revision = await self._library.revision()
        told = json.dumps([revision, sorted(parts.items())], default=repr, ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest(), revision

    async def get(self, key: str) -> Found | None:
        """Return what was kept under a key."""
        try:
            told = await self._library.scalar(select(answers.c.told).where(answers.c.key == key))
            return load(told) if told else None
        except (LibraryError, ValueError) as error:
            log.info("a kept answer could not be read: %s", error)
            return None

    async def put(self, key: str, revision: int, found: Retrieval, answer: Answer) -> None:
        """Keep an answer; those that come together share one commit, and those of older catalogues go."""
        self._unwritten[key] = (revision, await asyncio.to_thread(dump, found, answer))
        async with self._writing:  # whoever comes first writes what all have brought
            batch, self._unwritten = self._unwritten, {}
            if not batch:
                return
            rows = [{"key": one, "revision": of, "told": told} for one, (of, told) in batch.items()]
            try:
                async with self._library.writing() as connection:
                    await connection.execute(delete(answers).where(answers.c.revision < revision))
                    await connection.execute(insert(answers).on_conflict_do_nothing(), rows)
            except LibraryError as error:
                log.info("answers could not be kept: %s", error)
