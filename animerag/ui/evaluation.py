"""Draws the quality of a run whose sheet has known answers: shares by kind, misses, and two runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.evaluation import run_quality
from animerag.evaluation.evaluation import kind_of
from animerag.text.counting import counted
from animerag.ui import batch_runs, session
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.evaluation.evaluation import EvaluatedQuestion, Evaluation
    from animerag.models.json_types import JsonMapping
    from animerag.storage.batch_runs import BatchRun

_FIGURE_PX = 160  # two beside each other on a phone
_FIGURES = {"hit@1": "Found first", "hit@3": "In the top 3", "hit@5": "In the top 5", "mrr": "Mean reciprocal rank"}


def draw(run: BatchRun) -> None:
    """Draw how often a run found the right shows, compared with another run if one is chosen."""
    call, runs = session.runtime().call, session.services().batch.runs
    judged = run_quality.evaluated(call(runs.rows(run.id)))
    if not judged.outcomes:
        st.caption("No row is answered yet.")
        return
    figures = judged.as_json()
    others = [other for other in call(runs.latest()) if other.id != run.id and run_quality.has_ground_truth(other)]
    chosen = None
    if others:
        chosen = st.selectbox(
            "Compare with",
            [None, *others],
            placeholder="Another run",
            format_func=lambda other: "none" if other is None else batch_runs.title(other),
            key=f"batch_beside_{run.id}",
        )
    before = None if chosen is None else run_quality.evaluated(call(runs.rows(chosen.id)))
    _figures(figures, None if before is None else before.as_json())
    _kinds(judged)
    if before is not None:
        _changes(before, judged)
    _misses(judged)


def _figures(figures: JsonMapping, before: JsonMapping | None) -> None:
    with st.grid("auto", min_column_width=_FIGURE_PX, gap="small"):
        for name, words in _FIGURES.items():
            delta = None if before is None else f"{100 * (figures[name] - before[name]):+.0f} points"
            st.metric(words, f"{100 * figures[name]:.0f} %", delta=label(delta) if delta else None, border=True)
    st.caption(f"{counted(figures['questions'], 'answered row')}. The figures count only those with an expected show.")


def _kinds(judged: Evaluation) -> None:
    """Draw a bar for each kind of question: how many of its rows are right."""
    rows = []
    for kind, figures in judged.kinds.items():
        outcomes = [one for one in judged.outcomes if kind_of(one.expectation) == kind]
        shares = {words: round(figures[name], 2) if name in figures else None for name, words in _FIGURES.items()}
        right = sum(one.hit for one in outcomes)
        rows.append({"Kind": kind, "Questions": len(outcomes), "Right": round(right / len(outcomes), 2), **shares})
    percent = {words: st.column_config.NumberColumn(format="percent") for words in _FIGURES.values()}
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        placeholder="",
        column_config={
            "Right": st.column_config.ProgressColumn(
                format="percent", min_value=0.0, max_value=1.0, help="A show in the top 5, or the complete list"
            ),
            **percent,
        },
    )


def _changes(before: Evaluation, after: Evaluation) -> None:
    changed = run_quality.changes(before, after)
    better = sum(change.kind == "better" for change in changed)
    st.markdown(f"**{better:,} better, {len(changed) - better:,} worse** than the other run")
    rows = [
        {
            "": change.kind,
            "Question": change.question,
            "Rank there": _place(change.before),
            "Rank here": _place(change.after),
            "Listed here": ", ".join(change.after.titles),
        }
        for change in changed
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")


def _misses(judged: Evaluation) -> None:
    st.markdown(label(f"{counted(len(judged.misses), 'row')} missed") if judged.misses else "No row missed")
    rows = [
        {
            "Row": miss.index + 1,
            "Kind": miss.expectation.kind,
            "Question": miss.expectation.question,
            "Expected": ", ".join(_titles(miss.expectation.expected[:3])) or "nothing",
            "Listed instead": ", ".join(miss.titles) or "nothing",
        }
        for miss in judged.misses
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")


def _titles(ids: Sequence[str]) -> list[str]:
    """Return the titles of shows; for an id that is not in the catalogue, the id itself."""
    shows = session.runtime().call(session.services().library.shows(ids))
    return [shows[show_id].title if show_id in shows else show_id for show_id in ids]


def _place(outcome: EvaluatedQuestion) -> str:
    if not outcome.expectation.expected:
        return "nothing found" if outcome.no_match else "anything found"
    return "missing" if outcome.rank is None else str(outcome.rank)
