"""Every figure of the collection against a SQL count that is written here, independently of the service."""

import json
import sqlite3
import statistics
from contextlib import closing

import pytest

from animerag.catalogue.statistics import as_json
from animerag.charts import collection as charts
from animerag.ingestion.importer import SourceFile
from animerag.query.condition_text import parse
from animerag.storage.database import Database

SHEET = """id,title,year,episodes,duration,type,rating,genres,description,my_status,my_score
1,Alpha,1994,26,24,tv,8.5,Drama|action,A harbour.,completed,9
2,Beta,1999,,90,movie,7.25,drama,A train.,completed,6.5
3,Gamma,2004,12,,tv,6.0,action,,watching,8
4,Delta,2011,1,100,movie,,mystery,A letter.,dropped,
5,Epsilon,2015,3,30,ova,9.1,Mystery,   ,plan_to_watch,
6,Zeta,,50,24,,7.25,,A mountain.,,
7,Alpha,1994,26,,tv,8.5,action,Another harbour.,,
8,,2001,1,24,tv,5,drama,Nameless.,,
"""
RELATIONS = {
    "1": [{"id": "3", "title": "Gamma", "kind": "Sequel"}, {"id": "70", "title": "Alpha 2", "kind": "Sequel"}],
    "2": [{"id": "70", "title": "Alpha 2", "kind": "sequel"}, {"id": "71", "title": "Beta 0", "kind": "Prequel"}],
    "3": [{"id": "72", "title": "Aside", "kind": "Side story"}, {"id": "73", "title": "Merged", "kind": "Sequel"}],
}
WEIGHTS = {"1": {"Drama": 0.25, "action": 1.0}, "4": {"mystery": 0.5}}


@pytest.fixture
async def collection(services, tmp_path, settings):
    """Services over a few shows with lists, relations and weights, and the library's file for counting."""
    path = tmp_path / "mine.csv"
    path.write_text(SHEET, encoding="utf-8")

    async def work(control):
        return await services.ingestion.run([SourceFile(path=path, name=path.name)], control)

    job = await services.jobs.start(work, kind="ingest", title="mine.csv")
    await services.jobs.wait(job)
    assert job.report.quarantined == 1
    async with services.library.changing() as connection:
        for show_id, related in RELATIONS.items():
            await connection.exec_driver_sql(
                "UPDATE shows SET relations = ? WHERE id = ?", (json.dumps(related), show_id)
            )
        for show_id, weights in WEIGHTS.items():
            await connection.exec_driver_sql(
                "UPDATE shows SET tag_weights = ? WHERE id = ?", (json.dumps(weights), show_id)
            )
        await connection.exec_driver_sql("INSERT INTO merges (source_id, show_id) VALUES ('73', '3')")
    return services, settings.database_path


@pytest.fixture
def count(collection):
    _, path = collection

    def counted(sql):
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(sql).fetchall()

    return counted


async def test_totals_equal_their_sql_counts(collection, count):
    figures = await collection[0].statistics.collection()

    assert [(figures.shows,)] == count("SELECT count(*) FROM shows") == [(7,)]
    assert [(figures.films,)] == count("SELECT count(*) FROM shows WHERE type = 'movie'") == [(2,)]
    assert [(figures.episodes,)] == count("SELECT total(episodes) FROM shows") == [(118,)]
    lengths = count("SELECT ifnull(episodes, 1) * duration FROM shows WHERE duration > 0")
    assert (figures.timed, figures.hours) == (len(lengths), round(sum(one for (one,) in lengths) / 60, 1))
    assert figures.timed == 5
    rated = [rating for (rating,) in count("SELECT rating FROM shows WHERE rating IS NOT NULL")]
    assert figures.median_rating == round(statistics.median(rated), 2)
    assert dict(figures.ratings) == dict(
        count("SELECT CAST(rating AS INT), count(*) FROM shows WHERE rating > 0 GROUP BY 1")
    )
    stubs = count("SELECT count(*) FROM shows WHERE description IS NULL OR trim(description) = ''")
    assert [(figures.without_description,)] == stubs == [(2,)]


