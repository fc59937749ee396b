"""Reference files: they complete existing shows, add none, and overwrite nothing."""

import json

import pytest

from animerag.discovery.answers import answer
from animerag.discovery.collection import Collection
from animerag.discovery.franchises import Franchises
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.query.plan import Plan


def entry(number, title, *, year=2012, related=(), **fields):
    """Return an entry as anime-offline-database has it."""
    return {
        "sources": [f"https://myanimelist.net/anime/{number}"],
        "title": title,
        "animeSeason": {"season": "SPRING", "year": year},
        "relatedAnime": [f"https://myanimelist.net/anime/{other}" for other in related],
        **fields,
    }


REFERENCE = [
    entry(10, "Monster", type="TV", episodes=74, studios=["madhouse"], duration={"value": 1440, "unit": "SECONDS"}),
    entry(11, "Dawn", related=[12, 13], studios=["bones"]),
    entry(12, "Dawn 2nd Season", year=2014, related=[11]),
    entry(13, "Dawn: Picture Drama", year=2013, related=[11]),
    entry(14, "Another Monster", synonyms=["Monster"], year=2012),
    entry(15, "Elsewhere"),
    entry(16, "Planetes", year=1990, studios=["sunrise"]),
]


@pytest.fixture
async def shows(services, export, record):
    """A catalogue of three shows, with ids of another site than the reference's."""
    own = [
        record(1, "Monster", "A surgeon.", BeginYear=2012, EpisodeCountNormal=70),
        record(2, "Dawn", "The sun rises.", BeginYear=2012),
        record(3, "Planetes", "Trash in orbit.", BeginYear=2003),
    ]
    source = export(*own)
    await services.ingestion.run([source], Control())
    services.own = source
    return services


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "anime-offline-database.json"
    path.write_text(json.dumps({"data": REFERENCE}))
    return SourceFile(path=path, name=path.name, enrich=True)


@pytest.fixture
def services(services):
    """Services to which a fixture may attach values."""

    class Noted:
        def __init__(self, opened):
            self.opened = opened
            self.own = None

        def __getattr__(self, name):
            return getattr(self.opened, name)

    return Noted(services)


async def test_missing_fields_are_filled_and_nothing_is_added_overwritten_or_embedded(shows, reference):
    shown = await shows.ingestion.preview.check([reference])
    assert (shown.read, shown.ingested, shown.unchanged) == (7, 2, 5)
    assert (await shows.library.show("1")).studios == ()

    report = await shows.ingestion.run([reference], Control())
    assert (report.read, report.ingested, report.unchanged, report.quarantined) == (7, 2, 5, 0)
    assert (report.catalogue, report.embedding_requests) == (3, 0)
    assert "describes 2 of your 3 shows, and adds none" in report.files[0].ids
    monster = await shows.library.show("1")
    assert (monster.episodes, monster.type, monster.studios, monster.duration) == (70, "tv", ("madhouse",), 24)
    assert (monster.title, monster.description) == ("Monster", "A surgeon.")
    assert (await shows.library.show("3")).studios == ()  # the reference describes a show of another year

    again = await shows.ingestion.run([reference], Control())
    assert (again.ingested, again.unchanged) == (0, 7)

    own = await shows.ingestion.run([shows.own], Control())
    assert own.embedding_requests == 0
    assert (await shows.library.show("1")).studios == ("madhouse",)


async def test_sequels_that_are_not_owned_are_named_and_marked(shows, reference):
    await shows.ingestion.run([reference], Control())
    dawn = await shows.library.show("2")
    assert [(one.id, one.kind, one.title, one.year) for one in dawn.relations] == [
        ("mal:12", "Sequel", "Dawn 2nd Season", 2014),
        ("mal:13", "related", "Dawn: Picture Drama", 2013),
    ]
    table = await shows.retriever.table()
    collection = Collection(table=table, franchises=Franchises(list(table.shows())))
    missing = answer(Plan(intent="seasons", field="missing"), collection)
    assert "Dawn 2nd Season (2014)" in missing.reasons[0]
    order = answer(Plan(intent="watch_order", shows=("2",)), collection)
    assert "Not in your catalogue: Dawn 2nd Season (2014)" in order.remarks[0]


async def test_a_reference_file_adds_nothing_to_an_empty_catalogue(services, reference):
    report = await services.ingestion.run([reference], Control())
    assert (report.read, report.unchanged, report.catalogue) == (7, 7, 0)


async def test_a_dump_of_a_site_names_the_sequels_that_a_catalogue_lacks(shows, tmp_path):
    def rows(kind, number, name):
        return [{"relation": kind, "entry": [{"mal_id": number, "type": "anime", "name": name}]}]

    dump = tmp_path / "jikan.jsonl"
    records = [
        {"mal_id": 11, "title": "Dawn", "year": 2012, "relations": rows("Sequel", 12, "Dawn 2nd Season")},
        {"mal_id": 12, "title": "Dawn 2nd Season", "year": 2014, "relations": rows("Prequel", 11, "Dawn")},
    ]
    dump.write_text("\n".join(json.dumps(one) for one in records))
    report = await shows.ingestion.run([SourceFile(path=dump, name=dump.name, enrich=True)], Control())
    assert (report.ingested, report.catalogue, report.embedding_requests) == (1, 3, 0)
    assert [(one.kind, one.title, one.year) for one in (await shows.library.show("2")).relations] == [
        ("Sequel", "Dawn 2nd Season", 2014)
    ]
