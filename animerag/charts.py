"""Plotly figures from plain values, and the only room that knows plotly: one subject, therefore one long file.

Backgrounds are transparent and text colours are left out, so that the page's theme, light or dark, supplies them.
"""

from __future__ import annotations

import html
import itertools
import math
import textwrap
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from animerag.measurements import MODES, WITHIN, YARDSTICK, attainable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.measurements import Claim, Experiment, Level, Mode, Run
    from animerag.tracing import Span

Figure: TypeAlias = go.Figure

MODE_COLOURS: dict[Mode, str] = {
    "sync": "#8B8D98",
    "threads": "#E2A336",
    "threads-unlocked": "#E2A336",
    "async": "#5B5BD6",
    "async-early": "#5B5BD6",
}
STAGE_COLOURS: dict[str, str] = {
    "queue": "#C1C4CD",
    "throttled": "#F76B15",
    "embedding": "#5B5BD6",
    "alias": "#12A594",
    "words": "#00A2C7",
    "vectors": "#0090FF",
    "model": "#8E4EC6",
    "writing": "#30A46C",
    "failed": "#E5484D",
}
ITEMS = {"ingest": "documents", "batch": "questions", "query": "questions"}

# Besides its colour everything has a shape: who is colour-blind, or prints in grey, reads the same chart.
_SYMBOLS: dict[Mode, str] = {
    "sync": "square",
    "threads": "diamond",
    "threads-unlocked": "diamond-open",
    "async": "circle",
    "async-early": "circle-open",
}
_DASHES: dict[Mode, str] = {
    "sync": "dot",
    "threads": "solid",
    "threads-unlocked": "dash",
    "async": "solid",
    "async-early": "dash",
}
_HATCHES = {"threads-unlocked": "/", "async-early": "/", "queue": "/", "throttled": "x", "failed": "x"}
NEUTRAL = "#8B8D98"  # reads on white and on near black alike
_CLEAR = "rgba(0,0,0,0)"
_NOTHING = "No run has finished."
_SAID = "%{hovertext}<extra></extra>"  # a sentence, and nothing of plotly's own beside it

_FRAMES, _REPLAY_MS = 40, 4000
_SLOTS = 6  # five requests and a writer: fewer rows leave room, so that a bar is as thick in all bands
_SHARE = 0.84  # of a band is bars, the rest is air and the line in the mode's colour
_BAND_PX = 104
_LABELLED_BARS = 14
_LABELLED_SPANS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    """A span with its place on the y-axis."""

    span: Span
    y: float
    thickness: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    """One mode's part of a race. `until_s` is how far it has come, `label` what stands at its end."""

    name: str
    mode: Mode
    rows: Sequence[Sequence[Span]]
    until_s: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """One bar of a grouped chart: a median with its spread, its place and its sentence."""

    level: Level
    x: float
    value: float
    low: float
    high: float
    said: str


def plotly_js() -> str:
    """Return the source of plotly.js, for pages that must not fetch it."""
    return str(get_plotlyjs())


def figure_of(traces: Sequence[Any], *, title: str, height: int) -> go.Figure:
    """Return a figure in the style that all of ours share."""
    return _figure(traces, title=title, simulated=False, height=height)


def wrapped(sentence: str) -> str:
    """Return a sentence as a hover box shows it: nothing of it is live, and no line is long."""
    return _wrapped(sentence)


def ink(*, dark: bool) -> dict[str, Any]:
    """Return the part of a layout that depends on the background: text of at least 4.5:1, and the grid."""
    text, grid = ("#ECEDF3", "#33364A") if dark else ("#1C1D26", "#DFE0E8")
    axis = {"tickfont": {"color": text}, "title": {"font": {"color": text}}, "gridcolor": grid, "zerolinecolor": grid}
    return {"font": {"color": text}, "xaxis": axis, "yaxis": axis}


# ── An experiment ────────────────────────────────────────────────────────────────────────────────────────────────────


