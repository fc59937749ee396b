"""Draws System: work in progress, models, catalogue and index, other indexes, jobs, log and versions."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import streamlit as st

from animerag import __version__
from animerag.errors import AnimeRAGError, RuntimeClosedError
from animerag.logs import LOG, tail
from animerag.models.providers import Priority
from animerag.text.counting import counted
from animerag.text.durations import duration
from animerag.ui import components, session
from animerag.ui.text import label, moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.catalogue.status import Status
    from animerag.indexing.doctor import DoctorReport
    from animerag.models.jobs import JobRecord
    from animerag.services import Services
    from animerag.storage.work_items import Backlog

_NAME_PX = 120  # width of a fact's name, also beside its value on a phone
_WORKERS_S = 2.0  # between two looks at the workers

_UNITS = {"answer_rows": "row", "run_import": "file"}  # units of the size of each kind of work; shows for all others


def provider(name: str) -> str:
    """Return the name of a provider as people read it."""
    return "embedded, offline" if name == "local" else name


def models(services: Services) -> dict[str, str]:
    """Return the models of vectors and answers, with the address of a server that is not OpenAI's."""
    address = services.settings.openai_base_url
    written = services.answering.written_by_a_model
    writers = {
        "Vectors": (services.embedder.model, services.embedder.provider),
        "Answers": (services.answering.model, "openai") if written else ("quotes from your catalogue", "local"),
    }
    return {
        name: f"{model} ({address if who == 'openai' and address else provider(who)})"
        for name, (model, who) in writers.items()
    }


def facts(heading: str, values: Mapping[str, str]) -> None:
    """Draw names and values that may hold any text."""
    st.subheader(label(heading), anchor=False)
    for name, value in values.items():
        with st.container(horizontal=True, gap="small", key=f"system_fact_{name}"):
            st.caption(label(name), width=_NAME_PX)
            st.text(value, width="stretch")


def catalogue_facts(services: Services, status: Status, trouble: str | None, index_bytes: int) -> None:
    """Draw counts, places and whether Chroma answers."""
    settings = services.settings
    size = session.runtime().call(services.library.size_bytes()) / 2**20
    indexed = "not known whether all are indexed" if status.indexed is None else "all indexed"
    if not status.shows:
        indexed = "the catalogue is empty"
    elif status.not_indexed:
        indexed = f"{status.not_indexed:,} not indexed"
    on_disk = f" ({index_bytes / 2**20:.1f} MB)" if index_bytes else ""
    facts(
        "Catalogue",
        {
            "Shows": f"{status.shows:,} ({indexed}{', all from the sample' if status.sample_only else ''})",
            "Library": f"{services.library} ({size:.1f} MB)",
            "Data directory": str(settings.data_dir),
            "Chroma": trouble or f"{services.index.mode}, {services.index.url or 'not started yet'}{on_disk}",
        },
    )


def chroma_trouble() -> str | None:
    """Return why Chroma cannot be reached, or None when it can."""
    try:
        session.runtime().call(session.services().index.start())
    except AnimeRAGError as error:
        return str(error)
    except TimeoutError:
        return "Chroma did not answer in time."
    return None


def doctor(report: DoctorReport) -> None:
    """Draw the result of comparing the index with the library."""
    repaired = f" {counted(report.repaired, 'show')} repaired." if report.repaired else ""
    if report.healthy:
        st.success(f"Index and library agree on {counted(report.shows, 'show')}.{repaired}", icon=":material/check:")
        return
    if report.damage:
        st.error(f"The library is damaged: {'; '.join(report.damage)}. Restore a backup.", icon=":material/error:")
        return
    counts = {
        "missing": report.missing,
        "stray": report.stray,
        "out of date": report.stale,
        "unsearchable": report.unsearchable,
        "damaged vectors": report.unsound_vectors,
    }
    differences = ", ".join(f"{len(ids):,} {name}" for name, ids in counts.items() if ids)
    st.warning(f"Index and library differ: {differences}.{repaired}", icon=":material/warning:")


def gate() -> None:
    """Draw requests in flight, limits and event-loop lag, once a second."""
    st.subheader("In progress", anchor=False)

    @st.fragment(run_every=1.0)
    def poll() -> None:
        try:
            state, lag_s = session.gate_now(), session.runtime().lag_s()
        except RuntimeClosedError:  # settings are being saved; the next poll reads the new services
            return
        levels = {Priority.LIVE: "Questions", Priority.BATCH: "Batch", Priority.INGEST: "Imports"}
        with st.grid("auto", min_column_width=150, gap="small"):
            for priority, name in levels.items():
                waiting = state.waiting.get(priority, 0)
                delta = f"{waiting:,} waiting" if waiting else None
                flying = f"{state.in_flight.get(priority, 0)} of {state.levels[priority]}"
                st.metric(f"{name} in flight", label(flying), delta, delta_color="off", delta_arrow="off")
            left = "–" if state.requests_left is None else f"{state.requests_left:,}"
            st.metric("Requests left", left, help="As the provider reported with its last answer.")
            lag = "–" if lag_s is None else moment(lag_s)
            hint = "How long work waits for the event loop. 95 % of the waits are shorter."
            st.metric("Event-loop lag", lag, help=hint)
        if state.cool_down_s > 0:
            words = state.words(session.provider_name())
            st.warning(label(f"{words[0].upper()}{words[1:]}."), icon=":material/hourglass_top:")
        notes = []
        if state.rate_limited:
            notes.append(f"rate limited {counted(state.rate_limited, 'time')}")
        if state.retries:
            notes.append(f"{counted(state.retries, 'call')} retried")
        if state.tokens_left is not None:
            notes.append(f"{state.tokens_left:,} tokens left")
        if notes:
            st.caption(" · ".join(notes))

    poll()


