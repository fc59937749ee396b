"""Draws a finished experiment in Compare: verdict, key figures, charts, table and downloads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import streamlit as st

from animerag.charts.experiment import speedup, throughput, wall_time
from animerag.charts.report import experiment_html
from animerag.charts.runs import lanes
from animerag.comparison.plan import SYNC
from animerag.comparison.presets import PRESETS
from animerag.comparison.serialization import to_object
from animerag.comparison.summary import key_figures, plan_sentence, warnings
from animerag.comparison.tables import experiment_csv, table_rows
from animerag.text.counting import counted
from animerag.text.durations import duration
from animerag.ui import session
from animerag.ui.compare import draw_of, outcome, use_level
from animerag.ui.experiment_form import WORKLOAD_NAMES
from animerag.ui.text import escape, label

if TYPE_CHECKING:
    from animerag.comparison.experiment import Experiment
    from animerag.comparison.measurements import MeasuredRun

_FIGURE_PX = 160  # two key figures beside each other on a phone
_WARNINGS = 3  # on a busy machine every run has the same warning; more of them would push the figures out of sight


def result(experiment: Experiment, baseline: Experiment | None) -> None:
    """Draw an experiment: result first, details below."""
    st.subheader(label(experiment_title(experiment)), anchor=False)
    st.caption(label(f"{session.local_time(experiment.created_at)} · {plan_sentence(experiment.plan)}"))
    if not experiment.levels:
        _warnings(experiment)
        st.info("No run finished: there are no figures.", icon=":material/info:")
        return
    outcome(experiment)
    _key_figures(experiment)
    _warnings(experiment)
    _charts(experiment)
    _table(experiment, baseline)
    _downloads(experiment)


def _key_figures(experiment: Experiment) -> None:
    simulated = ", simulated" if experiment.simulated else ""
    figures = key_figures(experiment)
    grid, note = st.grid("auto", min_column_width=_FIGURE_PX, gap="small"), st.container()
    for figure in figures:
        card = grid.container(border=True, height="stretch")
        card.metric(label(figure.label), label(figure.value))
        card.caption(label(figure.detail.rstrip(".") + simulated))
        if figure.label == "Recommended level" and experiment.recommended:
            level = experiment.recommended.concurrency
            use_level(experiment.plan.workload, level, "Use this level", key=experiment.id, places=(card, note))


def _warnings(experiment: Experiment) -> None:
    sentences = [escape(sentence) for sentence in warnings(experiment)]
    if sentences:
        st.warning("  \n".join(sentences[:_WARNINGS]), icon=":material/warning:")
    if len(sentences) > _WARNINGS:
        with st.expander(f"{counted(len(sentences) - _WARNINGS, 'warning')} more"):
            st.markdown("  \n".join(sentences[_WARNINGS:]))


# ── Charts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _charts(experiment: Experiment) -> None:
    draw_of(experiment, "compare_speedup", lambda: speedup(experiment))
    if experiment.plan.workload != "query":  # for one question, that figure already has the wall times
        figures = {"Wall time": wall_time, "Throughput": throughput}
        chosen = st.segmented_control(
            "Also by level", ["Wall time", "Throughput"], default="Wall time", required=True, key="compare_by_level"
        )
        draw_of(experiment, "compare_by_level_chart", lambda: figures[chosen](experiment), chosen)
    _lanes(experiment)


def _lanes(experiment: Experiment) -> None:
    runs = [run for run in experiment.runs if run.spans]
    if not runs:
        return
    best = experiment.recommended
    ours = ("async", best.concurrency) if best else None
    chosen = st.selectbox(
        "Inspect a run",
        range(len(runs)),
        index=next((place for place, run in enumerate(runs) if (run.mode, run.concurrency) == ours), 0),
        format_func=lambda place: _run_name(runs[place]),
        key=f"compare_lanes_{experiment.id}",
    )
    draw_of(experiment, "compare_lanes", lambda: lanes(runs[chosen], simulated=experiment.simulated), chosen)


# ── Table and files ──────────────────────────────────────────────────────────────────────────────────────────────────


def _table(experiment: Experiment, baseline: Experiment | None) -> None:
    """Draw all figures, with the medians of a baseline of the same kind if there is one."""
    rows = table_rows(experiment)
    if baseline is not None and _comparable(experiment, baseline):
        before = {(level.mode, level.concurrency): level.wall_s for level in baseline.levels}
        for row, level in zip(rows, experiment.levels, strict=True):
            wall_s = before.get((level.mode, level.concurrency))
            row["Baseline (s)"] = None if wall_s is None else round(wall_s, 3)
            row["Against baseline (%)"] = None if wall_s is None else round(100 * (level.wall_s / wall_s - 1), 1)
    order = [*_FIRST, *(name for name in (rows[0] if rows else ()) if name not in _FIRST)]
    compared = baseline is not None and _comparable(experiment, baseline)
    with st.expander("All figures, simulated" if experiment.simulated else "All figures", expanded=compared):
        st.dataframe(rows, hide_index=True, width="stretch", column_order=order)
        if baseline is not None and compared:
            same = (baseline.plan, baseline.settings) == (experiment.plan, experiment.settings)
            plan = "the same plan" if same else "a different plan, so differences may not come from the code"
            st.caption(
                label(f"Baseline: {session.local_time(baseline.created_at)}, {experiment_title(baseline)}; {plan}.")
            )


_FIRST = ("Mode", "In flight", "Repeats", "Wall (s)", "Baseline (s)", "Against baseline (%)", "Speed-up (×)")


def _comparable(experiment: Experiment, baseline: Experiment) -> bool:
    same_work = baseline.plan.workload == experiment.plan.workload
    return same_work and baseline.simulated == experiment.simulated and baseline.id != experiment.id


def _downloads(experiment: Experiment) -> None:
    files = (
        ("JSON", "application/json", lambda: json.dumps(to_object(experiment), indent=1).encode()),
        ("CSV", "text/csv", lambda: experiment_csv(experiment)),
        ("HTML", "text/html", lambda: experiment_html(experiment).encode()),
    )
    with st.container(horizontal=True):
        for name, mime, make in files:
            st.download_button(
                f"Download {name}",
                make,  # created on demand
                file_name=f"comparison-{experiment.plan.workload}.{name.lower()}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"compare_download_{name}",
            )


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def experiment_title(experiment: Experiment) -> str:
    """Return one line that says what was measured, and with which provider."""
    plan = experiment.plan
    work = {
        "ingest": f"Import, {counted(plan.documents, 'document')}",
        "batch": f"Batch, {counted(plan.questions, 'question')}",
        "query": WORKLOAD_NAMES["query"],
    }[plan.workload]
    if not experiment.simulated:
        return f"{work} · configured provider"
    name = plan.preset
    return f"{work} · {PRESETS[name].label if name in PRESETS else name}, simulated"


def _run_name(run: MeasuredRun) -> str:
    at = "" if run.mode == SYNC else f" at {run.concurrency}"
    return f"{run.mode}{at}, repeat {run.repeat + 1} · {duration(run.wall_s)}"
