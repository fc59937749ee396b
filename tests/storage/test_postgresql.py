"""The library in PostgreSQL: searches, errors of the server, and moving a catalogue into it."""

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest
from sqlalchemy import func, select, text

from animerag import readers
from animerag.catalogue import sample
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import InvalidInputError, LibraryError
from animerag.ingestion import importer
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.imports import ImportKind
from animerag.models.shows import Show
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.storage import backup, full_text, transfer
from animerag.storage.engines import engine_for
from animerag.storage.library import Library, show_rows
from animerag.storage.postgresql import array_insert, word_search
from animerag.storage.postgresql import full_text as postgresql_words
from animerag.storage.schema import uploads
from animerag.storage.schema_version import VERSION
from animerag.storage.spending import SpendingLedger
from animerag.storage.sqlite import tokenizer
from animerag.text.documents import Document
from tests.pooler import pooling

QUESTIONS = (
    "fleets in space",
    "a girl who travels through time",
    "Ghost in the Shell",
    "shin'ya and the ghost's house",
    "進撃の巨人",
    "銀河の話",
    "pokémon café naïve",
    "the of and",
    "war 1988 robots wars",
    "the wars of a travelling robot and a traveller in the house of ghosts",
)


async def put(library, *shows):
    number = await library.begin_import(ImportKind.OWN, "file", "hash")
    await library.store(show_rows([Document.of(show) for show in shows], number), collection="c")


@pytest.fixture
async def library(postgresql_url):
    opened = await Library.open(postgresql_url)
    yield opened
    await opened.close()


@pytest.fixture
async def twin(tmp_path):
    opened = await Library.open(tmp_path / "twin.db")
    yield opened
    await opened.close()


def hits(found):
    return [(hit.id, round(hit.score, 3)) for hit in found]


async def same_hits(one, other, questions):
    for question in questions:
        for options in ({}, {"names": False}, {"ids": [str(number) for number in range(0, 400, 3)]}, {"ids": ()}):
            expected = await one.search_words(question, k=20, **options)
            assert hits(await other.search_words(question, k=20, **options)) == hits(expected), (question, options)


SHOWS = (
    Show(id="1", title="Ghost in the Shell", description="A cyborg hunts a ghost. " * 40, votes=9),
    Show(id="2", title="Shin'ya Shokudou", description="A café at night; naïve guests, ghosts and wars.", votes=5),
    Show(id="3", title="進撃の巨人", titles=("進撃の巨人", "Attack on Titan"), description="銀河の話。", votes=7),
    Show(id="4", title="Fleet of the Fleets", tags=("space", "war"), description="In space, 1988.", votes=5),
    Show(id="5", title="House", description="The house of the ghost and Shin ya. Travelling travellers.", votes=5),
    Show(id="6", title="Pokemon", description="", votes=None),
)


async def test_words_find_the_same_shows_with_the_same_scores_as_in_sqlite(library, twin):
    for each in (library, twin):
        await put(each, *SHOWS)
        await put(
            each, *(Show(id=f"{n}", title=f"Filler {n}", description="robots time war " * n) for n in range(10, 40))
        )
        await put(each, SHOWS[0])
    await same_hits(twin, library, QUESTIONS)
    for phrase in ("ghost in the shell", "a ghost. A cyborg", "shell ghost", "Shin'ya", "night naïve", "space war"):
        assert await library.mentions(phrase) == await twin.mentions(phrase), phrase


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_the_real_shows_are_found_alike(real_export, library, twin):
    shows = [row for row in readers.read(real_export) if isinstance(row, Show)]
    for each in (twin, library):
        await put(each, *shows)
    questions = [text for show in shows[::100] for text in (show.title, show.description[:60]) if text]
    await same_hits(twin, library, questions)


