"""SQL for the provenance of shows: their files and ids there, the owner's list, edits and merges."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from animerag.models.imports import ImportKind
from animerag.models.shows import Provenance, StoredShow
from animerag.storage import full_text
from animerag.storage.bulk_insert import add, chunks, insert_many, upsert
from animerag.storage.dialects import dialect_of
from animerag.storage.schema import edits, imports, kept_apart, merges, my_list, provenance, shows
from animerag.storage.serialization import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.database import Database
    from animerag.text.documents import Document

_PUT_MINE = upsert(my_list, "show_id")
_PUT_ORIGIN = upsert(provenance, "show_id", "file", "source_id")


def rows(batch: Sequence[Document], import_id: int) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return the rows that documents add to the owner's list and to provenance."""
    mine: list[dict[str, object]] = [
        {
            "show_id": show.id,
            "status": show.my_status,
            "score": show.my_score,
            "episodes_watched": show.episodes_watched,
        }
        for show in (document.show for document in batch)
        if (show.my_status, show.my_score, show.episodes_watched) != (None, None, None)
    ]
    origins: list[dict[str, object]] = [
        {
            "show_id": show.id,
            "file": show.origin.file,
            "source_id": show.origin.source_id or show.id,
            "overlay": int(show.overlay),
            "import_id": import_id,
        }
        for show in (document.show for document in batch)
        if show.origin is not None
    ]
    return mine, origins


async def put(
    connection: AsyncConnection, mine: Sequence[dict[str, object]], origins: Sequence[dict[str, object]]
) -> None:
    """Store the result of `rows` in the transaction that writes the shows."""
    await insert_many(connection, _PUT_MINE, mine)
    await insert_many(connection, _PUT_ORIGIN, origins)


async def stored(database: Database, ids: Iterable[str] | None = None) -> dict[str, StoredShow]:
    """Return the stored shows with these ids (or all) that are not part of the sample."""
    wanted = (
        select(
            shows.c.id,
            shows.c.title,
            shows.c.titles,
            func.substr(shows.c.description, 1, 300).label("beginning"),
            shows.c.year,
            shows.c.episodes,
        )
        .join(imports, shows.c.import_id == imports.c.id)
        .where(imports.c.kind != ImportKind.SAMPLE)
    )
    statements = [wanted] if ids is None else [wanted.where(shows.c.id.in_(part)) for part in chunks(ids)]

    def read(connection: Connection) -> dict[str, StoredShow]:
        rows = (row for statement in statements for row in connection.execute(statement))
        return {row.id: StoredShow(**{**row._asdict(), "titles": tuple(row.titles)}) for row in rows}

    return await database.read(read)


async def prefixes(database: Database) -> list[str]:
    """Return the prefixes of ids in the catalogue, such as `mal`."""

    def read(connection: Connection) -> list[str]:
        at = dialect_of(connection).position(shows.c.id, ":")
        prefix = func.substr(shows.c.id, 1, at - 1).label("prefix")
        return sorted(row.prefix for row in connection.execute(select(prefix).where(at > 1).distinct()))

    return await database.read(read)


async def ids_on(database: Database, site: str) -> dict[str, str]:
    """Return the ids of shows on one site, as given by files, such as "21" for `mal:21`."""
    wanted = select(provenance.c.show_id, provenance.c.source_id).where(provenance.c.source_id.startswith(f"{site}:"))
    return {row.show_id: row.source_id.removeprefix(f"{site}:") for row in await database.rows(wanted)}


async def files_of(database: Database, ids: Iterable[str]) -> dict[str, set[str]]:
    """Return, by show id, the files that described it."""
    files: dict[str, set[str]] = {}
    wanted = select(provenance.c.show_id, provenance.c.file).where(provenance.c.overlay == 0)
    for row in await database.rows(*(wanted.where(provenance.c.show_id.in_(part)) for part in chunks(ids))):
        files.setdefault(row.show_id, set()).add(row.file)
    return files


