"""Draws running work as HTML, which a page replaces twice per second.

Streamlit hides a plotly figure after every change of its data until it is drawn again, so that on a busy machine it is
never visible. HTML appears immediately. It is rendered by Jinja2 from `live.html`; its style is in `ui/style.css`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.charts.runs import request_rows, writer_rows
from animerag.charts.style import MODE_COLOURS, NEUTRAL, STAGE_COLOURS, stage_name
from animerag.telemetry.tracing import Span
from animerag.text.html_templates import html_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.comparison.measurements import MeasuredRun
    from animerag.comparison.plan import Mode

RACERS: tuple[Mode, ...] = ("sync", "threads", "async")
_STEPS = 5  # the axis of a race is divided into five round steps
_LANES = 4  # minimum, so that the page below does not jump


@dataclass(frozen=True, slots=True)
class _LiveBar:
    """A span, or a stage of the legend; `left` and `width` are percentages of its row."""

    kind: str
    colour: str
    text: str
    left: float = 0.0
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class _LiveBand:
    """The part of one mode in a race, which has `reached` a percentage of the axis."""

    mode: Mode
    rows: Sequence[Sequence[_LiveBar]]
    reached: float
    colour: str
    label: str


def lanes(spans: Sequence[Span], started_s: float, now_s: float, *, window_s: float) -> str:
    """Draw the last `window_s` seconds of work, one row per request in flight; times are those of `perf_counter`."""
    from_s = max(now_s - window_s, started_s, min((one.start_s for one in spans), default=started_s))
    shown = [
        Span(one.name, max(one.start_s, from_s) - started_s, one.end_s - started_s, one.lane)
        for one in spans
        if one.end_s > from_s
    ]
    span_s = (from_s - started_s, max(now_s - started_s, from_s - started_s + 0.001))
    rows = _rows(shown, span_s)
    rows += [[] for _ in range(_LANES - len(rows))]
    about = f"The work of the last {span_s[1] - span_s[0]:.0f} seconds, one row per request."
    return _html(about=about, legend=_legend(shown), rows=rows, bands=(), ticks=_ticks(span_s))


def race(
    done: Sequence[MeasuredRun], current: Mode | None, spans: Sequence[Span], started_s: float, now_s: float
) -> str:
    """Draw a race on one clock: the finished runs, and the spans of the `current` one; times of `perf_counter`."""
    elapsed_s = max(now_s - started_s, 0.0) if current else 0.0
    finished = {run.mode: run for run in done}
    longest_s = max([elapsed_s, *(run.wall_s for run in done)])
    span_s = (0.0, _step_s(longest_s / 0.88))
    bands: list[_LiveBand] = []
    shown: list[Span] = []
    for mode in (*RACERS, *(mode for mode in finished if mode not in RACERS)):
        run = finished.get(mode)
        if run is not None:
            label = f"{run.wall_s:.1f} s" if run.error is None else "failed"
            bands.append(_band(mode, run.spans, run.wall_s, span_s, label))
            shown += run.spans
        elif mode == current:
            own = [Span(one.name, one.start_s - started_s, one.end_s - started_s, one.lane) for one in spans]
            bands.append(_band(mode, own, elapsed_s, span_s, f"{elapsed_s:.1f} s"))
            shown += own
        else:
            bands.append(_band(mode, (), 0.0, span_s, "waiting" if current else ""))
    about = "The race so far, simulated, one band per mode."
    return _html(about=about, legend=_legend(shown), rows=(), bands=bands, ticks=_ticks(span_s))


def _html(**values: object) -> str:
    return html_template("animerag.charts", "live.html").render(**values)


def _band(mode: Mode, spans: Sequence[Span], until_s: float, span_s: tuple[float, float], label: str) -> _LiveBand:
    return _LiveBand(mode, _rows(spans, span_s), _percent(until_s, span_s), MODE_COLOURS[mode], label)


def _rows(spans: Sequence[Span], span_s: tuple[float, float]) -> list[list[_LiveBar]]:
    return [[_bar(span, span_s) for span in row] for row in request_rows(spans) + writer_rows(spans)]


def _bar(span: Span, span_s: tuple[float, float]) -> _LiveBar:
    left = _percent(span.start_s, span_s)
    text = f"{stage_name(span.name)}, {span.seconds:.2f} s"
    return _LiveBar(*_look(span.name), text, left, _percent(span.end_s, span_s) - left)


def _legend(spans: Iterable[Span]) -> list[_LiveBar]:
    names = {span.name for span in spans}
    order = [stage for stage in STAGE_COLOURS if stage in names] + sorted(names.difference(STAGE_COLOURS))
    return [_LiveBar(*_look(stage), stage_name(stage)) for stage in order]


def _look(stage: str) -> tuple[str, str]:
    """Return the CSS class and the colour of a stage."""
    return (stage, STAGE_COLOURS[stage]) if stage in STAGE_COLOURS else ("other", NEUTRAL)


def _ticks(span_s: tuple[float, float]) -> list[str]:
    from_s, to_s = span_s
    places = 0 if to_s >= 100 or to_s - from_s >= 20 else 1 if to_s >= 4 else 2
    step_s = (to_s - from_s) / _STEPS
    return [f"{from_s + step_s * part:.{places}f} s" for part in range(_STEPS + 1)]


def _percent(at_s: float, span_s: tuple[float, float]) -> float:
    from_s, to_s = span_s
    return 100 * (at_s - from_s) / (to_s - from_s)


def _step_s(seconds: float) -> float:
    """Return the next round number of seconds, so that the axis seldom changes."""
    steps = (factor * 10.0**power for power in itertools.count() for factor in (1, 1.5, 2, 3, 5, 7.5))
    return next(step for step in steps if step >= max(seconds, 5))
