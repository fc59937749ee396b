"""The figures of single runs: the timeline of one run, and a race of several on one clock."""

from __future__ import annotations

import html
import itertools
import math
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from animerag.charts.style import (
    HATCHES,
    HOVER_TEXT,
    MODE_COLOURS,
    NEUTRAL,
    STAGE_COLOURS,
    drawn,
    fit,
    named,
    remark,
    stage_name,
    words_at,
    wrapped,
)
from animerag.comparison.experiment import SINGLE_RUN_NOISE
from animerag.comparison.plan import SYNC

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.charts.style import Figure
    from animerag.comparison.measurements import MeasuredRun
    from animerag.comparison.plan import Mode
    from animerag.telemetry.tracing import Span

_FRAMES, _REPLAY_MS = 40, 4000
_SLOTS = 6  # rows per band at least (five requests and a writer), so that bars are equally thick in all bands
_SHARE = 0.84  # share of a band's height for bars; the rest is space and the line in the mode's colour
_BAND_PX = 104
_LABELLED_SPANS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bar:
    """A span with its position on the y-axis."""

    span: Span
    y: float
    thickness: float
    hover: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    """One mode's part of a race, which ends at `until_s` with a `label`."""

    name: str
    mode: Mode
    rows: Sequence[Sequence[Span]]
    until_s: float
    label: str


def lanes(run: MeasuredRun, *, simulated: bool) -> Figure:
    """Draw the timeline of one run; overlapping spans are in different rows."""
    requests, writers = request_rows(run.spans), writer_rows(run.spans)
    rows = requests + writers
    bars = [_Bar(span=span, y=y, thickness=0.82, hover=_described(span)) for y, row in enumerate(rows) for span in row]
    row_px = max(7.0, min(26.0, 620 / max(len(rows), 1)))
    figure = drawn(
        _stages(bars, labelled=len(bars) <= _LABELLED_SPANS),
        title=f"One run of {named(run.mode, run.concurrency)}",
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
    # Labels that do not fit are hidden instead of shrunk.
    figure.update_layout(uniformtext={"minsize": 9, "mode": "hide"})
    if not bars:
        remark(figure, "No spans were recorded for this run.")
    return figure


def race(runs: Sequence[MeasuredRun], *, simulated: bool) -> Figure:
    """Draw finished runs of several modes on one clock, with a button that replays them."""
    bands = [
        _Band(
            name=named(run.mode, run.concurrency, line="<br>"),
            mode=run.mode,
            rows=_rows(run.spans),
            until_s=run.wall_s,
            label=_outcome(run, runs),
        )
        for run in runs
    ]
    clock_s = max((run.wall_s for run in runs), default=0.0)
    # Space for the labels; those with several lines are wider.
    reach_s = max((band.until_s / (0.72 if "<br>" in band.label else 0.82) for band in bands), default=0.0) or 1.0
    bars = _placed(bands)
    figure = _banded(bands, bars, reach_s=reach_s, title="Race", simulated=simulated)
    figure.frames = [_frame(bands, bars, clock_s * k / _FRAMES) for k in range(1, _FRAMES + 1)]
    figure.update_layout(updatemenus=[_replay_button()])
    return figure


def request_rows(spans: Iterable[Span]) -> list[list[Span]]:
    """Pack all spans except writing into rows without overlaps; spans of one item are in the same or nearby rows."""
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
    """Pack the writing spans into rows without overlaps: one row for a single writer."""
    return _tracks(span for span in spans if span.name == "writing")


def _tracks(spans: Iterable[Span]) -> list[list[Span]]:
    """Separate spans that overlap, such as an item's title match and its embedding."""
    rows: list[list[Span]] = []
    for span in sorted(spans, key=attrgetter("start_s")):
        _place([span], rows)
    return rows


def _place(track: Sequence[Span], rows: list[list[Span]], near: int | None = None) -> int:
    """Append a track to the first free row, or to the free row nearest to `near`; return its number."""
    free = [number for number, row in enumerate(rows) if row[-1].end_s <= track[0].start_s]
    if not free:
        rows.append([])
        free = [len(rows) - 1]
    chosen = free[0] if near is None else min(free, key=lambda number: abs(number - near))
    rows[chosen].extend(track)
    return chosen


def _outcome(run: MeasuredRun, runs: Sequence[MeasuredRun]) -> str:
    if run.error is not None:
        return f"<b>failed</b><br>{wrapped(run.error, 32, lines=3)}"
    time = f"<b>{run.wall_s:.1f} s</b>"
    finished = [other for other in runs if other.error is None]
    best_s = min(other.wall_s for other in finished)
    first = [other for other in finished if other.wall_s <= best_s * (1 + SINGLE_RUN_NOISE)]
    wins = len(finished) > 1 and run in first
    place = "tied for fastest" if len(first) > 1 else "fastest"
    sync_s = next((other.wall_s for other in finished if other.mode == SYNC), 0.0)
    if not sync_s or run.mode == SYNC or not run.wall_s:
        return f"{time} · {place}" if wins else time
    gain = f"{sync_s / run.wall_s:.1f}× as fast as sync"
    return f"{time} · {place}<br>{gain}" if wins else f"{time}<br>{gain}"


def _rows(spans: Sequence[Span]) -> list[list[Span]]:
    return request_rows(spans) + writer_rows(spans)


def _row_height(bands: Sequence[_Band]) -> float:
    return _SHARE / max([_SLOTS, *(len(band.rows) for band in bands)])


def _placed(bands: Sequence[_Band]) -> list[_Bar]:
    """Place the rows of each band around its middle; rows have the same height in all bands."""
    height = _row_height(bands)
    return [
        _Bar(
            span=span,
            y=top + (number + 0.5 - len(band.rows) / 2) * height,
            thickness=0.86 * height,
            hover=f"{band.mode}: {_described(span)}",
        )
        for top, band in enumerate(bands)
        for number, row in enumerate(band.rows)
        for span in row
    ]


def _banded(bands: Sequence[_Band], bars: Sequence[_Bar], *, reach_s: float, title: str, simulated: bool) -> Figure:
    figure = drawn(
        [*_stages(bars), _marks(bands), _ends(bands)],
        title=title,
        simulated=simulated,
        height=170 + _BAND_PX * max(len(bands), 1),
    )
    figure.update_xaxes(title_text="seconds", range=[0, reach_s], showgrid=True, fixedrange=True)
    figure.update_yaxes(
        tickvals=list(range(len(bands))),
        ticktext=[band.name for band in bands],
        range=[len(bands) - 0.45, -0.5],
        showgrid=False,
        zeroline=False,
        fixedrange=True,
    )
    fit(figure, [line for band in bands for line in band.name.split("<br>")])
    return figure


def _marks(bands: Sequence[_Band]) -> go.Bar:
    """Underline each band in the colour of its mode, up to its end."""
    height = _row_height(bands)
    return go.Bar(
        orientation="h",
        y=[top + len(band.rows) * height / 2 + 0.05 for top, band in enumerate(bands)],
        x=[band.until_s for band in bands],
        width=0.04,
        marker={
            "color": [MODE_COLOURS[band.mode] for band in bands],
            "pattern": {"shape": [HATCHES.get(band.mode, "") for band in bands]},
        },
        hovertext=[f"{band.mode}: {band.until_s:.2f} s total." for band in bands],
        hovertemplate=HOVER_TEXT,
        showlegend=False,
    )


def _ends(bands: Sequence[_Band], clock_s: float = math.inf) -> go.Scatter:
    texts = [_indented(f"{clock_s:.1f} s" if clock_s < band.until_s else band.label) for band in bands]
    ends = [min(band.until_s, clock_s) for band in bands]
    return words_at(ends, list(range(len(bands))), texts, "middle right", size=14)


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
        # Below the axis at the right: legend, title and toolbar are at the top, the axis title is in the middle.
        "x": 1,
        "xanchor": "right",
        "y": 0,
        "yanchor": "top",
        "pad": {"t": 30, "r": 0},
        # Plotly makes a hovered button almost white in every theme, so the button is light in every theme.
        "bgcolor": "#E9E9FB",
        "bordercolor": "#5B5BD6",
        "font": {"color": "#34349B"},
    }


