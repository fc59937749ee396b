"""A stored show equals the returned one, however it was changed."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from animerag.errors import LibraryError
from animerag.ingestion.two_pass import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.shows import RelatedShow, Show
from animerag.readers import ReadOptions
from animerag.storage.library import Library
from animerag.text.documents import Document, content_hash

pytestmark = pytest.mark.both_databases

WORD = st.text("abc", min_size=1, max_size=3)
SHOWS = st.builds(
    Show,
    id=st.just("1"),
    title=WORD,
    tags=st.lists(WORD, max_size=2).map(tuple),
    description=st.sampled_from(["", "A surgeon saves a boy."]),
    year=st.none() | st.integers(1990, 1993),
    rating=st.none() | st.integers(0, 3).map(float),
    studios=st.lists(WORD, max_size=1).map(tuple),
    tag_weights=st.dictionaries(WORD, st.floats(0, 1), max_size=2),
    relations=st.lists(st.builds(RelatedShow, id=WORD, title=WORD), max_size=1).map(tuple),
    my_score=st.none() | st.integers(0, 3).map(float),
)


@given(one=SHOWS, two=SHOWS)
def test_shows_of_one_record_that_differ_in_a_field_differ_in_their_hash(one, two):
    assert content_hash(one) == content_hash(replace(one))
    assume(one != two)
    assert content_hash(one) != content_hash(two)


@pytest.fixture
async def two_shows(services):
    one = Show(id="1", title="Alpha", titles=("Alpha",), description="Two robots.", episodes=12)
    two = Show(id="x:1", title="Alpha", titles=("Alpha", "A Tale"), tags=("Mecha",), year=1999, my_score=9.0)
    await services.ingestion.import_documents([Document.of(one), Document.of(two)], Control())
    return services


async def test_a_merged_show_is_stored_as_it_was_returned(two_shows):
    merged = await two_shows.same_shows.merge("1", "x:1")
    assert (merged.tags, merged.year, merged.episodes, merged.my_score) == (("Mecha",), 1999, 12, 9.0)
    assert await two_shows.library.shows(["1", "x:1"]) == {"1": merged}
    assert (await two_shows.maintenance.check()).healthy


async def test_a_merge_that_fails_changes_neither_show(two_shows, monkeypatch):
    before = await two_shows.library.shows(["1", "x:1"])

    async def full(*_):
        raise LibraryError("The disk is full.")

    monkeypatch.setattr(Library, "_bump_revision", full)
    with pytest.raises(LibraryError):
        await two_shows.same_shows.merge("1", "x:1")
    assert await two_shows.library.shows(["1", "x:1"]) == before


async def test_a_hash_of_an_earlier_version_is_stored_again_and_not_embedded_again(services, export, record):
    from sqlalchemy import update

    from animerag.storage.schema import indexed, shows

    source = export(record(1, "Monster", "A surgeon saves a boy."))
    await services.ingestion.run([source], Control())
    async with services.library.writing() as connection:
        for table in (shows, indexed):
            await connection.execute(update(table).values(content_hash="of an earlier version"))
    assert (await services.ingestion.preview.missing()).read == 0
    assert not (await services.maintenance.repair()).stale  # compares stored hashes only

    again = await services.ingestion.run([source], Control())
    assert (again.ingested, again.embedding_requests) == (1, 0)
    assert (await services.ingestion.run([source], Control())).unchanged == 1


async def test_a_corrected_column_mapping_reaches_stored_shows(services, tmp_path):
    path = tmp_path / "shows.csv"
    path.write_text("id,title,first,second\n1,Monster,5,9\n", encoding="utf-8")
    for column, rating in (("first", 5.0), ("second", 9.0)):
        source = SourceFile(path=path, name=path.name, options=ReadOptions(columns={column: "score"}))
        await services.ingestion.run([source], Control())
        assert (await services.library.show("1")).rating == rating
