"""SQLite's statements for the statistics of a collection.

Wide rows are slow to scan, so every statement uses an index that contains all its columns.
"""

from sqlalchemy import text

# A film without a recorded number of episodes has one.
TOTALS = text(
    """
    SELECT year, type, count(*) AS shows, coalesce(sum(episodes), 0) AS episodes,
           coalesce(sum(coalesce(episodes, CASE WHEN type = 'movie' THEN 1 END) * duration), 0) AS minutes,
           count(coalesce(episodes, CASE WHEN type = 'movie' THEN 1 END) * duration) AS timed
    FROM shows INDEXED BY shows_figures GROUP BY year, type
    """
)
RATINGS = text(
    """
    SELECT min(cast(rating AS INTEGER), 10) AS rating, count(*) AS shows
    FROM shows WHERE rating IS NOT NULL GROUP BY 1 ORDER BY 1
    """
)
# The mean of the one or two ratings in the middle.
MEDIAN = text(
    """
    SELECT avg(rating) FROM (
        SELECT rating FROM shows WHERE rating IS NOT NULL ORDER BY rating DESC
        LIMIT 2 - :rated % 2 OFFSET (:rated - 1) / 2)
    """
)
# A tag without a weight counts with the highest weight.
TAGS = text(
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
STATUSES = text(
    """
    SELECT shows.year / 10 * 10 AS decade, my_list.status, count(*) AS shows
    FROM my_list JOIN shows INDEXED BY shows_figures ON shows.id = my_list.show_id
    WHERE my_list.status IS NOT NULL GROUP BY 1, 2
    """
)
SCORES = text(
    """
    SELECT cast(my_list.score AS INTEGER) AS score, count(*) AS shows, avg(my_list.score) AS mine,
           avg(shows.rating) AS crowd
    FROM my_list JOIN shows INDEXED BY shows_figures ON shows.id = my_list.show_id
    WHERE my_list.score IS NOT NULL AND shows.rating IS NOT NULL GROUP BY 1 ORDER BY 1 DESC
    """
)
# Related sequels and prequels that are neither in the catalogue nor merged into another show.
MISSING = text(
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
SKIPPED = text(
    """
    SELECT coalesce(json_extract(report, '$.quarantined'), 0) FROM jobs
    WHERE kind = :kind AND report IS NOT NULL ORDER BY created_at DESC LIMIT 1
    """
)
