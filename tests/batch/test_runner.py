"""Sheets of questions: order, isolation, one journal, and nothing asked twice."""

import asyncio
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import openpyxl
import pytest

from animerag.batch.export import formula_safe, written
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import InvalidInputError
from animerag.jobs.jobs import Control
from animerag.models.answers import AnswerStatus
from animerag.models.questions import QuestionRow
from animerag.models.stored_answers import StoredAnswer
from animerag.readers.questions import Sheet
from animerag.simulator import SimulatorProcess, SimulatorSettings, parse_faults
from animerag.storage.batch_runs import RowAnswer, RunOptions

pytestmark = pytest.mark.both_databases

FAST = {"embed_latency_s": 0.0, "chat_latency_s": 0.05, "first_token_s": 0.01}


def sheet_of(*questions, **columns):
    """Return a sheet with these questions, each with the same other columns."""
    rows = tuple(
        question if isinstance(question, QuestionRow) else QuestionRow(question=question, columns=dict(columns))
        for question in questions
    )
    headings = ("question", *columns)
    return Sheet(name="q.csv", format="table", headings=headings, column="question", certain=True, rows=rows)


@pytest.fixture
async def stocked(services, export, record):
    await services.ingestion.run([export(record(1, "Monster", "A surgeon."), record(2, "Nana", "A band."))], Control())
    return services


async def begin(services, sheet, **options):
    return await services.batch.begin(sheet, RunOptions(**options), sha256="0" * 64)


# ── In order, without a journal ──────────────────────────────────────────────────────────────────────────────────────


async def test_answers_are_in_order_and_a_bad_row_affects_no_other(stocked):
    questions = ["What is Nana about?", "", "What is Monster about?", "x" * 5000, "Tell me about Nana"]
    reported = []

    async def hear(index, answer):
        reported.append((index, answer.question))

    rows = [QuestionRow(question=question) for question in questions]
    report = await stocked.batch.run(rows, Control(), concurrency=4, on_answer=hear)
    assert [answer.question for answer in report.answers] == questions
    assert [answer.status for answer in report.answers] == ["ok", "error", "ok", "error", "ok"]
    assert [answer.sources[0].show.id for answer in report.answers if answer.sources] == ["2", "1", "2"]
    assert reported == list(enumerate(questions))
    assert report.failed == 2


async def test_a_stopped_batch_still_has_a_row_for_every_question(stocked):
    control = Control()
    rows = [QuestionRow(question=f"What is Monster about {n}?") for n in range(20)]

    async def hear(index, _answer):
        if index == 2:
            control.stop()

    report = await stocked.batch.run(rows, control, concurrency=2, on_answer=hear)
    states = [answer.status for answer in report.answers]
    assert len(states) == 20
    assert states[:3] == ["ok"] * 3
    assert states[-1] == AnswerStatus.CANCELLED


async def test_a_question_of_a_sheet_gives_way_to_pages_between_its_steps_and_a_live_one_never(stocked, monkeypatch):
    turns = []

    async def turn():
        turns.append(asyncio.current_task().get_name())

    monkeypatch.setattr(stocked.visits, "take_turn", turn)
    assert (await stocked.answering.ask("a band in Tokyo")).status == "ok"
    assert turns == []
    report = await stocked.batch.run([QuestionRow(question="a band in Tokyo")], Control())
    assert report.answers[0].status == "ok"
    assert {"alias", "search"} <= set(turns), "while it is understood, and while its shows are ranked"