def wall_time(experiment: Experiment) -> go.Figure:
    """Draw the median wall time of each mode and level, from the fastest to the slowest repeat."""
    levels = experiment.levels
    points = [
        _point(levels, level, (level.fastest_s, level.wall_s, level.slowest_s), f"{level.wall_s:.2f} s")
        for level in levels
    ]
    figure = _grouped(points, experiment, title="Wall time", unit="seconds")
    for point in points:
        if point.level.mode == YARDSTICK and len(_categories(levels)) > 1:
            _yardstick(figure, point, len(_categories(levels)))
    return figure


def throughput(experiment: Experiment) -> go.Figure:
    """Draw items a second of each mode and level, from the slowest to the fastest repeat."""
    levels, items = experiment.levels, ITEMS[experiment.plan.workload]
    points = []
    for level in levels:
        rates = [run.throughput for run in _runs(experiment, level)]
        said = f"{level.throughput:.3g} {items} a second"
        points.append(_point(levels, level, (min(rates), level.throughput, max(rates)), said))
    return _grouped(points, experiment, title="Throughput", unit=f"{items} a second")


def speedup(experiment: Experiment) -> go.Figure:
    """Draw how many times as fast as sync each mode is, between what arithmetic allows and what the note promises."""
    if experiment.plan.workload == "query":
        return _one_question(experiment)
    levels = experiment.levels
    most = max((level.concurrency for level in levels), default=1)
    traces = [_promised(experiment.claims, most), _steps(experiment.plan.requests, most)]
    traces += [_line(mode, levels) for mode in _modes(levels) if any(level.speedup for level in levels)]
    figure = _figure(traces, title="Speed-up against sync", simulated=experiment.simulated, height=430)
    ticks = sorted({level.concurrency for level in levels})
    figure.update_xaxes(title_text="requests in flight", tickvals=ticks, range=[0.4, most + 0.6], zeroline=False)
    highest = [attainable(experiment.plan.requests, most), *(level.speedup or 0.0 for level in levels)]
    figure.update_yaxes(title_text="times as fast", ticksuffix="×", range=_from_zero(highest, 0.06))
    if not any(level.speedup for level in levels):
        why = "Sync did not run: there is nothing to compare with." if levels else _NOTHING
        _remark(figure, why)
    return figure


def _grouped(points: Sequence[_Point], experiment: Experiment, *, title: str, unit: str) -> go.Figure:
    bars = [_mode_bars(mode, points) for mode in _modes([point.level for point in points])]
    figure = _figure([*bars, _labels(points)], title=title, simulated=experiment.simulated, height=400)
    categories = _categories([point.level for point in points])
    figure.update_xaxes(
        title_text="requests in flight",
        tickvals=list(range(len(categories))),
        ticktext=[str(level) for level in categories],
        range=[-0.5, max(len(categories), 1) - 0.5],
        zeroline=False,
    )
    figure.update_yaxes(title_text=unit, range=_from_zero(point.high for point in points))
    if not points:
        _remark(figure, _NOTHING)
    return figure


def _point(levels: Sequence[Level], level: Level, measured: tuple[float, float, float], said: str) -> _Point:
    low, value, high = measured
    # Modes that did not run at a level leave no hole: the bars of a level stand around its middle.
    here = [other.mode for other in levels if other.concurrency == level.concurrency]
    offset = (here.index(level.mode) - (len(here) - 1) / 2) * _bar_width(levels)
    several = f"the median of {level.n} repeats, {low:.3g} to {high:.3g}, CV {level.cv:.0%}"
    spread = several if level.n > 1 else "one run"
    doubt = " Suspect: the repeats differ too much to be believed." if level.suspect else ""
    return _Point(
        level=level,
        x=_categories(levels).index(level.concurrency) + offset,
        value=value,
        low=low,
        high=high,
        said=_wrapped(f"{_name(level.mode, level.concurrency)}: {said}, {spread}.{doubt}"),
    )


