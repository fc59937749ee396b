"""Libraries of every earlier version open with all that was in them, and get the tables of a new one."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from animerag.errors import LibraryError
from animerag.models import Filters
from animerag.query.field_index import FieldIndex
from animerag.storage import backup, show_fields
from animerag.storage.library import Library
from animerag.storage.schema import VERSION

SCHEMAS = Path(__file__).parent / "schemas"  # what each earlier version added, as it made it
SHOW = (
    "INSERT INTO shows (id, title, titles, tags, description, rating, relations, similar, record, content_hash,"
    " text_hash, import_id)"
    " VALUES ('7', 'Monster', '[\"Monster\"]', '[]', 'A surgeon.', 8.9, '[]', '[]', '{}', 'c', 't', 1)"
)


def old(path, version):
    """Write a library of an earlier version with a show, a vector and a chosen level in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        for part in range(1, version + 1):
            connection.executescript((SCHEMAS / f"{part}.sql").read_text())
        connection.execute("INSERT INTO imports VALUES (1, 'file', 'a.json', 'x', '2026-01-01')")
        connection.execute(SHOW)
        connection.execute("INSERT INTO words (rowid, titles) VALUES (1, 'monster')")
        connection.execute("INSERT INTO vectors VALUES ('m', 2, 't', x'0000803f00000000')")
        level = "ingest_concurrency" if version < 5 else "setting ingest_concurrency"
        connection.executemany(
            "INSERT INTO facts VALUES (?, ?)", [("library_id", "abc"), (level, "7"), ("revision", "3")]
        )
    return path


def shape(path):
    """Return every table and index, by name, with its columns as SQLite sees them."""
    with closing(sqlite3.connect(path)) as connection:
        named = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        columns = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)'
        return {name: (kind, connection.execute(columns, (name,)).fetchall()) for kind, name in named}


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_an_earlier_library_opens_whole(tmp_path, version):
    path = old(tmp_path / "library.db", version)
    library = await Library.open(path)
    assert library.library_id == "abc"
    assert (await library.show("7")).title == "Monster"
    assert [hit.id for hit in await library.search_words("monster", k=3)] == ["7"]
    assert (await library.embeddings.load("m", 2, ["t"]))["t"].tolist() == [1.0, 0.0]
    assert await library.get_meta("setting ingest_concurrency") == "7"
    assert await library.revision() == 3
    await library.close()


RECORDS = {
    "1": {"AnimeID": 1, "MainTitle": "A", "AnimeType": 0, "Restricted": 0, "AirDate": "2019-10-05 00:00:00"},
    "mal:2": {"mal_id": 2, "title": "B", "type": "ONA", "aired": "Apr 3, 2012 to ?", "studios": ["Trigger"]},
    "mal:3": {"series_animedb_id": "3", "series_title": "C", "series_type": "OVA", "my_status": "Watching"},
    "mal:4": {"sources": ["https://myanimelist.net/anime/4"], "title": "D", "animeSeason": {"season": "FALL"}},
    "title:5": {"name": "E Movie", "edited by hand": {"title": "Plain"}},
    "note:6": {"title": "A Movie", "text": "Watched a film."},
    "7": {},
    "8": {"AnimeID": "none", "MainTitle": None},
}


async def test_stored_records_are_read_again_for_fields_that_came_later(tmp_path):
    path = old(tmp_path / "library.db", 7)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM shows")
        for show_id, record in RECORDS.items():
            title = record.get("title") or record.get("name") or "A"
            connection.execute(
                SHOW.replace("'7', 'Monster'", "?, ?").replace("'{}'", "?"), (show_id, title, json.dumps(record))
            )
        connection.execute("INSERT INTO indexed VALUES ('c', '1', 'c', 't')")
    library = await Library.open(path)
    shows = await library.shows(RECORDS)
    film, web, ova, fall, inferred, note, bare, broken = (shows[show_id] for show_id in RECORDS)
    assert (film.type, film.air_date, film.season, film.restricted) == ("movie", "2019-10-05", "fall", False)
    assert (web.type, web.air_date, web.season, web.studios) == ("web", "2012-04-03", "spring", ("Trigger",))
    assert (ova.type, ova.type_inferred) == ("ova", False)
    assert fall.season == "fall"
    assert (inferred.type, inferred.type_inferred) == ("movie", True)
    assert (note.type, bare.type, broken.type, bare.air_date, bare.restricted) == (None,) * 5
    assert (film.title, film.record) == ("A", RECORDS["1"])
    assert await library.embeddings.not_indexed("c") == list(RECORDS)[1:], "what was indexed is still up to date"
    in_memory = FieldIndex(show_fields.shows_of(await show_fields.load(library)))
    assert in_memory.matching(Filters(types=("web",))) == ["mal:2"]
    assert in_memory.show("mal:2").studios == ("Trigger",)
    await library.close()


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_it_gets_the_tables_of_a_new_one(tmp_path, version):
    path = old(tmp_path / "old" / "library.db", version)
    for one in (path, tmp_path / "new.db"):
        await (await Library.open(one)).close()
    assert shape(path) == shape(tmp_path / "new.db")


async def test_it_is_kept_as_it_was(tmp_path):
    path = old(tmp_path / "library.db", 1)
    await (await Library.open(path)).close()
    copy = tmp_path / "library.db.schema-1"
    assert shape(copy).keys() == shape(old(tmp_path / "again.db", 1)).keys()
    await (await Library.open(path)).close()
    assert [each.name for each in tmp_path.glob("library.db.schema-*")] == [copy.name]


async def test_a_part_of_version_3_is_completed(tmp_path):
    path = old(tmp_path / "library.db", 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE job_requests")
    await (await Library.open(path)).close()
    assert {"job_requests", "run_rows"} <= shape(path).keys()


async def test_nothing_changes_where_the_copy_has_no_room(tmp_path, monkeypatch):
    path = old(tmp_path / "library.db", 2)
    before = shape(path)
    (tmp_path / "library.db.schema-2").mkdir()  # in the way of the copy
    with pytest.raises(LibraryError, match="could not be copied"):
        await Library.open(path)
    assert shape(path) == before


def test_a_copy_of_what_another_process_has_upgraded_does_not_take_its_place(tmp_path):
    path = old(tmp_path / "library.db", 1)
    kept = backup.keep_copy(path, version=1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 5")
    assert backup.keep_copy(path, version=1) == kept
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


async def test_two_processes_may_open_an_earlier_library_at_once(tmp_path):
    path = old(tmp_path / "library.db", 1)
    one, other = await asyncio.gather(Library.open(path), Library.open(path))
    assert (await one.show("7")).title == (await other.show("7")).title
    with closing(sqlite3.connect(tmp_path / "library.db.schema-1")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,), "the copy is of the library as it was"
    assert not list(tmp_path.glob("*.part"))
    await one.close()
    await other.close()