async def origins_of(database: Database, show_id: str) -> list[Provenance]:
    """Return the files that a show was imported from, newest first."""
    wanted = (
        select(provenance.c.file, provenance.c.source_id, provenance.c.overlay, imports.c.created_at.label("at"))
        .join(imports, provenance.c.import_id == imports.c.id)
        .where(provenance.c.show_id == show_id)
        .order_by(imports.c.id.desc())
    )
    return [Provenance(**{**row._asdict(), "overlay": bool(row.overlay)}) for row in await database.rows(wanted)]


async def merged_ids(database: Database) -> dict[str, str]:
    """Return the merged ids, each with the show that it now belongs to."""
    rows = await database.rows(select(merges.c.source_id, merges.c.show_id))
    return {row.source_id: row.show_id for row in rows}


async def merge(connection: AsyncConnection, *, keep: str, other: str) -> None:
    """Merge `other` into `keep` and remove it; its vector becomes a stray."""
    rows = await connection.execute(select(provenance).where(provenance.c.show_id == other))
    moved = [{**row._asdict(), "show_id": keep} for row in rows]
    await insert_many(connection, _PUT_ORIGIN, moved)
    await connection.execute(update(merges).where(merges.c.show_id == other).values(show_id=keep))
    await connection.execute(insert(merges).values(source_id=other, show_id=keep))
    numbers = (await connection.execute(select(shows.c.number).where(shows.c.id == other))).scalars().all()
    await full_text.remove(connection, numbers)
    await connection.execute(delete(shows).where(shows.c.id == other))


async def edits_of(database: Database, ids: Iterable[str] | None = None) -> dict[str, dict[str, object]]:
    """Return the edits of shows, by id and field, as JSON values."""
    wanted = select(edits.c.show_id, edits.c.changes)
    statements = [wanted] if ids is None else [wanted.where(edits.c.show_id.in_(part)) for part in chunks(ids)]
    return {row.show_id: row.changes for row in await database.rows(*statements)}


async def keep_edits(database: Database, show_id: str, changes: Mapping[str, object]) -> None:
    """Replace the edits of a show; an empty mapping deletes them. Raises LibraryError."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    async with database.writing() as connection:
        if not changes:
            await connection.execute(delete(edits).where(edits.c.show_id == show_id))
            return
        row = {"show_id": show_id, "changes": to_json(dict(changes)), "at": now}
        await insert_many(connection, upsert(edits, "show_id"), [row])


async def ids_from(database: Database, file: str) -> set[str]:
    """Return the ids of the shows that were imported from a file."""
    return {row.show_id for row in await database.rows(select(provenance.c.show_id).where(provenance.c.file == file))}


async def files(database: Database) -> dict[str, int]:
    """Return the imported files with their numbers of shows, the largest first."""
    counted = func.count(provenance.c.show_id.distinct()).label("shows")
    wanted = select(provenance.c.file, counted).group_by(provenance.c.file).order_by(counted.desc())
    return {row.file: row.shows for row in await database.rows(wanted)}


async def without_words(database: Database) -> list[str]:
    """Return the ids of shows without a description; only their titles and fields can be searched."""
    rows = await database.rows(select(shows.c.id).where(func.trim(shows.c.description) == "").order_by(shows.c.title))
    return [row.id for row in rows]


async def apart(database: Database) -> set[tuple[str, str]]:
    """Return the pairs of shows that the owner keeps separate, the smaller id first."""
    rows = await database.rows(select(kept_apart.c.first, kept_apart.c.second))
    return {(row.first, row.second) for row in rows}


async def keep_apart(database: Database, one: str, two: str) -> None:
    """Record that two shows are not the same."""
    first, second = sorted((one, two))
    async with database.writing() as connection:
        await insert_many(connection, add(kept_apart), [{"first": first, "second": second}])
