"""Interrupted imports, confirmations, the removal of uploads, and skipped rows to correct."""

import asyncio
import csv
import io
import json
import os
import socket
import time

import pytest

from animerag.composition import open_services
from animerag.errors import InvalidInputError
from animerag.indexing.doctor import DOCTOR_JOB
from animerag.ingestion.importer import SourceFile
from animerag.ingestion.resumable import to_correct
from animerag.jobs.jobs import Control
from animerag.models.imports import RowError
from animerag.models.jobs import INGEST_JOB
from animerag.models.shows import Show
from animerag.text.documents import Document

pytestmark = pytest.mark.both_databases


async def cut_off(services, files):
    """Journal an import like a killed process."""
    job = await services.uploads.start(files)
    await services.jobs.wait(job)
    await services.library.journal.end(job.id, state="interrupted")
    return job


async def test_an_interrupted_import_is_offered_and_only_the_rest_is_imported(services, export, record):
    rows = [record(n, f"Show {n}", f"Text {n}.") for n in range(1, 7)]
    await services.ingestion.run([export(*rows[:4])], Control())
    job = await cut_off(services, [export(*rows[:4], name="all.json")])
    source = export(*rows, name="all.json")  # more rows than were stored before the process died
    found = await services.uploads.unfinished()
    assert (found.id, found.title, found.kind) == (job.id, "all.json", INGEST_JOB)
    left = await services.uploads.remaining(found.id)
    assert (left.unchanged, left.ingested, left.read) == (4, 2, 6)
    resumed = await services.jobs.wait(await services.uploads.resume(found.id))
    assert (resumed.report.ingested, resumed.report.unchanged) == (2, 4)
    assert await services.uploads.unfinished() is None
    assert source.path.exists()


async def test_a_discarded_import_is_not_offered_again_and_its_shows_stay(services, export, record):
    job = await cut_off(services, [export(record(1, "A"))])
    await services.uploads.discard(job.id)
    assert await services.uploads.unfinished() is None
    assert (await services.library.counts()).shows == 1
    with pytest.raises(InvalidInputError, match="upload them again"):
        await services.uploads.resume("unknown")


@pytest.mark.parametrize(("yes", "stored"), [(True, 20), (False, 0)])
async def test_a_file_with_many_unusable_rows_needs_a_confirmation(services, export, record, yes, stored):
    rows = [*(record(n, f"Show {n}") for n in range(1, 21)), *({"AnimeID": n} for n in range(21, 31))]
    job = await services.uploads.start([export(*rows)])
    async with asyncio.timeout(20):
        while job.control.question is None:
            await asyncio.sleep(0.01)
    assert job.control.question == "10 of 30 rows have errors. Import the rest?"
    job.control.answer(yes=yes)
    report = (await services.jobs.wait(job)).report
    assert (report.ingested, report.quarantined, report.cancelled) == (stored, 10, 20 - stored)


async def test_two_imports_of_the_same_texts_pay_once(services, export, record):
    rows = [record(n, f"Show {n}", f"Text {n}.") for n in range(1, 30)]
    one, two = export(*rows, name="one.json"), export(*rows, name="two.json")
    reports = await asyncio.gather(
        services.ingestion.run([one], Control(), batch_size=8), services.ingestion.run([two], Control(), batch_size=8)
    )
    assert sum(report.embedding_requests for report in reports) == 4
    assert (await services.library.counts()).shows == 29


async def test_a_text_that_was_embedded_after_an_import_had_looked_for_it_is_not_paid_again(services):
    document = Document.of(Show(id="1", title="Planetes", description="Debris haulers clean up the orbit."))
    indexer = services.ingestion._indexer
    looked_for = await indexer.known_hashes([document])
    assert (await indexer.embed([document], looked_for)).requests == 1
    assert (await indexer.embed([document], looked_for)).requests == 0


async def test_the_inbox_lists_only_regular_files(services):
    inbox = services.uploads.inbox
    inbox.mkdir(parents=True)
    (inbox / "big.jsonl").write_text("{}")
    (inbox / ".hidden").write_text("")
    (inbox / "folder").mkdir()
    files, refused = await services.uploads.waiting_files()
    assert [source.name for source in files] == ["big.jsonl"]
    assert refused == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs or links without rights on Windows")
