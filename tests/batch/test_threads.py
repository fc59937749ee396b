"""Rows of one conversation are asked in order, and other rows do not wait for them."""

import asyncio

import pytest

from animerag.batch.threads import Threads
from animerag.jobs.jobs import Control
from animerag.models.answers import Answer, AnswerStatus, Result, Turn
from animerag.models.questions import QuestionRow
from animerag.models.stored_answers import StoredAnswer


def row(question, thread=""):
    return QuestionRow(question=question, columns={"thread": thread})


def answer(question, *ids, status=AnswerStatus.OK):
    return Answer(question=question, status=status, text="…", result=Result(intent="lookup", ids=ids))


async def test_a_row_waits_for_earlier_rows_and_gets_their_turns():
    threads = Threads({0: row("one", "a"), 1: row("other", "b"), 2: row("two", "a"), 3: row("three", "a")})
    waiting = asyncio.create_task(threads.history(3))
    assert await threads.history(1) == ()

    threads.answered(0, answer("one", "x"))
    await asyncio.sleep(0)
    assert not waiting.done()
    threads.answered(2, None)
    assert await waiting == (Turn(question="one", answer="…", ids=("x",)),)


async def test_a_failed_row_adds_no_turn():
    threads = Threads({0: row("one", "a"), 1: row("two", "a")})
    threads.answered(0, answer("one", "x", status=AnswerStatus.ERROR))

    assert await threads.history(1) == ()


async def test_a_resumed_run_uses_the_turns_of_earlier_jobs():
    threads = Threads({5: row("two", "a")})
    stored = {
        "index": 2,
        "question": "one",
        "answer": "…",
        "status": "ok",
        "result": {"intent": "lookup", "ids": ["x"]},
    }
    threads.add_asked(2, "a", StoredAnswer.from_json(stored).turn)

    assert await threads.history(5) == (Turn(question="one", answer="…", ids=("x",)),)


@pytest.mark.parametrize("level", [1, 4])
async def test_a_sheet_is_read_with_its_conversations(services, export, record, level):
    rows = [
        record(1, "Monster", "A surgeon hunts a boy.", EpisodeCountNormal=74),
        record(2, "Planetes", "Astronauts collect trash.", EpisodeCountNormal=26),
    ]
    await services.ingestion.run([export(*rows)], Control())
    asked = [row("What is Monster about?", "a"), row("What is Planetes about?", "b")]
    asked += [row("How many episodes does it have?", "a"), row("How many episodes does it have?", "b")]
    report = await services.batch.run(asked, Control(), concurrency=level)

    assert [one.result.value for one in report.answers[2:]] == [74, 26]