# ── The journal ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_is_stored_row_by_row_and_can_be_opened_again(stocked):
    rows = (
        QuestionRow(question="What is Nana about?", columns={"n": "1"}, k=1, expected_ids=("2",)),
        QuestionRow(question="", columns={"n": "2"}),
        QuestionRow(question="What?", columns={"n": "3"}, problem="The column k must hold a number, not many."),
        QuestionRow(question=" What is Nana about? ", columns={"n": "4"}, k=1),
    )
    run_id = await begin(stocked, sheet_of(*rows))
    report = await stocked.batch.answer(run_id, Control())
    run, saved = await stocked.batch.runs.get(run_id), await stocked.batch.runs.rows(run_id)
    assert [row.asked for row in saved] == list(rows)
    assert [row.status for row in saved] == ["ok", "error", "error", "ok"]
    assert [len(row.answer.sources) for row in saved] == [1, 0, 0, 1]
    assert (saved[2].answer.error, saved[3].answer.same_as) == (rows[2].problem, 0)
    assert (run.counts, run.total, run.missing, run.failed) == ({"ok": 2, "error": 2}, 4, 0, 2)
    assert (report.answered, report.left) == (2, 2)
    assert run.seconds > 0


async def test_simultaneous_answers_share_a_commit_and_a_failed_commit_is_repeated(stocked, monkeypatch):
    run_id = await begin(stocked, sheet_of(*"abcdef"))
    writing, writes = stocked.library.writing, []

    def counted():
        writes.append(1)
        if len(writes) == 1:
            raise InvalidInputError("no disk")
        return writing()

    monkeypatch.setattr(stocked.library, "writing", counted)

    def row(number):
        return RowAnswer(answer=StoredAnswer(number=number, question="", status=AnswerStatus.OK), began_at=0.0)

    outcomes = await asyncio.gather(
        *(stocked.batch.runs.keep(run_id, [row(n)]) for n in range(6)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [InvalidInputError] + [type(None)] * 5
    assert len(writes) == 3, "one failed, one took over its answer, one had all that came meanwhile"
    assert [row.status for row in await stocked.batch.runs.rows(run_id)] == ["ok"] * 6


async def test_runs_are_listed_newest_first_looked_up_by_file_and_deleted(stocked):
    first, second = [await begin(stocked, sheet_of("Why?")) for _ in range(2)]
    runs = stocked.batch.runs
    assert [run.id for run in await runs.latest()] == [second, first]
    assert (await runs.of_file("0" * 64, "question")).id == second
    assert await runs.of_file("1" * 64, "question") is None
    await runs.delete(second)
    assert [run.id for run in await runs.latest()] == [first]
    assert await runs.rows(second) == []
    with pytest.raises(InvalidInputError, match="has been deleted"):
        await runs.get(second)


async def test_a_run_has_one_job_at_a_time_and_cannot_be_deleted_meanwhile(stocked):
    run_id = await begin(stocked, sheet_of(*(f"What is Monster about {n}?" for n in range(200))))
    job = await stocked.batch.start(stocked.jobs, run_id)
    with pytest.raises(InvalidInputError, match="This run already has a job"):
        await stocked.batch.start(stocked.jobs, run_id)
    with pytest.raises(InvalidInputError, match="cancel it first"):
        await stocked.batch.runs.delete(run_id)
    stocked.jobs.cancel(job.id)
    await stocked.jobs.wait(job)
    run = await stocked.batch.runs.get(run_id)
    assert (job.state, run.at_work) == ("cancelled", False)
    assert 0 < run.missing <= 200


# ── Over a provider ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def provider(stocked, settings):
    """Return a context manager that opens services over a simulator: `async with provider(...) as (services, sim)`."""

    @asynccontextmanager
    async def opened(*, options=None, embedding="local", **changed):
        async with SimulatorProcess(SimulatorSettings(**(FAST | changed))) as simulator:
            chosen = load_settings(
                openai_base_url=simulator.url,
                embedding_provider=embedding,
                data_dir=settings.data_dir,
                chroma_url=settings.chroma_url,
                database_url=settings.database_url,
                **(options or {}),
            )
            async with open_services(chosen, warm=False) as services:
                yield services, simulator

    return opened


async def test_questions_are_embedded_in_one_request_and_repeated_ones_are_asked_once(provider):
    questions = [f"What is Monster about {n % 40}?" for n in range(60)]
    async with provider(embedding="openai", options={"query_concurrency": 8}) as (services, simulator):
        await services.ingestion.reindex(Control())
        await simulator.reset()
        run_id = await begin(services, sheet_of(*questions))
        await services.batch.answer(run_id, Control())
        stats, run = await simulator.stats(), await services.batch.runs.get(run_id)
        rows = await services.batch.runs.rows(run_id)
    assert stats.requests["embeddings"] == 1
    assert sum(stats.requests.values()) == 41
    assert [row.answer.same_as for row in rows[40:]] == list(range(20))
    assert run.counts == {"ok": 60}
    assert run.usage.input_tokens > 0
    assert run.usage.cost_usd > 0


@pytest.mark.timeout(180)
async def test_vectors_searched_in_chunks_get_the_same_hits_as_one_by_one(provider, monkeypatch):
    questions = [f"Who is number {n} and what does he do at sea?" for n in range(120)]
    async with provider(embedding="openai", options={"query_concurrency": 16}) as (services, _):
        await services.ingestion.reindex(Control())
        single = await services.retriever.search(questions[7])
        calls, query = [], services.index.query

        async def counted(spec, vectors, **options):
            calls.append(len(vectors))
            return await query(spec, vectors, **options)

        monkeypatch.setattr(services.index, "query", counted)
        run_id = await begin(services, sheet_of(*questions))
        await services.batch.answer(run_id, Control(), concurrency=16)
        rows = await services.batch.runs.rows(run_id)
    assert sorted(calls) == [20, 50, 50]
    found = [(item.show_id, item.distance) for item in rows[7].answer.sources]
    assert found == [(source.show.id, pytest.approx(source.distance, abs=1e-5)) for source in single.sources]


async def test_rows_stay_in_place_when_requests_fail(provider):
    questions = [f"What is Monster about {n}?" for n in range(40)]
    faults = parse_faults("429=0.1@0.1,500@0.1,drop@0.05,malformed@0.05,truncated@0.05")
    async with provider(faults=faults, seed=5, options={"query_concurrency": 8}) as (services, _):
        run_id = await begin(services, sheet_of(*questions))
        report = await services.batch.answer(run_id, Control())
        rows = await services.batch.runs.rows(run_id)
    assert [row.answer.question for row in rows] == questions
    assert all(row.status in ("ok", "truncated", "error") for row in rows)
    assert sum(row.status == "ok" for row in rows) >= 35
    assert all(row.answer.error for row in rows if row.status == "error")
    assert report.rate_limited + report.retries > 0
    assert sum(row.answer.attempts for row in rows) > 40


async def test_a_retry_asks_failed_rows_and_keeps_the_old_error_until_then(provider):
    questions = [f"What is Monster about {n}?" for n in range(12)]
    async with provider(faults=parse_faults("400@0.5"), seed=2) as (services, _):
        run_id = await begin(services, sheet_of(*questions))
        await services.batch.answer(run_id, Control())
        run = await services.batch.runs.get(run_id)
    assert 0 < run.failed < 12
    async with provider(chat_latency_s=30.0) as (services, _):
        control = Control()
        retrying = asyncio.create_task(services.batch.answer(run_id, control, which="failed"))
        while not (control.partial and control.partial.asking):
            await asyncio.sleep(0.01)
        control.stop()
        stopped_s = time.perf_counter()
        await retrying
        assert time.perf_counter() - stopped_s < 2.0
        assert (await services.batch.runs.get(run_id)).failed == run.failed
    async with provider() as (services, simulator):
        await services.batch.answer(run_id, Control(), which="failed")
        assert sum((await simulator.stats()).requests.values()) == run.failed
        assert (await services.batch.runs.get(run_id)).counts == {"ok": 12}


async def test_concurrency_can_be_changed_during_a_run(provider):
    async with provider(chat_latency_s=0.3, options={"query_concurrency": 2}) as (services, simulator):
        run_id = await begin(services, sheet_of(*(f"What is Monster about {n}?" for n in range(40))))
        control = Control()
        answering = asyncio.create_task(services.batch.answer(run_id, control))
        while not (control.partial and control.partial.done):
            await asyncio.sleep(0.01)
        assert (await simulator.stats()).peak_in_flight["responses"] == 2
        services.batch.set_level(12)
        await answering
        assert (await simulator.stats()).peak_in_flight["responses"] == 12


async def test_a_cost_cap_is_respected_and_the_rest_can_be_resumed(provider):
    questions = [f"What is Monster about {n}?" for n in range(30)]
    async with provider() as (services, _):
        whole = await begin(services, sheet_of(*questions))
        await services.batch.answer(whole, Control())
        cap = (await services.batch.runs.get(whole)).usage.cost_usd / 2
        services.batch.set_level(64)  # all of them could be sent at once
        run_id = await begin(services, sheet_of(*questions), max_cost_usd=cap, use_cache=False)
        report = await services.batch.answer(run_id, Control())
        run = await services.batch.runs.get(run_id)
    assert "cost cap" in report.stopped_by
    assert 0 < run.usage.cost_usd <= cap
    assert 0 < run.missing < 30


async def test_a_cap_without_a_known_price_is_refused(provider):
    async with provider(options={"chat_model": "of-unknown-price"}) as (services, _):
        with pytest.raises(InvalidInputError, match="price of of-unknown-price is not known"):
            await begin(services, sheet_of("Why?"), max_cost_usd=1.0)


@pytest.mark.timeout(120)
@pytest.mark.skipif(os.name == "nt", reason="signals as terminals send them")
@pytest.mark.both_databases(False)  # this starts two processes; tests/work_queue/test_sheets.py covers PostgreSQL
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
async def test_a_stopped_command_resumes_without_paying_for_a_question_twice(stocked, settings, tmp_path, sent):
    questions = tmp_path / "q.csv"
    questions.write_text("question\n" + "".join(f"What is Monster about {n}?\n" for n in range(30)), encoding="utf-8")
    out = tmp_path / "a.jsonl"
    async with SimulatorProcess(SimulatorSettings(**(FAST | {"chat_latency_s": 0.3}))) as simulator:
        environment = {
            **os.environ,
            "OPENAI_BASE_URL": simulator.url,
            "ANIMERAG_EMBEDDING_PROVIDER": "local",
            "ANIMERAG_DATA_DIR": str(settings.data_dir),
            "ANIMERAG_CHROMA_URL": settings.chroma_url,
            **({"ANIMERAG_DATABASE_URL": settings.database_url.get_secret_value()} if settings.database_url else {}),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-m", "animerag", "query", "-f", str(questions), "-n", "3", "--out", str(out)]
        child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        runs = stocked.batch.runs
        while not ((found := await runs.latest()) and found[0].counts.get("ok", 0) >= 6):
            assert child.poll() is None, child.stderr.read()
            await asyncio.sleep(0.02)
        child.send_signal(sent)
        await asyncio.to_thread(child.communicate)
        if sent == signal.SIGINT:
            assert child.returncode == 130
            assert (
                out.read_bytes().count(b'"status": "cancelled"') == 30 - out.read_bytes().count(b'"status": "ok"') > 0
            )
        saved = {
            row.number: json.loads(json.dumps(row.answer.as_json()))
            for row in await runs.rows(found[0].id)
            if row.answer
        }
        while (await simulator.stats()).in_flight:  # the killed client's last requests
            await asyncio.sleep(0.01)
        paid = (await simulator.stats()).requests["responses"]
        again = await asyncio.create_subprocess_exec(*command, "--resume", env=environment, stderr=subprocess.PIPE)
        _, stderr = await again.communicate()
        stats = await simulator.stats()
    assert again.returncode == 0, stderr
    answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [answer["question"] for answer in answers] == [f"What is Monster about {n}?" for n in range(30)]
    assert all(answer["status"] == "ok" for answer in answers)
    assert {n: {**answers[n], "columns": None} for n in saved} == {n: {**saved[n], "columns": None} for n in saved}
    assert len(saved) >= 6
    assert stats.requests["responses"] - paid == 30 - len(saved)
    assert len(await runs.latest()) == 1


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "  =1", "＝1"])
def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(cell):
    assert formula_safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "plain", "1-2", "a=b", "2004"])
