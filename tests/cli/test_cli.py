"""The command line as scripts use it: exit status, JSON on stdout, messages on stderr."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def filled(run, export, record):
    rows = [record(1, "Monster", "A surgeon.", EpisodeCountNormal=74), record(2, "Nana", "A band plays.")]
    status, _, _ = run("ingest", str(export(*rows).path))
    assert status == 0
    return run


def test_ingest_prints_one_object_whose_counts_add_up(run, export, record):
    source = export(record(1, "A"), record(1, "B"), {"AnimeID": 9})
    status, out, _ = run("ingest", str(source.path), "--json")
    printed = json.loads(out)
    assert status == 1, "a row is skipped"
    assert (printed["read"], printed["ingested"], printed["duplicate"], printed["quarantined"]) == (3, 1, 1, 1)
    (row,) = printed["rows"]
    assert (row["file"], row["line"], row["id"], row["stage"]) == ("export.json", 1, "9", "validate")
    assert {"batches", "embedding_requests", "seconds", "throughput", "concurrency", "usage", "catalogue"} <= set(
        printed
    )


def test_a_second_import_reports_unchanged_shows(filled, tmp_path):
    status, out, _ = filled("ingest", str(tmp_path / "export.json"), "--json")
    assert (status, json.loads(out)["unchanged"], json.loads(out)["embedding_requests"]) == (0, 2, 0)


def test_a_dry_run_stores_nothing(run, export, record):
    status, out, _ = run("ingest", str(export(record(1, "A")).path), "--dry-run", "--json")
    assert (status, json.loads(out)["ingested"], json.loads(out)["catalogue"]) == (0, 1, 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ingest",), "Name at least one file"),
        (("ingest", "absent.json"), "absent.json cannot be read"),
        (("query", "-q", ""), "The question is empty"),
        (("query", "-q", "  "), "The question is empty"),
        (("query",), "exactly one of"),
        (("query", "-q", "a", "-i"), "exactly one of"),
        (("query", "-q", "a", "--out", "x.docx"), ".csv, .xlsx, .jsonl"),
        (("query", "-q", "a", "--out", "x.csv"), "need a file of questions"),
        (("query", "-q", "a", "--retry-failed"), "need a file of questions"),
        (("query", "-f", "absent.csv"), "absent.csv cannot be read"),
        (("query", "-q", "What is Monster about?"), "The catalogue is empty"),
    ],
)
def test_wrong_use_exits_with_2_and_a_reason(run, arguments, says):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert says in err


def test_a_question_is_answered_with_its_sources(filled):
    status, out, _ = filled("query", "-q", "What is Monster about?", "-c")
    assert status == 0
    assert "A surgeon." in out
    assert 'id 1 · title "Monster"' in out


def test_json_has_one_object_per_line_in_question_order(filled):
    status, out, _ = filled("query", "-q", "Nana?", "-q", "What is Monster about?", "--output-format", "json")
    first, second = map(json.loads, out.splitlines())
    assert (status, first["index"], second["index"]) == (0, 0, 1)
    assert (first["citations"], second["citations"]) == (["2"], ["1"])
    assert second["context"][0]["found_by"][0] == "alias"
    expected = {"index", "question", "answer", "status", "error", "citations", "context", "timings", "usage", "model"}
    assert expected <= set(second)


def test_a_sheet_is_answered_in_order_into_a_file(filled, tmp_path):
    questions = tmp_path / "q.csv"
    questions.write_text("n,question\n1,What is Nana about?\n2,\n3,What is Monster about?\n", encoding="utf-8")
    status, out, _ = filled("query", "-f", str(questions), "--out", str(tmp_path / "a.csv"))
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (status, out) == (1, ""), "one row has no question"
    assert [(row["n"], row["cited_ids"], row["status"]) for row in rows] == [
        ("1", "2", "ok"),
        ("2", "", "error"),
        ("3", "1", "ok"),
    ]


def test_a_sheet_without_out_is_printed_in_order_with_its_context(filled, tmp_path):
    (tmp_path / "q.tsv").write_text("Frage\tn\nWhat is Nana about?\t1\nWhat is Monster about?\t2\n", encoding="utf-8")
    status, out, _ = filled("query", "-f", str(tmp_path / "q.tsv"), "-n", "2", "-c")
    assert status == 0
    assert out.index("A band plays.") < out.index("A surgeon.")
    assert 'id 1 · title "Monster"' in out


def test_a_guessed_column_must_be_confirmed(filled, tmp_path):
    (tmp_path / "q.csv").write_text("n,text\n1,What is Nana about?\n", encoding="utf-8")
    status, _, err = filled("query", "-f", str(tmp_path / "q.csv"))
    assert (status, "choose one with --column" in err) == (2, True)
    status, out, _ = filled("query", "-f", str(tmp_path / "q.csv"), "--column", "text", "--output-format", "json")
    assert (status, json.loads(out)["citations"]) == (0, ["2"])


def test_resuming_a_finished_sheet_asks_nothing_and_rewrites_the_file(filled, tmp_path):
    (tmp_path / "q.txt").write_text("What is Nana about?\n", encoding="utf-8")
    asked = ("query", "-f", str(tmp_path / "q.txt"), "--out", str(tmp_path / "a.jsonl"), "--resume")
    assert filled(*asked)[0] == 0
    first = (tmp_path / "a.jsonl").read_bytes()
    assert filled(*asked)[0] == 0
    assert (tmp_path / "a.jsonl").read_bytes() == first


def test_standard_input_is_answered_line_by_line(filled):
    status, out, _ = filled("query", "--stdin", "--output-format", "json", stdin="Nana?\n\nMonster?\n")
    assert status == 0
    assert [json.loads(line)["citations"] for line in out.splitlines()] == [["2"], ["1"]]


def test_a_conversation_remembers_what_it_was_about(filled):
    status, out, _ = filled("query", "-i", stdin="What is Monster about?\nHow many episodes does it have?\n\n")
    assert status == 0
    assert "**Monster** has 74 episodes [1]." in out


def test_retrieval_only_calls_no_model(filled):
    status, out, _ = filled("query", "-q", "Monster", "--retrieval-only", "--output-format", "json")
    printed = json.loads(out)
    assert (status, printed["answer"], printed["status"], printed["context"][0]["anime_id"]) == (0, None, "ok", "1")


def test_evaluate_prints_shares_in_percent(filled, tmp_path):
    sheet = tmp_path / "known.csv"
    sheet.write_text("question,expected_ids,kind\nWhat is Monster about?,1,title\n", "utf-8")
    status, out, _ = filled("evaluate", str(sheet))
    assert (status, "Found first" in out, out.count("100.0 %")) == (0, True, 8)


def test_doctor_and_info_show_the_state(filled):
    status, out, _ = filled("doctor", "--json")
    assert (status, json.loads(out)["healthy"], json.loads(out)["indexed"]) == (0, True, 2)
    status, out, _ = filled("info", "--json")
    printed = json.loads(out)
    assert (printed["provider"], printed["dimensions"], printed["catalogue"]) == (
        "local",
        512,
        {"shows": 2, "indexed": 2},
    )
    assert printed["chroma"]["mode"] == "remote"


def test_info_is_the_same_without_opening_the_services(filled, monkeypatch):
    quick = filled("info", "--json")
    monkeypatch.setattr("animerag.catalogue.overview.read", lambda _: None)
    assert filled("info", "--json") == quick


def test_info_loads_nothing_heavy(filled, settings, chroma_index_url):
    heavy = ("aiohttp", "chromadb", "numpy", "openai", "rich", "sqlalchemy", "streamlit")
    program = (
        f"import sys; from animerag.cli import main; main(['info']); print([n for n in {heavy} if n in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(settings, chroma_index_url),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "shows 2, indexed 2" in ended.stdout
    assert ended.stdout.endswith("[]\n")


def test_the_encoder_is_loaded_beside_the_imports_only_if_a_processor_is_idle(filled, monkeypatch):
    loaded = []
    monkeypatch.setattr("animerag.indexing.encoder.load_encoder", lambda: loaded.append(1))

    def loads_with(processors, load):
        loaded.clear()
        monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(processors)), raising=False)
        monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
        status, out, _ = filled("query", "-q", "How many shows do I have?")
        assert (status, "2" in out) == (0, True)
        return bool(loaded)

    assert [loads_with(2, 1.2), loads_with(2, 2.5), loads_with(1, 0.0)] == [True, False, False]


def test_a_library_in_sqlite_loads_nothing_of_postgresql():
    others = ("sqlalchemy.dialects.postgresql", "psycopg", "animerag.rate_limits.permits")
    program = (
        "import sys, animerag.composition, animerag.storage.sqlite.engine as _;"
        f"print([n for n in {others} if n in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_an_invalid_setting_exits_with_2_and_its_name(run, monkeypatch):
    monkeypatch.setenv("ANIMERAG_BATCH_SIZE", "many")
    status, _, err = run("info")
    assert status == 2
    assert "ANIMERAG_BATCH_SIZE" in err


def test_a_closed_pipe_ends_the_command_without_a_traceback(filled, settings, chroma_index_url):
    # The output is more than a pipe holds, so that the command notices. Repeated questions would be asked once only.
    questions = [part for n in range(150) for part in ("-q", f"What is Monster about, part {n}?")]
    command = [sys.executable, "-m", "animerag", "query", "-c", *questions]
    child = subprocess.Popen(
        command, env=environment(settings, chroma_index_url), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout.readline()
    child.stdout.close()
    _, err = child.communicate(timeout=50)
    assert (child.returncode, err) == (130, b"")


@pytest.mark.skipif(os.name == "nt", reason="signals as terminals send them")
def test_interrupt_stops_an_ingest_cleanly_and_says_so(settings, export, record, chroma_index_url):
    rows = [record(n, f"T{n}", f"Somebody number {n} walks through the rain. " * 30) for n in range(1, 1500)]
    command = [sys.executable, "-m", "animerag", "ingest", str(export(*rows).path), "--json", "--batch-size", "5"]
    child = subprocess.Popen(
        command, env=environment(settings, chroma_index_url), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    library = settings.database_path
    while not (library.exists() and library.with_name("library.db-wal").exists()) and child.poll() is None:
        pass
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=50)
    assert child.returncode == 130, err
    printed = json.loads(out) if out else {"read": 0, "ingested": 0, "cancelled": 0}
    assert printed["read"] == printed["ingested"] + printed["cancelled"]


@pytest.mark.skipif(os.name == "nt", reason="signals and terminals as POSIX has them")
def test_interrupt_at_a_question_does_not_wait_for_enter(settings, export, record, chroma_index_url):
    terminal, stdin = os.openpty()
    source = export(*(record(n, "Monster" if n < 10 else "") for n in range(1, 25)))
    child = subprocess.Popen(
        [sys.executable, "-m", "animerag", "ingest", str(source.path)],
        env=environment(settings, chroma_index_url),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    asked = b""
    while b"[y/N]" not in asked and (piece := child.stderr.read1()):
        asked += piece
    child.send_signal(signal.SIGINT)
    try:
        child.communicate(timeout=20)
    finally:
        child.kill()
        os.close(terminal)
        os.close(stdin)
    assert b"[y/N]" in asked
    assert child.returncode == 130


def environment(settings, chroma_index_url):
    """Return the environment of a command in a separate process."""
    return {
        **os.environ,
        "ANIMERAG_DATA_DIR": str(settings.data_dir),
        "ANIMERAG_CHROMA_URL": chroma_index_url,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }


def test_a_backup_can_be_restored(filled, tmp_path, settings, monkeypatch):
    saved = tmp_path / "kept.zip"
    assert filled("backup", str(saved))[1].startswith("Saved 2 shows to ")
    assert filled("restore", str(saved))[0] == 2, "shows are there"
    status, out, _ = filled("restore", str(saved), "--replace")
    assert (status, out) == (0, "Restored 2 shows; 2 are in the search index.\n")


@pytest.mark.parametrize(
    "words",
    [
        ("query", "-q", "\udcff"),
        ("ingest", "caf\udce9.json", "--json"),
        ("query", "-f", "\udcff.csv"),
        ("compare", "ingest", "--out", "\udcff.html"),
        ("\udcff",),
    ],
)
def test_an_argument_that_is_not_utf8_is_refused_with_a_reason(run, words):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert "is not UTF-8" in err
    assert err.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="arguments are UTF-16 on Windows")
def test_bytes_that_are_not_utf8_are_refused_with_a_reason(tmp_path):
    command = [sys.executable, "-m", "animerag", "query", "-q", b"\xff"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=50, check=False)
    assert ended.returncode == 2
    assert b"Traceback" not in ended.stderr
    assert b"is not UTF-8" in ended.stderr


def test_stats_prints_the_figures_as_text_and_as_one_object(filled):
    _, shown, _ = filled("stats")
    status, out, _ = filled("stats", "--json")
    printed = json.loads(out)
    assert status == 0
    assert (printed["shows"], printed["episodes"], printed["attention"]["skipped_rows"]) == (2, 74, 0)
    assert "Shows: 2, 0 of them films" in shown
    assert "Episodes: 74" in shown


def test_stats_of_an_empty_catalogue_say_what_to_do(run):
    status, out, _ = run("stats")
    assert status == 0
    assert "animerag ingest PATH" in out


def test_jobs_are_printed_as_a_table_and_as_one_object(filled):
    status, out, _ = filled("jobs", "--json")
    (job,) = json.loads(out)["jobs"]
    assert (status, job["kind"], job["title"], job["state"]) == (0, "ingest", "export.json", "done")
    assert (job["question"], job["error"]) == (None, None)
    _, out, _ = filled("jobs")
    assert out.startswith(job["id"])
    assert "done" in out
    assert "export.json" in out


def test_only_a_running_job_can_be_cancelled(filled):
    _, out, _ = filled("jobs", "--json")
    (job,) = json.loads(out)["jobs"]
    assert filled("jobs", "--cancel", job["id"]) == (0, "export.json is not running: done.\n", "")
    status, _, err = filled("jobs", "--cancel", "no\x1b[2Jne")
    assert (status, err) == (
        2,
        'There is no job "no\N{REPLACEMENT CHARACTER}[2Jne": run `animerag jobs` to list the ids.\n',
    )


def test_no_jobs_are_listed_in_an_empty_catalogue(run):
    assert run("jobs") == (0, "No jobs yet.\n", "")


def test_a_command_ends_without_a_last_collection_of_garbage(tmp_path):
    at_exit = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000))"  # runs last
    command = [sys.executable, "-c", f"{at_exit}; from animerag.cli import main; main(['info'])"]
    environment = {**os.environ, "ANIMERAG_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT.parent)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "True"
