"""Draws Compare around the measurements: tabs, the race, runs in progress, and the button that uses a level."""

from __future__ import annotations

import time
from statistics import mean
from typing import TYPE_CHECKING

import streamlit as st

from animerag.charts import live as live_charts
from animerag.charts import runs as run_charts
from animerag.comparison.demo import demo_race
from animerag.comparison.experiment import Experiment
from animerag.comparison.plan import MODES
from animerag.comparison.presets import PRESETS
from animerag.comparison.progress import ExperimentProgress
from animerag.comparison.runner import RACES
from animerag.comparison.summary import doubt, verdict
from animerag.text.counting import counted
from animerag.text.durations import duration
from animerag.ui import session
from animerag.ui.components import POLL_S, job_watched, progress_of, show_error
from animerag.ui.text import escape, label

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamlit.delta_generator import DeltaGenerator
    from streamlit.elements.lib.mutable_tab_container import TabContainer

    from animerag.charts.style import Figure
    from animerag.comparison.plan import Workload
    from animerag.jobs.jobs import Job

RACE, EXPERIMENT, HISTORY = "Race", "Experiment", "History"
TAB_KEY = "compare_tab"
HISTORY_KEY = "compare_saved"
_RACE_WORK: dict[Workload, tuple[str, str]] = {
    "batch": ("Questions", "8 questions are answered three times: one after another, then 8 at once"),
    "ingest": (
        "Import",
        "500 documents are embedded and stored three times: one batch after another, then 5 at once",
    ),
}
_FIGURES = 32  # figures of the most recently opened experiments
_AROUND_S = 1.0  # seconds to open the temporary catalogue and clients of one run, before its clock starts


def open_tabs(experiment_job: Job | None) -> Mapping[str, TabContainer]:
    """Draw the tabs; the race is open at first, unless an experiment is shown or running."""
    if TAB_KEY not in st.session_state:  # passing it as `default` would open that tab again whenever it changes
        shown = st.query_params.get("experiment") or (experiment_job is not None and experiment_job.running)
        st.session_state[TAB_KEY] = EXPERIMENT if shown else RACE
    names = (RACE,) if session.is_demo() else (RACE, EXPERIMENT, HISTORY)
    return dict(zip(names, st.tabs(names, key=TAB_KEY, on_change="rerun"), strict=True))


def draw(figure: Figure, key: str) -> None:
    """Draw a figure in the browser's theme.

    Colours set here would not change when the theme turns dark without a rerun.
    """
    title = figure.layout.title.text
    st.plotly_chart(figure, key=key, width="stretch", theme="streamlit", config={"displayModeBar": False}, alt=title)


def draw_of(experiment: Experiment, key: str, make: Callable[[], Figure], part: object = None) -> None:
    """Draw a figure of an experiment; it is made once, since a race takes longer to make than the rest of the page."""
    draw(_made_once(make, experiment.id, key, part), key)


@st.cache_resource(max_entries=_FIGURES, show_spinner=False)
def _made_once(_make: Callable[[], Figure], experiment_id: str, key: str, part: object) -> Figure:  # noqa: ARG001 - parts of the key of the cache
    return _make()


