"""Batch in its states, over real services."""

import pytest
from streamlit.testing.v1 import AppTest

from animerag.models.questions import QuestionRow
from animerag.models.stored_answers import StoredAnswer
from animerag.readers.questions import Sheet
from animerag.storage.batch_runs import RunOptions, RunRow
from animerag.ui import session
from tests.pages.screen import plain, until, visit, words

pytestmark = pytest.mark.timeout(120)


def upload(app, data, name="q.csv"):
    visit(app, "batch")
    app.file_uploader[0].set_value((name, data if isinstance(data, bytes) else data.encode(), "text/csv")).run()
    assert not app.exception
    return app


def answered(app, total):
    return until(app, lambda page: f"of {total} question" in words(page) and "answered" in words(page))


def saved_run(*rows, name="saved.csv"):
    """Store a run that has not been started, and return its id."""
    headings = ("question", *rows[0].columns)
    sheet = Sheet(name=name, format="table", headings=headings, column="question", certain=True, rows=rows)
    batch = session.services().batch
    return session.runtime().call(batch.begin(sheet, RunOptions(), sha256="0" * 64))


def opened(app, run_id):
    visit(app, "batch")
    app.query_params["run"] = run_id
    app.run()
    assert not app.exception
    return app


def test_a_sheet_is_counted_and_shown_before_anything_is_asked(sampled):
    upload(
        sampled, "n;Frage;k\n1;Was ist „Monster“?;\n2;;\n3;Was ist „Monster“?;\n4;Wie lang?;viele\n".encode("cp1252")
    )
    shown = words(sampled).replace("\\", "")
    assert "4 questions, 1 empty, 1 repeated, 1 cannot be asked" in shown
    assert "Row 4: k must be a number, not viele." in shown
    assert "1 different question to ask, no cost" in shown
    column, encoding, delimiter = sampled.selectbox[:3]
    assert (column.value, encoding.options[0], delimiter.options[0]) == (
        "Frage",
        "Detected: Windows-1252",
        "Detected: semicolon",
    )
    column.set_value("n").run()
    assert "**4 questions, 1 cannot be asked**" in words(sampled)


def test_a_sheet_of_questions_is_answered_in_order(sampled):
    questions = ["What is Monster about?", "How many episodes does Monster have?", "What is AoT about?"]
    upload(sampled, "question,note\n" + "".join(f"{question},x\n" for question in questions))
    sampled.button(key="batch_start").click().run()
    answered(sampled, 3)
    table = sampled.dataframe[0].value
    assert list(table["Question"]) == questions
    assert list(table["Status"]) == ["ok"] * 3
    assert [button.label for button in sampled.get("download_button")] == [
        "Download CSV",
        "Download XLSX",
        "Download JSONL",
    ]
    assert "Quality" not in sampled.get("button_group")[0].options
    assert not list((session.services().settings.data_dir / "uploads").iterdir()), "the sheet is in the library"
    sampled.button(key="batch_new").click().run()
    assert "Earlier runs" in [heading.value for heading in sampled.subheader]
    assert sampled.file_uploader


def test_pasted_lines_are_questions(sampled):
    visit(sampled, "batch")
    sampled.text_area[0].set_value("What is Monster about?\nWhat is AoT about, then?").run()
    assert "**2 questions**" in words(sampled)


@pytest.mark.parametrize(
    ("data", "says"), [("n\n1\n2\n", "no column that looks like questions"), ("question\n", "has no questions")]
)
def test_a_sheet_without_questions_gets_a_sentence(sampled, data, says):
    upload(sampled, data)
    assert says in sampled.error[0].value.replace("\\", "")
    assert "batch_start" not in [button.key for button in sampled.button]


def test_a_running_sheet_shows_answers_and_can_be_cancelled_and_resumed(sampled):
    upload(sampled, "question\n" + "".join(f"What is Monster about, part {n}?\n" for n in range(200)))
    sampled.button(key="batch_start").click().run()
    assert len(sampled.dataframe[0].value) == 50, "a page of the table, whatever the sheet's length"
    until(sampled, lambda page: "ok" in list(page.dataframe[0].value["Status"]))
    next(button for button in sampled.button if button.label == "Cancel").click().run()
    answered(sampled, 200)
    assert "Cancelled." in sampled.warning[0].value
    sampled.button(key="batch_resume").click().run()
    until(sampled, lambda page: "200 of 200 questions answered" in words(page).replace("*", ""))


