"""Draws the figures of a sheet's run: time to answer, timeline, and answers over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from animerag.charts.style import HOVER_TEXT, MODE_COLOURS, STAGE_COLOURS, drawn, wrapped
from animerag.storage.batch_runs import FAILED
from animerag.telemetry.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.charts.style import Figure
    from animerag.storage.batch_runs import Timed

_BINS = 40
_ROW_PX, _MOST_PX, _LEAST_PX = 14, 900, 260
_PAUSE_S = 5.0  # longer pauses, between two jobs of a run, are cut out
_STAGED_ROWS = 1500  # with more questions, one bar each: a browser cannot draw all their stages


def latency(timed: Sequence[Timed]) -> Figure:
    """Draw the distribution of the time from question to answer."""
    seconds = sorted(one.timings["total_s"] for one in timed if one.timings["total_s"])
    figure = drawn(
        [
            go.Histogram(
                x=seconds,
                nbinsx=_BINS,
                marker={"color": MODE_COLOURS["async"]},
                hovertemplate="%{y} questions took %{x} s<extra></extra>",
                showlegend=False,
            )
        ],
        title="Time to answer",
        height=320,
    )
    figure.update_xaxes(title_text="seconds", rangemode="tozero")
    figure.update_yaxes(title_text="questions")
    figure.update_layout(bargap=0.06)
    for name, value in _percentiles(seconds).items():
        figure.add_vline(
            x=value,
            line={"dash": "dot", "color": STAGE_COLOURS["failed"]},
            annotation={"text": f"{name} {value:.2f} s", "yref": "paper", "y": 1.0, "yanchor": "bottom"},
        )
    return figure


def timeline(timed: Sequence[Timed]) -> Figure:
    """Draw one bar per question, in the order of the sheet: when it was asked, and how long each stage took."""
    asked = [one for one in timed if one.timings["total_s"]]
    offsets = _offsets(asked)
    stages = _stages if len(asked) <= _STAGED_ROWS else _whole
    traces: dict[str, list[tuple[Timed, float, float]]] = {}
    for one in asked:
        at_s = offsets[one.number]
        for stage, seconds in stages(one):
            if seconds > 0:
                traces.setdefault(stage, []).append((one, at_s, seconds))
                at_s += seconds
    figure = drawn(
        [_bars(stage, bars) for stage, bars in sorted(traces.items(), key=lambda item: list(_ORDER).index(item[0]))],
        title="Timeline, one bar per question",
        height=int(min(_MOST_PX, max(_LEAST_PX, 130 + _ROW_PX * len(asked)))),
    )
    figure.update_xaxes(title_text="seconds since the start, without pauses", rangemode="tozero")
    figure.update_yaxes(title_text="row of the sheet", autorange="reversed")
    figure.update_layout(bargap=0.15)
    return figure


def cumulative(timed: Sequence[Timed]) -> Figure:
    """Draw the number of answers over time."""
    asked = [one for one in timed if one.timings["total_s"]]
    offsets = _offsets(asked)
    ends = sorted(offsets[one.number] + one.timings["total_s"] for one in asked)
    figure = drawn(
        [
            go.Scatter(
                x=[0.0, *ends],
                y=list(range(len(ends) + 1)),
                mode="lines",
                line={"shape": "hv", "color": MODE_COLOURS["async"], "width": 2},
                hovertemplate="%{y} answers after %{x:.1f} s<extra></extra>",
                showlegend=False,
            )
        ],
        title="Answers over time",
        height=320,
    )
    figure.update_xaxes(title_text="seconds since the start, without pauses", rangemode="tozero")
    figure.update_yaxes(title_text="answers", rangemode="tozero")
    return figure


_ORDER = {
    "vectors": ("Searching", STAGE_COLOURS["vectors"]),
    "queue": ("Waiting for a slot", STAGE_COLOURS["queue"]),
    "throttled": ("Waiting for the rate limit", STAGE_COLOURS["throttled"]),
    "model": ("Model", STAGE_COLOURS["model"]),
    "failed": ("Failed", STAGE_COLOURS["failed"]),
}


def _stages(one: Timed) -> list[tuple[str, float]]:
    """Divide a question's time into stages: search, waiting, and the model."""
    timings = one.timings
    before = {"vectors": timings["retrieve_s"], "queue": timings["queue_s"], "throttled": timings["throttle_s"]}
    rest = max(0.0, timings["total_s"] - sum(before.values()))
    return [*before.items(), ("failed" if one.status in FAILED else "model", rest)]


def _whole(one: Timed) -> list[tuple[str, float]]:
    return [("failed" if one.status in FAILED else "model", one.timings["total_s"])]


def _bars(stage: str, bars: Sequence[tuple[Timed, float, float]]) -> go.Bar:
    name, colour = _ORDER[stage]
    return go.Bar(
        name=name,
        x=[seconds for _, _, seconds in bars],
        base=[at_s for _, at_s, _ in bars],
        y=[one.number + 1 for one, _, _ in bars],
        orientation="h",
        marker={"color": colour, "line": {"width": 0}},
        hovertext=[wrapped(f"Row {one.number + 1}, {name.lower()}: {seconds:.2f} s") for one, _, seconds in bars],
        hovertemplate=HOVER_TEXT,
    )


def _offsets(timed: Sequence[Timed]) -> dict[int, float]:
    """Return when each row was asked, in seconds since the first, without the pauses between jobs."""
    offsets: dict[int, float] = {}
    busy_until = cut = 0.0
    for one in sorted(timed, key=lambda one: one.began_at):
        if not offsets:
            busy_until = cut = one.began_at
        if one.began_at > busy_until + _PAUSE_S:
            cut += one.began_at - busy_until
        offsets[one.number] = one.began_at - cut
        busy_until = max(busy_until, one.began_at + one.timings["total_s"])
    return offsets


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    if len(seconds) < 2:
        return {}
    ordered = sorted(seconds)
    return {"p50": percentile(ordered, 50), "p95": percentile(ordered, 95)}
