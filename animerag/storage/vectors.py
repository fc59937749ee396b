"""Computed vectors by the hash of their text, and the recorded content of each collection of the index."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Text, cast, delete, func, or_, select

from animerag.errors import LibraryError
from animerag.storage import library_metadata
from animerag.storage.bulk_insert import add, chunks, insert_many, upsert
from animerag.storage.integrity import VectorKey, checksum_of, is_sound
from animerag.storage.schema import (
    indexed,
    shows,
    vectors,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.ports import Vectors
    from animerag.storage.database import Database

_NOTE_INDEXED = upsert(indexed, "collection", "show_id")
_PUT_VECTOR = add(vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexableShow:
    """What the index holds of a stored show."""

    id: str
    title: str
    tags: Sequence[str]
    year: int | None
    episodes: int | None
    rating: float | None
    content_hash: str
    text_hash: str
    vector: Vectors


async def record_indexed(connection: AsyncConnection, collection: str, held: Mapping[str, tuple[str, str]]) -> None:
    """Record in a transaction that `collection` holds these shows; their hashes are (content hash, text hash) by id."""
    rows = [
        {"collection": collection, "show_id": show_id, "content_hash": content, "text_hash": of_text}
        for show_id, (content, of_text) in held.items()
    ]
    await insert_many(connection, _NOTE_INDEXED, rows)


class EmbeddingStore:
    """Stores every computed vector by model, width and text hash, and which shows are indexed."""

    def __init__(self, database: Database) -> None:
        """Use an open database; nothing is read or written yet."""
        self._database = database
        self._unsaved: list[tuple[list[dict[str, object]], asyncio.Future[None]]] = []

    async def save(self, model: str, rows: Mapping[str, Vectors]) -> None:
        """Store vectors by the hash of their text, so that no text is embedded twice."""
        if not rows:
            return
        values = [_row(VectorKey(model, vector.shape[0], key), vector) for key, vector in rows.items()]
        saved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        saved.add_done_callback(lambda done: done.cancelled() or done.exception())  # its caller may have been cancelled
        self._unsaved.append((values, saved))
        async with self._database.write_lock:
            pending, self._unsaved = self._unsaved, []
            if pending:  # otherwise the previous batch has included it
                await self._save_together(pending)
        await saved

    async def _save_together(self, pending: Sequence[tuple[list[dict[str, object]], asyncio.Future[None]]]) -> None:
        """Store the vectors of several callers in one transaction: a commit waits for the disk.

        It does not wait for the import that stores shows on another host. Hosts insert in one order, so that no two
        wait for each other.
        """
        rows = sorted((row for values, _ in pending for row in values), key=lambda row: str(row["text_hash"]))
        try:
            async with self._database.transaction(row_locks=True) as connection:
                await insert_many(connection, _PUT_VECTOR, rows)
        except LibraryError as error:
            for _, saved in pending:
                if not saved.done():
                    saved.set_exception(error)
            return
        except BaseException:  # cancelled: the other callers store their own vectors later
            self._unsaved = [*pending, *self._unsaved]
            raise
        for _, saved in pending:
            if not saved.done():  # its caller may have been cancelled
                saved.set_result(None)

    async def known(self, model: str, dimensions: int | None, text_hashes: Iterable[str]) -> set[str]:
        """Return the hashes of the texts that have a vector; None stands for any width."""
        wanted = select(vectors.c.text_hash).where(*_of(model, dimensions))
        rows = await self._database.rows(
            *(wanted.where(vectors.c.text_hash.in_(chunk)) for chunk in chunks(text_hashes))
        )
        return {row.text_hash for row in rows}

    async def load(self, model: str, dimensions: int | None, text_hashes: Iterable[str]) -> dict[str, Vectors]:
        """Return the stored vectors, each of shape (dimensions,), of any width for None; damaged ones are left out."""
        held = vectors.c
        wanted = select(held.text_hash, held.vector, held.checksum, held.dimensions).where(*_of(model, dimensions))
        rows = await self._database.rows(
            *(wanted.where(vectors.c.text_hash.in_(chunk)) for chunk in chunks(text_hashes))
        )
        sound = (row for row in rows if is_sound(row.vector, row.dimensions, row.checksum))
        return {row.text_hash: np.frombuffer(row.vector, "<f4") for row in sound}

    async def indexable(self, model: str, dimensions: int, ids: Iterable[str]) -> list[IndexableShow]:
        """Return those of these shows whose current text has a sound vector; their texts and records are not read.

        Two queries: without statistics, which a new table does not have, PostgreSQL joins both tables slowly.
        """
        of_show = shows.c
        named = ("id", "title", "tags", "year", "episodes", "rating", "content_hash", "text_hash")
        wanted = select(*(of_show[name] for name in named))
        rows: list[Any] = list(await self._database.rows(*(wanted.where(of_show.id.in_(part)) for part in chunks(ids))))
        held = await self.load(model, dimensions, {row.text_hash for row in rows})
        return [
            IndexableShow(**{name: getattr(row, name) for name in named}, vector=held[row.text_hash])
            for row in rows
            if row.text_hash in held
        ]

    async def size_bytes(self, model: str) -> int:
        """Return the maximum size of a model's vectors in memory, as 32-bit numbers."""
        of_model = select(func.count() * func.max(vectors.c.dimensions)).where(vectors.c.model == model)
        return 4 * int(await self._database.scalar(of_model) or 0)

    async def of_shows(self, model: str, dimensions: int) -> tuple[list[str], list[str], Vectors]:
        """Return ids, text hashes and vectors of shape (n, dimensions), float32, of all shows with a vector, in order.

        Damaged vectors are left out.
        """
        held = vectors.c
        rows = await self._database.rows(
            select(shows.c.id, held.text_hash, held.vector, held.checksum)
            .join(vectors, held.text_hash == shows.c.text_hash)
            .where(held.model == model, held.dimensions == dimensions)
            .order_by(shows.c.number)
        )
        sound = [row for row in rows if is_sound(row.vector, dimensions, row.checksum)]
        matrix = np.frombuffer(b"".join(row.vector for row in sound), "<f4").reshape(-1, dimensions)
        return [row.id for row in sound], [row.text_hash for row in sound], matrix

    async def replace(self, unsound: Iterable[VectorKey], sound: Mapping[VectorKey, Vectors]) -> None:
        """Replace damaged vectors with sound ones; those without a replacement are deleted and computed again."""
        async with self._database.writing() as connection:
            for key in unsound:
                place = delete(vectors).where(*(vectors.c[name] == value for name, value in key._asdict().items()))
                await connection.execute(place)
            await insert_many(connection, _PUT_VECTOR, [_row(key, vector) for key, vector in sound.items()])

    async def indexed(self, collection: str, ids: Iterable[str] | None = None) -> dict[str, tuple[str, str]]:
        """Return (content hash, text hash) by id of the shows recorded in `collection`."""
        wanted = select(indexed.c.show_id, indexed.c.content_hash, indexed.c.text_hash).where(
            indexed.c.collection == collection
        )
        statements = [wanted] if ids is None else [wanted.where(indexed.c.show_id.in_(part)) for part in chunks(ids)]
        return {row.show_id: (row.content_hash, row.text_hash) for row in await self._database.rows(*statements)}

    async def count_indexed(self, collection: str) -> int:
        """Count the shows whose current text `collection` holds."""
        count = await self._database.scalar(
            select(func.count())
            .select_from(indexed.join(shows, indexed.c.show_id == shows.c.id))
            .where(indexed.c.collection == collection, indexed.c.text_hash == shows.c.text_hash)
        )
        return count or 0

    async def not_indexed(self, collection: str) -> list[str]:
        """Return the ids of shows that are missing from `collection` or outdated there."""
        held = indexed.c
        rows = await self._database.rows(
            select(shows.c.id)
            .outerjoin(indexed, (held.show_id == shows.c.id) & (held.collection == collection))
            .where(
                or_(
                    held.show_id.is_(None),
                    held.text_hash != shows.c.text_hash,
                    held.content_hash != shows.c.content_hash,
                )
            )
            .order_by(shows.c.number)
        )
        return [row.id for row in rows]

    async def characters_not_indexed(self, collection: str) -> int:
        """Count the characters of descriptions and tags whose current text `collection` lacks."""
        held = indexed.c
        length = func.length(shows.c.description) + func.length(cast(shows.c.tags, Text))
        total = await self._database.scalar(
            select(func.sum(length))
            .select_from(shows.outerjoin(indexed, (held.show_id == shows.c.id) & (held.collection == collection)))
            .where(or_(held.show_id.is_(None), held.text_hash != shows.c.text_hash))
        )
        return int(total or 0)

    async def note_indexed(self, collection: str, held: Mapping[str, tuple[str, str]]) -> None:
        """Record that `collection` holds these shows; their hashes are (content hash, text hash) by id."""
        async with self._indexing() as connection:
            await record_indexed(connection, collection, held)

    async def forget_indexed(self, collection: str, ids: Iterable[str]) -> None:
        """Record that `collection` no longer holds these ids."""
        async with self._indexing() as connection:
            for chunk in chunks(ids):
                await connection.execute(
                    delete(indexed).where(indexed.c.collection == collection, indexed.c.show_id.in_(chunk))
                )

    async def forget_collection(self, collection: str) -> None:
        """Record that `collection` was deleted."""
        async with self._indexing() as connection:
            await connection.execute(delete(indexed).where(indexed.c.collection == collection))

    @asynccontextmanager
    async def _indexing(self) -> AsyncIterator[AsyncConnection]:
        """Provide a connection inside a transaction after which other shows are indexed."""
        async with self._database.writing() as connection:
            yield connection
            await library_metadata.increase(connection, library_metadata.INDEXED)

    async def forget_model(self, model: str, dimensions: int) -> None:
        """Delete the stored vectors of a model; if you use it again, they are computed again."""
        async with self._database.writing() as connection:
            await connection.execute(
                delete(vectors).where(vectors.c.model == model, vectors.c.dimensions == dimensions)
            )

    async def strays(self, collection: str) -> list[str]:
        """Return the ids in `collection` that the catalogue no longer has."""
        rows = await self._database.rows(
            select(indexed.c.show_id)
            .outerjoin(shows, indexed.c.show_id == shows.c.id)
            .where(indexed.c.collection == collection, shows.c.id.is_(None))
        )
        return [row.show_id for row in rows]


def _of(model: str, dimensions: int | None) -> list[ColumnElement[bool]]:
    width = [] if dimensions is None else [vectors.c.dimensions == dimensions]
    return [vectors.c.model == model, *width]


def _row(key: VectorKey, vector: Vectors) -> dict[str, object]:
    stored = vector.astype("<f4").tobytes()
    return {**key._asdict(), "vector": stored, "checksum": checksum_of(stored)}
