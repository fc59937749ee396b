"""What Batch draws where the sheet knows the answers: hits by kind, misses, and two runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.evaluation import run_quality
from animerag.ui import batch_runs, session
from animerag.ui.text import counted, label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.evaluation.evaluation import EvaluatedQuestion, Evaluation
    from animerag.storage.batch_runs import BatchRun

_FIGURES = ("hit@1", "hit@3", "hit@5", "mrr")


def draw(run: BatchRun) -> None:
    """Draw how good a run was, and beside another one where one is chosen."""
    call, runs = session.runtime().call, session.services().batch.runs
    judged = run_quality.evaluated(call(runs.rows(run.id)))
    if not judged.outcomes:
        st.caption("No row was answered yet.")
        return
    told = judged.as_json()
    others = [other for other in call(runs.latest()) if other.id != run.id and run_quality.has_ground_truth(other)]
    chosen = st.selectbox(
        "Beside another run",
        [None, *others],
        format_func=lambda other: "none" if other is None else batch_runs.title(other),
        key=f"batch_beside_{run.id}",
    )
    before = None if chosen is None else run_quality.evaluated(call(runs.rows(chosen.id)))
    _figures(told, None if before is None else before.as_json())
    st.dataframe(_kinds(told), hide_index=True, width="stretch", placeholder="")
    if before is not None:
        _changes(before, judged)
    _misses(judged)


def _figures(told: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
    for column, name in zip(st.columns(len(_FIGURES)), _FIGURES, strict=True):
        delta = None if before is None else round(told[name] - before[name], 3)
        shown = name.upper() if name == "mrr" else name.capitalize()
        column.metric(shown, f"{told[name]:.3f}", delta=delta, border=True)
    st.caption(f"Over {counted(told['questions'], 'answered row')}; hits count rows that expect a show.")


def _kinds(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"Kind": kind, **figures} for kind, figures in told["kinds"].items()]


def _changes(before: Evaluation, after: Evaluation) -> None:
    changed = run_quality.changes(before, after)
    better = sum(change.kind == "better" for change in changed)
    st.markdown(f"**{better:,} better, {len(changed) - better:,} worse** than the other run")
    rows = [
        {
            "": change.kind,
            "Question": change.question,
            "Place there": _place(change.before),
            "Place here": _place(change.after),
            "Found here": ", ".join(change.after.titles),
        }
        for change in changed
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")


def _misses(judged: Evaluation) -> None:
    st.markdown(label(f"{counted(len(judged.misses), 'row')} missed"))
    rows = [
        {
            "Row": miss.index + 1,
            "Kind": miss.expectation.kind,
            "Question": miss.expectation.question,
            "Expected": ", ".join(_titles(miss.expectation.expected[:3])) or "nothing",
            "Found instead": ", ".join(miss.titles) or "nothing",
        }
        for miss in judged.misses
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")


def _titles(ids: Sequence[str]) -> list[str]:
    """Return the titles of shows; an id that is not in the catalogue stands for itself."""
    shows = session.runtime().call(session.services().library.shows(ids))
    return [shows[show_id].title if show_id in shows else show_id for show_id in ids]


def _place(outcome: EvaluatedQuestion) -> str:
    if not outcome.expectation.expected:
        return "nothing found" if outcome.no_match else "something found"
    return "missing" if outcome.rank is None else str(outcome.rank)
