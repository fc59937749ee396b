"""Draws what all pages share: errors, the sidebar's last line, the state of the catalogue, and running jobs."""

from __future__ import annotations

import contextlib
import logging
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from animerag.catalogue.status import SAMPLE_JOB
from animerag.errors import AnimeRAGError, RuntimeClosedError
from animerag.models.jobs import REINDEX_JOB
from animerag.text.counting import counted
from animerag.text.durations import duration
from animerag.ui import page_requests, session
from animerag.ui.text import escape, label, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from animerag.catalogue.status import Status
    from animerag.jobs.jobs import Job
    from animerag.services import Services

log = logging.getLogger(__name__)

EXAMPLES = (
    "Astronauts who collect trash in orbit",
    "What is AoT about?",
    "名前を書くと人が死ぬノートの話は？",
)
# Streamlit's colour for the words around a chart has a contrast of only 3.8:1 on white.
STYLE = Path(str(files("animerag.ui").joinpath("style.css")))
POLL_S = 0.5
_FOLLOW_S = 1.5  # with the second between two polls of the journal, another process's job shows within 2.5 s


def show_error(message: str) -> None:
    """Show what went wrong."""
    st.error(sentence(message), icon=":material/error:")


@contextlib.contextmanager
def error_boundary(report: Callable[[str], None] = show_error) -> Iterator[None]:
    """Show an error from inside as one sentence; the rest of the page is still drawn."""
    try:
        yield
    except AnimeRAGError as error:
        report(str(error))
    except TimeoutError:
        log.warning("a page waited too long", exc_info=True)
        report("This took too long. Try again.")
    except Exception as error:
        log.exception("a page failed")
        report(f"Unexpected error ({type(error).__name__}). The log under System has the details.")


def show_refusal() -> None:
    """Warn before work starts that the provider has refused the last requests."""
    if refused_by := session.gate_now().refused_by:
        st.warning(sentence(f"The last request was refused. {refused_by}"), icon=":material/warning:")


def page_opens() -> None:
    """Let bulk work in this process wait a moment, so that the page is drawn at once."""
    with contextlib.suppress(AnimeRAGError):  # the page will say why there are no services
        visits = session.services().visits
        visits.opened()
        page_requests.watch(visits)


def foot() -> None:
    """Draw the sidebar's last lines: the model, how many shows, running jobs."""
    services = session.services()
    st.caption(label(f"{_who(services)} · {counted(session.refresh_status().shows, 'show')}"))
    running = sum(job.running for job in session.services().jobs.all())
    if running and not session.is_demo():
        st.page_link("pages/system.py", label=f"{counted(running, 'job')} running", icon=":material/sync:")


def _who(services: Services) -> str:
    """Name the model that writes answers and where it runs."""
    if not services.answering.written_by_a_model:
        return "Embedded, offline"
    address = urlsplit(services.settings.openai_base_url or "").netloc
    return f"{services.answering.model} at {address}" if address else f"openai {services.answering.model}"


def catalogue_state(status: Status) -> bool:
    """Draw the state of the catalogue; return whether it can be searched."""
    job = session.services().jobs.latest(SAMPLE_JOB)
    if job is not None and job.running:
        _sample_running(job)
        return False
    if not status.shows:
        if job is not None and session.refresh_status().shows:  # the sample was loaded after the shows were counted
            st.rerun()
        _empty(job)
        return False
    if status.sample_only:
        if session.is_demo():
            st.caption(f"A demo with {counted(status.shows, 'show')}. Nothing you do here changes them.")
            return True
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"Sample catalogue, {counted(status.shows, 'show')}. Your first upload will replace it.",
                width="content",
            )
            st.page_link("pages/upload.py", label="Upload your own", icon=":material/upload_file:", width="content")
    running = any(job.running for job in session.services().jobs.all())
    if status.not_indexed and not running and not session.is_demo():
        _not_indexed(status)
    return True


def _sample_running(job: Job) -> None:
    @st.fragment(run_every=POLL_S)
    def poll() -> None:
        if not job.running:
            st.rerun()
        progress = job.control.progress
        number = f"{progress.total:,} " if progress.total else ""
        later = "" if session.is_demo() else " Your first upload will replace them."
        st.progress(progress.fraction, f"Loading {number}sample shows.{later}")

    poll()


