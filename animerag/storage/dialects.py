"""The words in which the databases differ: inserts that may meet existing rows, full text, and figures.

Each dialect is a package with the same modules; the connection decides which one is meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Table, TextClause
    from sqlalchemy.dialects.postgresql import Insert as PostgreSQLInsert
    from sqlalchemy.dialects.sqlite import Insert as SQLiteInsert
    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.word_hits import WordHit

    Insert = SQLiteInsert | PostgreSQLInsert


class FullTextSearch(Protocol):
    """The functions of `storage.full_text`, on tables of the dialect's own."""

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
        """Return the best shows that have any of the words."""

    def occurs(self, connection: Connection, phrase: str) -> bool:
        """Tell whether a title or a description has these words in a row."""


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
        """Return the search for words."""

    @property
    def statistics(self) -> StatisticsSQL:
        """Return the statements of figures."""

    def insert(self, table: Table) -> Insert:
        """Return an insert that takes `on_conflict_do_update` and `on_conflict_do_nothing`."""

    def position(self, text: ColumnElement[object], part: str) -> ColumnElement[int]:
        """Return where `part` first stands in a text, from 1; 0 where it does not."""


def dialect_of(connection: Connection | AsyncConnection) -> SQLDialect:
    """Return the dialect that a connection speaks."""
    return _DIALECTS[connection.dialect.name]()


def _sqlite() -> SQLDialect:
    from animerag.storage.sqlite.dialect import SQLITE

    return SQLITE


_DIALECTS = {"sqlite": _sqlite}