def _stages(bars: Sequence[_Bar], *, labelled: bool = False) -> list[go.Bar]:
    return [
        go.Bar(
            name=html.escape(stage_name(stage)),
            orientation="h",
            base=[round(bar.span.start_s, 4) for bar in ours],
            x=[round(bar.span.seconds, 4) for bar in ours],
            y=[round(bar.y, 4) for bar in ours],
            width=ours[0].thickness,
            marker={
                "color": STAGE_COLOURS.get(stage, NEUTRAL),
                "pattern": {"shape": HATCHES.get(stage, "")},
                "line": {"width": 0},
            },
            # Plotly chooses a label's colour by the bar's, which hatching does not fill.
            text=html.escape(stage_name(stage)),
            textposition="inside" if labelled and stage not in HATCHES else "none",
            insidetextanchor="middle",
            textangle=0,
            hovertext=[bar.hover for bar in ours],
            hovertemplate=HOVER_TEXT,
        )
        for stage, ours in _by_stage(bars).items()
    ]


def _by_stage(bars: Sequence[_Bar]) -> dict[str, list[_Bar]]:
    names = {bar.span.name for bar in bars}
    order = [stage for stage in STAGE_COLOURS if stage in names] + sorted(names - STAGE_COLOURS.keys())
    return {stage: [bar for bar in bars if bar.span.name == stage] for stage in order}


def _described(span: Span) -> str:
    stretch = f"{span.seconds:.2f} s, from {span.start_s:.2f} to {span.end_s:.2f} s."
    # One write contains the results of several requests.
    whose = "" if span.name == "writing" else f" of request {span.lane + 1}"
    return html.escape(f"{stage_name(span.name)}{whose} took {stretch}")


def _indented(label: str) -> str:
    return "<br>".join(f"  {line}" for line in label.split("<br>"))
