"""Draws an import in Upload that is running or was interrupted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import streamlit as st

from animerag.charts import live as live_charts
from animerag.errors import InvalidInputError
from animerag.models.providers import Priority
from animerag.telemetry.tracing import Recorder
from animerag.text.counting import counted
from animerag.text.durations import rough
from animerag.ui import session
from animerag.ui.components import job_watched
from animerag.ui.text import label

if TYPE_CHECKING:
    from animerag.jobs.jobs import Job
    from animerag.models.imports import IngestReport
    from animerag.models.jobs import JobRecord
    from animerag.rate_limits import LevelChoice

LEVELS: tuple[LevelChoice, ...] = ("auto", 1, 3, 5, 10, 20)
_WINDOW_S = 20.0  # of the lanes of a running import
_EMBEDDED_WINDOW_S = 8.0  # the embedded model's steps take a tenth of a second: more would keep the browser busy
_READ_S = 120.0  # seconds; 50 MB of JSON take that long to read


def running(job: Job) -> None:
    """Draw a running import."""
    job_watched(job, _progress, _lanes)
    st.caption("You can leave this page; the import keeps running. Cancel keeps what is already stored.")


def _progress(job: Job) -> str:
    progress = job.control.progress
    stage = "Stopping" if job.state == "cancelling" else progress.stage or "Starting"
    if not progress.total or not progress.done:
        return stage
    if session.waits():  # the lines below say why; what is left cannot be estimated
        return f"{stage} · {progress.done:,} of {progress.total:,} shows"
    rate = progress.done / max(job.elapsed_s, 0.001)
    left = rough((progress.total - progress.done) / rate)
    return f"{stage} · {progress.done:,} of {progress.total:,} shows · {rate:,.0f} shows/s · about {left} left"


def _lanes(job: Job) -> None:
    """Draw what each request in flight is waiting for."""
    if not job.here:
        return  # the requests are drawn where the import runs
    if session.services().embedder.provider != "local":
        _level(job)
    recorder, now_s = job.control.partial_as(Recorder), time.perf_counter()
    if recorder is None:
        return
    started_s = now_s - job.elapsed_s
    is_local = session.services().embedder.provider == "local"
    window_s = _EMBEDDED_WINDOW_S if is_local else _WINDOW_S
    spans = recorder.until(now_s, now_s - window_s)
    if is_local:  # hundreds of small steps wait for two threads
        spans = [span for span in spans if span.name != "queue"]
    if spans:
        st.html(live_charts.lanes(spans, started_s, now_s, window_s=window_s))


def _level(job: Job) -> None:
    """Show the effect of the rate limits, and let the user change the level."""
    state = session.gate_now()
    with st.container(horizontal=True, vertical_alignment="center"):
        most = counted(state.levels[Priority.INGEST], "request")
        st.caption(label(f"At most {most} in flight: {state.words(session.provider_name())}"))
        chosen = st.selectbox(
            "Requests in flight", LEVELS, index=None, placeholder="Change", key=f"upload_level_{job.id}",
            label_visibility="collapsed", width=180,
        )  # fmt: skip
    if chosen is not None and chosen != st.session_state.get(f"upload_level_set_{job.id}"):
        session.set_import_level(chosen)
        st.session_state[f"upload_level_set_{job.id}"] = chosen


def cut_off(record: JobRecord) -> None:
    """Offer to resume an import that a crash or a closed app has interrupted."""
    with st.skeleton(height=100):
        left = _left(record)
    uploads, call = session.services().uploads, session.runtime().call
    with st.container(border=True):
        if left is None:
            st.markdown(f"**{label(record.title)}** was interrupted, and its file is no longer stored.")
        else:
            done = left.read - left.ingested - left.quarantined
            st.markdown(f"**{label(record.title)}** was interrupted: {done:,} of {left.read:,} done.")
        with st.container(horizontal=True):
            icon = ":material/resume:"
            if left is not None and st.button("Resume", type="primary", icon=icon, key="upload_resume"):
                call(uploads.resume(record.id))
                st.rerun()
            hint = "What is already stored stays in the catalogue."
            if st.button("Discard", icon=":material/delete:", key="upload_discard", help=hint):
                call(uploads.discard(record.id))
                st.rerun()


def _left(record: JobRecord) -> IngestReport | None:
    """Return the remaining work of an unfinished import, computed once; None if its files are gone."""
    read: dict[str, IngestReport | None] = st.session_state.setdefault("upload_left", {})
    if record.id not in read:
        uploads = session.services().uploads
        try:
            read[record.id] = session.runtime().call(uploads.remaining(record.id), timeout_s=_READ_S)
        except InvalidInputError:
            read[record.id] = None
    return read[record.id]
