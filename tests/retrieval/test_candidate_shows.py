"""Candidates in memory: each is read once, until the catalogue changes."""

import pytest

from animerag.jobs.jobs import Control
from animerag.retrieval import candidate_shows, word_coverage
from animerag.retrieval.candidate_shows import CandidateShows


class Noted:
    """The real library, which notes the ids that are read."""

    def __init__(self, library):
        self.library = library
        self.read = []

    async def shows(self, ids, *, records):
        self.read += ids
        return await self.library.shows(ids, records=records)


@pytest.fixture
async def stored(services, export, record):
    await services.ingestion.run([export(*(record(n, f"Show {n}", "A harbour.") for n in (1, 2, 3)))], Control())
    return services


async def test_a_show_is_read_once_in_a_revision(stored):
    library = Noted(stored.library)
    shows = CandidateShows(library)
    revision = await stored.library.revision()

    assert set(await shows.read(["1", "2"], revision)) == {"1", "2"}
    assert set(await shows.read(["2", "3", "none"], revision)) == {"2", "3"}
    assert library.read == ["1", "2", "3", "none"]


async def test_a_later_revision_reads_again(stored):
    shows = CandidateShows(stored.library)
    await shows.read(["1"], await stored.library.revision())

    await stored.editing.edit("1", {"description": "A lighthouse."})

    assert (await shows.read(["1"], await stored.library.revision()))["1"].description == "A lighthouse."


async def test_the_shows_read_first_make_room(stored, monkeypatch):
    monkeypatch.setattr(candidate_shows, "_MOST_SHOWS", 2)
    library = Noted(stored.library)
    shows = CandidateShows(library)
    for show_id in ("1", "2", "3", "1"):
        await shows.read([show_id], 1)

    assert library.read == ["1", "2", "3", "1"]


async def test_a_small_catalogue_is_read_and_split_in_advance(stored):
    library = Noted(stored.library)
    shows = CandidateShows(library)
    revision = await stored.library.revision()
    word_coverage._words.cache_clear()

    await shows.prepare(["1", "2", "3"], revision)
    library.read.clear()
    words = [word_coverage.words_of(show) for show in (await shows.read(["1", "2", "3"], revision)).values()]

    assert library.read == []
    assert words == [{"harbour"}] * 3
    assert word_coverage._words.cache_info().misses == 1, "descriptions are split once"


async def test_a_large_catalogue_is_left_to_the_questions(stored, monkeypatch):
    monkeypatch.setattr(candidate_shows, "_MOST_SHOWS", 2)
    library = Noted(stored.library)

    await CandidateShows(library).prepare(["1", "2", "3"], await stored.library.revision())

    assert library.read == []
