"""What Upload draws: what a run would do, the run at work, and the account of every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.services.survey import described
from animerag.ui.components import job_running, show_error
from animerag.ui.text import counted, escape, label

if TYPE_CHECKING:
    from animerag.jobs import Job
    from animerag.models import IngestReport


def preflight(report: IngestReport) -> None:
    """Tell what a run would do with every row."""
    counts = {
        "New or changed": report.ingested,
        "Unchanged": report.unchanged,
        "Repeated (last row wins)": report.duplicate,
        "Set aside": report.quarantined,
        "Rows read": report.read,
    }
    for file in report.files:
        st.markdown(f"**{label(file.name)}**")
        st.text("\n".join(described(file)))
    st.dataframe([{name: f"{number:,}" for name, number in counts.items()}], hide_index=True, width="stretch")
    _set_aside(report)


def running(job: Job) -> None:
    """Draw an ingestion at work."""
    job_running(job, "shows")
    st.caption("This goes on when you leave the page or close the tab.")


def ended(job: Job) -> None:
    """Draw what became of the last ingestion: result first, details below."""
    if job.state == "failed" or job.report is None:
        show_error(f"{job.title} was not taken in. {job.error or 'The job was stopped before it could report.'}")
        st.caption("Nothing was lost: the catalogue is as it was. Mend the cause and choose the file again.")
        return
    report: IngestReport = job.report
    done = f"**{report.ingested:,} of {counted(report.read, 'row')} stored** from {label(job.title)}"
    if report.stopped_by:
        st.warning(escape(f"Stopped part way: {report.stopped_by}"), icon=":material/warning:")
    elif job.state == "cancelled":
        st.warning("Cancelled. What is stored stays; upload the file again for the rest.", icon=":material/stop:")
    st.markdown(f"{done} in {report.seconds:.1f} s · {counted(report.catalogue, 'show')} in the catalogue")
    counts = {
        "Stored": report.ingested,
        "Unchanged": report.unchanged,
        "Repeated": report.duplicate,
        "Set aside": report.quarantined,
        "Cancelled": report.cancelled,
    }
    for column, (name, number) in zip(st.columns(len(counts)), counts.items(), strict=True):
        said = "The last row with the same id won." if name == "Repeated" else None
        column.metric(name, f"{number:,}", border=True, help=said)
    if report.duplicate:
        st.caption("Of rows that share an id the last one was kept.")
    _set_aside(report)
    with st.container(horizontal=True):
        st.page_link("pages/ask.py", label="Ask about it", icon=":material/forum:")
        st.page_link("pages/catalogue.py", label="Look at the catalogue", icon=":material/video_library:")


def _set_aside(report: IngestReport) -> None:
    if report.notes:
        st.markdown(f"**{counted(len(report.notes), 'note')} on rows that went in**")
        told = [{"File": n.file, "Line": n.line or None, "Id": n.id, "Note": n.note} for n in report.notes]
        st.dataframe(told, hide_index=True, width="stretch")
    if report.rows:
        st.markdown(f"**{counted(len(report.rows), 'row')} set aside**")
        rows = [{"File": r.file, "Line": r.line or None, "Id": r.id, "Reason": r.reason} for r in report.rows]
        st.dataframe(rows, hide_index=True, width="stretch")
