"""A corrected question finds its show from then on, and is a row of a sheet that can be evaluated."""

import asyncio
import csv

import pytest

from animerag.errors import InvalidInputError
from animerag.evaluation.evaluation import expectations
from animerag.jobs.jobs import Control
from animerag.readers import confinement


@pytest.fixture
async def taught(services, export, record):
    rows = [record(1, "Infinite Harbour", "Ships wait."), record(2, "Monster", "A surgeon searches.")]
    await services.ingestion.run([export(*rows)], Control())
    return services


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def first(services, question):
    return (await services.retriever.search(question)).sources[0].show.id


async def test_the_name_in_the_question_becomes_a_title_of_the_show(taught):
    question = "What is Kaibutsu Sensei about?"
    before = [match.id for match in await taught.retriever.match_titles(question)]

    show = (await taught.teaching.correct(question, "2", " Kaibutsu  Sensei ")).show

    assert before == []
    assert "Kaibutsu Sensei" in show.titles
    assert await first(taught, question) == "2"
    assert rows_of(taught.teaching.sheet) == [{"question": question, "expected_ids": "2", "kind": "title"}]


async def test_a_title_that_the_show_has_is_not_added_again(taught):
    show = (await taught.teaching.correct("What is monster about?", "2", "MONSTER")).show
    assert list(show.titles) == ["Monster"]


async def test_a_description_is_only_recorded_and_the_last_correction_counts(taught):
    await taught.teaching.correct("the one with the ships", "2")
    await taught.teaching.correct("The one with the SHIPS", "1")
    await taught.teaching.correct("a doctor hunts somebody", "2")

    assert rows_of(taught.teaching.sheet) == [
        {"question": "The one with the SHIPS", "expected_ids": "1", "kind": "plot"},
        {"question": "a doctor hunts somebody", "expected_ids": "2", "kind": "plot"},
    ]


async def test_an_undone_correction_leaves_title_and_sheet_as_before(taught, export, record):
    question = "What is Kaibutsu Sensei about?"
    correction = await taught.teaching.correct(question, "2", "Kaibutsu Sensei")

    await taught.teaching.undo(correction)

    assert await taught.retriever.match_titles(question) == []
    assert list((await taught.library.show("2")).titles) == ["Monster"]
    assert rows_of(taught.teaching.sheet) == []
    assert await taught.editing.changed("2") == []  # so that a later file may bring other titles


async def test_an_undone_second_correction_brings_the_first_back(taught):
    await taught.editing.edit("2", {"titles": ["Monster", "Naoki Urasawa's Monster"]})
    first = await taught.teaching.correct("the doctor", "1", "The Doctor")
    second = await taught.teaching.correct("The doctor", "2", "The Doctor")

    await taught.teaching.undo(second)

    assert rows_of(taught.teaching.sheet) == [{"question": "the doctor", "expected_ids": "1", "kind": "title"}]
    assert list((await taught.library.show("2")).titles) == ["Monster", "Naoki Urasawa's Monster"]
    assert await taught.editing.changed("2") == ["titles"]
    assert "The Doctor" in (await taught.library.show(first.show.id)).titles


async def test_a_correction_of_a_deleted_show_can_be_undone(taught):
    correction = await taught.teaching.correct("the doctor", "2", "The Doctor")
    await taught.editing.delete(["2"])
    await taught.teaching.undo(correction)
    assert rows_of(taught.teaching.sheet) == []


async def test_the_sheet_can_be_evaluated(taught):
    await taught.teaching.correct("What is Kaibutsu about?", "2", "Kaibutsu")
    sheet = taught.teaching.sheet

    wanted = expectations((await asyncio.to_thread(confinement.read_questions, sheet, sheet.name)).rows)
    report = (await taught.evaluator.run(wanted, Control(), k=5)).as_json()

    assert (report["questions"], report["hit@1"]) == (1, 1.0)


async def test_a_question_never_becomes_a_formula(taught):
    await taught.teaching.correct('=HYPERLINK("https://evil.example")', "2")
    assert rows_of(taught.teaching.sheet)[0]["question"].startswith("'=")


async def test_simultaneous_corrections_are_all_stored(taught):
    await asyncio.gather(*(taught.teaching.correct(f"question {n}", "1") for n in range(8)))
    assert {row["question"] for row in rows_of(taught.teaching.sheet)} == {f"question {n}" for n in range(8)}


@pytest.mark.parametrize(
    ("question", "show_id", "title"),
    [(" ", "1", ""), ("x" * 501, "1", ""), ("x", "9", ""), ("x", "1", "y" * 501)],
)
async def test_an_invalid_correction_gets_an_error_sentence(taught, question, show_id, title):
    with pytest.raises(InvalidInputError):
        await taught.teaching.correct(question, show_id, title)
    assert not taught.teaching.sheet.exists()