def _bar_width(levels: Sequence[Level]) -> float:
    return 0.8 / max(len(_modes(levels)), 3)


def _mode_bars(mode: Mode, points: Sequence[_Point]) -> go.Bar:
    ours = [point for point in points if point.level.mode == mode]
    return go.Bar(
        name=mode,
        x=[point.x for point in ours],
        y=[point.value for point in ours],
        width=_bar_width([point.level for point in points]) * 0.9,
        # Fainter than its edge: the lower half of a whisker has to be seen in front of it.
        marker={
            "color": _faint(MODE_COLOURS[mode]),
            "line": {"color": MODE_COLOURS[mode], "width": 1.5},
            "pattern": {"shape": _HATCHES.get(mode, ""), "fgcolor": MODE_COLOURS[mode]},
        },
        error_y={
            "array": [point.high - point.value for point in ours],
            "arrayminus": [point.value - point.low for point in ours],
            "visible": any(point.level.n > 1 for point in ours),
            "color": MODE_COLOURS[mode],
            "thickness": 2,
            "width": 5,
        },
        hovertext=[point.said for point in ours],
        hovertemplate=_SAID,
    )


def _yardstick(figure: go.Figure, point: _Point, categories: int) -> None:
    """Carry the level of sync over to the others, past its own bar and its neighbours' labels."""
    figure.add_shape(
        type="line",
        x0=round(point.x) + 0.5,
        x1=categories - 0.5,
        y0=point.value,
        y1=point.value,
        line={"color": MODE_COLOURS[YARDSTICK], "dash": "dot", "width": 1.5},
        label={"text": YARDSTICK, "textposition": "end", "yanchor": "bottom"},
    )


def _labels(points: Sequence[_Point]) -> go.Scatter:
    # Where labels of all bars would run into each other, ours and the doubtful ones keep theirs.
    crowded = len(points) > _LABELLED_BARS
    told = [point for point in points if not crowded or point.level.mode == "async" or point.level.suspect]
    texts = [_short(point.value) + ("<br><b>suspect</b>" if point.level.suspect else "") for point in told]
    return _texts([point.x for point in told], [point.high for point in told], texts, "top center")


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
            _wrapped(
                f"{_name(level.mode, level.concurrency)}: {level.speedup:.2f}× as fast as sync, "
                f"an efficiency of {level.efficiency:.0%}." + (" Suspect: the repeats differ." if level.suspect else "")
            )
            for level in ours
        ],
        hovertemplate=_SAID,
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
        hovertemplate=_SAID,
    )


def _promised(claims: Sequence[Claim], most: int) -> go.Bar:
    return go.Bar(
        name="the note's claim",
        x=[claim.concurrency for claim in claims],
        base=[claim.low for claim in claims],
        y=[claim.high - claim.low for claim in claims],
        width=max(0.7, most / 20),
        marker={
            "color": _faint(NEUTRAL),
            "line": {"color": NEUTRAL, "width": 2.5},  # without an edge a claim of one number would not be seen
            "pattern": {"shape": "\\", "fgcolor": NEUTRAL},
        },
        hovertext=[
            _wrapped(f"The note promises {claim_band(claim)} at {claim.concurrency}. {claim.verdict}")
            for claim in claims
        ],
        hovertemplate=_SAID,
    )


