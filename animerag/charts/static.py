"""The figures of the HTML report: shapes with positions, which its template renders as SVG without scripts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from animerag.charts.runs import request_rows, writer_rows
from animerag.charts.style import STAGE_COLOURS, modes_of, named, short, stage_name
from animerag.comparison.plan import ITEMS, SYNC, attainable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.comparison.experiment import Experiment, Level
    from animerag.comparison.measurements import MeasuredRun

WIDTH = 1000
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 22, 46
_HEIGHT = 320
_LANE_PX = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle; `kind` is its CSS class, `title` its tooltip."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A line through points in SVG notation."""

    points: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Text at a position; `anchor` is start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str = "middle"


@dataclass(slots=True, kw_only=True)
class Drawing:
    """A figure of the report. `about` describes it for screen readers; `legend` pairs names with CSS classes."""

    title: str
    about: str
    height: float
    legend: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    lines: list[Stroke] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


def drawings(experiment: Experiment) -> list[Drawing]:
    """Return the figures of an experiment's report; none without finished runs."""
    if not experiment.levels:
        return []
    if experiment.plan.workload == "query":
        figures = [_wall_time(experiment)]
    else:
        figures = [_speedup(experiment)] if any(level.speedup for level in experiment.levels) else []
        figures += [_wall_time(experiment), _throughput(experiment)]
    recorded = [run for run in experiment.runs if run.error is None and run.spans]
    ours = [run for run in recorded if run.mode == "async"] or recorded
    if ours:
        figures.append(_lanes(min(ours, key=lambda run: run.wall_s)))
    return figures