async def test_frequent_words_change_no_score_although_most_of_their_shows_are_skipped(library, twin, monkeypatch):
    chance = random.Random(3)
    common, rare = ["robot", "war", "time", "school"], [f"rare{n}" for n in range(60)]
    shows = [
        Show(
            id=str(n),
            title=" ".join(chance.sample(rare, 2)),
            tags=tuple(chance.sample(common, chance.randint(0, 2))),
            description=" ".join(chance.choices(common, k=chance.randint(1, 30)) + chance.sample(rare, 3)),
        )
        for n in range(400)
    ]
    for each in (library, twin):
        await put(each, *shows)
    monkeypatch.setattr(word_search, "_FEW", 0)
    skipped = []
    monkeypatch.setattr(word_search, "_frequent", spying(word_search._frequent, skipped))
    questions = [" ".join(chance.sample(rare, 4) + chance.sample(common, 3)) for _ in range(8)]
    for question in [*questions, f"{questions[0]} robots robot's robot"]:
        for options in ({"k": 5}, {"k": 3, "names": False}, {"k": 5, "ids": [str(n) for n in range(0, 400, 3)]}):
            expected = hits(await twin.search_words(question, **options))
            assert hits(await library.search_words(question, **options)) == expected, (question, options)
    assert any(skipped)


def spying(function, results):
    def called(*arguments):
        results.append(function(*arguments))
        return results[-1]

    return called


async def test_the_shows_of_each_word_are_counted_through_changes_and_deletions(library):
    counts = "SELECT word, shows FROM word_counts WHERE shows > 0"
    postings = "SELECT word, count(*) AS shows FROM word_postings GROUP BY word"
    differing = text(
        f"SELECT count(*) FROM (({counts}) EXCEPT ({postings}) UNION ALL ({postings}) EXCEPT ({counts})) AS a"
    )
    await put(library, *SHOWS)
    await put(library, replace(SHOWS[0], description="A cyborg."), *SHOWS[2:4])
    async with library.writing() as connection:
        await full_text.remove(connection, [2, 3])
    assert await library.scalar(text("SELECT shows FROM word_counts WHERE word = 'ghost'")) == 2
    assert await library.scalar(differing) == 0
    async with library.writing() as connection:  # as stored by an earlier version
        await connection.execute(text("DELETE FROM word_counts"))
        await postgresql_words.count_words(connection)
    assert await library.scalar(differing) == 0


async def test_parts_of_texts_are_split_as_fts5_splits_whole_texts(twin):
    texts = [
        "Shin'ya no Café—naïve; ghosts",
        "\u3000進撃の巨人!\xa0100% ½ \U0010fffd ...",
        "",
        "𝔄𝔫𝔦𝔪𝔢 e\u0301te\x1cend",
        "a" * 500,
    ]
    async with twin.writing() as connection:
        await full_text.put(
            connection,
            [{"rowid": n, "titles": one, "tags": "", "description": "", "pairs": ""} for n, one in enumerate(texts, 1)],
        )
        await connection.execute(text("CREATE VIRTUAL TABLE temp.terms USING fts5vocab('main', 'words', 'instance')"))
        stored = (await connection.execute(text("SELECT doc, term FROM temp.terms ORDER BY doc, offset"))).all()
    expected = [[row.term for row in stored if row.doc == number] for number in range(1, len(texts) + 1)]
    expected[1].remove("\U0010fffd")  # which separates parts
    for _ in range(2):  # first split, then from the cache
        assert list(tokenizer.words_of(texts)) == expected


