"""Holds the app's one runtime and the state of a browser session. Keys start with the name of their page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import streamlit as st

from animerag.catalogue.status import SAMPLE_JOB
from animerag.errors import InvalidInputError
from animerag.event_loop import Runtime
from animerag.models.jobs import INGEST_JOB, REINDEX_JOB
from animerag.models.providers import Priority
from animerag.query.rendering import labelled as chips_of
from animerag.text.counting import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from concurrent.futures import Future

    from animerag.catalogue.status import Status
    from animerag.jobs.jobs import Control, Job
    from animerag.models.providers import ModelServer
    from animerag.query.plan import Condition
    from animerag.rate_limits import GateState, LevelChoice
    from animerag.services import Services

T = TypeVar("T")

_STATUS = "status_of_this_run"
PATIENCE_S = 0.2  # for a provider that may be away; the page is drawn without what it would say
_RECENT_S = 1.0  # how old the counts may be while a job changes them
_COMPUTED_S, _COMPUTED_MOST_S = 30.0, 120.0  # the same for lists over the whole catalogue: usually, and at most
_CHANGING = (INGEST_JOB, SAMPLE_JOB, REINDEX_JOB)


# The key of a cached resource is its source: an edit here, even of a comment, would open a second runtime.
@st.cache_resource(on_release=Runtime.close, show_spinner=False)  # it may be opened outside a page
def runtime() -> Runtime:
    """Return the app's one runtime."""
    return Runtime()


def services() -> Services:
    """Return the services on the runtime's loop. Raises AnimeRAGError when they cannot be opened."""
    return runtime().services


def is_demo() -> bool:
    """Return whether this is a demo: nothing can be changed, and nobody sees the questions of others."""
    return services().settings.demo


def on_loop(work: Callable[[], T]) -> T:
    """Run a short function on the services' loop, where the loop's objects may be read and changed."""

    async def run() -> T:
        return work()

    return runtime().call(run())


def save_settings(changes: Mapping[str, object], timeout_s: float) -> None:
    """Save changed settings and reopen the services with them, for all tabs. Raises AnimeRAGError."""
    _check_idle()
    runtime().call(services().preferences.save(changes), timeout_s)
    _reopen()


def use_server(server: ModelServer, model: str, timeout_s: float) -> None:
    """Let a server on this machine write the answers from now on. Raises AnimeRAGError."""
    _check_idle()
    runtime().call(services().preferences.use(server, model), timeout_s)
    _reopen()


def _check_idle() -> None:
    if busy := sum(job.running and job.here for job in services().jobs.all()):
        raise InvalidInputError(f"{counted(busy, 'job')} running: wait until it ends, or cancel it, then save.")


def _reopen() -> None:
    for key in ("offers", "offers_all"):
        st.session_state.pop(key, None)
    runtime.clear()  # closes it; the next call opens another


# ── Catalogue and jobs ───────────────────────────────────────────────────────────────────────────────────────────────


def refresh_status() -> Status:
    """Count the shows, for `status` to return in this run of the page."""
    st.session_state.pop(_STATUS, None)  # an error below must not leave the status of an earlier run
    counts = st.session_state[_STATUS] = _counted()
    return counts


def status() -> Status:
    """Return the status that this run of the page has counted, once, else count."""
    counted_before: Status | None = st.session_state.pop(_STATUS, None)
    return counted_before or _counted()


def _counted() -> Status:
    """Count the shows; at first, an empty catalogue starts to load the sample."""
    catalogue, jobs = services().catalogue, services().jobs

    async def read() -> Status:
        await jobs.read()
        return await catalogue.status(patience_s=PATIENCE_S, age_s=_RECENT_S if _changing() else 0)

    seen = runtime().call(read())
    # If the sample failed to load, the user tries it again, not every rerun.
    if not seen.shows and jobs.latest(SAMPLE_JOB) is None:
        runtime().call(catalogue.start_sample(jobs))
    return seen


def gate_now() -> GateState:
    """Return the current state of the provider's gate."""
    return on_loop(services().gate.state)


