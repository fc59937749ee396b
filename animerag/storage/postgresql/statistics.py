"""PostgreSQL's statements for the statistics of a collection."""

from sqlalchemy import text

# A film without a recorded number of episodes has one.
TOTALS = text(
    """
    SELECT year, type, count(*) AS shows, CAST(coalesce(sum(episodes), 0) AS bigint) AS episodes,
           CAST(coalesce(sum(coalesce(episodes, CASE WHEN type = 'movie' THEN 1 END) * duration), 0) AS bigint)
               AS minutes,
           count(coalesce(episodes, CASE WHEN type = 'movie' THEN 1 END) * duration) AS timed
    FROM shows GROUP BY year, type
    """
)
RATINGS = text(
    """
    SELECT least(CAST(trunc(rating) AS integer), 10) AS rating, count(*) AS shows
    FROM shows WHERE rating IS NOT NULL GROUP BY 1 ORDER BY 1
    """
)
# The mean of the one or two ratings in the middle.
MEDIAN = text(
    """
    SELECT avg(rating) FROM (
        SELECT rating FROM shows WHERE rating IS NOT NULL ORDER BY rating DESC
        LIMIT 2 - CAST(:rated AS integer) % 2 OFFSET (CAST(:rated AS integer) - 1) / 2) AS middle
    """
)
# A tag without a weight counts with the highest weight.
TAGS = text(
    """
    WITH grouped AS MATERIALIZED (
        SELECT CAST(tags AS text) AS tags, CAST(tag_weights AS text) AS tag_weights, count(*) AS shows
        FROM shows GROUP BY 1, 2),
    tagged AS (
        SELECT lower(tag.value) AS tag, grouped.shows,
               coalesce((SELECT CAST(weight.value AS double precision)
                         FROM json_each_text(CAST(grouped.tag_weights AS json)) AS weight
                         WHERE lower(weight.key) = lower(tag.value) LIMIT 1), 1.0) AS weight
        FROM grouped, json_array_elements_text(CAST(grouped.tags AS json)) AS tag)
    SELECT tag, CAST(sum(shows) AS bigint) AS shows, sum(shows * weight) AS weight
    FROM tagged GROUP BY tag ORDER BY weight DESC, tag COLLATE "C" LIMIT :most
    """
)
STATUSES = text(
    """
    SELECT shows.year / 10 * 10 AS decade, my_list.status, count(*) AS shows
    FROM my_list JOIN shows ON shows.id = my_list.show_id
    WHERE my_list.status IS NOT NULL GROUP BY 1, 2
    """
)
SCORES = text(
    """
    SELECT CAST(trunc(my_list.score) AS integer) AS score, count(*) AS shows, avg(my_list.score) AS mine,
           avg(shows.rating) AS crowd
    FROM my_list JOIN shows ON shows.id = my_list.show_id
    WHERE my_list.score IS NOT NULL AND shows.rating IS NOT NULL GROUP BY 1 ORDER BY 1 DESC
    """
)
# Related sequels and prequels that are neither in the catalogue nor merged into another show.
MISSING = text(
    """
    WITH named AS (
        SELECT DISTINCT item.value ->> 'id' AS id
        FROM shows, json_array_elements(shows.relations) AS item
        WHERE CAST(shows.relations AS text) ILIKE '%quel%'
              AND (item.value ->> 'kind' ILIKE '%sequel%' OR item.value ->> 'kind' ILIKE '%prequel%'))
    SELECT count(*) FROM named
    WHERE id <> '' AND NOT EXISTS (SELECT 1 FROM shows WHERE shows.id = named.id)
          AND NOT EXISTS (SELECT 1 FROM merges WHERE merges.source_id = named.id)
    """
)
SKIPPED = text(
    """
    SELECT coalesce(CAST(report ->> 'quarantined' AS integer), 0) FROM jobs
    WHERE kind = :kind AND report IS NOT NULL ORDER BY created_at DESC LIMIT 1
    """
)
