"""Damaged files are reported in a sentence; an index is rebuilt from the library, and no backup hides damage."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import AnimeRAGError, LibraryError
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.providers import Priority
from animerag.storage import backup
from animerag.storage.library import Library
from animerag.vector_store import chroma
from animerag.vector_store.chroma_server import ServerLease

SHOWS = 30
PAGE = 4096


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


def cut_inside_a_page(path):
    os.truncate(path, path.stat().st_size - PAGE - PAGE // 2)


def garbage_header(path):
    write_over(path, 0, b"\xa5" * 100)


def flipped_page(path):
    """Flip the bits of the first table's root page: the schema still reads."""
    with closing(sqlite3.connect(path)) as database:
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name IN ('shows', 'embeddings_queue')"
        ).fetchone()
    place = (root - 1) * PAGE
    content = path.read_bytes()[place : place + PAGE]
    write_over(path, place, bytes(byte ^ 0xFF for byte in content))


def garbage(path):
    path.write_bytes(b"\xa5\x5a\x17" * 5000)


DAMAGE = [truncated, cut_inside_a_page, garbage_header, flipped_page, garbage]


def write_over(path, place, content):
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


def without_log(path):
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def without_directory(path):
    shutil.rmtree(path.parents[1])


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A data directory with its own Chroma as after a crash: copied while everything is open."""
    import asyncio
    import json

    place = tmp_path_factory.mktemp("sound")
    export = place / "export.json"
    rows = [
        {"AnimeID": n, "MainTitle": f"Voyage {n}", "AllTitles": f"Voyage {n}", "Description": f"An island {n * 7}."}
        for n in range(1, SHOWS + 1)
    ]
    export.write_text(json.dumps({"AniDB_Anime": rows}), encoding="utf-8")

    async def fill():
        async with open_services(load_settings(data_dir=place / "data", chroma_url=None), warm=False) as opened:
            report = await opened.ingestion.run([SourceFile(path=export, name=export.name)], Control())
            assert report.ingested == SHOWS
            await opened.index.start()
            shutil.copytree(place / "data", place / "copy", ignore=shutil.ignore_patterns("*.lock", "server.json"))

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("ANIMERAG_", "OPENAI_"))]:
            patch.delenv(name)
        patch.setattr(chroma, "ServerLease", partial(ServerLease, grace_s=0.2))
        asyncio.run(fill())
    with closing(sqlite3.connect(place / "copy" / "library.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return place / "copy"


@pytest.fixture
def local(sound, tmp_path, monkeypatch):
    """Settings of a copy of that directory."""
    for name in [name for name in os.environ if name.startswith(("ANIMERAG_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(chroma, "ServerLease", partial(ServerLease, grace_s=0.2))
    shutil.copytree(sound, tmp_path / "data")
    return load_settings(data_dir=tmp_path / "data", chroma_url=None)


@pytest.fixture
def library(sound, tmp_path):
    """A copy of that directory with only the library."""
    (tmp_path / "data").mkdir()
    return shutil.copy(sound / "library.db", tmp_path / "data" / "library.db")


def forbid_embedding(opened, monkeypatch):
    embed = opened.embedder.embed

    async def questions_only(texts, *, priority):
        assert priority is Priority.LIVE, "nothing of the catalogue is embedded again"
        return await embed(texts, priority=priority)

    monkeypatch.setattr(opened.embedder, "embed", questions_only)


# The index


@pytest.mark.parametrize("damage", [*DAMAGE, without_log, without_directory])
async def test_a_repair_rebuilds_a_broken_index_from_the_library(local, damage, monkeypatch):
    damage(local.data_dir / "chroma" / "data" / "chroma.sqlite3")
    async with open_services(local, warm=False) as opened:
        forbid_embedding(opened, monkeypatch)
        report = await opened.maintenance.repair_as_job(opened.jobs)
    assert (report.healthy, report.indexed, report.shows) == (True, SHOWS, SHOWS)


@pytest.mark.parametrize("damage", [garbage, flipped_page, without_directory])
async def test_a_broken_index_answers_the_first_question(local, damage, monkeypatch):
    damage(local.data_dir / "chroma" / "data" / "chroma.sqlite3")
    async with open_services(local, warm=False) as opened:
        forbid_embedding(opened, monkeypatch)
        found = await opened.retriever.search("A story about the ocean", k=5)
        spec = await opened.maintenance._indexer.spec()
        assert await opened.index.count(spec) == SHOWS
    assert any(source.distance is not None for source in found.sources)
    moved = list(local.data_dir.glob("chroma-broken-*/chroma.sqlite3"))
    assert len(moved) == (damage is not without_directory)


async def test_a_repair_moves_an_index_aside_that_fails_in_use(local):
    async with open_services(local, warm=False) as opened:
        await opened.index.start()
        await opened.maintenance.check()
        flipped_page(local.data_dir / "chroma" / "data" / "chroma.sqlite3")
        assert await opened.index.discard_broken("a test says so")
        report = await opened.maintenance.repair_as_job(opened.jobs)
    assert (report.healthy, report.indexed) == (True, SHOWS)
    assert list(local.data_dir.glob("chroma-broken-*"))


# The library


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_library_is_named_not_backed_up_and_can_be_restored_over(library, tmp_path, damage):
    data, good = library.parent, tmp_path / "good.zip"
    assert backup.write(library, data, good) == SHOWS
    damage(library)
    with pytest.raises(LibraryError, match=r"is damaged and was not backed up: .*restore an earlier backup"):
        backup.write(library, data, tmp_path / "bad.zip")
    assert not (tmp_path / "bad.zip").exists()
    assert await named(library)
    assert backup.restore(good, library, data, replace=True) == SHOWS
    assert not await named(library)
    assert list(data.glob("library.db.before-*"))


async def test_a_library_without_its_log_opens_or_says_why(library):
    writer = sqlite3.connect(library)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("UPDATE shows SET title = title || '!'")
    writer.commit()
    copy = library.with_name("killed.db")
    shutil.copy(library, copy)
    writer.close()
    without_log(copy)
    assert await named(copy) is None, "what was checkpointed is whole"


@pytest.mark.parametrize("value", ['{"half', b"\xff\xfe\x00"], ids=["json", "utf-8"])
async def test_a_row_that_cannot_be_decoded_is_reported_and_not_backed_up(library, tmp_path, value):
    with closing(sqlite3.connect(library)) as database, database:
        database.execute("UPDATE shows SET tags = CAST(? AS TEXT) WHERE id = '3'", (value,))
    assert "shows cannot be decoded (tags of 1)" in await named(library)
    with pytest.raises(LibraryError, match="tags of 1"):
        backup.write(library, library.parent, tmp_path / "bad.zip")


@pytest.mark.parametrize(
    "broken",
    [b"", b"\0" * 2048, b"\xff" * 2048, b"\1" * 7, b"\0\0\x80\x3f" * 512],
    ids=["empty", "zero", "nan", "short", "changed"],
)
async def test_a_damaged_vector_comes_back_from_the_index(local, tmp_path, broken):
    with closing(sqlite3.connect(local.database_path)) as database, database:
        key, before = database.execute("SELECT text_hash, vector FROM vectors LIMIT 1").fetchone()
        database.execute("UPDATE vectors SET vector = ? WHERE text_hash = ?", (broken, key))
    with pytest.raises(LibraryError, match="1 vectors are unsound"):
        backup.write(local.database_path, local.data_dir, tmp_path / "bad.zip")
    async with open_services(local, warm=False) as opened:
        report = await opened.maintenance.check()
        assert (report.healthy, report.unsound_vectors) == (False, (key,))
        repaired = await opened.maintenance.repair_as_job(opened.jobs)
        assert (repaired.healthy, repaired.unsound_vectors) == (True, ())
    with closing(sqlite3.connect(local.database_path)) as database:
        (after,) = database.execute("SELECT vector FROM vectors WHERE text_hash = ?", (key,)).fetchone()
    np.testing.assert_allclose(np.frombuffer(after, "<f4"), np.frombuffer(before, "<f4"), atol=1e-6)
    assert backup.write(local.database_path, local.data_dir, tmp_path / "good.zip") == SHOWS


async def test_a_directory_that_may_not_be_written_is_called_read_only(library):
    directory = library.parent
    if os.geteuid():
        directory.chmod(0o555)
        library.chmod(0o444)
    else:  # modes do not bind root: only a file system that is read-only does
        mount = shutil.which("mount")
        made = mount and not subprocess.run([mount, "--bind", directory, directory], check=False).returncode
        if not made:
            pytest.skip("nothing can be mounted here: a read-only directory was not tried")
        subprocess.run([mount, "-o", "remount,bind,ro", directory], check=True)
    try:
        with pytest.raises(LibraryError, match="is read-only.*ANIMERAG_DATA_DIR"):
            await Library.open(library)
    finally:
        if os.geteuid():
            directory.chmod(0o755)
        else:
            subprocess.run(["umount", "--lazy", directory], check=True)


async def named(path):
    """Return the error when a library is opened or checked; None if it is sound."""
    try:
        opened = await Library.open(Path(path))
    except AnimeRAGError as error:
        return str(error)
    try:
        return str(await opened.integrity()) or None
    finally:
        await opened.close()