def test_other_cells_stay_as_they_are(cell):
    assert formula_safe(cell) == cell


@pytest.fixture
async def half_answered(stocked):
    """A run whose first two rows are answered."""
    rows = [
        QuestionRow(question="=What is Nana about?", columns={"answer": "mine", "note": "@n\x0b"}),
        QuestionRow(question="What is Monster about?", columns={"answer": "", "note": "two\nlines"}),
        QuestionRow(question="And?", columns={"answer": "", "note": ""}),
    ]
    run_id = await begin(stocked, sheet_of(*rows, answer="", note=""))
    control = Control()

    async def stop_at_the_second(stored):
        if stored.answer.number == 1:
            control.stop()

    stocked.batch.set_level(1)
    await stocked.batch.answer(run_id, control, on_stored=stop_at_the_second)
    return await stocked.batch.runs.get(run_id), await stocked.batch.runs.rows(run_id)


async def test_the_sheet_comes_back_as_csv_with_its_columns_and_the_answers(half_answered):
    data = written(".csv", *half_answered)
    assert data.startswith(b"\xef\xbb\xbf")
    first, second, third = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert (first["question"], first["answer (yours)"], first["note"]) == ("'=What is Nana about?", "mine", "'@n\x0b")
    assert (first["cited_ids"], first["cited_titles"], first["status"]) == ("2", "Nana", "ok")
    assert 'Nana (title "Nana"' in first["sources"]
    assert "plot #1, distance 0." in first["sources"]
    assert (second["note"], second["attempts"], second["cached"], second["same_as_row"]) == (
        "two\nlines",
        "1",
        "no",
        "",
    )
    assert float(second["total_s"]) >= float(second["retrieve_s"]) > 0
    assert (third["question"], third["status"], third["answer"]) == ("And?", "cancelled", "")


