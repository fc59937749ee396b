"""The SQL in which the databases differ: upserts, full text, and statistics.

Each dialect is a package with the same modules; the connection decides which one is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Table, TextClause
    from sqlalchemy.dialects.postgresql import Insert as PostgreSQLInsert
    from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.put import Put
    from animerag.storage.word_hits import WordHit

    Insert = SQLiteInsert | PostgreSQLInsert


class FullTextSearch(Protocol):
    """The functions of `storage.full_text` on the dialect's tables."""

    async def put(self, connection: AsyncConnection, rows: Sequence[Mapping[str, object]]) -> None:
        """Index the words of shows."""

    async def remove(self, connection: AsyncConnection, numbers: Sequence[object]) -> None:
        """Remove the words of shows."""

    def search(
        self,
        connection: Connection,
        words: Sequence[str],
        *,
        k: int,
        weights: tuple[float, float, float, float],
        ids: Sequence[str] | None,
    ) -> list[WordHit]:
        """Return the best shows that contain any of the words."""

    def occurs(self, connection: Connection, phrase: str) -> bool:
        """Return whether any title or description contains these words in sequence."""


class StatisticsSQL(Protocol):
    """The statements of `storage.statistics`."""

    TOTALS: TextClause
    RATINGS: TextClause
    MEDIAN: TextClause
    TAGS: TextClause
    STATUSES: TextClause
    SCORES: TextClause
    MISSING: TextClause
    SKIPPED: TextClause


class SQLDialect(Protocol):
    """One dialect of SQL."""

    @property
    def full_text(self) -> FullTextSearch:
        """Return the full-text search."""

    @property
    def statistics(self) -> StatisticsSQL:
        """Return the statements for statistics."""

    def insert(self, table: Table) -> Insert:
        """Return an insert with `on_conflict_do_update` and `on_conflict_do_nothing`."""

    async def insert_rows(self, connection: AsyncConnection, put: Put, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows with the same columns; the values are as the database stores them, and there is at least one."""

    async def insert_numbers(self, connection: AsyncConnection, table: Table, rows: Sequence[Sequence[int]]) -> None:
        """Insert rows of whole numbers, in the order of the table's columns; several thousand at once are fine."""

    async def continue_numbers(self, connection: AsyncConnection, tables: Sequence[Table]) -> None:
        """Let new rows of tables be numbered after the largest number there."""

    def position(self, text: ColumnElement[object], part: str) -> ColumnElement[int]:
        """Return the first position of `part` in a text, counted from 1; 0 if it is missing."""


def dialect_of(connection: Connection | AsyncConnection) -> SQLDialect:
    """Return the dialect of a connection."""
    return _DIALECTS[connection.dialect.name]()


def _sqlite() -> SQLDialect:
    from animerag.storage.sqlite.dialect import SQLITE

    return SQLITE


def _postgresql() -> SQLDialect:
    from animerag.storage.postgresql.dialect import POSTGRESQL

    return POSTGRESQL


_DIALECTS = {"sqlite": _sqlite, "postgresql": _postgresql}
