"""The log has events with their origin, but no typed or stored text and no keys; debugging adds details."""

import asyncio
import json
import logging
import time

import pytest

from animerag import logs
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import InvalidInputError
from animerag.event_loop import Runtime
from animerag.jobs.jobs import Control
from animerag.telemetry import tracing
from animerag.telemetry.tracing import Span

KEY = "sk-proj-abcdefghijklmnop"  # gitleaks:allow
TEXT = "A surgeon saves a boy who becomes a monster. " * 20


@pytest.fixture
def logged(settings):
    """Log some records and return the content of the file."""

    def write(*records, **options):
        own = load_settings(data_dir=settings.data_dir, openai_api_key=KEY, **options)
        with logs.log_file(own) as path:
            for level, message, *args in records:
                logging.getLogger("animerag.test").log(level, message, *args)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    return write


def test_events_are_logged_with_time_and_origin(logged):
    content = logged((logging.INFO, "ingested %d of %d rows", 3, 4), (logging.DEBUG, "unheard"))

    assert "INFO" in content
    assert "animerag.test ingested 3 of 4 rows" in content
    assert "unheard" not in content
    assert "unheard" in logged((logging.DEBUG, "unheard"), debug=True)


@pytest.mark.parametrize("secret", [KEY, "sk-somebody-elses-1234567"])
def test_no_key_is_logged(logged, secret):
    assert secret not in logged((logging.WARNING, "refused: %s is no key", secret), (logging.WARNING, f"as {secret}"))


def test_documents_are_cut_and_foreign_messages_are_left_out(logged):
    content = logged(
        (logging.WARNING, "the provider refused: %s", TEXT),
        (logging.WARNING, "unreadable: %s", ValueError(TEXT[:60])),
        (logging.WARNING, "refused: %s", InvalidInputError("Row 3 has no title.")),
    )

    assert TEXT not in content
    assert "A surgeon saves" not in content.split("\n")[1]
    assert "unreadable: ValueError" in content
    assert "Row 3 has no title." in content


def test_an_error_is_logged_with_its_type_and_frames(settings):
    def fail():
        raise ValueError(TEXT)

    with logs.log_file(settings) as path:
        try:
            fail()
        except ValueError:
            logging.getLogger("animerag.test").exception("a page failed")

    content = path.read_text(encoding="utf-8")
    assert "a page failed" in content
    assert "test_an_error_is_logged_with_its_type_and_frames" in content
    assert content.rstrip().endswith("ValueError")
    assert "A surgeon saves" not in content


def test_log_files_are_rotated_and_old_ones_removed(settings, monkeypatch):
    monkeypatch.setattr(logs, "_BYTES", 2000)
    with logs.log_file(settings) as path:
        for number in range(200):
            logging.getLogger("animerag.test").warning("line %d of the log", number)

    files = sorted(path.parent.iterdir())
    assert [one.name for one in files] == ["animerag.log", "animerag.log.1", "animerag.log.2", "animerag.log.3"]
    assert all(one.stat().st_size <= 2000 for one in files)
    assert "line 199 of the log" in path.read_text(encoding="utf-8")


def test_the_app_logs_to_the_data_directory_and_closes_its_log(settings):
    runtime = Runtime(settings)
    logging.getLogger("animerag.test").warning("seen while it runs")
    runtime.close()
    logging.getLogger("animerag.test").warning("seen after its end")

    content = (settings.data_dir / "logs" / "animerag.log").read_text(encoding="utf-8")
    assert "seen while it runs" in content
    assert "seen after its end" not in content


async def test_a_database_error_does_not_repeat_what_was_to_be_stored(services):
    assert services.library._engine.sync_engine.hide_parameters
    assert services.library._reader.hide_parameters


async def test_debug_mode_names_tasks_logs_standstills_and_traces_all_work(settings, export, record, caplog):
    own = load_settings(data_dir=settings.data_dir, chroma_url=settings.chroma_url, debug=True)
    async with open_services(own, warm=False) as services:
        assert asyncio.get_running_loop().get_debug()

        async def stand_still():
            time.sleep(0.1)

        task = asyncio.create_task(stand_still())
        assert task.get_name().endswith("stand_still")
        await task
        await asyncio.sleep(0)
        await services.ingestion.run([export(record(1, "Monster", "A surgeon saves a boy."))], Control())
        answer = await services.answering.ask("What is Monster about?")
    assert not asyncio.get_running_loop().get_debug()

    assert any("stand_still" in one.getMessage() for one in caplog.records if one.name == "asyncio")
    events = json.loads((settings.data_dir / "logs" / "trace.json").read_text().rstrip().rstrip(",") + "]")
    assert {"import", "answer", "embedding", "alias", "words", "vectors"} <= {event["name"] for event in events}
    assert "surgeon" not in json.dumps(events)
    [whole] = [event for event in events if event["name"] == "answer" and event["args"]]
    parts = [event for event in events if whole["tid"] < event["tid"] < whole["tid"] + 1000]
    assert whole["args"]["status"] == answer.status.value
    assert min(part["ts"] for part in parts) == whole["ts"]
    assert abs(whole["ts"] / 1e6 - time.time()) < 600


def test_a_trace_file_that_is_full_makes_room(settings, monkeypatch):
    monkeypatch.setattr(logs, "_TRACE_BYTES", 500)
    traces = logs._TraceFile(settings.data_dir / "logs" / "trace.json")
    for _ in range(10):
        traces.add(tracing.Trace(name="answer", spans=[Span("alias", 0.0, 1.0)], about={}))

    assert sorted(one.name for one in (settings.data_dir / "logs").iterdir()) == ["earlier-trace.json", "trace.json"]
    for one in (settings.data_dir / "logs").iterdir():
        assert json.loads(one.read_text().rstrip().rstrip(",") + "]")


def test_traces_reach_subscribers_until_they_unsubscribe():
    received = []
    tracing.emit("answer", [Span("alias", 0.0, 1.0)])
    with tracing.subscribe(received.append):
        tracing.emit("answer", [Span("alias", 0.0, 1.0)], status="ok", cost_usd=None, gen_ai__request__model="m")
        tracing.emit("nothing ran", [])
    tracing.emit("answer", [Span("alias", 0.0, 1.0)])

    assert [(one.name, one.about) for one in received] == [("answer", {"status": "ok", "gen_ai.request.model": "m"})]
