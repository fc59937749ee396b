"""The figures of an experiment: wall time, throughput and speed-up of each mode and level."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from animerag.charts.style import (
    HATCHES,
    HOVER_TEXT,
    MODE_COLOURS,
    NEUTRAL,
    drawn,
    faint,
    fit,
    from_zero,
    modes_of,
    named,
    remark,
    short,
    words_at,
    wrapped,
)
from animerag.comparison.plan import ITEMS, SYNC, attainable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.charts.style import Figure
    from animerag.comparison.experiment import Experiment, Level
    from animerag.comparison.measurements import MeasuredRun
    from animerag.comparison.plan import Mode

_WIDEST = "2,000"  # no number on a vertical axis is longer
# Modes differ by shape as well as by colour.
_SYMBOLS: dict[Mode, str] = {
    "sync": "square",
    "threads": "diamond",
    "async": "circle",
    "async-early": "circle-open",
}
_DASHES: dict[Mode, str] = {
    "sync": "dot",
    "threads": "solid",
    "async": "solid",
    "async-early": "dash",
}
_NOTHING = "No run has finished."
_LABELLED_BARS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """One bar of a grouped chart: a median with its spread, position and hover text."""

    level: Level
    x: float
    value: float
    low: float
    high: float
    hover: str


def wall_time(experiment: Experiment) -> Figure:
    """Draw the median wall time of each mode and level, with the range of its repeats."""
    levels = experiment.levels
    points = [
        _point(levels, level, (level.fastest_s, level.wall_s, level.slowest_s), f"{level.wall_s:.2f} s")
        for level in levels
    ]
    figure = _grouped(points, experiment, title="Wall time", unit="seconds")
    for point in points:
        if point.level.mode == SYNC and len(_categories(levels)) > 1:
            _sync_line(figure, point, len(_categories(levels)))
    return figure


def throughput(experiment: Experiment) -> Figure:
    """Draw the median throughput of each mode and level, with the range of its repeats."""
    levels, items = experiment.levels, ITEMS[experiment.plan.workload]
    points = []
    for level in levels:
        rates = [run.throughput for run in _runs(experiment, level)]
        text = f"{level.throughput:.3g} {items} per second"
        points.append(_point(levels, level, (min(rates), level.throughput, max(rates)), text))
    return _grouped(points, experiment, title="Throughput", unit=f"{items} per second")


def speedup(experiment: Experiment) -> Figure:
    """Draw the speed-up of each mode against sync, beside the attainable speed-up."""
    if experiment.plan.workload == "query":
        return _one_question(experiment)
    levels = experiment.levels
    most = max((level.concurrency for level in levels), default=1)
    traces: list[go.Scatter] = [_steps(experiment.plan.requests, most)]
    traces += [_line(mode, levels) for mode in modes_of(levels) if any(level.speedup for level in levels)]
    figure = drawn(traces, title="Speed-up against sync", simulated=experiment.simulated, height=430)
    ticks = sorted({level.concurrency for level in levels})
    figure.update_xaxes(title_text="requests in flight", tickvals=ticks, range=[0.4, most + 0.6], zeroline=False)
    highest = [attainable(experiment.plan.requests, most), *(level.speedup or 0.0 for level in levels)]
    figure.update_yaxes(title_text="times as fast", ticksuffix="×", range=from_zero(highest, 0.06))
    fit(figure, [_WIDEST], titled=True)
    if not any(level.speedup for level in levels):
        why = "Sync did not run, so there is no speed-up." if levels else _NOTHING
        remark(figure, why)
    return figure


def overlay(experiments: Sequence[tuple[str, Experiment]]) -> Figure:
    """Draw the speed-ups of several named experiments in one figure, each with its own dash."""
    traces = []
    for (name, experiment), dash in zip(experiments, itertools.cycle(("solid", "dot", "dash"))):
        levels = experiment.levels
        for mode in modes_of(level for level in levels if level.speedup and level.mode != SYNC):
            line = _line(mode, levels)
            line.update(name=f"{mode}, {name}", line={"dash": dash})
            traces.append(line)
    simulated = any(experiment.simulated for _, experiment in experiments)
    figure = drawn(traces, title="Speed-up against sync", simulated=simulated, height=430)
    levels = [level for _, experiment in experiments for level in experiment.levels]
    figure.update_xaxes(title_text="requests in flight", tickvals=_categories(levels), zeroline=False)
    figure.update_yaxes(
        title_text="times as fast", ticksuffix="×", range=from_zero((level.speedup or 0.0 for level in levels), 0.06)
    )
    fit(figure, [_WIDEST], titled=True)
    if not traces:
        remark(figure, "Sync did not run, so there is no speed-up.")
    return figure


def _grouped(points: Sequence[_Point], experiment: Experiment, *, title: str, unit: str) -> Figure:
    bars = [_mode_bars(mode, points) for mode in modes_of([point.level for point in points])]
    figure = drawn([*bars, _labels(points)], title=title, simulated=experiment.simulated, height=400)
    categories = _categories([point.level for point in points])
    figure.update_xaxes(
        title_text="requests in flight",
        tickvals=list(range(len(categories))),
        ticktext=[str(level) for level in categories],
        range=[-0.5, max(len(categories), 1) - 0.5],
        zeroline=False,
    )
    figure.update_yaxes(title_text=unit, range=from_zero(point.high for point in points))
    fit(figure, [_WIDEST], titled=True)
    if not points:
        remark(figure, _NOTHING)
    return figure


def _point(levels: Sequence[Level], level: Level, measured: tuple[float, float, float], text: str) -> _Point:
    low, value, high = measured
    # Bars are centred on their level, so that a mode that did not run leaves no gap.
    here = [other.mode for other in levels if other.concurrency == level.concurrency]
    offset = (here.index(level.mode) - (len(here) - 1) / 2) * _bar_width(levels)
    several = f"median of {level.n} repeats, {low:.3g} to {high:.3g}, CV {100 * level.cv:.0f} %"
    spread = several if level.n > 1 else "one run"
    doubt = " Suspect: the repeats vary too much." if level.suspect else ""
    return _Point(
        level=level,
        x=_categories(levels).index(level.concurrency) + offset,
        value=value,
        low=low,
        high=high,
        hover=wrapped(f"{named(level.mode, level.concurrency)}: {text}, {spread}.{doubt}"),
    )


def _bar_width(levels: Sequence[Level]) -> float:
    return 0.8 / max(len(modes_of(levels)), 3)


def _mode_bars(mode: Mode, points: Sequence[_Point]) -> go.Bar:
    ours = [point for point in points if point.level.mode == mode]
    return go.Bar(
        name=mode,
        x=[point.x for point in ours],
        y=[point.value for point in ours],
        width=_bar_width([point.level for point in points]) * 0.9,
        # The bar is fainter than its edge, so that the lower half of a whisker is visible in front of it.
        marker={
            "color": faint(MODE_COLOURS[mode]),
            "line": {"color": MODE_COLOURS[mode], "width": 1.5},
            "pattern": {"shape": HATCHES.get(mode, ""), "fgcolor": MODE_COLOURS[mode]},
        },
        error_y={
            "array": [point.high - point.value for point in ours],
            "arrayminus": [point.value - point.low for point in ours],
            "visible": any(point.level.n > 1 for point in ours),
            "color": MODE_COLOURS[mode],
            "thickness": 2,
            "width": 5,
        },
        hovertext=[point.hover for point in ours],
        hovertemplate=HOVER_TEXT,
    )


def _sync_line(figure: Figure, point: _Point, categories: int) -> None:
    """Draw a line at the value of sync across the other levels, past its own bar and the labels beside it."""
    figure.add_shape(
        type="line",
        x0=round(point.x) + 0.5,
        x1=categories - 0.5,
        y0=point.value,
        y1=point.value,
        line={"color": MODE_COLOURS[SYNC], "dash": "dot", "width": 1.5},
        label={"text": SYNC, "textposition": "end", "yanchor": "bottom"},
    )


def _labels(points: Sequence[_Point]) -> go.Scatter:
    # If the labels of all bars would overlap, only async and suspect ones have labels.
    crowded = len(points) > _LABELLED_BARS
    labelled = [point for point in points if not crowded or point.level.mode == "async" or point.level.suspect]
    texts = [short(point.value) + ("<br><b>suspect</b>" if point.level.suspect else "") for point in labelled]
    return words_at([point.x for point in labelled], [point.high for point in labelled], texts, "top center")


def _line(mode: Mode, levels: Sequence[Level]) -> go.Scatter:
    ours = [level for level in levels if level.mode == mode and level.speedup is not None]
    return go.Scatter(
        name=mode,
        x=[level.concurrency for level in ours],
        y=[level.speedup for level in ours],
        mode="lines+markers",
        line={"color": MODE_COLOURS[mode], "dash": _DASHES[mode], "width": 2.5},
        marker={"symbol": _SYMBOLS[mode], "size": 10},
        hovertext=[
            wrapped(
                f"{named(level.mode, level.concurrency)}: {level.speedup:.2f}× as fast as sync, "
                f"efficiency {100 * (level.efficiency or 0):.0f} %."
                + (" Suspect: the repeats vary." if level.suspect else "")
            )
            for level in ours
        ],
        hovertemplate=HOVER_TEXT,
    )


def _steps(requests: int, most: int) -> go.Scatter:
    levels = list(range(1, most + 1))
    best = [attainable(requests, level) for level in levels]
    return go.Scatter(
        name="attainable, n/⌈n/c⌉",
        x=levels,
        y=best,
        mode="lines",
        line={"color": NEUTRAL, "dash": "dot", "width": 1.5, "shape": "hvh"},
        hovertext=[
            f"{requests} equal requests, {level} in flight: at most {limit:.2f}× as fast."
            for level, limit in zip(levels, best, strict=True)
        ],
        hovertemplate=HOVER_TEXT,
    )


def _one_question(experiment: Experiment) -> Figure:
    levels = experiment.levels
    bars = go.Bar(
        orientation="h",
        x=[level.wall_s for level in levels],
        y=[level.mode for level in levels],
        width=0.55,
        marker={
            "color": [faint(MODE_COLOURS[level.mode]) for level in levels],
            "line": {"color": [MODE_COLOURS[level.mode] for level in levels], "width": 1.5},
        },
        error_x={
            "array": [level.slowest_s - level.wall_s for level in levels],
            "arrayminus": [level.wall_s - level.fastest_s for level in levels],
            "visible": any(level.n > 1 for level in levels),
            "color": NEUTRAL,
            "thickness": 2,
        },
        hovertext=[wrapped(_question(level)) for level in levels],
        hovertemplate=HOVER_TEXT,
        showlegend=False,
    )
    texts = [f"  {level.wall_s:.2f} s" + (" · <b>suspect</b>" if level.suspect else "") for level in levels]
    seconds = words_at([level.slowest_s for level in levels], [level.mode for level in levels], texts, "middle right")
    figure = drawn([bars, seconds], title="One question", simulated=experiment.simulated, height=150 + 56 * len(levels))
    figure.update_xaxes(
        title_text="seconds, median", range=from_zero(level.slowest_s for level in levels), showgrid=True
    )
    figure.update_yaxes(autorange="reversed", type="category")
    fit(figure, [level.mode for level in levels])
    if not levels:
        remark(figure, _NOTHING)
    return figure


def _question(level: Level) -> str:
    gain = f", {level.speedup:.2f}× as fast as sync" if level.speedup and level.mode != SYNC else ""
    spread = f"{level.fastest_s:.2f} to {level.slowest_s:.2f} s in {level.n} runs"
    return f"{level.mode}: {level.wall_s:.2f} s{gain} ({spread})."


def _runs(experiment: Experiment, level: Level) -> list[MeasuredRun]:
    ours = (level.mode, level.concurrency)
    return [run for run in experiment.runs if (run.mode, run.concurrency) == ours and run.error is None]


def _categories(levels: Iterable[Level]) -> list[int]:
    return sorted({level.concurrency for level in levels})
