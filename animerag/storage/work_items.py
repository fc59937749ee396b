"""Stores the parts of an import or a sheet that workers process: the shows or rows of each part, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from animerag.storage import library_metadata
from animerag.storage.schema import work_items
from animerag.storage.vectors import record_indexed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.models.json_types import JsonObject
    from animerag.storage.database import Database

_ITEM = work_items.c
_WITHOUT_REQUEST = tuple(column for column in _ITEM if column.name != "request")


class ItemState(StrEnum):
    """The state of an item. Shows are `embedded` when their vectors are stored, and `done` once they are indexed."""

    WAITING = "waiting"
    WORKING = "working"
    EMBEDDED = "embedded"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (ItemState.WAITING, ItemState.WORKING, ItemState.EMBEDDED)
_BEGUN = (ItemState.WAITING, ItemState.WORKING, ItemState.CANCELLED)  # a cancelled item may be finished: it is paid for


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One part of a work; `target` is its collection or run, and `size` counts its shows or rows."""

    work: str
    number: int
    kind: str
    target: str
    size: int
    request: JsonObject = field(default_factory=dict)
    outcome: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The number of items, and the total of their shows or rows."""

    items: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Items of a kind in one state; `worker` is the lease of the process that works on them."""

    kind: str
    state: ItemState
    worker: str | None
    items: int
    size: int


