"""Draws the result of an import in Upload: a count for every row, and the next steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from animerag.ingestion.resumable import to_correct
from animerag.models.imports import IngestReport
from animerag.text.counting import counted
from animerag.ui import session, upload_files
from animerag.ui.batch import tokens_and_cost
from animerag.ui.components import show_error
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.jobs.jobs import Job

_COUNT_PX = 130  # narrow enough for two beside each other on a phone


def ended(job: Job) -> None:
    """Draw the result of the last import, then its details."""
    report = job.report_as(IngestReport)
    if job.state == "failed" or report is None:
        show_error(f"{job.title} was not imported. {job.error or 'The import ended before it could report.'}")
        st.caption("Your catalogue is unchanged.")
        if session.runtime().call(session.services().uploads.resumable(job.id)):
            _resume(job)
        else:
            st.caption("Fix the problem and choose the file again.")
        return
    if report.stopped_by:
        show_error(f"The import stopped. {report.stopped_by}")
    elif job.state == "cancelled":
        stored = counted(report.ingested, "show") + (" was stored." if report.ingested == 1 else " were stored.")
        st.warning(f"Cancelled. {stored}", icon=":material/stop:")
    done = f"**{report.ingested:,} of {counted(report.read, 'row')} stored** from {label(job.title)}"
    st.markdown(f"{done} in {report.seconds:.1f} s · {counted(report.catalogue, 'show')} in the catalogue")
    if report.usage.embedding_tokens:
        st.caption(tokens_and_cost(report.usage))
    counts = {
        "Stored": report.ingested,
        "Unchanged": report.unchanged,
        "Repeated": report.duplicate,
        "Skipped": report.quarantined,
        "Remaining": report.cancelled,
    }
    left, call, uploads = report.cancelled, session.runtime().call, session.services().uploads
    if left and not call(uploads.resumable(job.id)):
        st.caption("Run the command again to import the rest.")
    elif left:
        _resume(job, left)
    with st.grid("auto", min_column_width=_COUNT_PX, gap="small"):
        for name, number in counts.items():
            hint = "If several rows have the same ID, the last one counts." if name == "Repeated" else None
            st.metric(name, f"{number:,}", border=True, help=hint)
    with st.container(horizontal=True):
        st.page_link("pages/ask.py", label="Ask a question", icon=":material/forum:")
        st.page_link("pages/catalogue.py", label="Open the catalogue", icon=":material/video_library:")
    notes(report, "stored row")
    skipped(report, job)


def _resume(job: Job, left: int = 0) -> None:
    words = f"Resume ({left:,} left)" if left else "Resume"
    if st.button(label(words), icon=":material/resume:", key=f"upload_rest_{job.id}", type="primary"):
        session.runtime().call(session.services().uploads.resume(job.id))
        st.rerun()


def conflicts(report: IngestReport) -> None:
    """List the values of your list that a file would change."""
    if not report.conflicts:
        return
    st.markdown(f"**Your list differs from the file in {counted(len(report.conflicts), 'value')}**")
    rows = [
        {
            "Title": one.title,
            "Value": one.field.removeprefix("my_").replace("_", " "),
            "In your list": str(one.stored),
            "In the file": str(one.given),
            "After the import": str(one.stored if one.stays else one.given),
        }
        for one in report.conflicts
    ]
    st.dataframe(rows, hide_index=True, width="stretch")


def notes(report: IngestReport, what: Literal["row", "stored row"]) -> None:
    """List the rows that were read with a correction or an omission."""
    if report.notes:
        number = len({(note.file, note.line) for note in report.notes})
        st.markdown(f"**{counted(number, what)} with notes**")
        rows = [{"Note": n.note, "ID": n.id, "Line": n.line or None, "File": n.file} for n in report.notes]
        st.dataframe(rows, hide_index=True, width="stretch", placeholder="")


def skipped(report: IngestReport, job: Job | None = None) -> None:
    """List the skipped rows; after an import they can be downloaded, corrected and tried again."""
    if not report.rows:
        return
    st.markdown(f"**{counted(len(report.rows), 'row')} skipped**")
    rows: Sequence[dict[str, Any]] = [
        {"Reason": r.reason, "Row content": r.excerpt, "ID": r.id, "Line": r.line or None, "File": r.file}
        for r in report.rows
    ]
    st.dataframe(rows, hide_index=True, width="stretch", placeholder="")
    if job is None:
        return
    ending, text = to_correct(report.rows)
    with st.container(horizontal=True):
        st.download_button(
            "Download skipped rows",
            text.encode("utf-8-sig" if ending == "csv" else "utf-8"),
            file_name=f"skipped-rows.{ending}",
            icon=":material/download:",
            key=f"upload_skipped_{job.id}",
            on_click="ignore",
        )
        if st.button("Try again", icon=":material/refresh:", key=f"upload_retry_{job.id}"):
            upload_files.choose(upload_files.stored(f"skipped-rows.{ending}", memoryview(text.encode())))
            st.rerun()
