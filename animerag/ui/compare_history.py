"""Draws earlier experiments in Compare: the list, two of them side by side, and the buttons of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.charts.experiment import overlay
from animerag.comparison.summary import key_figures, verdict
from animerag.ui import session
from animerag.ui.compare import EXPERIMENT, HISTORY_KEY, TAB_KEY, draw, open_experiment, outcome
from animerag.ui.experiment import experiment_title
from animerag.ui.text import escape, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.comparison.experiment import Experiment

_ROW_PX, _MOST_ROWS = 35, 12


def history(experiments: Sequence[Experiment], baseline_id: str | None) -> None:
    """Draw the saved experiments. If you tick one, it can be opened; two are drawn in one figure."""
    if not experiments:
        st.info("No experiments yet. The ones that you run are saved here.", icon=":material/history:")
        return
    st.caption("Tick one experiment to open it, two to compare them. On the keyboard, Shift + Space ticks a row.")
    selection = st.dataframe(
        [_row(experiment, baseline_id) for experiment in experiments],
        key=session.fresh_key(HISTORY_KEY),
        on_select="rerun",
        selection_mode="multi-row",
        hide_index=True,
        width="stretch",
        height=_ROW_PX * (1 + min(len(experiments), _MOST_ROWS)) + 3,
        column_config={
            "What": st.column_config.TextColumn(width=330),
            "Async by level": st.column_config.BarChartColumn(y_min=0, width=110, help="Seconds at each level"),
        },
    )
    ticked = [experiments[row] for row in selection.selection.rows if row < len(experiments)]
    if len(ticked) == 1:
        outcome(ticked[0])
        st.button("Open", icon=":material/open_in_full:", key="compare_open", on_click=open_one, args=(ticked[0].id,))
    elif ticked:
        _side_by_side(ticked)


def open_one(experiment_id: str) -> None:
    """Show an experiment in its tab; for callbacks, before the tabs are drawn again."""
    open_experiment(experiment_id)
    st.session_state[TAB_KEY] = EXPERIMENT


def _side_by_side(experiments: Sequence[Experiment]) -> None:
    if any(experiment.plan.workload == "query" for experiment in experiments):
        st.caption("Experiments with one question have no levels to compare: open them one by one.")
        return
    named = [(session.local_time(experiment.created_at), experiment) for experiment in experiments]
    for when, experiment in named:
        st.markdown(f"{label(when)}: {escape(verdict(experiment))}")
    draw(overlay(named), "compare_overlay")


def _row(experiment: Experiment, baseline_id: str | None) -> dict[str, object]:
    figures = {figure.label: figure.value for figure in key_figures(experiment)}
    by_level = [round(level.wall_s, 2) for level in experiment.levels if level.mode == "async"]
    notes = ["baseline"] if experiment.id == baseline_id else []
    notes += ["cancelled"] if experiment.cancelled else []
    return {
        "When": session.local_time(experiment.created_at),
        "What": experiment_title(experiment),
        "Speed-up": figures.get("Best speed-up", ""),
        "Level": figures.get("Recommended level", ""),
        "Async by level": by_level if len(by_level) > 1 else None,  # a single bar would fill the cell
        "Runs": len(experiment.runs),
        "Note": ", ".join(notes),
    }


def actions(experiment: Experiment, baseline_id: str | None) -> None:
    """Draw the buttons of a saved experiment."""
    call, service = session.runtime().call, session.services().comparison
    is_baseline = experiment.id == baseline_id
    with st.container(horizontal=True, vertical_alignment="center"):
        name = "Remove as baseline" if is_baseline else "Use as baseline"
        if st.button(name, icon=":material/flag:", key="compare_baseline"):
            call(service.set_baseline(None if is_baseline else experiment.id))
            st.rerun()
        with st.popover("Delete", icon=":material/delete:", key=f"compare_deleting_{experiment.id}"):
            st.caption("This cannot be undone.")
            if st.button("Delete this experiment", key="compare_delete"):
                call(service.delete(experiment.id))
                open_experiment(None)
                st.rerun()