def test_a_run_survives_a_new_tab(sampled):
    run_id = saved_run(QuestionRow(question="What is Monster about?"))
    opened(sampled, run_id)
    assert list(sampled.dataframe[0].value["Status"]) == ["not asked"]
    sampled.button(key="batch_resume").click().run()
    answered(sampled, 1)
    assert "1 of 1 question answered" in words(sampled).replace("*", "")
    del sampled.query_params["run"]  # as in the address that an earlier click or the browser's Back sends
    sampled.run()
    assert "1 of 1 question answered" in words(sampled).replace("*", "")
    sampled.button(key="batch_new").click().run()
    assert "1 of 1 question answered" not in words(sampled).replace("*", "")


def test_quality_is_shown_if_the_sheet_has_known_answers(sampled):
    columns = {"expected_ids": "19", "kind": "title"}
    rows = [
        QuestionRow(question="What is Monster about?", columns=columns, expected_ids=("19",)),
        QuestionRow(question="What is AoT about?", columns=columns, expected_ids=("no such id",)),
    ]
    opened(sampled, saved_run(*rows))
    sampled.button(key="batch_resume").click().run()
    answered(sampled, 2)
    assert not sampled.exception
    shares = {metric.label: metric.value for metric in sampled.metric}
    assert shares == dict.fromkeys(("Found first", "In the top 3", "In the top 5", "Mean reciprocal rank"), "50 %")
    assert list(sampled.dataframe[0].value["Right"]) == [0.5]
    misses = sampled.dataframe[-1].value if "Expected" in sampled.dataframe[-1].value else sampled.dataframe[-2].value
    assert "no such id" in list(misses["Expected"])


def test_times_are_drawn(sampled):
    opened(
        sampled, saved_run(QuestionRow(question="What is Monster about?"), QuestionRow(question="What is AoT about?"))
    )
    sampled.button(key="batch_resume").click().run()
    answered(sampled, 2)
    sampled.session_state["batch_view"] = "Timing"
    sampled.run()
    assert not sampled.exception
    assert len(sampled.get("plotly_chart")) == 3


def test_the_citations_of_an_opened_row_are_those_of_its_sources():
    source = {"anime_id": "19", "title": "Monster", "year": 2004, "cited": True}
    answer = {"index": 0, "question": "What is it?", "status": "ok", "answer": "A surgeon [1], and a boy [3]."}
    stored = StoredAnswer.from_json({**answer, "context": [source, source], "model": "m"})
    row = RunRow(number=0, asked=QuestionRow(question="What is it?"), answer=stored)

    def draw(row):
        from animerag.ui.batch_run import _answer

        _answer(row)

    page = AppTest.from_function(draw, kwargs={"row": row}, default_timeout=30).run()
    assert not page.exception
    drawn = "".join(element.value for element in page.markdown)
    assert "surgeon :violet-badge[1]" in drawn
    assert ":red-badge[3, no such source]" in drawn
    assert ":red-badge[1" not in drawn


def test_a_deleted_run_is_gone(sampled):
    opened(sampled, saved_run(QuestionRow(question="What is Monster about?")))
    sampled.button(key="batch_delete").click().run()
    assert not sampled.exception
    assert sampled.file_uploader
    assert "Earlier runs" not in [heading.value for heading in sampled.subheader]


def test_a_sheet_that_another_process_answers_is_drawn_with_its_rows_and_cancelled(sampled, elsewhere):
    run_id = saved_run(QuestionRow(question="What is Monster about?"), QuestionRow(question="What is AoT about?"))
    elsewhere(kind="batch", key=f"batch:{run_id}")
    session.runtime().call(session.services().batch.runs.note_job(run_id, "4711"))
    elsewhere(question=None)
    visit(sampled, "batch")  # the run in progress is shown, whichever process started it
    until(sampled, lambda page: "Runs on desk, process 7" in plain(words(page)))
    assert list(sampled.dataframe[0].value["Status"]) == ["waiting", "waiting"]
    assert not sampled.slider, "the level belongs to the other process"
    sampled.button(key="cancel_4711").click().run()
    assert elsewhere().stop_requested
