"""Titles and words of a catalogue in a file: equal to derived ones, and never from other texts."""

import csv
from pathlib import Path

import pytest

from animerag.catalogue import sample
from animerag.composition import open_services
from animerag.jobs.jobs import Control
from animerag.models.shows import Show
from animerag.query.title_names import NamesInMemory
from animerag.query.titles import AliasIndex
from animerag.readers import read
from animerag.retrieval import snapshot_file
from animerag.retrieval.snapshot_file import DIRECTORY, NAME, SnapshotFile, texts_key
from animerag.retrieval.word_coverage import WordStatistics, coverage

with sample.catalogue() as path:
    SHOWS = [row for row in read(path) if isinstance(row, Show)]
ROWS = [
    {"id": "1", "title": "Monster", "titles": '["Monster"]', "description": "", "tags": "[]", "year": 2004, "votes": 5}
]
SHEETS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.csv"))


def questions():
    for sheet in SHEETS:
        with sheet.open(encoding="utf-8", newline="") as opened:
            yield from (row["question"] for row in csv.DictReader(opened) if row.get("question"))


@pytest.fixture
def file(tmp_path):
    return SnapshotFile(tmp_path)


def saved(file, shows, key):
    file.save(key, AliasIndex(shows), WordStatistics(shows))
    return file.load(key, shows)


def test_stored_titles_and_words_answer_like_derived_ones(file):
    derived, statistics = AliasIndex(SHOWS), WordStatistics(SHOWS)
    stored, stored_statistics = saved(file, SHOWS, "key")
    asked = [*questions(), *(f"What is {title.lower()} about?" for show in SHOWS for title in show.titles)]
    assert len(asked) > 500
    for question in asked:
        assert stored.match(question) == derived.match(question), question
        assert stored.has_names(question) == derived.has_names(question)
    for question in asked[:100]:
        assert coverage(question, SHOWS, stored_statistics) == coverage(question, SHOWS, statistics)


def test_a_title_that_is_no_utf8_is_stored_like_any_other(file):
    shows = [Show(id="1", title="Mon\udcffster", titles=("Mon\udcffster", "怪物 2nd Season"))]
    stored, _ = saved(file, shows, "key")
    assert stored.match("怪物 season 2")[0].title == "怪物 2nd Season"


@pytest.mark.parametrize("name", ["title", "titles", "description", "tags", "year", "votes"])
def test_other_texts_have_another_key(name):
    assert texts_key([{**ROWS[0], name: "other"}]) != texts_key(ROWS)


def test_other_code_has_another_key(monkeypatch):
    before = texts_key(ROWS)
    monkeypatch.setattr(snapshot_file, "_code_key", lambda: "of other code")
    assert texts_key(ROWS) != before


def test_the_file_of_other_texts_is_not_used(file):
    saved(file, SHOWS, "key")
    assert file.load("other key", SHOWS) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:0],
        lambda data: data[:-1],
        lambda data: data.replace(b"a", b"b", 1000),
        lambda data: data.partition(b"\n")[0] + b"\n{}",
        lambda data: b"\x00" * len(data),
    ],
    ids=["empty", "truncated", "changed", "emptied", "zeros"],
)
def test_a_damaged_file_is_not_used(file, tmp_path, damage):
    saved(file, SHOWS, "key")
    path = tmp_path / NAME
    path.write_bytes(damage(path.read_bytes()))
    assert file.load("key", SHOWS) is None


def test_nothing_fails_if_the_file_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_text("")
    assert saved(SnapshotFile(tmp_path / "taken"), SHOWS, "key") is None


async def test_a_new_process_derives_titles_only_after_a_change(settings, export, record, monkeypatch):
    async with open_services(settings, warm=False) as first:
        await first.ingestion.run([export(record(1, "Alpha", "A harbour."), record(2, "Beta", "A train."))], Control())
        asked = await first.retriever.match_titles("What is Beta about?")
    assert (settings.data_dir / DIRECTORY).stat().st_mode & 0o077 == 0

    with monkeypatch.context() as patch:
        patch.setattr(NamesInMemory, "_add", lambda *_: pytest.fail("titles were derived again"))
        async with open_services(settings, warm=False) as second:
            assert await second.retriever.match_titles("What is Beta about?") == asked
            await second.my_list.watched("1")
            assert await second.retriever.match_titles("What is Beta about?") == asked

    async with open_services(settings, warm=False) as third:
        await third.editing.edit("1", {"titles": ["Alpha", "Kaibutsu"]})
        assert [match.id for match in await third.retriever.match_titles("What is Kaibutsu about?")] == ["1"]
