"""SQL for where shows come from: files that told of them, under which ids, what owners think, what was merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from animerag import words
from animerag.bulk import insert_many, upsert
from animerag.models import ImportKind, StoredShow, Told
from animerag.schema import imports, kept_apart, merges, my_list, provenance, shows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.library import Library
    from animerag.texts import Document

_CHUNK = 500  # rows that become values on the event loop in a few milliseconds
_PUT_MINE = upsert(my_list, "show_id")
_PUT_TOLD = upsert(provenance, "show_id", "file", "source_id")


def rows(batch: Sequence[Document], import_id: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what is kept of documents beside the shows: what owners think of them, and which files told of them."""
    mine = [
        {
            "show_id": show.id,
            "status": show.my_status,
            "score": show.my_score,
            "episodes_watched": show.episodes_watched,
        }
        for show in (document.show for document in batch)
        if (show.my_status, show.my_score, show.episodes_watched) != (None, None, None)
    ]
    told = [
        {
            "show_id": show.id,
            "file": show.origin.file,
            "source_id": show.origin.told_as or show.id,
            "overlay": int(show.overlay),
            "import_id": import_id,
        }
        for show in (document.show for document in batch)
        if show.origin is not None
    ]
    return mine, told


async def put(connection: AsyncConnection, mine: Sequence[dict[str, Any]], told: Sequence[dict[str, Any]]) -> None:
    """Keep what `rows` made, within a write of the shows themselves."""
    await insert_many(connection, _PUT_MINE, mine)
    await insert_many(connection, _PUT_TOLD, told)


async def stored(library: Library, ids: Iterable[str] | None = None) -> dict[str, StoredShow]:
    """Return those ids (or all) that somebody brought; the sample does not count, since it gives way."""
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
    found: dict[str, StoredShow] = {}
    async with library.reading() as connection:
        async for part in _parts(ids):
            statement = wanted if part is None else wanted.where(shows.c.id.in_(part))
            for row in await connection.execute(statement):
                found[row.id] = StoredShow(**{**row._asdict(), "titles": tuple(row.titles)})
    return found


async def prefixes(library: Library) -> list[str]:
    """Return the prefixes of ids in the catalogue, such as `mal`."""
    at = func.instr(shows.c.id, ":")
    async with library.reading() as connection:
        rows = await connection.execute(select(func.substr(shows.c.id, 1, at - 1)).where(at > 1).distinct())
        return sorted(rows.scalars())


async def files_of(library: Library, ids: Iterable[str]) -> dict[str, set[str]]:
    """Return, by show id, the files that described it."""
    found: dict[str, set[str]] = {}
    async with library.reading() as connection:
        async for part in _parts(ids):
            wanted = select(provenance.c.show_id, provenance.c.file).where(provenance.c.overlay == 0)
            for row in await connection.execute(wanted.where(provenance.c.show_id.in_(part or ()))):
                found.setdefault(row.show_id, set()).add(row.file)
    return found


async def told_of(library: Library, show_id: str) -> list[Told]:
    """Return which files told of a show, the newest first."""
    wanted = (
        select(provenance.c.file, provenance.c.source_id, provenance.c.overlay, imports.c.created_at.label("at"))
        .join(imports, provenance.c.import_id == imports.c.id)
        .where(provenance.c.show_id == show_id)
        .order_by(imports.c.id.desc())
    )
    async with library.reading() as connection:
        rows = await connection.execute(wanted)
        return [Told(**{**row._asdict(), "overlay": bool(row.overlay)}) for row in rows]


async def merged_ids(library: Library) -> dict[str, str]:
    """Return the ids that stand for another show since their owner merged them."""
    async with library.reading() as connection:
        rows = await connection.execute(select(merges.c.source_id, merges.c.show_id))
        return {row.source_id: row.show_id for row in rows}


async def merge(library: Library, keep: str, other: str) -> None:
    """Let `other` stand for `keep` from now on, and remove it; its vector becomes a stray. Raises LibraryError."""
    async with library.changing() as connection:
        told = await connection.execute(select(provenance).where(provenance.c.show_id == other))
        kept = [{**row._asdict(), "show_id": keep} for row in told]
        await insert_many(connection, _PUT_TOLD, kept)
        await connection.execute(update(merges).where(merges.c.show_id == other).values(show_id=keep))
        await connection.execute(insert(merges).values(source_id=other, show_id=keep))
        numbers = (await connection.execute(select(shows.c.number).where(shows.c.id == other))).scalars().all()
        await words.remove(connection, numbers)
        await connection.execute(delete(shows).where(shows.c.id == other))


async def apart(library: Library) -> set[tuple[str, str]]:
    """Return the pairs that are to be kept apart, the smaller id first."""
    async with library.reading() as connection:
        rows = await connection.execute(select(kept_apart.c.first, kept_apart.c.second))
        return {(row.first, row.second) for row in rows}


async def keep_apart(library: Library, one: str, two: str) -> None:
    """Remember that two shows are two."""
    first, second = sorted((one, two))
    async with library.writing() as connection:
        await connection.execute(insert(kept_apart).values(first=first, second=second).on_conflict_do_nothing())


async def _parts(ids: Iterable[str] | None) -> AsyncIterator[list[str] | None]:
    if ids is None:
        yield None
        return
    listed = list(ids)
    for start in range(0, len(listed), _CHUNK):
        yield listed[start : start + _CHUNK]