class WorkItems:
    """Stores items in the library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, connection: AsyncConnection, item: WorkItem) -> None:
        """Add a waiting item in a transaction."""
        named = ("work", "number", "kind", "target", "size", "request")
        values = {name: getattr(item, name) for name in named}
        await connection.execute(insert(work_items).values(**values, state=ItemState.WAITING))

    async def begin(self, work: str, number: int, *, worker: str) -> WorkItem | None:
        """Record that a worker has taken an item; return None if it is cancelled or has ended. Raises LibraryError.

        An item of a worker that died is taken like a waiting one.
        """
        begun = (
            update(work_items)
            .where(_is(work, number), _ITEM.state.in_([ItemState.WAITING, ItemState.WORKING]))
            .values(state=ItemState.WORKING, worker=worker)
            .returning(work_items)
        )
        async with self._database.counting() as connection:
            row = (await connection.execute(begun)).first()
        return None if row is None else _item(row._asdict())

    async def end(
        self, work: str, number: int, state: ItemState, *, outcome: Mapping[str, object], size: int | None = None
    ) -> None:
        """Record how an item ended, unless it has ended already; `size` replaces its size if shows cannot be used.

        Two workers may end one item, if the first was taken for dead. Raises LibraryError.
        """
        values: dict[str, object] = {"state": state, "outcome": dict(outcome)}
        if size is not None:
            values["size"] = size
        async with self._database.counting() as connection:
            await connection.execute(
                update(work_items).where(_is(work, number), _ITEM.state.in_(_BEGUN)).values(**values)
            )

    async def fail_embedded(self, collection: str, failure: Mapping[str, object]) -> None:
        """Record that the embedded shows of a collection cannot be indexed. Raises LibraryError."""
        waiting = select(work_items).where(_ITEM.target == collection, _ITEM.state == ItemState.EMBEDDED)
        async with self._database.writing() as connection:
            for row in (await connection.execute(waiting)).all():
                values = {"state": ItemState.FAILED, "outcome": {**(row.outcome or {}), "failure": dict(failure)}}
                await connection.execute(update(work_items).where(_is(row.work, row.number)).values(**values))

    async def exists(self, work: str, number: int) -> bool:
        """Return whether an item is stored. Raises LibraryError."""
        return await self._database.scalar(select(_ITEM.number).where(_is(work, number))) is not None

    async def embedded(self, collection: str, *, shows: int) -> list[WorkItem]:
        """Return items whose vectors are not in a collection yet: the oldest, up to about so many `shows`.

        Their requests, which have the texts of the shows, are left out.
        """
        wanted = (
            select(*_WITHOUT_REQUEST)
            .where(_ITEM.target == collection, _ITEM.state == ItemState.EMBEDDED)
            .order_by(_ITEM.work, _ITEM.number)
            .limit(shows)
        )
        items: list[WorkItem] = []
        for row in await self._database.rows(wanted):
            if items and sum(item.size for item in items) + row.size > shows:
                break
            items.append(_item({**row._asdict(), "request": {}}))
        return items

    async def note_indexed(
        self, collection: str, items: Sequence[WorkItem], held: Mapping[str, tuple[str, str]]
    ) -> None:
        """Record that a collection has the shows of items; their hashes are (content hash, text hash) by id."""
        async with self._database.counting() as connection:
            await record_indexed(connection, collection, held)
            await library_metadata.increase(connection, library_metadata.INDEXED)
            for item in items:
                done = update(work_items).where(_is(item.work, item.number)).values(state=ItemState.DONE)
                await connection.execute(done)

    async def counts(self, work: str) -> dict[ItemState, Counted]:
        """Return the items of a work by state."""
        counted = (
            select(_ITEM.state, func.count().label("items"), func.sum(_ITEM.size).label("size"))
            .where(_ITEM.work == work)
            .group_by(_ITEM.state)
        )
        rows = await self._database.read(lambda connection: connection.execute(counted).all())
        return {ItemState(row.state): Counted(items=row.items, size=row.size) for row in rows}

    async def outcomes(self, work: str, state: ItemState | None = None) -> list[JsonObject]:
        """Return the outcomes of a work's items in order."""
        wanted = select(_ITEM.outcome).where(_ITEM.work == work, _ITEM.outcome.is_not(None)).order_by(_ITEM.number)
        if state is not None:
            wanted = wanted.where(_ITEM.state == state)
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return [row.outcome for row in rows if row.outcome is not None]

    async def cancel(self, work: str, *, begun: bool = False) -> None:
        """Cancel the items that no worker has taken; with `begun` also those that workers can stop."""
        states = [ItemState.WAITING, ItemState.WORKING] if begun else [ItemState.WAITING]
        waiting = update(work_items).where(_ITEM.work == work, _ITEM.state.in_(states))
        async with self._database.counting() as connection:
            await connection.execute(waiting.values(state=ItemState.CANCELLED))

    async def is_cancelled(self, work: str, number: int) -> bool:
        """Return whether an item is cancelled. Raises LibraryError."""
        state = await self._database.scalar(select(_ITEM.state).where(_is(work, number)))
        return bool(state == ItemState.CANCELLED)

    async def stopping(self, work: str) -> int:
        """Count the cancelled items that workers have not stopped yet."""
        begun = (_ITEM.work == work, _ITEM.state == ItemState.CANCELLED, _ITEM.worker.is_not(None))
        return int(await self._database.scalar(select(func.count()).where(*begun)) or 0)

    async def ended(self, work: str) -> list[WorkItem]:
        """Return the items of a work that have ended with an outcome, in order."""
        wanted = select(work_items).where(_ITEM.work == work, _ITEM.outcome.is_not(None)).order_by(_ITEM.number)
        rows = await self._database.read(lambda connection: connection.execute(wanted).all())
        return [_item(row._asdict()) for row in rows if row.outcome is not None]

    async def remove(self, work: str) -> None:
        """Remove the items of a work that has ended."""
        async with self._database.writing() as connection:
            await connection.execute(delete(work_items).where(_ITEM.work == work))

    async def open_size(self, kind: str, target: str | None = None) -> int:
        """Count the shows or rows of a kind, and of a target, that are not done."""
        wanted = select(func.sum(_ITEM.size)).where(_ITEM.kind == kind, _ITEM.state.in_(OPEN))
        if target is not None:
            wanted = wanted.where(_ITEM.target == target)
        return int(await self._database.scalar(wanted) or 0)

    async def backlog(self) -> list[Backlog]:
        """Return the items of all works that are not done, by kind, state and worker."""
        groups = (_ITEM.kind, _ITEM.state, _ITEM.worker)
        counted = (
            select(*groups, func.count().label("items"), func.sum(_ITEM.size).label("size"))
            .where(_ITEM.state.in_(OPEN))
            .group_by(*groups)
        )
        rows = await self._database.read(lambda connection: connection.execute(counted).all())
        return [Backlog(**{**row._asdict(), "state": ItemState(row.state)}) for row in rows]


def _is(work: str, number: int) -> ColumnElement[bool]:
    return (_ITEM.work == work) & (_ITEM.number == number)


def _item(row: Mapping[str, object]) -> WorkItem:
    names = ("work", "number", "kind", "target", "size", "request", "outcome")
    return WorkItem(**{name: row[name] for name in names})  # type: ignore[arg-type] # the columns have these types