def _one_question(experiment: Experiment) -> go.Figure:
    levels = experiment.levels
    bars = go.Bar(
        orientation="h",
        x=[level.wall_s for level in levels],
        y=[level.mode for level in levels],
        width=0.55,
        marker={
            "color": [_faint(MODE_COLOURS[level.mode]) for level in levels],
            "line": {"color": [MODE_COLOURS[level.mode] for level in levels], "width": 1.5},
        },
        error_x={
            "array": [level.slowest_s - level.wall_s for level in levels],
            "arrayminus": [level.wall_s - level.fastest_s for level in levels],
            "visible": any(level.n > 1 for level in levels),
            "color": NEUTRAL,
            "thickness": 2,
        },
        hovertext=[_wrapped(_question(level)) for level in levels],
        hovertemplate=_SAID,
        showlegend=False,
    )
    texts = [f"  {level.wall_s:.2f} s" + (" · <b>suspect</b>" if level.suspect else "") for level in levels]
    took = _texts([level.slowest_s for level in levels], [level.mode for level in levels], texts, "middle right")
    figure = _figure([bars, took], title="One question", simulated=experiment.simulated, height=150 + 56 * len(levels))
    figure.update_xaxes(
        title_text="seconds, median", range=_from_zero(level.slowest_s for level in levels), showgrid=True
    )
    figure.update_yaxes(autorange="reversed", type="category")
    sync_s = next((level.wall_s for level in levels if level.mode == YARDSTICK), 0.0)
    for claim in experiment.claims if sync_s else ():
        figure.add_vrect(
            x0=sync_s / claim.high,
            x1=sync_s / claim.low,
            fillcolor=NEUTRAL,
            opacity=0.25,
            line={"width": 0},
            annotation={
                "text": f"the note: {100 - 100 / claim.low:.0f} to {100 - 100 / claim.high:.0f} % less than sync",
                "yanchor": "bottom",
            },
            annotation_position="top",
        )
    if not levels:
        _remark(figure, _NOTHING)
    return figure


def _question(level: Level) -> str:
    gain = f", {level.speedup:.2f}× as fast as sync" if level.speedup and level.mode != YARDSTICK else ""
    spread = f"{level.fastest_s:.2f} to {level.slowest_s:.2f} s in {level.n} runs"
    return f"{level.mode}: {level.wall_s:.2f} s{gain} ({spread})."


# ── A run, and a race ────────────────────────────────────────────────────────────────────────────────────────────────