async def test_many_rows_with_every_kind_of_value_are_stored_and_replaced(library, monkeypatch):
    monkeypatch.setattr(array_insert, "_CHARACTERS", 100)
    strange = ('a"b\\c,{}', "NULL", "", " ", "null", "\\x00", "日本\n\t")
    rows = [
        Show(id=str(n), title=one, tags=(one,), rating=n / 3, restricted=bool(n % 2), year=2000 + n)
        for n, one in enumerate(strange)
    ]
    await put(library, *rows)
    await put(library, replace(rows[0], title="x"), rows[1], rows[1])
    stored = await library.shows([show.id for show in rows])
    assert [(one.title, one.tags, one.rating, one.restricted, one.year) for one in map(stored.get, sorted(stored))] == [
        ("x" if n == 0 else one, (one,), n / 3 or 0.0, bool(n % 2), 2000 + n) for n, one in enumerate(strange)
    ]
    vectors = {f"h{n}": np.frombuffer(bytes(range(n, n + 8)), "<f4") for n in range(40)}
    await library.embeddings.save("m", vectors)
    loaded = await library.embeddings.load("m", 2, vectors)
    assert {key: one.tobytes() for key, one in loaded.items()} == {key: one.tobytes() for key, one in vectors.items()}


async def test_a_connection_that_is_cut_while_words_are_copied_stores_nothing(library, postgresql_url, monkeypatch):
    await put(library, SHOWS[0])
    copying = postgresql_words._copy

    async def cut(connection, table, lines):
        with psycopg.connect(postgresql_url, autocommit=True) as other:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        await copying(connection, table, lines)

    with monkeypatch.context() as patch:
        patch.setattr(postgresql_words, "_copy", cut)
        with pytest.raises(LibraryError, match="No change of this step was saved"):
            await put(library, SHOWS[1])
    await put(library, SHOWS[2])
    assert sorted(await library.hashes()) == ["1", "3"]


async def test_text_that_postgresql_refuses_and_large_numbers_are_stored(library):
    show = Show(
        id="1", title="N\0ul", description="x" * 3_000_000 + " " + "word " * 40_000, votes=2**40, tags=("a\0b",)
    )
    await put(library, show, Show(id="2", title="長い" * 3000, description="鬼" * 5000))
    stored = await library.show("1")
    assert (stored.title, stored.votes, len(stored.description)) == ("N\ufffdul", 2**40, len(show.description))
    assert await library.read(lambda connection: connection.scalar(text("SELECT count(*) FROM word_shows"))) == 2


async def test_changes_of_another_process_are_seen_within_two_seconds(library, postgresql_url):
    before = await library.revision()
    script = (
        "import asyncio, sys\nfrom animerag.storage.library import Library\n"
        "async def main():\n    library = await Library.open(sys.argv[1])\n"
        "    for _ in range(20):\n        await library.bump_revision()\n    await library.close()\nasyncio.run(main())"
    )
    others = [await asyncio.create_subprocess_exec(sys.executable, "-c", script, postgresql_url) for _ in range(2)]
    for _ in range(20):
        await library.bump_revision()
    assert [await other.wait() for other in others] == [0, 0]
    async with asyncio.timeout(2):
        while await library.revision() != before + 60:
            await asyncio.sleep(0.05)


async def test_a_killed_process_gives_its_locks_back(library, tmp_path, postgresql_url):
    script = (
        "import asyncio, sys, time\nfrom pathlib import Path\nfrom animerag.storage.library import Library\n"
        "async def main():\n    library = await Library.open(sys.argv[1])\n"
        "    locks = await library.locks(Path('.'))\n    assert locks.imports.acquire()\n"
        "    print(locks.lease, flush=True)\n    time.sleep(60)\nasyncio.run(main())"
    )
    child = subprocess.Popen([sys.executable, "-c", script, postgresql_url], stdout=subprocess.PIPE, text=True)
    lease = child.stdout.readline().strip()
    locks = await library.locks(tmp_path)
    assert not locks.is_free(lease)
    assert not locks.imports.acquire()
    assert locks.others()
    with pytest.raises(InvalidInputError, match="stop it first"):
        await transfer.require_unused(postgresql_url, tmp_path)
    child.kill()
    child.communicate()
    async with asyncio.timeout(5):
        while not locks.is_free(lease):
            await asyncio.sleep(0.02)
    assert locks.imports.acquire()
    assert locks.clear_dead()
    assert not locks.clear_dead()
    locks.imports.release()
    locks.close()


