"""The library: real SQLite, complete shows, one writer."""

import asyncio
import sqlite3
import threading

import numpy as np
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine

from animerag.errors import LibraryError
from animerag.models.imports import ImportKind
from animerag.models.shows import RelatedShow, Show
from animerag.storage.library import Library, show_rows
from animerag.storage.schema import shows
from animerag.telemetry.load_shedding import PageActivity, yielding_to
from animerag.text.documents import Document

pytestmark = pytest.mark.both_databases


async def put(library, *shows, kind=ImportKind.OWN, collection="c"):
    number = await library.begin_import(kind, "file", "hash")
    await library.store(show_rows([Document.of(show) for show in shows], number), collection=collection)


SHOW = Show(
    id="7",
    title="銀河",
    titles=("銀河", "Galaxy"),
    tags=("space",),
    description="A fleet.",
    episodes=12,
    year=1988,
    rating=8.5,
    votes=3,
    relations=(RelatedShow(id="8", title="Next", kind="Sequel", year=1990),),
    type="tv",
    type_inferred=True,
    air_date="1988-04",
    end_date="1988-06-30",
    season="spring",
    airing="finished",
    restricted=False,
    source="novel",
    duration=24,
    studios=("スタジオ",),
    tag_weights={"space": 0.5},
    record={"AnimeID": 7, "nested": {"list": [1, None, "鬼"], "empty": {}}},
)


async def test_a_show_is_read_back_completely(library):
    await put(library, SHOW)
    assert await library.show("7") == SHOW


async def test_keys_missing_from_a_record_are_removed_by_the_next_store(library):
    await put(library, SHOW)
    await put(library, Show(id="7", title="銀河", record={"AnimeID": 7}))
    stored = await library.show("7")
    assert (stored.record, stored.year, stored.tags) == ({"AnimeID": 7}, None, ())
    assert [hit.id for hit in await library.search_words("fleet", k=5)] == []


async def test_an_empty_batch_is_no_operation(library):
    before = await library.revision()
    await put(library)
    assert await library.revision() == before


async def test_words_find_titles_descriptions_and_two_character_japanese(library):
    await put(library, SHOW, Show(id="9", title="Other", description="Nothing alike."))
    for question in ("the fleets", "galaxy", "銀河の話", "space"):
        assert [hit.id for hit in await library.search_words(question, k=5)] == ["7"], question


async def test_removing_the_sample_keeps_own_shows(library):
    await put(library, SHOW, Show(id="9", title="Sample"), kind=ImportKind.SAMPLE)
    await put(library, SHOW)
    assert await library.remove_sample() == 1
    assert (await library.counts()).shows == 1
    assert await library.embeddings.strays("c") == ["9"]


async def test_vectors_are_stored_by_model_width_and_text(library):
    vector = np.arange(4, dtype=np.float32)
    await library.embeddings.save("m", {"h": vector})
    await library.embeddings.save("m", {"h": vector + 1})
    found = await library.embeddings.load("m", 4, ["h", "absent"])
    assert list(found) == ["h"]
    np.testing.assert_array_equal(found["h"], vector)
    assert await library.embeddings.load("m", 5, ["h"]) == {}
    assert await library.embeddings.load("other", 4, ["h"]) == {}


async def test_not_indexed_returns_missing_and_outdated_shows(library):
    await put(library, SHOW)
    assert await library.embeddings.not_indexed("c") == []
    assert await library.embeddings.not_indexed("another model") == ["7"]
    await library.embeddings.note_indexed("c", {"7": ("old", "old")})
    assert await library.embeddings.not_indexed("c") == ["7"]
    assert await library.embeddings.count_indexed("c") == 0


async def test_two_processes_write_the_same_file_side_by_side(library, place):
    other = await Library.open(place)

    async def write(target, base):
        for number in range(10):
            await put(target, Show(id=f"{base}{number}", title="T"))

    await asyncio.gather(write(library, "1"), write(other, "2"))
    assert (await library.counts()).shows == 20
    assert other.library_id == library.library_id
    await other.close()


async def test_reads_continue_during_a_write(library):
    await put(library, SHOW)
    async with library.writing() as connection:
        await connection.execute(text("DELETE FROM shows"))
        async with asyncio.timeout(5):
            assert (await library.counts()).shows == 1, "a reader sees what was committed, and waits for nobody"


