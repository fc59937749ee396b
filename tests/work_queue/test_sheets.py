"""Sheets whose rows are answered by workers on other hosts."""

import asyncio
import json

import pytest

from animerag.batch.progress import RunReport
from animerag.errors import InvalidInputError
from animerag.jobs.job import Control
from animerag.readers.questions import QuestionRow, Sheet
from animerag.simulator import SimulatorSettings
from animerag.simulator.server import listening
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


async def test_a_sheet_that_another_app_cancels_stops_its_workers_and_is_resumed(hosts, serving):
    app, a, other = hosts
    run_id = await app.batch.begin(
        sheet_of(*(f"Which show is about number {n}?" for n in range(1, 400))), RunOptions(), sha256="x"
    )
    async with serving(a):
        job = await app.batch.start(app.jobs, run_id)
        async with asyncio.timeout(30):
            while not job.control.progress.done:
                await asyncio.sleep(0.02)
        await other.jobs.stop(job.id)
        async with asyncio.timeout(10):
            await app.jobs.wait(job)
        assert job.state == "cancelled"
        assert 0 < job.report_as(RunReport).answered < 399
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


async def test_a_command_leaves_a_sheet_to_workers_and_another_one_fetches_the_answers(
    host, serving, file_of, command, tmp_path
):
    (tmp_path / "q.csv").write_text("question\n" + "".join(f"What is Show {n} about?\n" for n in range(1, 31)))
    written = tmp_path / "answers.jsonl"
    fast = SimulatorSettings(embed_latency_s=0, dimensions=64)
    async with listening(fast) as url, host("app", url) as app, host("a", url) as a, serving(a):
        await app.ingestion.run([file_of(40)], Control())
        job = json.loads(await command("b", url, "query", "-f", "q.csv", "--detach", "--output-format", "json"))["job"]
        async with asyncio.timeout(40):
            while (await app.library.journal.get(job)).state == "running":
                await asyncio.sleep(0.05)
        await command("c", url, "query", "--answers", job, "--out", str(written))
        with pytest.raises(InvalidInputError, match="is not the job of a sheet"):
            await app.batch.runs.of_job("0123456789ab")
    answers = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    assert [answer["status"] for answer in answers] == ["ok"] * 30
    assert all("[1]" in answer["answer"] for answer in answers)


async def test_a_sheet_without_a_worker_is_not_left_to_workers(hosts):
    app, _, _ = hosts
    run_id = await app.batch.begin(sheet_of("What is Show 1 about?"), RunOptions(), sha256="x")
    with pytest.raises(InvalidInputError, match="No worker is running"):
        await app.detached.sheets.require_worker()
    assert (await app.batch.runs.get(run_id)).job_id is None


@pytest.mark.long
@pytest.mark.timeout(120)
async def test_the_rest_of_a_detached_sheet_is_answered_after_its_worker_was_killed(
    host, serving, file_of, worker_process
):
    questions = [f"Which show is about the sea and number {n}?" for n in range(1, 61)]
    slow = SimulatorSettings(embed_latency_s=0.3, dimensions=64)
    async with listening(slow) as url, host("app", url) as app, host("a", url) as a:
        async with serving(a):
            await app.ingestion.run([file_of(40)], Control())
        run_id = await app.batch.begin(sheet_of(*questions), RunOptions(), sha256="x")
        killed = await worker_process("b", url)
        async with asyncio.timeout(50):
            while not await app.queue.workers.alive():
                await asyncio.sleep(0.05)
        try:
            first = await app.detached.sheets.hand_over(run_id)
        finally:
            killed.kill()
            await killed.wait()
        async with serving(a), asyncio.timeout(50):
            while (await app.batch.runs.get(run_id)).unanswered:
                await asyncio.sleep(0.05)
        run = await app.batch.runs.get(run_id)
        ended = await app.library.journal.get(first)
    assert (ended.state, run.total) == ("interrupted", 60)
    assert run.job_id != first