# ── Race ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def choose_race(*, busy: bool) -> tuple[Workload, bool]:
    """Draw the choice of a race and the button that starts it; return the choice, and whether it was started."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        workload: Workload = st.segmented_control(
            "What to race",
            tuple(RACES),
            default="batch",
            required=True,
            format_func=lambda work: _RACE_WORK[work][0],
            key="compare_race_work",
            persist_state="session",
        )
        plan = RACES[workload]
        takes = session.services().comparison.estimate(plan, PRESETS[plan.preset].provider).seconds
        name = f"Start race · about {5 * round(takes / 5):.0f} s"
        icon = ":material/sports_score:"
        started = st.button(name, type="primary", icon=icon, key="compare_race", disabled=busy)
    st.caption(f"{_RACE_WORK[workload][1]} with threads and with async. The provider is simulated and costs nothing.")
    return workload, started


def race(job: Job | None, workload: Workload) -> None:
    """Draw the race in progress, the last one of this work, or else the stored one."""
    if job is not None and job.running:
        job_watched(job, _race_status, _race_lanes, _fraction)
    elif job is not None and job.here and ((experiment := job.report_as(Experiment)) is None or job.state == "failed"):
        show_error(f"The race did not finish. {job.error or 'It was stopped before any mode finished.'}")
        st.caption("Your data is safe: the race uses a temporary catalogue. Fix the problem and try again.")
    elif job is not None and experiment is not None and experiment.plan.workload == workload:
        _race_result(experiment)
    elif (demo := demo_race(workload)) is not None:
        outcome(demo.experiment)
        _race_chart(demo.experiment)
        day = f"{session.local_time(demo.experiment.created_at):.10}"
        st.caption(label(f"Recorded on {day} with the sample catalogue on {demo.machine}. Start a race to see yours."))


def _race_status(job: Job) -> str:
    live = job.control.partial_as(ExperimentProgress)
    if job.state == "cancelling":
        return "Stopping"
    if not job.here:
        return progress_of(job)
    if live is None or live.current is None:
        return f"{job.control.progress.stage or 'Starting'} · {job.elapsed_s:.0f} s"
    requests = f"{live.requests_done} of {counted(live.requests, 'request')}"
    return f"{live.current[0]}: {requests}, {len(live.finished)} of 3 finished · {job.elapsed_s:.0f} s"


def _race_lanes(job: Job) -> None:
    live = job.control.partial_as(ExperimentProgress)
    if live is None:
        return
    mode = live.current[0] if live.current else None
    now_s = time.perf_counter()
    started_s = live.started_s or now_s  # until its clock starts, a mode is drawn at its starting line
    st.html(live_charts.race(live.finished, mode, live.drawn_spans, started_s, now_s))


def _fraction(job: Job) -> float:
    live = job.control.partial_as(ExperimentProgress)
    return job.control.progress.fraction if live is None else live.fraction(time.perf_counter())


def _race_result(experiment: Experiment) -> None:
    if experiment.cancelled:
        st.warning("Cancelled: not every mode finished.", icon=":material/stop:")
    if not experiment.runs:
        return
    line, action = st.columns([3, 1], vertical_alignment="center")
    with line:
        outcome(experiment)
    best, note = experiment.recommended, st.container()
    if best is not None and not experiment.cancelled:
        name = f"Use level {best.concurrency}"
        use_level(experiment.plan.workload, best.concurrency, name, key="race", places=(action, note))
    _race_chart(experiment)


def _race_chart(experiment: Experiment) -> None:
    runs = sorted(experiment.runs, key=lambda run: MODES.index(run.mode))  # each span in the lane in which it ran
    draw_of(experiment, "compare_race_chart", lambda: run_charts.race(runs, simulated=experiment.simulated))


def outcome(experiment: Experiment) -> None:
    """Draw the fastest mode and its gain; below, in grey, how certain that is and whether it was simulated."""
    st.markdown(f"**{escape(verdict(experiment))}**")
    notes = [doubt(experiment), "The provider was simulated." if experiment.simulated else None]
    st.caption(escape(" ".join(filter(None, notes))))


# ── Level ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def use_level(
    workload: Workload, level: int, name: str, *, key: str, places: tuple[DeltaGenerator, DeltaGenerator]
) -> None:
    """Draw the button that uses a level in the first of `places`, and its state in the second."""
    action, note = places
    call, service, used = session.runtime().call, session.services().comparison, f"compare_used_{key}"
    reason = _why_not_used(workload, call(service.level_fixed_by(workload)))
    icon = ":material/tune:"
    if action.button(label(name), icon=icon, key=f"compare_use_{key}", disabled=reason is not None, width="stretch"):
        call(service.use_level(workload, level))
        st.session_state[used] = level
    if reason is not None:
        note.caption(label(reason))
    elif st.session_state.get(used) == level:
        work = "imports" if workload == "ingest" else "questions"
        note.caption(f":material/check: Level {level} is now in use for {work}.")


def _why_not_used(workload: Workload, fixed_by: str | None) -> str | None:
    """Return why a level that was measured cannot be used, or None."""
    if session.is_demo():
        return "The demo cannot be changed."
    if fixed_by is not None:
        return f"{fixed_by} fixes the level: unset it first."
    services = session.services()
    embeds_here = services.embedder.provider == "local"
    if embeds_here if workload == "ingest" else not services.answering.written_by_a_model:
        return "The embedded provider uses no network: connect a provider in Settings to use this level."
    return None


# ── Experiments ──────────────────────────────────────────────────────────────────────────────────────────────────────


def running(job: Job) -> None:
    """Draw an experiment in progress, run by run."""
    job_watched(job, _experiment_status, _finished_runs, _fraction)
    st.caption("Cancel saves the finished runs. You can leave this page; the experiment keeps running.")


def waiting_for_others(jobs: Sequence[Job]) -> None:
    """List the jobs that have to end before anything can be measured, and draw the page again when they have ended."""

    @st.fragment(run_every=POLL_S)
    def poll() -> None:
        names = ", ".join(job.title for job in jobs if job.running)
        if not names:
            st.rerun()
        st.caption(label(f"Waiting for {names}: a measurement needs the machine to itself."))

    poll()


def _experiment_status(job: Job) -> str:
    live = job.control.partial_as(ExperimentProgress)
    progress = job.control.progress
    if not job.here:
        return progress_of(job)
    if live is None or not progress.total:
        return "Starting the provider"
    if job.state == "cancelling":
        return f"Stopping, {progress.done} of {counted(progress.total, 'run')} finished"
    if not live.measuring:
        return f"{progress.stage} · {job.elapsed_s:.0f} s"
    left = ""
    if live.finished and live.current:
        # Runs are in random order of modes and levels, so the remaining ones take about as long as the finished ones.
        each_s = mean(run.wall_s for run in live.finished) + _AROUND_S
        left_s = each_s * (progress.total - progress.done) - (time.perf_counter() - live.started_s)
        left = f" · about {duration(max(left_s, 1.0))} left"
    return f"Run {min(progress.done + 1, progress.total)} of {progress.total} · {progress.stage}{left}"


def _finished_runs(job: Job) -> None:
    live = job.control.partial_as(ExperimentProgress)
    rows = [
        {"Mode": run.mode, "Level": run.concurrency, "Repeat": run.repeat + 1, "Seconds": round(run.wall_s, 2)}
        for run in reversed(live.finished if live else [])
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch", height=220)


def shown_experiment(job: Job | None) -> Experiment | None:
    """Return the experiment to show: the one that was opened, else that of the latest job unless it was deleted."""
    latest = job.report_as(Experiment) if job is not None else None
    opened = st.query_params.get("experiment") or (latest.id if latest is not None else None)
    if opened is None:
        return None
    stored: Experiment | None = st.session_state.get("compare_shown")
    if stored is None or stored.id != opened:
        stored = st.session_state["compare_shown"] = session.runtime().call(session.services().comparison.load(opened))
    return stored


def open_experiment(experiment_id: str | None) -> None:
    """Show a saved experiment from now on, or none; its address can be bookmarked and shared."""
    st.session_state.pop("compare_shown", None)
    session.renew(HISTORY_KEY)  # untick its row
    if experiment_id is None:
        st.query_params.pop("experiment", None)
    else:
        st.query_params["experiment"] = experiment_id


def ended_without_figures(job: Job | None) -> None:
    """Explain why an experiment has no figures."""
    if job is None or job.running or ((experiment := job.report_as(Experiment)) is not None and experiment.runs):
        return
    if job.state == "failed":
        show_error(f"The experiment could not run. {job.error}")
        st.caption("Your catalogue was not changed, and your choices are still in the form.")
    elif job.state == "cancelled":
        st.warning("Cancelled before a run finished: nothing was saved.", icon=":material/stop:")
