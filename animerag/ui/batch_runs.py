"""Opens the sheet and the run that Batch shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.errors import InvalidInputError
from animerag.ui import session

if TYPE_CHECKING:
    from pathlib import Path

    from animerag.rate_limits import LevelChoice
    from animerag.readers.questions import Sheet, SheetOptions
    from animerag.storage.batch_runs import BatchRun, RunOptions

_OPENED = "batch_opened"


def sheet(path: Path, name: str, options: SheetOptions) -> Sheet:
    """Read a sheet of questions once for all reruns. Raises InvalidInputError."""
    key = (path.name, options)
    cached: tuple[Any, Sheet] | None = st.session_state.get("batch_sheet")
    if cached is None or cached[0] != key:
        cached = st.session_state["batch_sheet"] = (
            key,
            session.runtime().call(session.services().batch.read(path, name, options)),
        )
    return cached[1]


def start(read: Sheet, options: RunOptions, *, sha256: str, concurrency: LevelChoice) -> None:
    """Journal a sheet, start answering it, and show its run from now on. Raises InvalidInputError, LibraryError."""

    async def begin() -> str:
        batch = session.services().batch
        run_id = await batch.begin(read, options, sha256=sha256)
        await batch.start(session.services().jobs, run_id, concurrency=concurrency)
        return run_id

    st.session_state.pop("batch_sheet", None)
    open_one(session.runtime().call(begin()))


def open_one(run_id: str | None) -> None:
    """Show a run from now on, or none; its address can be bookmarked and shared."""
    session.renew("batch_saved")
    st.session_state["batch_closed"], st.session_state[_OPENED] = run_id is None, run_id
    if run_id is None:
        st.query_params.pop("run", None)
    else:
        st.query_params["run"] = run_id


def shown() -> BatchRun | None:
    """Return the run to show: the one that was opened, here or by its address, else one in progress unless closed."""
    opened = st.query_params.get("run") or st.session_state.get(_OPENED)
    job = session.services().jobs.latest("batch")
    if opened is None and job is not None and job.running and not st.session_state.get("batch_closed"):
        opened = job.key.removeprefix("batch:")
    if opened is None:
        return None
    try:
        run = session.runtime().call(session.services().batch.runs.get(opened))
    except InvalidInputError:  # deleted in another tab, or an address from another catalogue
        st.session_state.pop(_OPENED, None)
        st.query_params.pop("run", None)
        return None
    # A click that was under way when a run was opened, and a visit to another page, take it out of the address.
    st.query_params["run"] = st.session_state[_OPENED] = opened
    return run


def title(run: BatchRun) -> str:
    """Name a run in a line that distinguishes it from others of the same sheet."""
    return f"{session.local_time(run.created_at, precise=True)} · {run.name}"