async def test_a_new_data_directory_is_made_and_used(postgresql_url, tmp_path, export, record, settings):
    new = load_settings(data_dir=tmp_path / "a" / "new", chroma_url=settings.chroma_url, database_url=postgresql_url)
    async with open_services(new, warm=False) as services:
        report = await services.ingestion.run([export(record(1, "Monster", "A surgeon hunts a boy."))], Control())
        answer = await services.answering.ask("What is Monster about?")
        assert (await services.statistics.collection()).shows == 1
        assert (await services.statistics.attention()).not_indexed == 0
        assert await services.editing.delete(["1"]) == 1
        assert await services.editing.undo(["1"]) == ["1"]
    assert (report.ingested, answer.citations) == (1, ("1",))


async def test_locks_survive_a_connection_that_is_cut(library, tmp_path, postgresql_url):
    locks, other = await library.locks(tmp_path), await library.locks(tmp_path)
    assert locks.imports.acquire()
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'animerag%' AND pid <> pg_backend_pid()"
        )
    assert not locks.is_free(locks.lease)
    assert not other.imports.acquire()
    assert (await library.counts()).shows == 0, "a read goes on over another connection"
    await library.set_meta("a", "b")
    for each in (locks, other):
        each.close()


async def test_a_database_that_cannot_be_opened_is_reported_in_a_sentence(postgresql_server, postgresql_url):
    name = postgresql_url.split("/", 3)[3].split("?")[0]
    postgresql_server.sql("DROP ROLE IF EXISTS locked")
    postgresql_server.sql("CREATE ROLE locked LOGIN PASSWORD 'right'")
    for url, sentence in (
        (postgresql_server.url(name, user="locked:wrong"), "Correct user and password"),
        (postgresql_server.url("nowhere"), "Create it with `createdb`"),
        (f"postgresql://animerag@/{name}?host=/nowhere", "Start PostgreSQL"),
        (postgresql_server.url("postgres", user="locked:right"), "GRANT CREATE ON SCHEMA"),
        (postgresql_server.url(name, user="locked:right"), "Use the user that created the library"),
        (f"postgresql://animerag@host:port/{name}", "use the form postgresql://"),
        (f"postgresql://animerag@nowhere.invalid/{name}", "Correct the host"),
        (f"{postgresql_server.url(name)}&colour=red", "what follows the question mark"),
        (f"{postgresql_server.url(name)}&sslmode=red", "what follows the question mark"),
    ):
        with pytest.raises(LibraryError, match=sentence) as refused:
            await Library.open(url)
        assert "wrong" not in str(refused.value)
        assert "FATAL" not in str(refused.value)
        assert "\n" not in str(refused.value)


async def test_a_password_may_come_from_a_file(postgresql_server, postgresql_url, tmp_path, monkeypatch):
    name = postgresql_url.split("/", 3)[3].split("?")[0]
    postgresql_server.sql("DROP ROLE IF EXISTS locked")
    postgresql_server.sql("CREATE ROLE locked SUPERUSER LOGIN PASSWORD 'right'")
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:{name}:locked:right\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    library = await Library.open(postgresql_server.url(name, user="locked"))
    assert (await library.counts()).shows == 0
    await library.close()


async def test_another_schema_and_another_programs_tables_are_refused(library, postgresql_url, postgresql_server):
    await library.set_meta("schema_version", str(VERSION + 1))
    with pytest.raises(LibraryError, match="newer animerag .* upgrade animerag"):
        await Library.open(postgresql_url)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("DROP TABLE facts")
    with pytest.raises(LibraryError, match="another program"):
        await Library.open(postgresql_url)


async def test_a_restart_of_the_server_loses_nothing(library, postgresql_server):
    await put(library, SHOWS[0])
    postgresql_server.stop()
    try:
        with pytest.raises(LibraryError, match="could not be read"):
            await library.counts()
        with pytest.raises(LibraryError, match="No change of this step was saved"):
            await put(library, SHOWS[1])
    finally:
        postgresql_server.start()
    assert (await library.counts()).shows == 1
    await put(library, SHOWS[1])
    assert (await library.counts()).shows == 2


