"""What Batch draws: how many questions, answers as they come, and the files to take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag import exports
from animerag.ui.components import job_running, show_error
from animerag.ui.text import counted, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.jobs import Job
    from animerag.models import Answer
    from animerag.services.batch import QuestionRow


def question_counts(rows: Sequence[QuestionRow]) -> None:
    """Tell how many questions there are, and how many are empty or asked twice."""
    empty = sum(not row.question for row in rows)
    repeated = len(rows) - empty - len({row.question for row in rows if row.question})
    st.caption(f"{counted(len(rows), 'question')}, {empty:,} empty, {repeated:,} repeated")


def running(job: Job, questions: Sequence[str]) -> None:
    """Draw a batch at work; the table fills in question order."""
    job_running(job, "questions", lambda watched: answers_table(watched.control.partial or [], questions))


def ended(job: Job) -> None:
    """Draw a batch's answers and offer them as files."""
    if job.state == "failed" or job.report is None:
        show_error(f"{job.title} was not answered. {job.error or 'The job was stopped before it could report.'}")
        return
    report = job.report
    answered = len(report.answers) - report.failed
    done = f"**{answered:,} of {counted(len(report.answers), 'question')} answered** from {label(job.title)}"
    st.markdown(f"{done} in {report.seconds:.1f} s")
    if job.state == "cancelled":
        st.warning("Cancelled: questions that were not reached say so.", icon=":material/stop:")
    with st.container(horizontal=True):
        for name, mime, make in (
            ("CSV", "text/csv", lambda: exports.answers_csv(report.rows, report.answers)),
            ("JSONL", "application/jsonl", lambda: exports.answers_jsonl(report.answers)),
        ):
            st.download_button(
                f"Download {name}",
                make,  # made when it is asked for, not at every look at the page
                file_name=f"answers.{name.lower()}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"batch_download_{name}",
            )
    answers_table(report.answers)


def answers_table(answers: Sequence[Answer | None], questions: Sequence[str] = ()) -> None:
    """Draw answers in question order; one that is still waited for shows its question, where that is known."""
    asked = dict(enumerate(questions, 1))
    rows = [_answer_row(number, answer, asked.get(number, "")) for number, answer in enumerate(answers, 1)]
    if rows:
        st.dataframe(
            rows,
            hide_index=True,
            width="stretch",
            column_config={
                "No.": st.column_config.NumberColumn(width=60),
                "Question": st.column_config.TextColumn(width="medium"),
                "Answer": st.column_config.TextColumn(width="large"),
                "Status": st.column_config.TextColumn(width=90),
                "Cited": st.column_config.TextColumn(width="medium"),
            },
        )


def _answer_row(number: int, answer: Answer | None, question: str) -> dict[str, Any]:
    if answer is None:
        return {"No.": number, "Question": question, "Answer": "", "Status": "waiting", "Cited": ""}
    titles = {source.show.id: source.show.title for source in answer.sources}
    return {
        "No.": number,
        "Question": answer.question,
        "Answer": (answer.text or answer.error or "").replace("**", ""),
        "Status": str(answer.status).replace("_", " "),
        "Cited": ", ".join(titles[show_id] for show_id in answer.citations),
    }