def provider_name() -> str:
    """Return how sentences about waiting call the provider: by its address, unless it is the usual one."""
    return urlsplit(services().settings.openai_base_url or "").netloc or "the provider"


def waits() -> str:
    """Describe how long calls to the provider must wait and why; "" if it is less than a second."""
    state = gate_now()
    return state.words(provider_name()) if state.cool_down_s >= 1 else ""


def set_import_level(level: LevelChoice) -> None:
    """Change how many requests of imports are in flight."""
    on_loop(lambda: services().gate.set_level(Priority.INGEST, level))


def start_job(work: Callable[[Control], Awaitable[Any]], *, kind: str, title: str, key: str | None = None) -> Job:
    """Start a job that outlives the page. Raises InvalidInputError, LibraryError."""
    return runtime().call(services().jobs.start(work, kind=kind, title=title, key=key))


def cancel_job(job: Job) -> None:
    """Ask a job of any process to end at its next safe point."""
    runtime().call(services().jobs.stop(job.id))


def answer_job(job: Job, *, yes: bool) -> None:
    """Answer the open question of a job of any process."""
    runtime().call(services().jobs.answer(job, yes=yes))


def local_time(created_at: str, *, precise: bool = False) -> str:
    """Return a moment in the browser's time zone, to the minute, or `precise` to the second."""
    zone = ZoneInfo(st.context.timezone) if st.context.timezone else None
    moment = datetime.fromisoformat(created_at).astimezone(zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if precise else f"{moment:%Y-%m-%d %H:%M}"


def tags() -> list[str]:
    """Return every tag of the catalogue, the most used first."""

    async def read() -> list[str]:
        return list((await services().retriever.table()).tags)

    return cached_by_revision("tags", read)


@dataclass(slots=True)
class _Computed(Generic[T]):
    """A value of one revision; `renewal` computes that of a later one while pages still show this."""

    revision: int
    value: T
    at_s: float
    renewal: Future[_Computed[T]] | None = None


def cached_by_revision(name: str, look_up: Callable[[], Awaitable[T]]) -> T:
    """Return a value that depends only on the catalogue's shows; it is computed again after they have changed.

    While a job changes them all the time, a value may be half a minute old, or two: then the next one is computed while
    the page already shows this.
    """
    key = f"of_catalogue_{name}"
    held: _Computed[T] | None = st.session_state.get(key)

    async def if_changed() -> _Computed[T]:
        revision = await services().library.revision()
        if held is not None and held.revision == revision:
            held.at_s = time.monotonic()
            return held
        return _Computed(revision, await look_up(), time.monotonic())

    async def later() -> _Computed[T]:
        await services().visits.give_way()
        return await if_changed()

    if held is not None and held.renewal is not None and held.renewal.done():
        renewal, held.renewal = held.renewal, None
        if not renewal.cancelled() and renewal.exception() is None:  # an error is raised once the value is too old
            held = st.session_state[key] = renewal.result()
    if held is not None and _changing():
        age_s = time.monotonic() - held.at_s
        if age_s < _COMPUTED_MOST_S:
            if age_s >= _COMPUTED_S and held.renewal is None:
                held.renewal = runtime().submit(later())
            return held.value
    held = st.session_state[key] = runtime().call(if_changed())
    return held.value


def _changing() -> bool:
    """Return whether a job of this process is changing the catalogue."""
    return any(job.running and job.kind in _CHANGING for job in services().jobs.all())


def forget_cached(name: str) -> None:
    """Compute this value again at the next request."""
    st.session_state.pop(f"of_catalogue_{name}", None)


def labelled(condition: Condition) -> list[tuple[tuple[str, ...], str]]:
    """Return conditions as the text of chips, in which ids of shows are replaced by titles."""
    table = runtime().call(services().retriever.table())
    return chips_of(condition, table.title_of)


# ── Widgets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def fresh_key(name: str) -> str:
    """Return a widget key that `renew` replaces, which empties the widget."""
    return f"{name}_{st.session_state.get(f'{name}_round', 0)}"


def renew(name: str) -> None:
    """Empty the widget that goes by `fresh_key(name)`."""
    st.session_state[f"{name}_round"] = st.session_state.get(f"{name}_round", 0) + 1