async def test_the_sheet_comes_back_as_a_workbook_of_texts_and_numbers(half_answered):
    book = openpyxl.load_workbook(io.BytesIO(written(".xlsx", *half_answered)))
    headings, first, *others = book.active.iter_rows()
    cells = {heading.value: cell for heading, cell in zip(headings, first, strict=True)}
    assert (cells["question"].value, cells["question"].data_type) == ("=What is Nana about?", "s")
    assert cells["note"].value == "@n"
    assert isinstance(cells["total_s"].value, float)
    assert cells["status"].value == "ok"
    assert len(others) == 2


async def test_json_lines_carry_the_row_beside_the_answer(half_answered):
    first, _, third = map(json.loads, written(".jsonl", *half_answered).splitlines())
    assert (first["index"], first["columns"]["note"], first["citations"]) == (0, "@n\x0b", ["2"])
    assert (third["status"], third["answer"]) == ("cancelled", None)


# ── Speed ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_expected_time_is_a_range_until_a_run_at_that_level_was_measured(stocked):
    rows = sheet_of(*(f"What is Monster about {n}?" for n in range(6))).rows
    before = (await stocked.batch.estimate(rows, RunOptions(), concurrency=3)).time
    run_id = await begin(stocked, sheet_of(*rows))
    await stocked.batch.answer(run_id, Control(), concurrency=3)
    after = (await stocked.batch.estimate(rows, RunOptions(), concurrency=3)).time
    other = (await stocked.batch.estimate(rows, RunOptions(), concurrency=1)).time
    seconds = (await stocked.batch.runs.get(run_id)).seconds
    assert before.least_s < before.most_s
    assert after.least_s == after.most_s == pytest.approx(seconds, rel=0.2)
    assert other.least_s < other.most_s, "another level was not measured"
