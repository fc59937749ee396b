"""Batch: many questions at once, answers in the order they were asked."""

import hashlib

import streamlit as st

from animerag.services.batch import QuestionRow, read_questions
from animerag.ui import batch, components, navigation, session


def page() -> None:
    st.title("Batch")
    if not components.catalogue_state(session.status()):
        return
    job = session.latest("batch")
    if job is not None and job.running:
        batch.running(job, session.questions(job))
        return
    file_tab, text_tab = st.tabs(["File", "Pasted lines"])
    file = file_tab.file_uploader(
        "CSV with a column `question`, or a TXT with a question a line",
        type=["csv", "txt"],
        max_upload_size=50,
        key=session.fresh_key("batch_file"),
    )
    lines = text_tab.text_area("Questions, one a line", key=session.fresh_key("batch_lines"), height=160)
    if file is not None:
        choose(file.getvalue(), file.name)
    elif lines.strip():
        choose(lines.encode(), "pasted lines.txt")
    elif job is not None:
        batch.ended(job)
    else:
        st.info("Choose a file or paste questions. Answers come in the same order.", icon=":material/info:")


def choose(data: bytes, name: str) -> None:
    """Count the questions, then start."""
    with components.seam():
        rows = read_questions(data, name=name)
        batch.question_counts(rows)
        if st.button("Start", type="primary", icon=":material/play_arrow:", key="batch_start"):
            start(rows, data, name)
        return
    st.button("Start", disabled=True, icon=":material/play_arrow:", key="batch_start_disabled")


def start(rows: list[QuestionRow], data: bytes, name: str) -> None:
    service = session.services().batch
    digest = hashlib.sha256(data).hexdigest()
    job = session.start_job(lambda control: service.run(rows, control), kind="batch", title=name, key=f"batch:{digest}")
    session.keep_questions(job, [row.question for row in rows])
    session.renew("batch_file")
    session.renew("batch_lines")
    st.rerun()


navigation.run(page)
