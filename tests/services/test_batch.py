"""Sheets of questions."""

import csv
import io

import pytest

from animerag.errors import InvalidInputError
from animerag.exports import answers_csv, answers_jsonl, formula_safe
from animerag.jobs import Control
from animerag.models import Answer, AnswerStatus
from animerag.services.batch import QuestionRow, read_questions


def test_questions_come_with_their_other_columns():
    rows = read_questions('id,question,note\n1,"What, is\nMonster?",x\n\n2,Short\n'.encode("utf-8-sig"), name="q.csv")
    assert [row.question for row in rows] == ["What, is\nMonster?", "Short"]
    assert rows[0].columns == {"id": "1", "note": "x"}
    assert rows[1].columns == {"id": "2", "note": ""}


def test_text_is_a_question_a_line():
    assert [row.question for row in read_questions(b"One?\n\n Two? \n", name="q.txt")] == ["One?", "Two?"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no column named question"),
        (b"question\n", "no questions"),
        (b"frage\nWas?\n", "its first row has frage"),
        (b'question\n"open', "not a well-formed CSV"),
        (b"question\n\xff\n", "not UTF-8"),
        (b"PK\x03\x04\0", "binary data"),
        (b"question\n" + b"Why?\n" * 10_001, "10,001 questions"),
    ],
)
def test_an_unusable_sheet_gets_a_sentence(data, says):
    with pytest.raises(InvalidInputError, match=says):
        read_questions(data, name="q.csv")


async def test_answers_keep_the_order_and_one_bad_row_hurts_nobody(services, export, record):
    await services.ingestion.run([export(record(1, "Monster", "A surgeon."), record(2, "Nana", "A band."))], Control())
    questions = ["What is Nana about?", "", "What is Monster about?", "x" * 5000, "Tell me about Nana"]
    rows = [QuestionRow(question=question, columns={}) for question in questions]
    heard = []

    async def hear(index, answer):
        heard.append((index, answer.question))

    report = await services.batch.run(rows, Control(), concurrency=4, on_answer=hear)
    assert [answer.question for answer in report.answers] == questions
    assert [answer.status for answer in report.answers] == ["ok", "error", "ok", "error", "ok"]
    assert [answer.sources[0].show.id for answer in report.answers if answer.sources] == ["2", "1", "2"]
    assert heard == list(enumerate(questions))
    assert report.failed == 2


async def test_a_stopped_batch_still_has_a_row_for_every_question(services, export, record):
    await services.ingestion.run([export(record(1, "Monster", "A surgeon."))], Control())
    control = Control()
    rows = [QuestionRow(question=f"What is Monster about {n}?", columns={}) for n in range(20)]

    async def hear(index, _answer):
        if index == 2:
            control.stop()

    report = await services.batch.run(rows, control, concurrency=2, on_answer=hear)
    states = [answer.status for answer in report.answers]
    assert len(states) == 20
    assert states[:3] == ["ok"] * 3
    assert states[-1] == AnswerStatus.CANCELLED


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "  =1", "＝1"])
def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(cell):
    assert formula_safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "plain", "1-2", "a=b", "2004"])
def test_other_cells_stay_as_they_are(cell):
    assert formula_safe(cell) == cell


def test_the_sheet_comes_back_with_its_columns_and_the_answers():
    rows = [QuestionRow(question="=Q?", columns={"answer": "mine", "note": "@n"})]
    answers = [Answer(question="=Q?", status=AnswerStatus.OK, text="Line\ntwo", model="m")]
    (back,) = csv.DictReader(io.StringIO(answers_csv(rows, answers).decode("utf-8-sig")))
    assert (back["question"], back["answer (yours)"], back["note"]) == ("'=Q?", "mine", "'@n")
    assert (back["answer"], back["status"], back["model"]) == ("Line\ntwo", "ok", "m")
    assert answers_jsonl(answers).count(b"\n") == 1
