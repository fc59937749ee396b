"""The catalogue as a list: search, filters, order, and missing shows."""

import json

import pytest

from animerag.catalogue import browsing
from animerag.jobs.jobs import Control
from animerag.models.filters import Filters


@pytest.fixture
async def shows(services, export, record):
    """Five shows: two of one series whose third part is missing, one in another script, one without a description."""

    def made(number, title, text, **fields):
        return {**record(number, title, text), **fields}

    def sequel(number, title):
        relations = [{"anime_id": number, "relation_type": "Sequel", "title_main": title}]
        return {"relations": json.dumps(relations)}

    sea, home = "A captain crosses the sea.", "The captain comes home."
    rows = [
        made(1, "Sea Road", sea, BeginYear=1999, EpisodeCountNormal=12, Rating=700, AllTags="sea|drama")
        | sequel(2, "Sea Road II"),
        made(2, "Sea Road II", home, BeginYear=2003, EpisodeCountNormal=26, Rating=810, AllTags="sea")
        | sequel(77, "Sea Road III"),
        made(3, "銀河鉄道", "A train crosses the sky.", AllTitles="Galaxy Express", BeginYear=1978, Rating=600)
        | {"AnimeType": 0, "AirDate": "1978-10-02 00:00:00", "Restricted": 0},
        made(4, "Zebra", "", BeginYear=0, Rating=0) | {"AnimeType": 3},
        made(5, "A-B: C!", "Somebody paints.", BeginYear=2010, EpisodeCountNormal=1, Rating=500)
        | {"AnimeType": 0, "AirDate": "2010-04-01 00:00:00", "Restricted": 1},
    ]
    await services.ingestion.run([export(*rows)], Control())
    return services


async def ids(services, *args, **kwargs):
    return list((await services.browsing.page(*args, **kwargs)).ids)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("sea", ["2", "1"]),
        ("ROAD ii", ["2"]),
        ("ea ro", ["2", "1"]),
        ("河", ["3"]),
        ("galax", ["3"]),
        ("a b c", ["5"]),
        ("nobody's", []),
        ("%", ["2", "1", "3", "5", "4"]),  # only punctuation is an empty search
    ],
)
async def test_letters_match_inside_any_title(shows, search, found):
    assert await ids(shows, search) == found


@pytest.mark.parametrize(
    ("order", "descending", "first"),
    [
        ("rating", True, ["2", "1", "3", "5", "4"]),
        ("rating", False, ["5", "3", "1", "2", "4"]),
        ("title", False, ["5", "1", "2", "4", "3"]),
        ("year", True, ["5", "2", "1", "3", "4"]),
        ("episodes", True, ["2", "1", "5"]),
        ("air_date", True, ["5", "3"]),
    ],
)
async def test_shows_without_the_sort_field_come_last(shows, order, descending, first):
    assert (await ids(shows, order=order, descending=descending))[: len(first)] == first


async def test_all_conditions_must_be_met(shows):
    assert await ids(shows, "sea", Filters(year_from=2000)) == ["2"]
    assert await ids(shows, "", Filters(tags=("sea", "drama"))) == ["1"]
    assert await ids(shows, "", Filters(statuses=("completed",))) == []


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(types=("movie",)), ["3", "5"]),
        (Filters(types=("movie", "special")), ["3", "5", "4"]),
        (Filters(types=("tv",)), ["2", "1"]),  # inferred from their episodes
        (Filters(seasons=("fall",)), ["3"]),
        (Filters(aired_from="2000-01-01"), ["5"]),
        (Filters(restricted=False, types=("movie",)), ["3"]),
    ],
)
async def test_types_seasons_and_dates_narrow_the_list(shows, filters, found):
    assert await ids(shows, "", filters) == found


async def test_shows_are_listed_by_their_file(shows, export, record):
    other = export({**record(9, "From Elsewhere", "Another file tells it.")}, name="other.json")
    await shows.ingestion.run([other], Control())
    files = (await shows.browsing.vocabulary()).files
    assert list(files.values()) == [5, 1]
    [name] = [file for file, number in files.items() if number == 1]
    assert len(await ids(shows, file=name)) == 1


async def test_pages_follow_one_another(shows, monkeypatch):
    monkeypatch.setattr(browsing, "PAGE", 2)
    pages = [await shows.browsing.page(number=number) for number in range(4)]
    assert [[show.id for show in page.shows] for page in pages] == [["2", "1"], ["3", "5"], ["4"], []]
    assert {page.total for page in pages} == {5}


async def test_a_missing_sequel_is_listed_once(shows):
    [missing] = await shows.browsing.missing()
    assert (missing.show.title, missing.named_by.title) == ("Sea Road III", "Sea Road II")


async def test_shows_without_a_description_are_listed(shows):
    assert [show.id for show in await shows.browsing.stubs()] == ["4"]


async def test_similar_shows_are_nearest_first_and_empty_without_a_vector(shows):
    near = await shows.browsing.nearest("1", k=2)
    assert near[0].id == "2"
    assert len(near) == 2
    assert await shows.browsing.nearest("nobody") == []


async def test_a_repeated_list_reflects_every_change(shows):
    assert len(await ids(shows)) == 5
    assert len(await ids(shows)) == 5
    await shows.editing.delete(["4"])
    assert len(await ids(shows)) == 4
    await shows.editing.edit("5", {"rating": 9.9})
    assert (await ids(shows))[0] == "5"