def workers() -> None:
    """Draw the workers of the queue, the work of each, and the number of waiting items, every two seconds."""
    if session.services().queue is None:
        return
    st.subheader("Workers", anchor=False)

    @st.fragment(run_every=_WORKERS_S)
    def poll() -> None:
        with components.error_boundary(), contextlib.suppress(RuntimeClosedError):  # settings are being saved
            _workers_now()

    poll()


def _workers_now() -> None:
    queue, call = session.services().queue, session.runtime().call
    if queue is None:  # the settings have changed since the page was drawn
        return
    running, backlog = call(queue.workers.alive()), call(queue.items.backlog())
    st.caption(label(_waiting(backlog)))
    if not running:
        st.warning("No worker is running: start `animerag worker` on any host.", icon=":material/info:")
        return
    rows = [
        {
            "Host": worker.host,
            "Process": worker.pid,
            "In flight, at most": worker.concurrency,
            "Working on": _items([one for one in backlog if one.worker == worker.lease and one.state == "working"]),
            "Tasks done": worker.done,
            "Started": session.local_time(worker.began_at),
        }
        for worker in running
    ]
    st.dataframe(rows, hide_index=True, width="stretch")


def _waiting(backlog: Sequence[Backlog]) -> str:
    """Describe the waiting work in the queue."""
    waiting = _items([one for one in backlog if one.state == "waiting"])
    embedded = sum(one.size for one in backlog if one.state == "embedded")
    indexing = f" {counted(embedded, 'show')} embedded, waiting to be indexed." if embedded else ""
    return f"Waiting: {waiting}.{indexing}"


def _items(backlog: Sequence[Backlog]) -> str:
    """Count shows, rows and files."""
    sizes: dict[str, int] = {}
    for one in backlog:
        unit = _UNITS.get(one.kind, "show")
        sizes[unit] = sizes.get(unit, 0) + one.size
    return ", ".join(counted(size, unit) for unit, size in sorted(sizes.items())) or "nothing"


def indexes() -> None:
    """Draw the indexes of other models, each with a way to delete it."""
    maintenance, call = session.services().maintenance, session.runtime().call
    others = call(maintenance.other_indexes())
    if not others:
        return
    st.subheader("Indexes of other models", anchor=False)
    st.caption("They only take up disk space. If you return to a model, its index is used again.")
    for spec, vectors in others:
        line, action = st.columns([4, 1], vertical_alignment="center")
        line.text(f"{spec.model}, {spec.dimensions:,} dimensions: {counted(vectors, 'vector')}")
        with action.popover("Delete", icon=":material/delete:", width="stretch"):
            st.caption("Deletes the index and its vectors. Returning to this model embeds everything again.")
            if st.button("Delete index", key=f"system_delete_{spec.name}", type="primary"):
                call(maintenance.delete_index(spec), timeout_s=120)
                st.rerun()


def jobs_table(jobs: Sequence[JobRecord]) -> None:
    """Draw the newest jobs of the journal, whichever process ran them."""
    st.subheader("Jobs", anchor=False)
    if not jobs:
        st.caption("No jobs yet.")
        return
    rows = [
        {
            "Job": job.title,
            "State": job.status,
            "Started": session.local_time(job.created_at),
            "Duration": duration(_took_s(job)),
            "Error": job.error or "",
            "Ran on": job.host or "",
        }
        for job in jobs
    ]
    filled = [name for name in rows[0] if any(row[name] for row in rows)]  # an empty column would take room from others
    widths = {name: st.column_config.TextColumn(width="medium") for name in ("Job", "Error", "Ran on")}
    st.dataframe(rows, hide_index=True, width="stretch", column_config=widths, column_order=filled)


def log_tail(services: Services) -> None:
    """Draw the end of the log when it is requested."""
    path = services.settings.data_dir / "logs" / LOG
    opened = st.expander(label(f"Log: {path}"), icon=":material/article:", key="system_log", on_change="rerun")
    if opened.open:
        opened.code(tail(path) or "The log is empty.", language=None, height=400)


def _took_s(job: JobRecord) -> float:
    """Return how long a job took, or has taken so far."""
    end = datetime.fromisoformat(job.finished_at) if job.finished_at else datetime.now(UTC)
    return max((end - datetime.fromisoformat(job.created_at)).total_seconds(), 0.0)


def versions() -> None:
    """Draw the versions that matter in a bug report."""
    st.subheader("Versions", anchor=False)
    st.caption(label(" · ".join(map(_version, ("animerag", "streamlit", "chromadb", "openai", "aiohttp", "plotly")))))


def _version(package: str) -> str:
    if package == "animerag":
        return f"{package} {__version__}"
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