async def test_a_lock_is_released_and_the_remedy_given_while_the_server_is_away(library, postgresql_server, tmp_path):
    locks = await library.locks(tmp_path)
    assert locks.imports.acquire()
    postgresql_server.stop("immediate")
    try:
        locks.imports.release()
        with pytest.raises(LibraryError, match=r"could not be read .*\. Start PostgreSQL"):
            await library.counts()
        with pytest.raises(LibraryError, match=r"No change of this step was saved\. Start PostgreSQL"):
            await library.set_meta("a", "b")
    finally:
        postgresql_server.start()
    other = await library.locks(tmp_path)
    assert other.imports.acquire()
    for each in (locks, other):
        each.close()


async def test_an_import_outlasts_a_restart_of_the_server(settings, postgresql_url, postgresql_server, export, record):
    shows = [record(number, f"Voyage {number}", f"Island {number}.") for number in range(1, 25)]
    chosen = {"data_dir": settings.data_dir, "chroma_url": settings.chroma_url, "database_url": postgresql_url}
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.2)) as provider:
        async with open_services(load_settings(**chosen, openai_base_url=provider.url), warm=False) as services:
            job = await services.uploads.start([export(*shows)], batch_size=4, concurrency=1)
            while job.control.progress.done < 8:
                assert job.running, job.error
                await asyncio.sleep(0.01)
            await asyncio.to_thread(postgresql_server.stop)
            await asyncio.to_thread(postgresql_server.start)
            report = (await services.jobs.wait(job)).report
            healthy = (await services.maintenance.check()).healthy
        texts = (await provider.stats()).texts
    assert (report.ingested, report.cancelled, report.stopped_by, healthy) == (24, 0, None, True)
    assert texts == 24, "nothing is embedded twice"


async def test_a_process_that_survives_a_restart_of_the_server_is_not_considered_dead(
    library, postgresql_server, postgresql_url, tmp_path
):
    locks, other = await library.locks(tmp_path), await library.locks(tmp_path)
    assert locks.imports.acquire()
    postgresql_server.stop()
    postgresql_server.start()
    assert not other.is_free(locks.lease)
    assert not other.clear_dead()
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database IS NOT NULL AND granted"
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        async with asyncio.timeout(20):
            while connection.execute(held).fetchone() < (3,):  # two leases and the lock for imports
                await asyncio.sleep(0.05)
    assert not other.imports.acquire()
    for each in (locks, other):
        each.close()


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_pooler_in_transaction_mode_is_refused_because_locks_do_not_hold_there(
    library, postgresql_server, postgresql_url, mode
):
    name = postgresql_url.split("/", 3)[3].split("?")[0]
    with tempfile.TemporaryDirectory() as short:  # the path of a socket has at most 107 characters
        async with pooling(postgresql_server.directory, Path(short), mode):
            engine = engine_for(f"postgresql://animerag@/{name}?host={short}")
            locks = engine.locks, Path(short), library.library_id
            if mode == "session":
                held = await asyncio.to_thread(*locks)
                await asyncio.to_thread(held.close)
                return
            with pytest.raises(LibraryError, match="pooler in transaction mode.* set pool_mode = session"):
                await asyncio.to_thread(*locks)


def shape(url):
    """Return the columns and the indexes of a database."""
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    with psycopg.connect(url) as connection:
        return connection.execute(columns).fetchall(), connection.execute(indexes).fetchall()