@pytest.mark.parametrize("turns", range(1, 12))
async def test_a_call_that_is_cancelled_leaves_no_lock_behind(library, turns):
    calls = [asyncio.ensure_future(call) for call in (library.counts(), library.set_meta("a", "b"))]
    for _ in range(turns):
        await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    async with asyncio.timeout(5):
        await library.set_meta("c", "d")


async def test_a_transaction_that_is_cancelled_while_it_reads_leaves_no_lock_behind(library):
    async def write():
        async with library.writing() as connection:
            for _ in range(20):
                await connection.exec_driver_sql("SELECT 1 UNION SELECT 2")

    cancelled = []  # the traceback of a cancelled task holds the cursor that was open
    for turns in range(60):
        cancelled.append(asyncio.ensure_future(write()))
        for _ in range(turns):
            await asyncio.sleep(0)
        cancelled[-1].cancel()
        async with asyncio.timeout(5):
            await library.set_meta("c", "d")
    assert all(task.done() for task in cancelled)


async def test_vectors_saved_at_once_share_a_commit_or_fail_each(library, monkeypatch):
    brought = [{f"h{number}": np.full(4, number + 1, np.float32)} for number in range(5)]
    await asyncio.gather(*(library.embeddings.save("m", rows) for rows in brought))
    assert len(await library.embeddings.load("m", 4, [f"h{number}" for number in range(5)])) == 5
    monkeypatch.setattr(library, "_engine", create_async_engine("sqlite+aiosqlite:////nowhere/at/all.db"))
    outcomes = await asyncio.gather(*(library.embeddings.save("m", rows) for rows in brought), return_exceptions=True)
    assert all(isinstance(outcome, LibraryError) for outcome in outcomes)
    monkeypatch.undo()


@pytest.mark.parametrize("turns", range(1, 30, 2))
async def test_a_cancelled_save_does_not_affect_others(library, turns):
    first, second = (
        asyncio.ensure_future(library.embeddings.save("m", {name: np.ones(4, np.float32)})) for name in ("a", "b")
    )
    for _ in range(turns):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    async with asyncio.timeout(5):
        await second
    assert "b" in await library.embeddings.load("m", 4, ["a", "b"])


async def test_a_failed_write_saves_nothing(library):
    with pytest.raises(LibraryError, match="could not be written"):
        await library.store(show_rows([Document.of(SHOW)], 999), collection="c")
    assert (await library.counts()).shows == 0


async def test_a_newer_library_is_refused_with_a_message(tmp_path):
    path = tmp_path / "library.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LibraryError, match="newer animerag"):
        await Library.open(path)


async def test_a_file_that_is_not_a_library_is_refused_with_a_message(tmp_path):
    path = tmp_path / "library.db"
    path.write_bytes(b"not a database, but long enough to be read as one" * 30)
    with pytest.raises(LibraryError, match="cannot be opened"):
        await Library.open(path)


async def test_more_ids_than_one_statement_takes(library):
    ids = [str(number) for number in range(40_000)]
    assert await library.fingerprints(ids) == {}


async def test_an_abandoned_read_does_not_affect_later_ones(tmp_path):
    library = await Library.open(tmp_path / "library.db")
    reads = [asyncio.create_task(library.counts()) for _ in range(20)]
    await asyncio.sleep(0)
    for one in reads[::2]:
        one.cancel()
    done = await asyncio.gather(*reads, return_exceptions=True)
    assert [one.shows for one in done[1::2]] == [0] * 10
    assert (await library.counts()).shows == 0
    await library.close()
    with pytest.raises(LibraryError, match="closed"):
        await library.counts()


async def test_a_page_reads_while_many_searches_of_a_sheet_wait(library):
    begun, finish = threading.Event(), threading.Event()

    def search(_):
        begun.set()
        return finish.wait(30)

    with yielding_to(PageActivity()):
        searches = [asyncio.create_task(library.read(search)) for _ in range(20)]
    try:
        assert await asyncio.to_thread(begun.wait, 10)
        async with asyncio.timeout(10):
            assert await library.read(lambda connection: connection.execute(select(shows.c.id)).all()) == []
    finally:
        finish.set()
    assert await asyncio.gather(*searches) == [True] * 20