def _empty(job: Job | None) -> None:
    if job is not None and job.error:
        show_error(f"The sample could not be loaded. {job.error}")
    st.info("The catalogue is empty. Upload an export, or load the sample.", icon=":material/inbox:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if not session.is_demo():
            st.page_link("pages/upload.py", label="Upload", icon=":material/upload_file:", width="content")
        retry = st.button("Load the sample", icon=":material/refresh:", key="sample_again")
    if retry:
        services = session.services()
        session.runtime().call(services.catalogue.start_sample(services.jobs))
        st.rerun()


def _not_indexed(status: Status) -> None:
    services = session.services()
    banner, action = st.columns([5, 1], vertical_alignment="center")
    some = "1 show is" if status.not_indexed == 1 else f"{status.not_indexed:,} shows are"
    them = "it" if status.not_indexed == 1 else "them"
    takes = _indexing_takes()
    banner.warning(
        f"{some} not indexed for {label(services.embedder.model)}. You can find {them} by title and words, not by plot."
        f" Indexing takes {takes}.",
        icon=":material/warning:",
    )
    if action.button("Index now", key="index_now", width="stretch"):
        start_indexing()


def start_indexing() -> None:
    """Index the shows that the model in use has no vector for, as a job."""
    services = session.services()
    title = f"Indexing for {services.embedder.model}"
    session.start_job(services.ingestion.reindex, kind=REINDEX_JOB, title=title, key=REINDEX_JOB)
    st.rerun()


def _indexing_takes() -> str:
    """Describe the time and cost of indexing for the current model: "about 5 s, about 289,000 tokens, $0.0060"."""
    ingestion = session.services().ingestion
    missing = session.runtime().call(ingestion.preview.missing())
    time = session.runtime().call(ingestion.preview.expected_time(missing.read)).words()
    tokens, cost = missing.usage.embedding_tokens, missing.usage.cost_usd
    if session.services().embedder.provider == "local":
        return f"{time} and costs nothing"
    price = "an unknown price" if cost is None else f"${cost:.4f}"
    return f"{time}, about {tokens:,} tokens, {price}"


def progress_of(job: Job) -> str:
    """Describe a job's progress, read only from its control: `Embedding · 30 of 90 · 12 s`."""
    if job.state == "cancelling":
        return "Stopping"
    progress = job.control.progress
    parts = [progress.stage or "Starting"]
    if progress.total:
        parts.append(f"{progress.done:,} of {progress.total:,}")
    return " · ".join([*parts, duration(job.elapsed_s)])


def job_watched(
    job: Job,
    status: Callable[[Job], str] = progress_of,
    draw: Callable[[Job], None] | None = None,
    fraction: Callable[[Job], float] = lambda job: job.control.progress.fraction,
) -> None:
    """Poll a job of any process: a bar with the words of `status`, and Cancel; below it the job's question, or `draw`.

    The page is drawn again when the job has ended.
    """

    @st.fragment(run_every=POLL_S)
    def poll() -> None:
        if not job.running:
            st.rerun()
        bar, action = st.columns([5, 1], vertical_alignment="center")
        bar.progress(fraction(job), label(status(job)))
        stopping = job.state == "cancelling"
        if action.button("Cancel", key=f"cancel_{job.id}", disabled=stopping, icon=":material/stop:", width="stretch"):
            session.cancel_job(job)
            st.rerun(scope="app")
        if job.control.question is not None:
            _question(job)
        elif draw is not None:
            draw(job)

    st.markdown(f"**{label(job.title)}**")
    if not job.here:
        st.caption(label(f"Runs on {job.host or 'another machine'}."))
    poll()


def _question(job: Job) -> None:
    """Draw the question that the owner has to answer before the job continues."""
    st.warning(escape(job.control.question or ""), icon=":material/help:")
    with st.container(horizontal=True):
        for name, yes in (("Import the rest", True), ("Stop", False)):
            if st.button(name, key=f"answer_{yes}_{job.id}"):
                session.answer_job(job, yes=yes)
                st.rerun(scope="app")


def follow_jobs() -> None:
    """Draw the page again when a job of any process starts or ends; called before anything that depends on jobs."""
    drawn = _states()

    @st.fragment(run_every=_FOLLOW_S)
    def poll() -> None:
        with contextlib.suppress(RuntimeClosedError):  # settings are being saved; the next poll reads the new services
            if _states() != drawn:
                st.rerun()

    poll()


def _states() -> set[tuple[str, bool]]:
    return {(job.id, job.running) for job in session.services().jobs.all()}


def past_work(heading: str, rows: Sequence[dict[str, object]], opened: Callable[[int], None], *, key: str) -> None:
    """Draw earlier work, one row each; `opened` is called with the position of the row that was ticked."""
    st.subheader(label(heading), anchor=False)
    st.caption("Select a row to open it; on the keyboard, press Shift + Space.")
    key = session.fresh_key(key)

    def choose() -> None:
        chosen = st.session_state[key].selection.rows
        if chosen and chosen[0] < len(rows):
            opened(chosen[0])

    st.dataframe(
        rows, key=key, on_select=choose, selection_mode="single-row", hide_index=True, width="stretch", placeholder=""
    )