async def test_a_library_of_an_earlier_version_gets_the_tables_of_a_new_one(postgresql_server, postgresql_url):
    postgresql_server.sql("DROP DATABASE IF EXISTS earlier")
    postgresql_server.sql("CREATE DATABASE earlier")
    url = postgresql_server.url("earlier")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((Path(__file__).parent / "schemas" / "postgresql" / "11.sql").read_bytes())
        facts = (
            "INSERT INTO facts VALUES ('schema_version', '11'), ('library_id', 'abc'), ('asked_usd 2026-11-29', '0.25')"
        )
        connection.execute(facts)
        connection.execute("INSERT INTO word_shows VALUES (9, 2, 'old')")
        connection.execute("INSERT INTO word_postings VALUES ('old', 9, 2, 1, 0, 1, 0)")
        connection.execute("INSERT INTO word_totals VALUES (1, 1, 2)")
    library = await Library.open(url)
    assert library.library_id == "abc"
    assert await SpendingLedger(library).committed_usd("day 2026-11-29") == 0.25
    assert await library.get_meta("asked_usd 2026-11-29") is None
    async with library.writing() as connection:
        await full_text.remove(connection, [9])
    assert await library.scalar(text("SELECT count(*) FROM word_postings")) == 0
    await put(library, SHOWS[0])
    assert [hit.id for hit in await library.search_words("ghost", k=1)] == ["1"]
    await library.close()
    assert shape(url) == shape(postgresql_url)
    postgresql_server.sql("DROP DATABASE earlier")


@pytest.fixture
async def filled(settings, postgresql_url):
    """Settings of a catalogue in SQLite with an answer, a job and vectors, and the same in an empty PostgreSQL."""
    async with open_services(settings, warm=False) as services:
        with sample.catalogue() as path:
            await services.ingestion.run([SourceFile(path=path, name="sample.json")], Control())
        await services.answering.ask("What is Trigun about?")
        await services.library.embeddings.save("m", {"h": np.arange(4, dtype=np.float32)})
        await services.library.set_meta("nul", "a\0b")
    return settings, load_settings(
        data_dir=settings.data_dir, chroma_url=settings.chroma_url, database_url=postgresql_url
    )


async def answers(settings):
    async with open_services(settings, warm=False) as services:
        assert (await services.maintenance.check()).healthy
        retrieved = await services.retriever.search("a gunman with a bounty in a desert")
        return [source.show.id for source in retrieved.sources]


async def test_a_catalogue_moves_there_and_back_completely(filled, tmp_path):
    sqlite, postgresql = filled
    moved = await transfer.copy(sqlite.database, postgresql.database)
    assert moved.shows > 100
    with pytest.raises(InvalidInputError, match="is not empty"):
        await transfer.copy(sqlite.database, postgresql.database)
    assert await answers(postgresql) == await answers(sqlite)
    back = await transfer.copy(postgresql.database, tmp_path / "back.db")
    assert back.rows == {**moved.rows, "answers": back.rows["answers"], "facts": back.rows["facts"]}
    again = load_settings(
        data_dir=tmp_path / "again", chroma_url=sqlite.chroma_url, database_url=f"sqlite:///{tmp_path}/back.db"
    )
    assert await answers(again) == await answers(sqlite)
    async with open_services(postgresql, warm=False) as services:
        await put(services.library, Show(id="new", title="New"))


async def test_a_copy_that_differs_leaves_the_target_empty(filled, monkeypatch):
    sqlite, postgresql = filled

    async def lossy(connection, rows):
        await connection.execute(text("UPDATE shows SET title = 'other' WHERE number = 3"))

    monkeypatch.setattr(full_text, "put", lossy)
    with pytest.raises(LibraryError, match="the table shows differs"):
        await transfer.copy(sqlite.database, postgresql.database)
    library = await Library.open(postgresql.database)
    assert (await library.counts()).shows == 0
    await library.close()