async def test_the_list_equals_its_sql_counts(collection, count):
    figures = await collection[0].statistics.collection()

    (seen,), (begun,) = count(
        "SELECT count(*) FROM my_list WHERE status = 'completed' UNION ALL"
        " SELECT count(*) FROM my_list WHERE status IN ('watching', 'on_hold', 'dropped')"
    )
    assert (figures.seen, figures.begun, figures.unseen) == (seen, begun, figures.shows - seen - begun) == (2, 2, 3)
    assert [(figures.listed,)] == count("SELECT count(status) FROM my_list")
    decades = count(
        "SELECT (year / 10) * 10, ifnull(status, 'none'), count(*) FROM shows"
        " LEFT JOIN my_list ON show_id = id WHERE year IS NOT NULL GROUP BY 1, 2"
    )
    assert {(decade, name, n) for decade, row in figures.decades.items() for name, n in row.items()} == set(decades)
    scores = count(
        "SELECT CAST(score AS INT), count(*), round(avg(score), 2), round(avg(rating), 2) FROM shows, my_list"
        " WHERE show_id = id AND score IS NOT NULL AND rating IS NOT NULL GROUP BY 1 ORDER BY 1 DESC"
    )
    assert [(one.score, one.shows, one.mine, one.crowd) for one in figures.scores] == scores
    assert len(scores) == 3


async def test_years_and_tags_equal_their_sql_counts(collection, count):
    figures = await collection[0].statistics.collection()

    years = count("SELECT year, ifnull(type, ''), count(*) FROM shows WHERE year IS NOT NULL GROUP BY 1, 2")
    assert {(year, kind, n) for year, row in figures.years.items() for kind, n in row.items()} == set(years)
    tagged = count("SELECT lower(value), count(*) FROM shows, json_each(tags) GROUP BY 1")
    assert {one.tag: one.shows for one in figures.tags} == dict(tagged)
    assert {one.tag: one.weight for one in figures.tags} == {"action": 3.0, "drama": 1.25, "mystery": 1.5}
    assert [one.tag for one in figures.tags] == ["action", "mystery", "drama"], "the weightiest first"


async def test_counts_that_need_attention_equal_the_lists_of_the_pages(collection, count):
    services, _ = collection

    attention = await services.statistics.attention()

    missing = await services.browsing.missing()
    assert attention.missing_sequels == len(missing) == 2
    assert attention.duplicates == len(await services.same_shows.pairs()) == 1
    assert attention.without_description == len(await services.browsing.stubs())
    (indexed,) = count(
        "SELECT count(*) FROM shows JOIN indexed ON show_id = id WHERE indexed.text_hash = shows.text_hash"
    )
    assert attention.not_indexed == 7 - indexed[0]
    assert [(attention.skipped_rows,)] == count("SELECT json_extract(report, '$.quarantined') FROM jobs") == [(1,)]


async def test_figures_are_computed_once_for_each_state_of_the_catalogue(collection, monkeypatch):
    services, _ = collection
    reads = []
    read = Database.read

    def counted(self, work):
        reads.append(work)
        return read(self, work)

    first = await services.statistics.collection()
    monkeypatch.setattr(Database, "read", counted)
    again = await services.statistics.collection()
    few = len(reads)
    await services.editing.edit("4", {"my_status": "completed"})
    changed = await services.statistics.collection()

    assert again is first
    assert few <= 1
    assert (first.seen, changed.seen) == (2, 3)


async def test_an_empty_catalogue_has_figures_too(services):
    figures = await services.statistics.collection()
    attention = await services.statistics.attention()

    assert (figures.shows, figures.median_rating, figures.hours, figures.unseen) == (0, None, 0.0, 0)
    assert (figures.years, figures.tags, figures.scores, figures.decades) == ({}, [], [], {})
    assert json.loads(json.dumps(as_json(figures, attention)))["attention"]["duplicates"] == 0


async def test_every_mark_of_a_chart_opens_exactly_the_shows_that_it_counts(collection):
    services, _ = collection
    figures = await services.statistics.collection()
    scores = charts.filters_of(charts.scores(figures.scores)).values()
    drawn = {
        **_marks(charts.years(figures.years)),
        **_marks(charts.decades(figures.decades)),
        **{f"tag>={one.tag}": one.shows for one in figures.tags},
        **dict(zip(scores, [one.shows for one in figures.scores], strict=True)),
    }
    assert len(drawn) > 15

    listed = {where: (await services.browsing.page(condition=parse(where))).total for where in drawn}

    assert listed == drawn
    assert set(charts.filters_of(charts.tags(figures.tags)).values()) <= drawn.keys()


def _marks(figure):
    """Return the length of each bar by the filter that it stands for."""
    return {
        where: length
        for trace in figure.data
        if trace.customdata is not None
        for where, length in zip(trace.customdata, trace.x if trace.orientation == "h" else trace.y, strict=True)
    }
