"""A library of an earlier version opens with all its data, and gets the tables of a new one."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from animerag.composition import open_services
from animerag.errors import InvalidInputError, LibraryError
from animerag.models.stored_answers import StoredAnswer
from animerag.storage import backup
from animerag.storage.batch_runs import Runs
from animerag.storage.conversations import Conversations
from animerag.storage.integrity import VectorKey
from animerag.storage.library import Library
from animerag.storage.schema_version import BASELINE, VERSION
from animerag.storage.sqlite import copies

SCHEMAS = Path(__file__).parent / "schemas"  # the tables as earlier versions made them
EARLIER = sorted(int(path.stem) for path in SCHEMAS.glob("*.sql"))
SHOW = (
    "INSERT INTO shows (id, title, titles, tags, description, rating, relations, similar, record, content_hash,"
    " text_hash, import_id)"
    " VALUES ('7', 'Monster', '[\"Monster\"]', '[]', 'A surgeon.', 8.9, '[]', '[]', '{}', 'c', 't', 1)"
)
ANSWER = {
    "index": 0,
    "question": "What is Monster about?",
    "answer": "A surgeon [1].",
    "status": "ok",
    "error": None,
    "citations": ["7"],
    "context": [
        {
            "anime_id": "7",
            "title": "Monster",
            "year": 2004,
            "episodes": 74,
            "found_by": ["alias", "vector"],
            "evidence": [
                {"branch": "alias", "rank": 1, "detail": "Monster"},
                {"branch": "vector", "rank": 2, "detail": ""},
            ],
            "distance": 0.31,
            "score": 0.9,
            "cited": True,
        }
    ],
    "timings": {"queue_s": 0.0, "retrieve_s": 0.02, "total_s": 0.4},
    "usage": {"input_tokens": 90, "output_tokens": 9, "embedding_tokens": 8, "cost_usd": 0.01, "estimated": False},
    "model": "m",
    "provider": "openai",
    "cached": False,
    "result": {"intent": "lookup", "ids": ["7"], "complete": False, "value": None, "conditions": []},
    "attempts": 2,
    "same_as": None,
}
EXCHANGE = {"question": "Who is it?", "found": {"question": "Who is it?", "sources": []}, "text": "A surgeon."}


def old(path, version=BASELINE):
    """Write a library of an earlier version: a show, a vector, a chosen level, a run, and a conversation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript((SCHEMAS / f"{version}.sql").read_text())
        connection.execute("INSERT INTO imports VALUES (1, 'file', 'a.json', 'x', '2026-01-01')")
        connection.execute(SHOW)
        connection.execute("INSERT INTO words (rowid, titles) VALUES (1, 'monster')")
        vector = "INSERT INTO vectors (model, dimensions, text_hash, vector) VALUES ('m', 2, 't', x'0000803f00000000')"
        connection.execute(vector)
        connection.execute(
            "INSERT INTO runs (id, created_at, name, sheet, options, sha256, seconds)"
            " VALUES ('r', '2026-01-01', 'q.csv', ?, '{}', 'x', 1)",
            (json.dumps({"headings": ["question"], "column": "question"}),),
        )
        connection.execute(
            "INSERT INTO run_rows (run_id, number, asked, status, told, timings, input_tokens, output_tokens)"
            " VALUES ('r', 0, '{\"question\": \"What is Monster about?\", \"columns\": {}}', 'ok', ?, '{}', 98, 9)",
            (json.dumps(ANSWER),),
        )
        connection.execute("INSERT INTO conversations VALUES ('c', 'Who is it?', '2026-01-01')")
        connection.execute("INSERT INTO exchanges VALUES ('c', 0, ?)", (json.dumps(EXCHANGE),))
        facts = [("library_id", "abc"), ("setting ingest_concurrency", "7"), ("revision", "3")]
        connection.executemany("INSERT INTO facts VALUES (?, ?)", facts)
    return path


def shape(path):
    """Return every table and index, by name, with its columns as SQLite sees them."""
    with closing(sqlite3.connect(path)) as connection:
        named = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        columns = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)'
        return {name: (kind, connection.execute(columns, (name,)).fetchall()) for kind, name in named}


def version_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.parametrize("version", EARLIER)
async def test_an_earlier_library_opens_with_all_its_data(tmp_path, version):
    path = old(tmp_path / "library.db", version)
    library = await Library.open(path)
    assert library.library_id == "abc"
    assert (await library.show("7")).title == "Monster"
    assert [hit.id for hit in await library.search_words("monster", k=3)] == ["7"]
    assert (await library.embeddings.load("m", 2, ["t"]))["t"].tolist() == [1.0, 0.0]
    assert await library.get_meta("setting ingest_concurrency") == "7"
    assert await library.revision() == 3
    (exchange,) = await Conversations(library).exchanges("c")
    assert (exchange.question, exchange.text) == ("Who is it?", "A surgeon.")
    assert exchange.retrieval.question == "Who is it?"
    await library.close()