def steps_to(most: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers from 0 to at most `most`."""
    raw = (most or 1.0) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    return [round(step * n, 10) for n in range(math.floor((most or 1.0) / step) + 1)]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps values to pixels."""

    most: float
    from_px: float
    to_px: float

    def __call__(self, value: float) -> float:
        return round(self.from_px + (self.to_px - self.from_px) * value / (self.most or 1.0), 2)


def _framed(drawing: Drawing, most: float, unit: str) -> _Scale:
    """Add a labelled grid for values from 0 to `most`; return its scale."""
    y = _Scale(most * 1.12, drawing.height - _BOTTOM, _TOP)
    for value in steps_to(most * 1.12):
        drawing.lines.append(_line([(_LEFT, y(value)), (WIDTH - _RIGHT, y(value))], "grid"))
        drawing.labels.append(Label(x=_LEFT - 8, y=y(value) + 4, text=f"{value:g}", anchor="end"))
    drawing.labels.append(Label(x=4, y=12, text=unit, anchor="start"))
    return y


def _wall_time(experiment: Experiment) -> Drawing:
    return _bars(
        experiment,
        title="Wall time",
        about="Median wall time of each mode and level; whiskers show the fastest and the slowest repeat.",
        unit="seconds",
        values=lambda level: (level.fastest_s, level.wall_s, level.slowest_s),
    )


def _throughput(experiment: Experiment) -> Drawing:
    def rates(level: Level) -> tuple[float, float, float]:
        setting = (level.mode, level.concurrency)
        runs = [run for run in experiment.runs if (run.mode, run.concurrency) == setting and run.error is None]
        return min(run.throughput for run in runs), level.throughput, max(run.throughput for run in runs)

    return _bars(
        experiment,
        title="Throughput",
        about="Median throughput of each mode and level; whiskers show the slowest and the fastest repeat.",
        unit=f"{ITEMS[experiment.plan.workload]} per second",
        values=rates,
    )


def _bars(
    experiment: Experiment,
    *,
    title: str,
    about: str,
    unit: str,
    values: Callable[[Level], tuple[float, float, float]],
) -> Drawing:
    levels = experiment.levels
    modes, places = modes_of(levels), sorted({level.concurrency for level in levels})
    drawing = Drawing(title=title, about=about, height=_HEIGHT, legend=[(mode, f"mode-{mode}") for mode in modes])
    y = _framed(drawing, max(values(level)[2] for level in levels), unit)
    group = (WIDTH - _LEFT - _RIGHT) / len(places)
    width = min(0.8 * group / len(modes), 90.0)
    for level in levels:
        # Bars are centred on their level, so that a mode that did not run leaves no gap.
        here = [other.mode for other in levels if other.concurrency == level.concurrency]
        middle = _LEFT + group * (places.index(level.concurrency) + 0.5)
        x = middle + (here.index(level.mode) - (len(here) - 1) / 2) * width
        low, value, high = values(level)
        spread = f", {low:.3g} to {high:.3g} in {level.n} repeats" if level.n > 1 else ""
        title_text = f"{named(level.mode, level.concurrency)}: {value:.3g} {unit}{spread}"
        drawing.boxes.append(
            Box(
                x=round(x - width * 0.45, 2),
                y=y(value),
                width=round(width * 0.9, 2),
                height=round(y(0) - y(value), 2),
                kind=f"mode-{level.mode}",
                title=title_text,
            )
        )
        if level.n > 1:
            drawing.lines.append(_line([(x, y(low)), (x, y(high))], "whisker"))
        suspect = " ?" if level.suspect else ""
        drawing.labels.append(Label(x=round(x, 2), y=y(high) - 6, text=f"{short(value)}{suspect}"))
    for place, concurrency in enumerate(places):
        drawing.labels.append(
            Label(x=round(_LEFT + group * (place + 0.5), 2), y=drawing.height - 26, text=str(concurrency))
        )
    drawing.labels.append(Label(x=WIDTH / 2, y=drawing.height - 6, text="requests in flight"))
    return drawing


def _speedup(experiment: Experiment) -> Drawing:
    levels = [level for level in experiment.levels if level.speedup is not None and level.mode != SYNC]
    most = max((level.concurrency for level in experiment.levels), default=1)
    limits = [attainable(experiment.plan.requests, level) for level in range(1, most + 1)]
    drawing = Drawing(
        title="Speed-up against sync",
        about="Speed-up of each mode against sync, and the attainable speed-up of n requests at c in flight, n/⌈n/c⌉.",
        height=_HEIGHT,
        legend=[*((mode, f"mode-{mode}") for mode in modes_of(levels)), ("attainable", "limit")],
    )
    y = _framed(drawing, max([*limits, *(level.speedup or 0.0 for level in levels)]), "times as fast as sync")
    x = _Scale(most + 1.0, _LEFT, WIDTH - _RIGHT)
    stairs = [(x(level + shift), y(limits[level - 1])) for level in range(1, most + 1) for shift in (-0.5, 0.5)]
    drawing.lines.append(_line(stairs, "limit"))
    for mode in modes_of(levels):
        points = [(x(level.concurrency), y(level.speedup or 0.0), level) for level in levels if level.mode == mode]
        drawing.lines.append(_line([(at, up) for at, up, _ in points], f"line-{mode}"))
        for at, up, level in points:
            text = f"{named(mode, level.concurrency)}: {level.speedup:.2f}× as fast as sync"
            drawing.boxes.append(Box(x=at - 5, y=up - 5, width=10, height=10, kind=f"mode-{mode}", title=text))
    for concurrency in sorted({level.concurrency for level in experiment.levels}):
        drawing.labels.append(Label(x=x(concurrency), y=drawing.height - 26, text=str(concurrency)))
    drawing.labels.append(Label(x=WIDTH / 2, y=drawing.height - 6, text="requests in flight"))
    return drawing


def _lanes(run: MeasuredRun) -> Drawing:
    requests, writers = request_rows(run.spans), writer_rows(run.spans)
    names = {span.name for span in run.spans}
    row = min(_LANE_PX, 620 / max(len(requests) + len(writers), 1))
    height = _TOP + row * (len(requests) + len(writers)) + _BOTTOM
    drawing = Drawing(
        title=f"One run of {named(run.mode, run.concurrency)}, {run.wall_s:.1f} s",
        about=f"Timeline of the fastest {run.mode} run, one row per request in flight.",
        height=round(height, 2),
        legend=[(stage_name(stage), f"stage-{stage}") for stage in STAGE_COLOURS if stage in names],
    )
    x = _Scale(run.wall_s, _LEFT, WIDTH - _RIGHT)
    for value in steps_to(run.wall_s, 8):
        drawing.lines.append(_line([(x(value), _TOP), (x(value), height - _BOTTOM)], "grid"))
        drawing.labels.append(Label(x=x(value), y=round(height - 28, 2), text=f"{value:g}"))
    drawing.labels.append(Label(x=WIDTH / 2, y=round(height - 6, 2), text="seconds since the start"))
    for number, spans in enumerate(requests + writers):
        for span in spans:
            drawing.boxes.append(
                Box(
                    x=x(span.start_s),
                    y=round(_TOP + row * number + row * 0.08, 2),
                    width=max(round(x(span.end_s) - x(span.start_s), 2), 0.5),
                    height=round(row * 0.84, 2),
                    kind=f"stage-{span.name}" if span.name in STAGE_COLOURS else "stage-other",
                    title=f"{stage_name(span.name)}: {span.seconds:.2f} s, "
                    f"from {span.start_s:.2f} to {span.end_s:.2f} s",
                )
            )
    if writers:
        drawing.labels.append(
            Label(x=_LEFT - 8, y=round(_TOP + row * (len(requests) + 0.8), 2), text="writer", anchor="end")
        )
    return drawing


def _line(points: Sequence[tuple[float, float]], kind: str) -> Stroke:
    return Stroke(points=" ".join(f"{x:.2f},{y:.2f}" for x, y in points), kind=kind)
