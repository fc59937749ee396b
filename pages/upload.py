"""Upload: check files, import them, and account for every row."""

import streamlit as st

from animerag.models.jobs import INGEST_JOB
from animerag.ui import components, navigation, session, upload, upload_files, upload_report, upload_run


def page() -> None:
    st.title("Upload", anchor=False)
    components.follow_jobs()
    job = session.services().jobs.latest(INGEST_JOB)
    if job is not None and job.running:
        upload_run.running(job)
        return
    record = session.runtime().call(session.services().uploads.unfinished())
    if record is not None:
        upload_run.cut_off(record)
    upload_files.choose_files()
    files = upload_files.chosen()
    if files:
        upload.preflight(files)
    elif job is not None and (job.here or job.report is not None or job.state == "failed"):
        upload_report.ended(job)
    else:
        st.info(
            "Choose a file to see what it would change. Nothing is stored before you start.", icon=":material/info:"
        )


navigation.run(page, for_owner=True)
