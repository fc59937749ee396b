"""What Compare draws while something is measured: the race, runs at work, and the level that is taken over."""

from __future__ import annotations

import time
from statistics import mean
from typing import TYPE_CHECKING

import streamlit as st

from animerag.charts import live as live_charts
from animerag.charts import runs as run_charts
from animerag.comparison.plan import MODES
from animerag.comparison.summary import verdict
from animerag.text.durations import duration
from animerag.ui import session
from animerag.ui.components import POLL_S, job_watched, show_error
from animerag.ui.text import counted, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamlit.delta_generator import DeltaGenerator

    from animerag.charts.style import Figure
    from animerag.comparison.experiment import Experiment
    from animerag.comparison.plan import Workload
    from animerag.comparison.progress import ExperimentProgress
    from animerag.jobs.jobs import Job

_RACE = (
    "500 documents are embedded and stored three times, one after another: sync, threads, async. "
    "The provider is simulated."
)
_AROUND_S = 1.0  # scratch catalogue and clients of one run, before its clock starts


# ── Race ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def race_button(*, busy: bool) -> bool:
    """Draw the way into the race; tell whether it was taken."""
    action, said = st.columns([1, 4], vertical_alignment="center")
    said.caption(_RACE)
    icon = ":material/sports_score:"
    return action.button("Race · 15 s", type="primary", icon=icon, key="compare_race", disabled=busy, width="stretch")


def race(job: Job, *, newest: bool) -> None:
    """Draw the race at work or how it ended; folded away once something newer was measured."""
    if job.running:
        job_watched(job, _race_told, _race_at_work)
    elif job.report is None or job.state == "failed":
        show_error(f"The race was not finished. {job.error or 'It was stopped before it could report.'}")
        st.caption("Nothing was lost: the race works on a catalogue of its own. Mend the cause and race again.")
    elif newest and not st.query_params.get("experiment"):
        _race_ended(job.report)
    else:
        with st.expander(label(f"Race: {winner(job.report)}")):
            _race_ended(job.report)


def _race_told(job: Job) -> str:
    live: ExperimentProgress | None = job.control.partial
    if job.state == "cancelling":
        return "Stopping"
    if live is None or live.current is None:
        return f"Starting the simulated provider · {job.elapsed_s:.0f} s"
    return f"{live.current[0]}, {len(live.finished)} of 3 finished · {job.elapsed_s:.0f} s"


def _race_at_work(job: Job) -> None:
    live: ExperimentProgress | None = job.control.partial
    if live is None:
        return
    mode = live.current[0] if live.current else None
    now_s = time.perf_counter()
    started_s = live.started_s or now_s  # until its clock starts, a mode stands at its line
    st.html(live_charts.race(live.finished, mode, tuple(live.spans), started_s, now_s))


def _race_ended(experiment: Experiment) -> None:
    if experiment.cancelled:
        st.warning("Cancelled: not every mode was run to its end.", icon=":material/stop:")
    if not experiment.runs:
        return
    line, action = st.columns([3, 1], vertical_alignment="center")
    line.markdown(f"**{label(winner(experiment))}**")
    best, told = experiment.recommended, st.container()
    if best is not None and not experiment.cancelled:
        name = f"Use level {best.concurrency}"
        use_level(experiment.plan.workload, best.concurrency, name, key="race", places=(action, told))
    runs = sorted(experiment.runs, key=lambda run: MODES.index(run.mode))  # in the lanes they ran in
    figure = run_charts.race(runs, simulated=experiment.simulated)
    draw(figure, "compare_race_chart")


def winner(experiment: Experiment) -> str:
    """Return one line about which mode was fastest and what that saves."""
    return f"{verdict(experiment)}{' Simulated provider.' if experiment.simulated else ''}"


def draw(figure: Figure, key: str) -> None:
    """Draw a figure in the browser's theme: colours chosen here would stay when it turns dark without a rerun."""
    st.plotly_chart(figure, key=key, width="stretch", theme="streamlit")


