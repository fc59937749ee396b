"""Upload: check files, take them in, and account for every row."""

import streamlit as st

from animerag.ingestion.resumable import INGEST_JOB
from animerag.ui import navigation, session, upload


def page() -> None:
    st.title("Upload")
    job = session.services().jobs.latest(INGEST_JOB)
    if job is not None and job.running:
        upload.running(job)
        return
    record = session.runtime().call(session.services().uploads.unfinished())
    if record is not None:
        upload.cut_off(record)
    upload.choose_files()
    files = session.chosen()
    if files:
        upload.preflight(files)
    elif job is not None:
        upload.ended(job)
    else:
        st.info(
            "Choose a file to see what it would change. Nothing is stored before you start.", icon=":material/info:"
        )


navigation.run(page)