@pytest.mark.parametrize("version", EARLIER)
async def test_an_answer_of_an_earlier_version_is_read_completely(tmp_path, version):
    library = await Library.open(old(tmp_path / "library.db", version))
    (row,) = await Runs(library).rows("r")
    answer = row.answer
    await library.close()
    assert (answer.status, answer.text, answer.citations, answer.attempts) == ("ok", "A surgeon [1].", ("7",), 2)
    assert (answer.sources[0].how_found, answer.cited_titles) == (
        'title "Monster", plot #2, distance 0.31',
        ("Monster",),
    )
    assert (answer.usage.tokens, answer.timings.total_s, answer.result.ids) == (107, 0.4, ("7",))
    written = answer.as_json()
    assert {name: written[name] for name in ANSWER if name not in ("timings", "result")} == {
        name: value for name, value in ANSWER.items() if name not in ("timings", "result")
    }
    assert StoredAnswer.from_json(json.loads(json.dumps(written))) == answer


async def test_an_earlier_data_directory_opens_and_its_vectors_get_checksums(settings):
    old(settings.database_path)
    async with open_services(settings, warm=False) as services:
        assert (await services.catalogue.status()).shows == 1
        assert await services.editing.delete(["7"]) == 1
        assert await services.editing.undo(["7"]) == ["7"]
    with closing(sqlite3.connect(settings.database_path)) as connection, connection:
        connection.execute("UPDATE vectors SET vector = x'0000803f0000803f'")
    library = await Library.open(settings.database_path)
    assert (await library.integrity()).unsound_vectors == (VectorKey("m", 2, "t"),)
    await library.close()


@pytest.mark.parametrize("version", EARLIER)
async def test_an_upgraded_library_has_the_tables_of_a_new_one(tmp_path, version):
    path = old(tmp_path / "old" / "library.db", version)
    for one in (path, tmp_path / "new.db"):
        await (await Library.open(one)).close()
    assert shape(path) == shape(tmp_path / "new.db")
    assert version_of(path) == VERSION


@pytest.mark.parametrize("version", range(1, BASELINE))
async def test_an_unreleased_version_is_refused_and_not_changed(tmp_path, version):
    path = old(tmp_path / "library.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(LibraryError, match="never released.*ANIMERAG_DATA_DIR"):
        await Library.open(path)
    with pytest.raises(InvalidInputError, match="never released"):
        backup.write(path, tmp_path, tmp_path / "backup.zip")
    assert version_of(path) == version


async def test_a_copy_of_the_earlier_library_remains(tmp_path):
    path = old(tmp_path / "library.db")
    await (await Library.open(path)).close()
    copy = tmp_path / f"library.db.schema-{BASELINE}"
    assert shape(copy) == shape(old(tmp_path / "again.db"))
    await (await Library.open(path)).close()
    assert [each.name for each in tmp_path.glob("library.db.schema-*")] == [copy.name]


async def test_nothing_changes_if_the_copy_fails(tmp_path):
    path = old(tmp_path / "library.db")
    before = shape(path)
    (tmp_path / f"library.db.schema-{BASELINE}").mkdir()  # blocks the path of the copy
    with pytest.raises(LibraryError, match="could not be copied"):
        await Library.open(path)
    assert shape(path) == before


def test_a_copy_of_an_upgraded_library_does_not_replace_the_first_copy(tmp_path):
    path = old(tmp_path / "library.db")
    copy = copies.copy_before_upgrade(path, version=BASELINE)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    assert copies.copy_before_upgrade(path, version=BASELINE) == copy
    assert version_of(copy) == BASELINE


def test_a_library_that_is_not_upgraded_yet_can_be_backed_up(tmp_path):
    assert backup.write(old(tmp_path / "library.db"), tmp_path, tmp_path / "backup.zip") == 1


async def test_two_processes_may_open_an_earlier_library_at_once(tmp_path):
    path = old(tmp_path / "library.db")
    one, other = await asyncio.gather(Library.open(path), Library.open(path))
    assert (await one.show("7")).title == (await other.show("7")).title
    assert version_of(tmp_path / f"library.db.schema-{BASELINE}") == BASELINE, "the copy is of the library as it was"
    assert not list(tmp_path.glob("*.part"))
    await one.close()
    await other.close()