def lanes(run: Run, *, simulated: bool) -> go.Figure:
    """Draw what ran when in one run: what overlaps stands in different rows."""
    requests, writers = request_rows(run.spans), writer_rows(run.spans)
    rows = requests + writers
    bars = [_Bar(span=span, y=y, thickness=0.82, said=_told(span)) for y, row in enumerate(rows) for span in row]
    row_px = max(7.0, min(26.0, 620 / max(len(rows), 1)))
    figure = _figure(
        _stages(bars, labelled=len(bars) <= _LABELLED_SPANS),
        title=f"One run of {_name(run.mode, run.concurrency)}, {run.wall_s:.1f} s",
        simulated=simulated,
        height=round(150 + max(row_px * len(rows), 70)),
    )
    every = 1 if row_px >= 14 else 5
    ticks = {y: str(y + 1) for y in range(len(requests)) if y == 0 or (y + 1) % every == 0}
    ticks |= {len(requests) + y: "writer" for y in range(len(writers)) if y % every == 0}
    figure.update_xaxes(title_text="seconds since the start", range=[0, max(run.wall_s, 0.001)], showgrid=True)
    figure.update_yaxes(
        title_text="in parallel",
        tickvals=list(ticks),
        ticktext=list(ticks.values()),
        range=[len(rows) - 0.4, -0.6],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    # Labels of one size, or none: a shrunken word is no label.
    figure.update_layout(uniformtext={"minsize": 9, "mode": "hide"})
    if not bars:
        _remark(figure, "This run kept no spans.")
    return figure


def race(runs: Sequence[Run], *, simulated: bool) -> go.Figure:
    """Draw runs of several modes on one clock, finished, with a button that replays them growing."""
    bands = [
        _Band(
            name=_name(run.mode, run.concurrency, line="<br>"),
            mode=run.mode,
            rows=_rows(run.spans),
            until_s=run.wall_s,
            label=_outcome(run, runs),
        )
        for run in runs
    ]
    clock_s = max((run.wall_s for run in runs), default=0.0)
    # Room for the labels; those of several lines are also the wider ones.
    reach_s = max((band.until_s / (0.78 if "<br>" in band.label else 0.9) for band in bands), default=0.0) or 1.0
    bars = _placed(bands)
    figure = _banded(bands, bars, reach_s=reach_s, title="Race", simulated=simulated)
    figure.frames = [_frame(bands, bars, clock_s * k / _FRAMES) for k in range(1, _FRAMES + 1)]
    figure.update_layout(updatemenus=[_replay_button()])
    return figure


def request_rows(spans: Iterable[Span]) -> list[list[Span]]:
    """Pack everything but writing into rows without overlaps; what belongs to one item shares a row or is near it."""
    by_lane = itertools.groupby(
        sorted((span for span in spans if span.name != "writing"), key=attrgetter("lane")), key=attrgetter("lane")
    )
    items = [_tracks(own) for _, own in by_lane]
    rows: list[list[Span]] = []
    for item in sorted(items, key=lambda item: min(track[0].start_s for track in item)):
        near = None
        for track in sorted(item, key=lambda track: track[-1].end_s, reverse=True):
            near = _place(track, rows, near)
    return rows


def writer_rows(spans: Iterable[Span]) -> list[list[Span]]:
    """Pack the writing into rows without overlaps: one, where there is a single writer."""
    return _tracks(span for span in spans if span.name == "writing")


def _tracks(spans: Iterable[Span]) -> list[list[Span]]:
    """Part what happens at the same time, such as an item's title match and its embedding."""
    rows: list[list[Span]] = []
    for span in sorted(spans, key=attrgetter("start_s")):
        _place([span], rows)
    return rows


def _place(track: Sequence[Span], rows: list[list[Span]], near: int | None = None) -> int:
    """Append a track to the first row that is free, or to the free one next to `near`; return the row's number."""
    free = [number for number, row in enumerate(rows) if row[-1].end_s <= track[0].start_s]
    if not free:
        rows.append([])
        free = [len(rows) - 1]
    chosen = free[0] if near is None else min(free, key=lambda number: abs(number - near))
    rows[chosen].extend(track)
    return chosen


def _outcome(run: Run, runs: Sequence[Run]) -> str:
    if run.error is not None:
        return f"<b>failed</b><br>{_wrapped(run.error, 32, lines=3)}"
    took = f"<b>{run.wall_s:.1f} s</b>"
    finished = [other for other in runs if other.error is None]
    first = [other for other in finished if other.wall_s <= WITHIN * min(one.wall_s for one in finished)]
    wins = len(finished) > 1 and run in first
    fastest = "among the fastest" if len(first) > 1 else "fastest"  # a few per cent are the machine's
    sync_s = next((other.wall_s for other in finished if other.mode == YARDSTICK), 0.0)
    if not sync_s or run.mode == YARDSTICK or not run.wall_s:
        return f"{took} · {fastest}" if wins else took
    gain = f"{sync_s / run.wall_s:.1f}× as fast as sync"
    return f"{took} · {fastest}<br>{gain},<br>{sync_s - run.wall_s:.1f} s saved" if wins else f"{took}<br>{gain}"


def _rows(spans: Sequence[Span]) -> list[list[Span]]:
    return request_rows(spans) + writer_rows(spans)


def _row_height(bands: Sequence[_Band]) -> float:
    return _SHARE / max([_SLOTS, *(len(band.rows) for band in bands)])


def _placed(bands: Sequence[_Band]) -> list[_Bar]:
    """Place each band's rows around its middle; a row is as high in one band as in another."""
    height = _row_height(bands)
    return [
        _Bar(
            span=span,
            y=top + (number + 0.5 - len(band.rows) / 2) * height,
            thickness=0.86 * height,
            said=f"{band.mode}: {_told(span)}",
        )
        for top, band in enumerate(bands)
        for number, row in enumerate(band.rows)
        for span in row
    ]


def _banded(bands: Sequence[_Band], bars: Sequence[_Bar], *, reach_s: float, title: str, simulated: bool) -> go.Figure:
    figure = _figure(
        [*_stages(bars), _marks(bands), _ends(bands)],
        title=title,
        simulated=simulated,
        height=170 + _BAND_PX * max(len(bands), 1),
    )
    figure.update_xaxes(
        title_text="seconds since the start of each", range=[0, reach_s], showgrid=True, fixedrange=True
    )
    figure.update_yaxes(
        tickvals=list(range(len(bands))),
        ticktext=[band.name for band in bands],
        range=[len(bands) - 0.45, -0.5],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    return figure


def _marks(bands: Sequence[_Band]) -> go.Bar:
    """Underline each band in the colour of its mode, as far as it has come."""
    height = _row_height(bands)
    return go.Bar(
        orientation="h",
        y=[top + len(band.rows) * height / 2 + 0.05 for top, band in enumerate(bands)],
        x=[band.until_s for band in bands],
        width=0.04,
        marker={
            "color": [MODE_COLOURS[band.mode] for band in bands],
            "pattern": {"shape": [_HATCHES.get(band.mode, "") for band in bands]},
        },
        hovertext=[f"{band.mode}: {band.until_s:.2f} s in all." for band in bands],
        hovertemplate=_SAID,
        showlegend=False,
    )


def _ends(bands: Sequence[_Band], clock_s: float = math.inf) -> go.Scatter:
    texts = [_indented(f"{clock_s:.1f} s" if clock_s < band.until_s else band.label) for band in bands]
    ends = [min(band.until_s, clock_s) for band in bands]
    return _texts(ends, list(range(len(bands))), texts, "middle right", size=14)


def _frame(bands: Sequence[_Band], bars: Sequence[_Bar], clock_s: float) -> go.Frame:
    grown = [{"type": "bar", "x": [_grown(bar.span, clock_s) for bar in ours]} for ours in _by_stage(bars).values()]
    marks = {"type": "bar", "x": [min(band.until_s, clock_s) for band in bands]}
    return go.Frame(
        name=f"{clock_s:.3f}", data=[*grown, marks, _ends(bands, clock_s)], traces=list(range(len(grown) + 2))
    )


def _grown(span: Span, clock_s: float) -> float:
    return round(min(max(clock_s - span.start_s, 0.0), span.seconds), 3)


def _replay_button() -> dict[str, Any]:
    how = {
        "frame": {"duration": _REPLAY_MS / _FRAMES, "redraw": False},
        "transition": {"duration": 0},
        "mode": "immediate",
        "fromcurrent": False,
    }
    return {
        "type": "buttons",
        "showactive": False,
        "buttons": [{"label": "Replay", "method": "animate", "args": [None, how]}],
        # Below the ticks at the right: legend, title and toolbar are at the top, the axis title in the middle.
        "x": 1,
        "xanchor": "right",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 30, "r": 0},
        # Plotly paints a hovered button almost white in every theme, so the button is light in every theme.
        "bgcolor": "#E9E9FB",
        "bordercolor": "#5B5BD6",
        "font": {"color": "#34349B"},
    }


def _stages(bars: Sequence[_Bar], *, labelled: bool = False) -> list[go.Bar]:
    return [
        go.Bar(
            name=html.escape(stage),
            orientation="h",
            base=[round(bar.span.start_s, 4) for bar in ours],
            x=[round(bar.span.seconds, 4) for bar in ours],
            y=[round(bar.y, 4) for bar in ours],
            width=ours[0].thickness,
            marker={
                "color": STAGE_COLOURS.get(stage, NEUTRAL),
                "pattern": {"shape": _HATCHES.get(stage, "")},
                "line": {"width": 0},
            },
            # Plotly picks the colour of a label by the bar's, which hatching does not fill.
            text=html.escape(stage),
            textposition="inside" if labelled and stage not in _HATCHES else "none",
            insidetextanchor="middle",
            textangle=0,
            hovertext=[bar.said for bar in ours],
            hovertemplate=_SAID,
        )
        for stage, ours in _by_stage(bars).items()
    ]


def _by_stage(bars: Sequence[_Bar]) -> dict[str, list[_Bar]]:
    names = {bar.span.name for bar in bars}
    order = [stage for stage in STAGE_COLOURS if stage in names] + sorted(names - STAGE_COLOURS.keys())
    return {stage: [bar for bar in bars if bar.span.name == stage] for stage in order}


def _told(span: Span) -> str:
    stretch = f"{span.seconds:.2f} s, from {span.start_s:.2f} to {span.end_s:.2f} s."
    # A writer merges what several requests brought.
    whose = "" if span.name == "writing" else f" of request {span.lane + 1}"
    return html.escape(f"{span.name}{whose} took {stretch}")


# ── All figures ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _figure(traces: Sequence[Any], *, title: str, simulated: bool, height: int) -> go.Figure:
    figure = go.Figure(data=traces)
    figure.update_layout(
        # Not the process's default: under Streamlit that is a set of placeholders that only its own page replaces.
        template=go.layout.Template(),
        title={
            "text": f"{title} · simulated" if simulated else title,
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "yref": "container",
            "pad": {"t": 10},
            "font": {"size": 16},
        },
        height=height,
        margin={"t": 84, "b": 60, "l": 10, "r": 10},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        modebar={"bgcolor": _CLEAR, "color": NEUTRAL, "activecolor": MODE_COLOURS["async"]},
        barmode="overlay",  # every bar says itself where it stands
        hovermode="closest",
        hoverlabel={"align": "left", "namelength": -1},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "bgcolor": _CLEAR},
        xaxis={"automargin": True, "title": {"standoff": 12}},
        yaxis={"automargin": True, "title": {"standoff": 14}},
    )
    return figure


