"""System: the gate and the loop, the journal, the log."""

import logging
import threading
from pathlib import Path

from animerag.catalogue.status import SAMPLE_JOB
from animerag.logs import tail
from animerag.rate_limits import Gate
from animerag.storage.work_items import WorkItem
from animerag.ui import session
from tests.pages.screen import plain, until, visit, words


def test_pages_read_the_gate_on_its_loop_only(sampled, monkeypatch):
    state, threads = Gate.state, set()

    def watched(gate):
        threads.add(threading.current_thread().name)
        return state(gate)

    monkeypatch.setattr(Gate, "state", watched)
    visit(sampled, "system")
    assert threads == {"animerag-loop"}
    root = Path(__file__).parents[2]
    files = [*(root / "animerag" / "ui").glob("*.py"), *(root / "pages").glob("*.py")]
    assert [file.name for file in files if ".gate." in file.read_text(encoding="utf-8")] == ["session.py"]


def test_the_journal_the_gate_and_the_loop_are_shown(sampled):
    visit(sampled, "system")

    assert {metric.label for metric in sampled.metric} >= {
        "Questions in flight",
        "Imports in flight",
        "Event-loop lag",
    }
    [table] = [one.value for one in sampled.dataframe if "Job" in one.value]
    assert "sample" in table["Job"][0].lower()
    assert list(table["State"]) == ["done"]


def test_the_end_of_the_log_is_shown_when_it_is_opened(sampled):
    logging.getLogger("animerag.test").warning("a line for the log")
    visit(sampled, "system")
    assert not sampled.code
    sampled.session_state["system_log"] = True
    sampled.run()
    assert "a line for the log" in sampled.code[0].value


def test_the_tail_of_a_log_begins_with_a_whole_line(tmp_path):
    path = tmp_path / "animerag.log"
    assert tail(path) == ""
    path.write_text("".join(f"line {number}\n" for number in range(1000)), encoding="utf-8")
    lines = tail(path, most_bytes=100).splitlines()
    assert lines[-1] == "line 999"
    assert lines[0] in {f"line {number}" for number in range(980, 999)}


def test_a_job_of_another_process_is_drawn_answered_and_cancelled(sampled, elsewhere):
    elsewhere(kind="ingest", key="ingest:x")
    elsewhere(question="2 of 9 rows have errors. Import the rest?")
    for page in ("upload", "system"):
        visit(sampled, page)
        until(sampled, lambda page: "2 of 9 rows have errors" in words(page))
        assert "Runs on desk, process 7" in plain(words(sampled))
    sampled.button(key="answer_True_4711").click().run()
    assert elsewhere().answer is True
    elsewhere(question=None)
    until(sampled, lambda page: "2 of 9 rows" not in words(page))
    assert "Embedding · 3 of 9" in plain(sampled.get("progress")[0].proto.text)
    sampled.button(key="cancel_4711").click().run()
    assert elsewhere().stop_requested
    assert sampled.button(key="cancel_4711").disabled


def test_workers_and_their_work_are_drawn(app, postgresql_url, monkeypatch):
    monkeypatch.setenv("ANIMERAG_DATABASE_URL", postgresql_url)
    monkeypatch.setenv("ANIMERAG_ENGINE", "queue")
    app.run()
    visit(app, "system")
    until(app, lambda page: "No worker is running" in words(page))
    queue, jobs, call = session.services().queue, session.services().jobs, session.runtime().call

    async def work():
        sample = jobs.latest(SAMPLE_JOB)  # it queues shows of its own, sooner or later
        await jobs.stop(sample.id)
        await jobs.wait(sample)
        async with queue.library.writing() as connection:
            for number, size in enumerate((40, 20)):
                await queue.add(
                    connection, WorkItem(work="w", number=number, kind="embed_batch", target="t", size=size)
                )
        await queue.items.begin("w", 0, worker=queue.workers.lease)
        await queue.workers.put(concurrency=3, began_at="2026-01-01T00:00:00+00:00", done=7)

    call(work())
    until(app, lambda page: "No worker is running" not in words(page))
    [table] = [one.value for one in app.dataframe if "Working on" in one.value]
    assert "Waiting: 20 shows." in plain(words(app))
    assert list(table["Working on"]) == ["40 shows"]
    assert list(table["Tasks done"]) == [7]