async def test_a_backup_restores_into_either_database(filled, tmp_path):
    sqlite, postgresql = filled
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    shows = await asyncio.to_thread(backup.write, sqlite.database, sqlite.data_dir, first)
    restore = (first, postgresql.database, postgresql.data_dir)
    assert await asyncio.to_thread(lambda: backup.restore(*restore, replace=False)) == shows
    with pytest.raises(InvalidInputError, match="not empty"):
        await asyncio.to_thread(lambda: backup.restore(*restore, replace=False))
    assert await asyncio.to_thread(lambda: backup.restore(*restore, replace=True)) == shows
    (before,) = postgresql.data_dir.glob("before-*.zip")
    with zipfile.ZipFile(before) as file:
        assert json.loads(file.read("backup.json"))["shows"] == shows
    assert await asyncio.to_thread(backup.write, postgresql.database, postgresql.data_dir, second) == shows
    assert await answers(postgresql) == await answers(sqlite)


UPLOADING = """
import asyncio, json, sys
from pathlib import Path
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile

async def main():
    async with open_services(load_settings(data_dir=Path(sys.argv[1])), warm=False) as services:
        stored = services.spool.store(Path(sys.argv[2]).read_bytes())
        await services.uploads.start([SourceFile(path=stored.path, name="mine.json")])
        print(stored.sha256, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_another_machine_resumes_the_import_of_an_upload(settings, postgresql_url, tmp_path, export, record):
    text_of_all = "".join(chr(ord("a") + n % 26) for n in range(200_000))  # several parts
    source = export(*(record(n, f"Show {n}", f"Text {n}.") for n in range(1, 6)), record(6, "Long", text_of_all))
    first, second = (
        load_settings(data_dir=tmp_path / name, chroma_url=settings.chroma_url, database_url=postgresql_url)
        for name in ("first", "second")
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a provider that never answers
        environment = {
            **os.environ,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/v1",
            "ANIMERAG_DATABASE_URL": postgresql_url,
            "ANIMERAG_CHROMA_URL": settings.chroma_url,
            "ANIMERAG_EMBEDDING_DIMENSIONS": "8",
        }
        command = [sys.executable, "-c", UPLOADING, str(first.data_dir), str(source.path)]
        killed = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        name = await asyncio.to_thread(killed.stdout.readline)
        silent.settimeout(30)
        connection, _ = await asyncio.to_thread(silent.accept)  # the upload is stored before anything is embedded
        killed.kill()
        killed.communicate()
        connection.close()
    shutil.rmtree(first.data_dir)  # of the killed machine
    async with open_services(second, warm=False) as services:
        interrupted = await services.uploads.unfinished()
        left = await services.uploads.remaining(interrupted.id)
        assert (interrupted.title, left.ingested) == ("mine.json", 6)
        path = second.data_dir / "uploads" / name.strip()
        assert path.read_bytes() == source.path.read_bytes()
        resumed = await services.jobs.wait(await services.uploads.resume(interrupted.id))
        assert (resumed.report.ingested, resumed.report.cancelled) == (6, 0)
        assert not path.exists()
        assert await services.library.scalar(select(func.count()).select_from(uploads)) == 0


async def test_a_bulk_import_prepares_the_tables_for_queries(postgresql_url, settings, export, record, monkeypatch):
    monkeypatch.setattr(importer, "BULK", 3)
    chosen = {"data_dir": settings.data_dir, "chroma_url": settings.chroma_url, "database_url": postgresql_url}
    async with open_services(load_settings(**chosen), warm=False) as services:
        rows = [record(number, f"Voyage {number}", f"Island {number}.") for number in range(1, 6)]
        seen = "SELECT last_vacuum IS NOT NULL AND last_analyze IS NOT NULL FROM pg_stat_user_tables WHERE relname = "
        for few_or_many, vacuumed in ((rows[:2], False), (rows, True)):
            await services.ingestion.run([export(*few_or_many)], Control())
            for table in ("word_postings", "shows", "indexed"):
                assert await services.library.scalar(text(f"{seen} '{table}'")) is vacuumed, table


async def test_tables_that_cannot_be_prepared_are_only_logged(library, monkeypatch, caplog):
    def refuse():
        raise LibraryError("The tables could not be analysed (no permission).")

    monkeypatch.setattr(library._backend, "vacuum", refuse)
    await library.vacuum()
    assert "no permission" in caplog.text
