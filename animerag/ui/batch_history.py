"""Draws the list of earlier runs in Batch; a tick opens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag.text.durations import duration
from animerag.ui import batch_runs, session
from animerag.ui.components import past_work

if TYPE_CHECKING:
    from animerag.models.providers import Usage
    from animerag.storage.batch_runs import BatchRun


def saved(shown: BatchRun | None) -> None:
    """Draw the saved runs; a tick opens one."""
    runs = [
        run
        for run in session.runtime().call(session.services().batch.runs.latest())
        if shown is None or run.id != shown.id
    ]
    if not runs:
        return
    past_work(
        "Earlier runs", list(map(_row, runs)), lambda place: batch_runs.open_one(runs[place].id), key="batch_saved"
    )


def _row(run: BatchRun) -> dict[str, object]:
    done = run.total - run.unanswered
    return {
        "When": session.local_time(run.created_at),
        "Sheet": run.name,
        "Answered": f"{done:,} of {run.total:,}",
        "State": _state(run),
        "Duration": duration(run.seconds),
        "Cost": _cost(run.usage),
    }


def _state(run: BatchRun) -> str:
    if run.at_work:
        return "running"
    if left := run.unanswered - run.failed:
        return f"{left:,} left"
    return f"{run.failed:,} failed" if run.failed else "done"


def _cost(usage: Usage) -> str | None:
    if usage.cost_usd is None:
        return None
    if not usage.cost_usd:
        return "$0"
    return f"${usage.cost_usd:,.4f}, estimated" if usage.estimated else f"${usage.cost_usd:,.4f}"