def _texts(x: Sequence[float], y: Sequence[object], texts: Sequence[str], at: str, size: int = 12) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        text=texts,
        mode="text",
        textposition=at,
        textfont={"size": size},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _from_zero(values: Iterable[float], room: float = 0.16) -> list[float]:
    """Return the range of an axis with room for what stands above the highest value."""
    return [0.0, max(values, default=0.0) * (1 + room) or 1.0]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _remark(figure: go.Figure, sentence: str) -> None:
    figure.add_annotation(text=sentence, x=0.02, y=0.97, xref="paper", yref="paper", xanchor="left", showarrow=False)


def _runs(experiment: Experiment, level: Level) -> list[Run]:
    ours = (level.mode, level.concurrency)
    return [run for run in experiment.runs if (run.mode, run.concurrency) == ours and run.error is None]


def _modes(levels: Iterable[Level]) -> list[Mode]:
    found = {level.mode for level in levels}
    return [mode for mode in MODES if mode in found]


def _categories(levels: Iterable[Level]) -> list[int]:
    return sorted({level.concurrency for level in levels})


def _name(mode: Mode, concurrency: int, line: str = ", ") -> str:
    return mode if mode == YARDSTICK else f"{mode}{line}{concurrency} in flight"


def claim_band(claim: Claim) -> str:
    """Say what is promised."""
    return f"{claim.low:.3g}×" if claim.low == claim.high else f"{claim.low:.3g} to {claim.high:.3g}×"


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.45)"


def _indented(label: str) -> str:
    return "<br>".join(f"  {line}" for line in label.split("<br>"))


def _wrapped(sentence: str, width: int = 60, lines: int = 12) -> str:
    """Return a text that plotly draws as it is, in lines: hover boxes are as wide as their longest line."""
    return "<br>".join(html.escape(line) for line in textwrap.wrap(sentence, width, max_lines=lines, placeholder=" …"))
