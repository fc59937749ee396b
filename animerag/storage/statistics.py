"""Statistics of a collection: totals, years and types, ratings, tags, the owner's list, and gaps.

The statements come from the dialect in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from animerag.storage.dialects import dialect_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

_WITHOUT_DESCRIPTION = text("SELECT count(*) FROM shows WHERE trim(description) = ''")


@dataclass(frozen=True, slots=True, kw_only=True)
class YearTotals:
    """The shows of one year and type, if known; `minutes` is the total length of the `timed` shows of known length."""

    year: int | None
    type: str | None
    shows: int
    episodes: int
    minutes: int
    timed: int


def totals(connection: Connection) -> list[YearTotals]:
    """Return totals by year and type."""
    return [YearTotals(**row._asdict()) for row in connection.execute(dialect_of(connection).statistics.TOTALS)]


def ratings(connection: Connection) -> tuple[dict[int, int], float | None]:
    """Return the number of shows by whole rating, 8 for 8.0 to 8.99, and the median rating."""
    counts = {row.rating: row.shows for row in connection.execute(dialect_of(connection).statistics.RATINGS)}
    rated = sum(counts.values())
    return counts, connection.scalar(dialect_of(connection).statistics.MEDIAN, {"rated": rated}) if rated else None


def tags(connection: Connection, most: int) -> list[tuple[str, int, float]]:
    """Return the tags with the highest total weight, with their numbers of shows and total weights."""
    return [
        (row.tag, row.shows, row.weight)
        for row in connection.execute(dialect_of(connection).statistics.TAGS, {"most": most})
    ]


def my_list(connection: Connection) -> tuple[list[tuple[int | None, str, int]], list[tuple[int, int, float, float]]]:
    """Return (decade, status, shows) of the owner's list, and (whole score, shows, mean score, mean rating)."""
    statuses = [
        (row.decade, row.status, row.shows) for row in connection.execute(dialect_of(connection).statistics.STATUSES)
    ]
    return statuses, [
        (row.score, row.shows, row.mine, row.crowd)
        for row in connection.execute(dialect_of(connection).statistics.SCORES)
    ]


def missing_sequels(connection: Connection) -> int:
    """Count the sequels and prequels that relations name and the catalogue lacks."""
    return int(connection.scalar(dialect_of(connection).statistics.MISSING) or 0)


def without_description(connection: Connection) -> int:
    """Count the shows without a description."""
    return int(connection.scalar(_WITHOUT_DESCRIPTION) or 0)


def skipped_rows(connection: Connection, kind: str) -> int:
    """Count the rows that the last import skipped; `kind` is the kind of its job."""
    return int(connection.scalar(dialect_of(connection).statistics.SKIPPED, {"kind": kind}) or 0)