# ── Level ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def use_level(
    workload: Workload, level: int, name: str, *, key: str, places: tuple[DeltaGenerator, DeltaGenerator]
) -> None:
    """Draw the button that uses a level in the first place; in the second the reason why not, or what is now in use."""
    action, told = places
    call, service, used = session.runtime().call, session.services().comparison, f"compare_used_{key}"
    reason = _why_not_used(workload, call(service.level_fixed_by(workload)))
    icon = ":material/tune:"
    if action.button(label(name), icon=icon, key=f"compare_use_{key}", disabled=reason is not None, width="stretch"):
        call(service.use_level(workload, level))
        st.session_state[used] = level
    if reason is not None:
        told.caption(label(reason))
    elif st.session_state.get(used) == level:
        work = "imports" if workload == "ingest" else "questions"
        told.caption(f":material/check: Level {level} is now in use for {work}.")


def _why_not_used(workload: Workload, fixed_by: str | None) -> str | None:
    """Return why a level that was measured cannot be used, or None."""
    if fixed_by is not None:
        return f"{fixed_by} fixes the level: unset it first."
    services = session.services()
    embeds_here = services.embedder.provider == "local"
    if embeds_here if workload == "ingest" else not services.answering.written_by_a_model:
        return "The embedded provider waits on no network: connect a provider in Settings to use this level."
    return None


# ── Runs at work ─────────────────────────────────────────────────────────────────────────────────────────────────────


def running(job: Job) -> None:
    """Draw an experiment at work, run by run."""
    job_watched(job, _runs_told, _runs_finished)
    st.caption("Cancel keeps what is finished. This goes on when you leave the page or close the tab.")


def waiting_for_others(jobs: Sequence[Job]) -> None:
    """Say what has to end before anything can be measured, and look again once it has."""

    @st.fragment(run_every=POLL_S)
    def poll() -> None:
        names = ", ".join(job.title for job in jobs if job.running)
        if not names:
            st.rerun()
        st.caption(label(f"Waiting for {names}: a measurement needs the machine for itself."))

    poll()


def _runs_told(job: Job) -> str:
    live: ExperimentProgress | None = job.control.partial
    progress = job.control.progress
    if live is None or not progress.total:
        return "Starting the provider"
    if job.state == "cancelling":
        return f"Stopping, {progress.done} of {counted(progress.total, 'run')} finished"
    left = ""
    if live.finished and live.current:
        # Runs come in an order shuffled over modes and levels, so those to come are like those that went.
        each_s = mean(run.wall_s for run in live.finished) + _AROUND_S
        left_s = each_s * (progress.total - progress.done) - (time.perf_counter() - live.started_s)
        left = f" · about {duration(max(left_s, 1.0))} left"
    return f"Run {min(progress.done + 1, progress.total)} of {progress.total} · {progress.stage}{left}"


def _runs_finished(job: Job) -> None:
    live: ExperimentProgress | None = job.control.partial
    rows = [
        {"Mode": run.mode, "Level": run.concurrency, "Repeat": run.repeat + 1, "Seconds": round(run.wall_s, 2)}
        for run in reversed(live.finished if live else [])
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch", height=220)


def ended_without_figures(job: Job | None) -> None:
    """Say why an experiment has nothing to show."""
    if job is None or (job.report is not None and job.report.runs):
        return
    if job.state == "failed":
        show_error(f"The experiment could not be run. {job.error}")
        st.caption("Nothing was lost: the catalogue was not touched, and what you chose is still there under More.")
    elif job.state == "cancelled":
        st.warning("Cancelled before a run was finished: nothing was kept.", icon=":material/stop:")


def empty() -> None:
    """Say what this page is for and where to begin."""
    st.info(
        "Which way of calling a provider is fastest, and how many requests should be in flight? Race shows it in "
        "fifteen seconds. More measures it in earnest: your own levels, repeats, and how far they spread.",
        icon=":material/speed:",
    )
