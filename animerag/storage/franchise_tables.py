"""Tables of what decides which shows belong together, so that a change reads only the shows that it can affect.

They have the relations and the first word of each title as the franchises were derived from them. They are derived from
the shows, and are neither moved nor backed up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text, delete, or_, select

from animerag.storage.bulk_insert import add, chunks, insert_many, upsert
from animerag.storage.field_tables import FIELDS, FRANCHISES, metadata

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.database import Database
    from animerag.storage.field_reads import Rows
    from animerag.storage.show_fields import Statement

_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_LINKS = Table(
    "show_links",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("beginning", _TEXT, nullable=False),  # the first word of the title
    Index("show_links_beginning", "beginning"),
)
_RELATED = Table(
    "show_related",
    metadata,
    Column("number", Integer, nullable=False),
    Column("other", _TEXT, nullable=False),  # the id of a related show, which the catalogue may lack
    PrimaryKeyConstraint("number", "other"),
    Index("show_related_other", "other"),
)
_PUT_FRANCHISES, _PUT_LINKS, _ADD_RELATED = upsert(FRANCHISES, "number"), upsert(_LINKS, "number"), add(_RELATED)
_NUMBERS = 1000  # shows in one statement
_TABLES = (FRANCHISES, _LINKS, _RELATED)
_STALE = or_(
    FRANCHISES.c.content_hash.is_(None),
    FRANCHISES.c.content_hash != FIELDS.c.content_hash,
    _LINKS.c.number.is_(None),
)
_JOINED = FIELDS.outerjoin(FRANCHISES, FRANCHISES.c.number == FIELDS.c.number).outerjoin(
    _LINKS, _LINKS.c.number == FIELDS.c.number
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedShow:
    """A show whose franchise is out of date: new, changed or deleted. `beginning` and `root` are the earlier ones."""

    id: str | None
    title: str | None
    root: str | None
    beginning: str | None


@dataclass(frozen=True, slots=True)
class GroupedShow:
    """A show, the smallest id of its group as stored, and whether the show has changed since."""

    id: str
    root: str | None
    stale: bool


class FranchiseTables:
    """The tables of one library; reads block, and belong in a thread. Every method raises LibraryError."""

    def __init__(self, database: Database) -> None:
        """Use a database in which `FieldTables.refresh` has created the tables."""
        self._database = database

    def changed(self, most: int) -> list[ChangedShow]:
        """Return the shows that were added, changed or deleted since franchises were derived; at most `most` + 1."""
        present = select(FIELDS.c.id, FIELDS.c.title, FRANCHISES.c.root, _LINKS.c.beginning).select_from(_JOINED)
        rows = self._rows(present.where(_STALE).limit(most + 1))
        changed = [ChangedShow(id=row.id, title=row.title, root=row.root, beginning=row.beginning) for row in rows]
        return changed + [
            ChangedShow(id=None, title=None, root=row.root, beginning=row.beginning) for row in self._removed(most + 1)
        ]

    def removed_roots(self) -> set[str]:
        """Return the smallest ids of the groups from which a show was deleted."""
        return {row.root for row in self._removed(None)}

    def all(self) -> list[GroupedShow]:
        """Return all shows."""
        return self._grouped(())

    def by_root(self, roots: Iterable[str]) -> list[GroupedShow]:
        """Return the shows of groups by their smallest id."""
        return [row for some in chunks(roots) for row in self._grouped((FRANCHISES.c.root.in_(some),))]

    def by_id(self, ids: Iterable[str]) -> list[GroupedShow]:
        """Return shows by their ids."""
        return [row for some in chunks(ids) for row in self._grouped((FIELDS.c.id.in_(some),))]

    def by_beginning(self, words: Iterable[str]) -> list[GroupedShow]:
        """Return the shows whose titles began with one of some words."""
        return [row for some in chunks(words) for row in self._grouped((_LINKS.c.beginning.in_(some),))]

    def beginnings(self, ids: Iterable[str]) -> set[str]:
        """Return the first words that the titles of shows had."""
        wanted = select(_LINKS.c.beginning).distinct().join(FIELDS, FIELDS.c.number == _LINKS.c.number)
        return {row.beginning for some in chunks(ids) for row in self._rows(wanted.where(FIELDS.c.id.in_(some)))}

    def relating_to(self, ids: Iterable[str]) -> list[str]:
        """Return the ids of the shows that had a relation to some shows."""
        wanted = select(FIELDS.c.id).join(_RELATED, _RELATED.c.number == FIELDS.c.number)
        return [row.id for some in chunks(ids) for row in self._rows(wanted.where(_RELATED.c.other.in_(some)))]

    async def store(
        self,
        connection: AsyncConnection,
        rows: Sequence[Mapping[str, object]],
        links: Mapping[int, tuple[str, Collection[str]]],
    ) -> None:
        """Store franchises of shows, and by number the first words of titles and the ids of related shows."""
        for start in range(0, len(rows), _NUMBERS):
            await insert_many(connection, _PUT_FRANCHISES, rows[start : start + _NUMBERS])
        numbers = list(links)
        for start in range(0, len(numbers), _NUMBERS):
            some = numbers[start : start + _NUMBERS]
            await connection.execute(delete(_RELATED).where(_RELATED.c.number.in_(some)))
            await insert_many(connection, _PUT_LINKS, [{"number": one, "beginning": links[one][0]} for one in some])
            related = [{"number": one, "other": other} for one in some for other in links[one][1]]
            await insert_many(connection, _ADD_RELATED, related)

    async def remove_deleted(self, connection: AsyncConnection) -> None:
        """Remove the rows of shows without stored fields."""
        for table in _TABLES:
            await connection.execute(delete(table).where(table.c.number.not_in(select(FIELDS.c.number))))

    def _grouped(self, conditions: Sequence[ColumnElement[bool]]) -> list[GroupedShow]:
        wanted = select(FIELDS.c.id, FRANCHISES.c.root, _STALE.label("stale")).select_from(_JOINED)
        return [GroupedShow(row.id, row.root, bool(row.stale)) for row in self._rows(wanted.where(*conditions))]

    def _removed(self, most: int | None) -> Rows:
        joined = FRANCHISES.outerjoin(FIELDS, FIELDS.c.number == FRANCHISES.c.number).outerjoin(
            _LINKS, _LINKS.c.number == FRANCHISES.c.number
        )
        wanted = select(FRANCHISES.c.root, _LINKS.c.beginning).select_from(joined).where(FIELDS.c.number.is_(None))
        return self._rows(wanted.limit(most))

    def _rows(self, wanted: Statement) -> Rows:
        def read(connection: Connection) -> Rows:
            return list(connection.execute(wanted))

        return self._database.read_here(read)
