"""Deleted shows: all their rows are stored, so that a deletion can be undone until the next import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from animerag.storage import full_text
from animerag.storage.bulk_insert import chunks, insert_many, upsert
from animerag.storage.library import shows_in
from animerag.storage.schema import deletions, edits, my_list, provenance, shows
from animerag.storage.serialization import now, to_json
from animerag.text.documents import Document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.models.json_types import JsonMapping, JsonObject
    from animerag.storage.database import Database

_PUT = upsert(deletions, "show_id")
_BESIDE = (my_list, provenance, edits)  # tables whose rows are deleted with their show


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedShow:
    """A show that can be restored."""

    id: str
    title: str


async def remove(database: Database, ids: Iterable[str]) -> int:
    """Delete shows and return their number; their vectors become strays. Raises LibraryError."""
    removed = 0
    async with database.changing() as connection:
        for part in chunks(ids):
            rows = (await connection.execute(select(shows).where(shows.c.id.in_(part)))).all()
            await insert_many(connection, _PUT, await _contents(connection, rows))
            await full_text.remove(connection, [row.number for row in rows])
            await connection.execute(delete(shows).where(shows.c.number.in_([row.number for row in rows])))
            removed += len(rows)
    return removed


async def listed(database: Database) -> list[DeletedShow]:
    """Return the shows deleted since the last import, most recent first. Raises LibraryError."""
    wanted = select(deletions.c.show_id, deletions.c.title).order_by(deletions.c.at.desc(), deletions.c.show_id)
    return [DeletedShow(id=row.show_id, title=row.title) for row in await database.rows(wanted)]


async def restore(database: Database, ids: Iterable[str]) -> list[str]:
    """Restore deleted shows with all their rows, and return their ids. Raises LibraryError.

    A show that has been imported again is not changed. The caller updates the index.
    """
    wanted = list(ids)
    async with database.changing() as connection:
        rows = (await connection.execute(select(deletions).where(deletions.c.show_id.in_(wanted)))).all()
        known = set((await connection.scalars(select(shows.c.id).where(shows.c.id.in_(wanted)))).all())
        lost = [row.content for row in rows if row.show_id not in known]
        for content in lost:
            await connection.execute(insert(shows).values(**content[shows.name]))
            for table in _BESIDE:
                if content[table.name]:
                    await connection.execute(insert(table), content[table.name])
        restored = [content[shows.name]["id"] for content in lost]
        stored = await shows_in(connection, restored)
        words = [{**full_text.row(Document.of(show)), "rowid": number} for number, show in stored.items()]
        await full_text.put(connection, words)
        await connection.execute(delete(deletions).where(deletions.c.show_id.in_(wanted)))
    return restored


async def forget(database: Database) -> None:
    """Make all deletions final. Raises LibraryError."""
    async with database.writing() as connection:
        await connection.execute(delete(deletions))


async def _contents(connection: AsyncConnection, rows: Iterable[Row[object]]) -> list[dict[str, object]]:
    """Return the rows of `deletions` for rows of `shows`."""
    at = now()
    contents: dict[str, JsonObject] = {}
    for row in rows:
        stored = {name: value for name, value in row._asdict().items() if name != "number"}
        contents[row.id] = {shows.name: stored, **{table.name: [] for table in _BESIDE}}
    for table in _BESIDE:
        for row in (await connection.execute(select(table).where(table.c.show_id.in_(list(contents))))).all():
            contents[row.show_id][table.name].append(row._asdict())
    return [_deleted(content, at) for content in contents.values()]


def _deleted(content: JsonMapping, at: str) -> JsonObject:
    show = content[shows.name]
    return {"show_id": show["id"], "title": show["title"], "at": at, "content": to_json(content)}
