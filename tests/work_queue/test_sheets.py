"""Sheets whose rows are answered by workers on other hosts."""

import asyncio

import pytest

from animerag.errors import InvalidInputError
from animerag.jobs.job import Control
from animerag.readers.questions import QuestionRow, Sheet
from animerag.storage.batch_runs import RunOptions


def sheet_of(*questions):
    rows = tuple(
        question if isinstance(question, QuestionRow) else QuestionRow(question=question) for question in questions
    )
    return Sheet(name="q.csv", headings=("question",), column="question", rows=rows, certain=True, format="CSV")


@pytest.fixture
async def hosts(host, serving, file_of):
    """An app and two hosts, with eighty shows in their catalogue and the embedded encoder."""
    async with host("app") as app, host("a") as a, host("b") as b:
        async with serving(a):
            await app.ingestion.run([file_of(80)], Control())
        yield app, a, b


async def test_the_answers_of_two_hosts_are_complete_and_in_order(hosts, serving):
    app, a, b = hosts
    repeated = ["What is Show 3 about?"] * 2
    sheet = sheet_of(*(f"What is Show {n} about?" for n in range(1, 71)), *repeated)
    run_id = await app.batch.begin(sheet, RunOptions(), sha256="x")
    stored = []

    async def note(row):
        stored.append(row.answer.number)

    control = Control()
    async with serving(a, b):
        report = await app.batch.answer(run_id, control, on_stored=note)
        done = [worker.done for worker in await app.queue.workers.alive()]
    rows = await app.batch.runs.rows(run_id)
    assert (report.answered, report.left, report.stopped_by) == (72, 0, None)
    assert sorted(stored) == list(range(72))
    assert [row.number for row in rows] == list(range(72))
    assert all("[1]" in row.answer.text for row in rows)
    assert [row.answer.citations for row in rows[:3]] == [("1",), ("2",), ("3",)]
    assert rows[71].answer.text == rows[2].answer.text
    assert len(done) == 2
    assert control.progress.done == 72
    assert await app.queue.items.backlog() == []


async def test_a_conversation_is_answered_in_order_on_one_host(hosts, serving):
    app, a, b = hosts
    turns = [
        QuestionRow(question=text, columns={"thread": "t"})
        for text in ("What is Show 7 about?", "Which shows are similar to it?", "Is it a movie?")
    ]
    run_id = await app.batch.begin(
        sheet_of(turns[0], *(f"What is Show {n} about?" for n in range(1, 40)), *turns[1:]), RunOptions(), sha256="x"
    )
    async with serving(a, b):
        report = await app.batch.answer(run_id, Control())
    rows = await app.batch.runs.rows(run_id)
    assert report.left == 0
    assert "Show 7" in rows[-1].answer.text


async def test_a_cancelled_sheet_stops_its_workers_and_is_resumed(hosts, serving):
    app, a, _ = hosts
    run_id = await app.batch.begin(
        sheet_of(*(f"Which show is about number {n}?" for n in range(1, 400))), RunOptions(), sha256="x"
    )
    control = Control()
    async with serving(a):
        answering = asyncio.create_task(app.batch.answer(run_id, control))
        async with asyncio.timeout(30):
            while not control.progress.done:
                await asyncio.sleep(0.02)
        control.stop()
        async with asyncio.timeout(10):
            stopped = await answering
        assert 0 < stopped.answered < 399
        rest = await app.batch.answer(run_id, Control())
    assert rest.left == 0
    assert (await app.batch.runs.get(run_id)).unanswered == 0


async def test_a_sheet_of_another_release_is_not_answered(hosts, monkeypatch):
    app, a, _ = hosts
    run_id = await app.batch.begin(sheet_of("What is Show 1 about?"), RunOptions(), sha256="x")
    with monkeypatch.context() as other:
        other.setattr("animerag.work_queue.workers.RELEASE", "9.9")
        await a.queue.workers.put(concurrency=1, began_at="2026-01-01", done=0)
    with pytest.raises(InvalidInputError, match="install the same version"):
        await app.batch.answer(run_id, Control())
