"""Titles that are looked up in the database answer like titles in memory."""

import csv
from importlib.resources import files

import pytest
from sqlalchemy import select

from animerag import readers
from animerag.catalogue import sample
from animerag.models.imports import ImportKind
from animerag.models.shows import Show
from animerag.retrieval.snapshots import Snapshots
from animerag.retrieval.stored_titles import StoredNames, row_keys
from animerag.retrieval.understanding import understand
from animerag.storage import title_names
from animerag.storage.library import show_rows
from animerag.storage.schema import shows
from animerag.storage.title_names import TitleNames
from animerag.text.documents import Document

pytestmark = pytest.mark.both_databases

QUESTIONS = (
    "Tell me about attack on titan season 2",
    "what's snk 2 about, and SNK3?",
    "進撃の巨人は何話？ モンスターの話は？",
    "is fullmetal alchmist better than cowboy bebop",
    "dressup darling",
    'something like "another" but not Monster',
    "every dragon ball series",
    "monogatari watch order",
    "what comes after Clannad",
    "the one with the space cowboys",
    "horror before 1990 without a description",
    "jojo part 4",
    "K",
    "",
)


async def put(library, *shows):
    number = await library.begin_import(ImportKind.OWN, "file", "hash")
    await library.store(show_rows([Document.of(show) for show in shows], number), collection=None)


def asked():
    text = files("animerag.catalogue.sample").joinpath("questions.csv").read_text(encoding="utf-8")
    return [*QUESTIONS, *(row["question"] for row in csv.DictReader(text.splitlines()))]


async def same_readings(library, questions):
    in_memory = await Snapshots(library, lambda: False).current()
    stored = await Snapshots(library, lambda: False, titles_in_memory=0).current()
    assert (in_memory.aliases.in_memory, stored.aliases.in_memory) == (True, False)
    for question in questions:
        matches = in_memory.aliases.match(question)
        assert await stored.run(lambda one=question: stored.aliases.match(one)) == matches, question
        reading = understand(question, matches, in_memory)
        also = await stored.run(lambda one=question, found=matches: understand(one, found, stored))
        assert also == reading, question
    weighed = [show.id for show in in_memory.table.shows()]
    assert [show.id for show in stored.table.shows()] == weighed
    related = {"war": 1.0, "robot": 0.5}
    assert stored.statistics.weight(related) == in_memory.statistics.weight(related)
    return in_memory


async def test_every_question_is_read_alike(library):
    with sample.catalogue() as path:
        sampled = [row for row in readers.read(path) if isinstance(row, Show)]
    many = [Show(id=f"m{n}", title=f"Great Journey {n}", votes=n) for n in range(20)]  # words in too many titles
    numbered = [
        Show(id=f"d{n}", title=title) for n, title in enumerate(("Dragon Ball", "Dragon Ball Z", "NHK ni Youkoso"))
    ]
    await put(library, *sampled, *many, *numbered)
    own = [show.title for show in sampled[::7]]
    catalogue = await same_readings(library, [*asked(), *own, "nhk anime", "journey anime", "great journey 7"])
    assert catalogue.aliases.match("nhk anime")[0].id == "d2"


async def test_names_follow_changed_and_deleted_shows(library):
    await put(library, Show(id="1", title="Alpha", titles=("Alpha", "Alef")), Show(id="2", title="Beta"))
    await same_readings(library, ["What is Alef about?", "Beta"])
    await put(library, Show(id="1", title="Alpha", titles=("Alpha", "Kaibutsu")), Show(id="3", title="Gamma"))
    catalogue = await same_readings(library, ["What is Alef about?", "Kaibutsu", "Beta", "Gamma"])
    assert [match.id for match in catalogue.aliases.match("Kaibutsu")] == ["1"]
    names = TitleNames(library, row_keys)
    async with library.changing() as connection:
        await connection.execute(shows.delete().where(shows.c.id == "2"))
    await names.refresh()
    assert StoredNames(names).get("sbeta") == ()
    rows = await library.rows(title_names._NAMES.select())
    numbers = await library.rows(select(shows.c.number))
    assert {row.number for row in rows} == {row.number for row in numbers}


async def test_only_changed_shows_are_stored_again(library):
    read = []

    def watched(title, titles):
        read.append(title)
        return row_keys(title, titles)

    await put(library, Show(id="1", title="Alpha"), Show(id="2", title="Beta"))
    names = TitleNames(library, watched)
    await names.refresh()
    await put(library, Show(id="1", title="Alpha"), Show(id="2", title="Beta", titles=("Beta", "Bet")))
    await names.refresh()
    await TitleNames(library, watched).refresh()  # another process
    assert read == ["Alpha", "Beta", "Beta"]


async def test_many_lookups_leave_a_bounded_number_of_names_in_memory(library, monkeypatch):
    monkeypatch.setattr("animerag.retrieval.stored_titles._REMEMBERED", 10)
    await put(library, *(Show(id=str(n), title=f"Journey {n}") for n in range(30)))
    names = StoredNames(TitleNames(library, row_keys))
    await names._stored.refresh()
    for n in range(30):
        assert [name.id for name in names.get(f"sjourney {n}")] == [str(n)]
    assert names.part("journey") == ()
    assert len(names._lately) <= 10
