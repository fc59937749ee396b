"""SQL for the figures of a collection: totals, years and types, ratings, tags, the owner's list, and gaps.

Wide rows are slow to scan, so every statement names an index that has all it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

# A film whose number of episodes is not recorded has one.
_TOTALS = text(
    """
    SELECT year, type, count(*) AS shows, coalesce(sum(episodes), 0) AS episodes,
           coalesce(sum(coalesce(episodes, CASE WHEN type = 'movie' THEN 1 END) * duration), 0) AS minutes,
           count(coalesce(episodes, CASE WHEN type = 'movie' THEN 1 END) * duration) AS timed
    FROM shows INDEXED BY shows_figures GROUP BY year, type
    """
)
_RATINGS = text(
    """
    SELECT min(cast(rating AS INTEGER), 10) AS rating, count(*) AS shows
    FROM shows WHERE rating IS NOT NULL GROUP BY 1 ORDER BY 1
    """
)
# The mean of the one or two ratings in the middle.
_MEDIAN = text(
    """
    SELECT avg(rating) FROM (
        SELECT rating FROM shows WHERE rating IS NOT NULL ORDER BY rating DESC
        LIMIT 2 - :rated % 2 OFFSET (:rated - 1) / 2)
    """
)
# A tag without a weight counts as much as the weightiest.
_TAGS = text(
    """
    WITH grouped AS MATERIALIZED (SELECT tags, tag_weights, count(*) AS shows
                                       FROM shows INDEXED BY shows_tags GROUP BY tags, tag_weights),
    tagged AS (
        SELECT lower(tag.value) AS tag, grouped.shows,
               coalesce((SELECT weight.value FROM json_each(nullif(grouped.tag_weights, '{}')) AS weight
                         WHERE lower(weight.key) = lower(tag.value)), 1.0) AS weight
        FROM grouped, json_each(grouped.tags) AS tag)
    SELECT tag, sum(shows) AS shows, sum(shows * weight) AS weight
    FROM tagged GROUP BY tag ORDER BY weight DESC, tag LIMIT :most
    """
)
_STATUSES = text(
    """
    SELECT shows.year / 10 * 10 AS decade, my_list.status, count(*) AS shows
    FROM my_list JOIN shows INDEXED BY shows_figures ON shows.id = my_list.show_id
    WHERE my_list.status IS NOT NULL GROUP BY 1, 2
    """
)
_SCORES = text(
    """
    SELECT cast(my_list.score AS INTEGER) AS score, count(*) AS shows, avg(my_list.score) AS mine,
           avg(shows.rating) AS crowd
    FROM my_list JOIN shows INDEXED BY shows_figures ON shows.id = my_list.show_id
    WHERE my_list.score IS NOT NULL AND shows.rating IS NOT NULL GROUP BY 1 ORDER BY 1 DESC
    """
)
# Sequels and prequels that relations name, unless they are here or were merged into another show.
_MISSING = text(
    """
    WITH related AS MATERIALIZED (SELECT DISTINCT relations FROM shows INDEXED BY shows_relations
                                  WHERE relations <> '[]' AND relations LIKE '%quel%'),
    named AS (
        SELECT DISTINCT json_extract(item.value, '$.id') AS id FROM related, json_each(related.relations) AS item
        WHERE json_extract(item.value, '$.kind') LIKE '%sequel%'
              OR json_extract(item.value, '$.kind') LIKE '%prequel%')
    SELECT count(*) FROM named
    WHERE id <> '' AND NOT EXISTS (SELECT 1 FROM shows WHERE shows.id = named.id)
          AND NOT EXISTS (SELECT 1 FROM merges WHERE merges.source_id = named.id)
    """
)
_WITHOUT_DESCRIPTION = text("SELECT count(*) FROM shows WHERE trim(description) = ''")
_SKIPPED = text(
    """
    SELECT coalesce(json_extract(report, '$.quarantined'), 0) FROM jobs
    WHERE kind = :kind AND report IS NOT NULL ORDER BY created_at DESC LIMIT 1
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class YearTotals:
    """The shows of one year and type, where these are known: `minutes` adds up the `timed` ones of known length."""

    year: int | None
    type: str | None
    shows: int
    episodes: int
    minutes: int
    timed: int


def totals(connection: Connection) -> list[YearTotals]:
    """Return totals by year and type."""
    return [YearTotals(**row._asdict()) for row in connection.execute(_TOTALS)]


def ratings(connection: Connection) -> tuple[dict[int, int], float | None]:
    """Return the number of shows by whole rating, 8 for 8.0 to 8.99, and the median rating."""
    counts = {row.rating: row.shows for row in connection.execute(_RATINGS)}
    rated = sum(counts.values())
    return counts, connection.scalar(_MEDIAN, {"rated": rated}) if rated else None


def tags(connection: Connection, most: int) -> list[tuple[str, int, float]]:
    """Return the weightiest tags with their shows and the sum of their weights there."""
    return [(row.tag, row.shows, row.weight) for row in connection.execute(_TAGS, {"most": most})]


def my_list(connection: Connection) -> tuple[list[tuple[int | None, str, int]], list[tuple[int, int, float, float]]]:
    """Return (decade, status, shows) of the owner's list, and (whole score, shows, mean score, mean rating)."""
    statuses = [(row.decade, row.status, row.shows) for row in connection.execute(_STATUSES)]
    return statuses, [(row.score, row.shows, row.mine, row.crowd) for row in connection.execute(_SCORES)]


def missing_sequels(connection: Connection) -> int:
    """Count the sequels and prequels that relations name and the catalogue lacks."""
    return int(connection.scalar(_MISSING) or 0)


def without_description(connection: Connection) -> int:
    """Count the shows without a description."""
    return int(connection.scalar(_WITHOUT_DESCRIPTION) or 0)


def skipped_rows(connection: Connection, kind: str) -> int:
    """Count the rows that the last import skipped; `kind` is that of its job."""
    return int(connection.scalar(_SKIPPED, {"kind": kind}) or 0)