async def test_only_regular_files_in_the_inbox_are_accepted(services, tmp_path):
    inbox = services.uploads.inbox
    inbox.mkdir(parents=True)
    (tmp_path / "secret.jsonl").write_text("{}")
    (inbox / "good.jsonl").write_text("{}")
    (inbox / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (inbox / "inner.jsonl").symlink_to(inbox / "good.jsonl")
    (inbox / "folder.jsonl").symlink_to(tmp_path)
    (inbox / "zero.jsonl").symlink_to("/dev/zero")
    os.mkfifo(inbox / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(inbox / "socket.jsonl"))
        (inbox / os.fsdecode(b"latin-\xe9.jsonl")).write_text("{}")
        files, refused = await services.uploads.waiting_files()

    assert [source.name for source in files] == ["good.jsonl"]
    assert len(refused) == 7
    assert "link.jsonl in the inbox is a link: put the file itself there." in refused
    assert "pipe.jsonl in the inbox is not a regular file: put a file there." in refused
    assert all(sentence.isprintable() and sentence.endswith(".") for sentence in refused)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs or links without rights on Windows")
async def test_a_file_of_the_inbox_that_became_a_link_is_not_imported(services, export, record, tmp_path):
    inbox = services.uploads.inbox
    inbox.mkdir(parents=True)
    (inbox / "a.json").write_text("{}")
    (chosen,), _ = await services.uploads.waiting_files()
    chosen.path.unlink()
    chosen.path.symlink_to(export(record(1, "Secret")).path)

    with pytest.raises(InvalidInputError, match="is a link"):
        await services.uploads.start([chosen])


def uploaded(services, source):
    """Store a file as the page does."""
    return SourceFile(path=services.spool.store(source.path.read_bytes()).path, name=source.name)


def uploads(services):
    return {path.name for path in (services.settings.data_dir / "uploads").iterdir()}


async def test_an_upload_is_removed_after_its_import(services, export, record):
    file = uploaded(services, export(record(1, "A")))
    await services.jobs.wait(await services.uploads.start([file]))
    assert uploads(services) == set()
    with pytest.raises(InvalidInputError, match="choose the file again"):
        await services.uploads.start([file])


async def test_an_upload_that_is_not_a_catalogue_is_removed_too(services, export):
    file = SourceFile(path=services.spool.store(b"{").path, name="x.json")
    job = await services.jobs.wait(await services.uploads.start([file]))
    assert (job.state, uploads(services)) == ("failed", set())


async def test_an_upload_stays_until_its_interrupted_import_is_resumed(services, settings, export, record):
    source = export(record(1, "A"))
    file = uploaded(services, source)
    job = await cut_off(services, [file])
    file = uploaded(services, source)
    await services.uploads.clean()
    async with open_services(settings, warm=False):
        assert uploads(services) == {file.path.name}
    await services.jobs.wait(await services.uploads.resume(job.id))
    assert uploads(services) == set()


async def test_an_upload_is_removed_with_its_discarded_import(services, export, record):
    source = export(record(1, "A"))
    job = await cut_off(services, [uploaded(services, source)])
    os.utime(uploaded(services, source).path, (0, 0))
    await services.uploads.discard(job.id)
    assert uploads(services) == set()


async def test_an_upload_stays_while_its_stopped_import_can_be_resumed(services, settings, export, record):
    file = uploaded(services, export(*(record(n, f"Show {n}", f"Text {n}.") for n in range(1, 30))))
    job = await services.uploads.start([file], batch_size=1)
    while not job.control.progress.total:
        await asyncio.sleep(0)
    services.jobs.cancel(job.id)
    assert (await services.jobs.wait(job)).report.cancelled
    assert uploads(services) == {file.path.name}
    rest = await services.jobs.wait(await services.uploads.resume(job.id))
    assert (rest.report.cancelled, uploads(services)) == (0, set())


async def test_an_upload_without_an_import_stays_for_a_day_or_until_it_is_discarded(services, export, record):
    chosen, old, given_up = (services.spool.store(text).path for text in (b"chosen", b"old", b"given up"))
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    await services.uploads.clean([given_up])
    assert uploads(services) == {chosen.name}
    await services.jobs.wait(await services.uploads.start([uploaded(services, export(record(1, "A")))]))
    assert uploads(services) == {chosen.name}


async def test_a_file_that_is_chosen_again_after_its_import_stays(services, export, record):
    source = export(record(1, "A"))
    await services.jobs.wait(await services.uploads.start([uploaded(services, source)]))
    again = uploaded(services, source)
    await services.uploads.clean()
    assert uploads(services) == {again.path.name}


def row(given, line=3):
    return RowError(file="f", line=line, id=None, stage="validate", reason="No title.", given=given)


def test_skipped_rows_of_a_table_are_returned_as_a_safe_table():
    ending, text = to_correct([row('{"Name": "", "Plot": "=1+1"}'), row('{"Name": null, "Plot": "b"}', 4)])
    assert ending == "csv"
    table = list(csv.DictReader(io.StringIO(text)))
    assert [r["Name"] for r in table] == ["", ""]
    assert table[0]["Plot"] == "'=1+1"
    assert [(r["animerag line"], r["animerag reason"]) for r in table] == [("3", "No title."), ("4", "No title.")]


def test_other_skipped_rows_are_returned_as_json_lines():
    ending, text = to_correct([row('{"AnimeID": 1, "tags": ["a"]}'), row("not json at all")])
    assert ending == "jsonl"
    assert [json.loads(line) for line in text.splitlines()] == [{"AnimeID": 1, "tags": ["a"]}, "not json at all"]


async def test_the_index_is_checked_after_an_unclean_stop(settings, database, export, record):
    left = settings.data_dir / "processes" / "dead.lock"
    async with open_services(settings, warm=False) as services:
        await services.ingestion.run([export(record(1, "A"))], Control())
        if database == "postgresql":
            await services.library.set_meta("process:12345", "yes")
    if database == "sqlite":
        left.touch()
        os.utime(left, (time.time() - 60, time.time() - 60))
    async with open_services(settings) as services:
        async with asyncio.timeout(20):
            while (job := services.jobs.latest(DOCTOR_JOB)) is None:
                await asyncio.sleep(0.01)
            report = (await services.jobs.wait(job)).report
        assert (report.healthy, report.shows) == (True, 1)
        assert not left.exists()
        assert await services.library.get_meta("process:12345") is None
    async with open_services(settings) as services:
        await services.index.start()
        assert services.jobs.latest(DOCTOR_JOB) is None
