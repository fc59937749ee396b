"""A catalogue is saved in one file and restored completely; nothing else is extracted from such a file."""

import json
import os
import shutil
import sqlite3
import zipfile
from contextlib import closing

import pytest

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import InvalidInputError
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.storage import backup


@pytest.fixture
def shows(export, record):
    return export(record(1, "Monster", "A surgeon hunts a boy whom he saved."), record(2, "Nana", "Two share a flat."))


@pytest.fixture
def elsewhere(settings, tmp_path):
    """Settings of another data directory over the same Chroma server."""
    return load_settings(data_dir=tmp_path / "elsewhere", chroma_url=settings.chroma_url)


async def fill(settings, source):
    async with open_services(settings, warm=False) as services:
        await services.ingestion.run([source], Control())
        await services.answering.ask("What is Monster about?")


def backed_up(settings, tmp_path, name="kept.zip"):
    target = tmp_path / name
    return target, backup.write(settings.database_path, settings.data_dir, target)


def back(source, settings, *, replace=False):
    return backup.restore(source, settings.database_path, settings.data_dir, replace=replace)


async def test_a_backup_restored_elsewhere_answers_questions(settings, elsewhere, shows, tmp_path):
    await fill(settings, shows)
    target, shows = backed_up(settings, tmp_path)
    assert (shows, back(target, elsewhere)) == (2, 2)
    async with open_services(elsewhere, warm=False) as services:
        report = await services.maintenance.repair_as_job(services.jobs)
        answer = await services.answering.ask("What is Monster about?")
    assert report.healthy
    assert (answer.citations, answer.usage.cost_usd) == (("1",), 0.0)


async def test_a_data_directory_may_be_moved(settings, elsewhere, shows):
    await fill(settings, shows)
    shutil.move(settings.data_dir, elsewhere.data_dir)
    async with open_services(elsewhere, warm=False) as services:
        assert (await services.maintenance.check()).healthy
        assert (await services.answering.ask("What is Monster about?")).citations == ("1",)


async def test_a_backup_is_a_consistent_snapshot_during_writes(settings, shows, export, record, tmp_path):
    await fill(settings, shows)
    async with open_services(settings, warm=False) as services:
        more = export(*(record(number, f"Show {number}") for number in range(10, 300)), name="more.json")
        job = await services.jobs.start(
            lambda control: services.ingestion.run([more], control), kind="ingest", title="more"
        )
        _, shows_in_it = backed_up(settings, tmp_path)
        assert (await services.jobs.wait(job)).report.ingested == 290
    assert 2 <= shows_in_it <= 292


async def test_the_replaced_library_stays_beside_the_restored_one(settings, shows, export, record, tmp_path):
    await fill(settings, shows)
    target, _ = backed_up(settings, tmp_path)
    await fill(settings, export(record(3, "Mushishi"), name="more.json"))
    with pytest.raises(InvalidInputError, match="add --replace"):
        back(target, settings)
    back(target, settings, replace=True)
    (old,) = settings.data_dir.glob("library.db.before-*")
    counts = []
    for path in (settings.database_path, old):
        with closing(sqlite3.connect(path)) as connection:
            counts += connection.execute("SELECT count(*) FROM shows").fetchone()
    assert counts == [2, 3]


async def test_a_catalogue_in_use_is_not_replaced(settings, shows, tmp_path):
    await fill(settings, shows)
    target, _ = backed_up(settings, tmp_path)
    async with open_services(settings, warm=False):
        with pytest.raises(InvalidInputError, match="stop it first"):
            back(target, settings, replace=True)


async def test_files_of_a_killed_process_do_not_prevent_a_restore(settings, shows, tmp_path):
    await fill(settings, shows)
    target, _ = backed_up(settings, tmp_path)
    left = settings.data_dir / "processes" / "dead.lock"
    left.touch()
    os.utime(left, (0, 0))
    with pytest.raises(InvalidInputError, match="add --replace"):
        back(target, settings)
    assert left.exists(), "the next start has to see that a process was killed"


async def test_the_library_may_be_outside_the_data_directory(settings, shows, tmp_path):
    await fill(settings, shows)
    target, _ = backed_up(settings, tmp_path)
    apart = load_settings(data_dir=tmp_path / "apart", database_url=f"sqlite:///{tmp_path}/other/catalogue.db")
    assert back(target, apart) == 2
    assert (tmp_path / "other" / "catalogue.db").exists()
    assert not list((tmp_path / "other").glob("tmp*"))


async def test_uploads_of_unfinished_imports_are_backed_up_and_resumed(settings, elsewhere, shows, export, record):
    await fill(settings, shows)
    async with open_services(settings, warm=False) as services:
        services.spool.store(b"chosen, and not started")
        more = export(record(3, "Mushishi", "A wanderer sees what others do not."), name="more.json")
        stored = services.spool.store(more.path.read_bytes())
        job = await services.jobs.wait(await services.uploads.start([SourceFile(path=stored.path, name="more.json")]))
        services.spool.store(more.path.read_bytes())
        await services.library.journal.end(job.id, state="interrupted")
        await services.editing.delete(["3"])
    target, _ = backed_up(settings, settings.data_dir.parent)
    shutil.rmtree(settings.data_dir)
    back(target, elsewhere)
    assert [path.name for path in (elsewhere.data_dir / "uploads").iterdir()] == [stored.path.name]
    async with open_services(elsewhere, warm=False) as services:
        assert (await services.uploads.remaining(job.id)).ingested == 1
        resumed = await services.jobs.wait(await services.uploads.resume(job.id))
        assert resumed.report.ingested == 1
    assert not list((elsewhere.data_dir / "uploads").iterdir())


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_a_file_that_is_not_a_backup_is_refused(settings, tmp_path, content):
    path = tmp_path / "x.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("library.db", "no database")
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError, match="not a backup"):
        back(path, settings)
    assert not settings.database_path.exists()


async def test_a_backup_extracts_nothing_outside_the_catalogue(settings, elsewhere, shows, tmp_path):
    await fill(settings, shows)
    target, _ = backed_up(settings, tmp_path)
    with zipfile.ZipFile(target, "a") as file:
        for name in ("../escaped", "uploads/../../escaped", "uploads/not-a-hash", "chroma/x"):
            file.writestr(name, "x")
    back(target, elsewhere)
    assert not (tmp_path / "escaped").exists()
    assert not list((elsewhere.data_dir / "uploads").iterdir())
    assert not (elsewhere.data_dir / "chroma").exists()


async def test_a_backup_of_a_newer_version_is_refused(settings, elsewhere, shows, tmp_path):
    await fill(settings, shows)
    with closing(sqlite3.connect(settings.database_path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InvalidInputError, match="newer animerag"):
        backed_up(settings, tmp_path)
    assert not (tmp_path / "kept.zip").exists()


async def test_an_existing_file_is_not_overwritten(settings, shows, tmp_path):
    await fill(settings, shows)
    target, _ = backed_up(settings, tmp_path)
    before = target.read_bytes()
    with pytest.raises(InvalidInputError, match="already exists"):
        backed_up(settings, tmp_path)
    assert target.read_bytes() == before
    with zipfile.ZipFile(target) as file:
        assert json.loads(file.read("backup.json"))["shows"] == 2


def test_a_missing_catalogue_cannot_be_backed_up(settings, tmp_path):
    with pytest.raises(InvalidInputError, match="no catalogue"):
        backed_up(settings, tmp_path)
