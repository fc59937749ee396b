"""Draws running work as HTML, which a page replaces twice per second.

Streamlit hides a plotly figure after every change of its data until it is drawn again, so that on a busy machine it is
never visible. HTML appears immediately. Its style is in `ui/style.css`.
"""

from __future__ import annotations

import html
import itertools
from typing import TYPE_CHECKING

from animerag.charts.runs import request_rows, writer_rows
from animerag.charts.style import MODE_COLOURS, NEUTRAL, STAGE_COLOURS, stage_name
from animerag.telemetry.tracing import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.comparison.measurements import MeasuredRun
    from animerag.comparison.plan import Mode

RACERS: tuple[Mode, ...] = ("sync", "threads", "async")
_STEPS = 5  # of the axis: each length of a race is a round number of fifths
_LANES = 4  # minimum, so that the page below does not jump


def lanes(spans: Sequence[Span], started_s: float, now_s: float, *, window_s: float) -> str:
    """Draw the last `window_s` seconds of work, one row per request in flight; times are those of `perf_counter`."""
    from_s = max(now_s - window_s, started_s, min((one.start_s for one in spans), default=started_s))
    shown = [
        Span(one.name, max(one.start_s, from_s) - started_s, one.end_s - started_s, one.lane)
        for one in spans
        if one.end_s > from_s
    ]
    span_s = (from_s - started_s, max(now_s - started_s, from_s - started_s + 0.001))
    rows = request_rows(shown) + writer_rows(shown)
    rows += [[] for _ in range(_LANES - len(rows))]
    drawn = _rows(rows, span_s)
    about = f"The work of the last {span_s[1] - span_s[0]:.0f} seconds, one row per request."
    return _live(about, _legend(shown), drawn, _axis(span_s))


def race(
    done: Sequence[MeasuredRun], current: Mode | None, spans: Sequence[Span], started_s: float, now_s: float
) -> str:
    """Draw a race on one clock: the finished runs, and the spans of the `current` one; times of `perf_counter`."""
    elapsed_s = max(now_s - started_s, 0.0) if current else 0.0
    finished = {run.mode: run for run in done}
    longest_s = max([elapsed_s, *(run.wall_s for run in done)])
    span_s = (0.0, _step_s(longest_s / 0.88))
    bands: list[str] = []
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
    axis = f'<div class="ar-band"><span></span>{_axis(span_s)}</div>'
    return _live("The race so far, simulated, one band per mode.", _legend(shown), "".join(bands), axis)


def _live(about: str, *parts: str) -> str:
    return f'<div class="ar-live" role="img" aria-label="{html.escape(about)}">{"".join(parts)}</div>'


def _band(mode: Mode, spans: Sequence[Span], until_s: float, span_s: tuple[float, float], label: str) -> str:
    rows = _rows(request_rows(spans) + writer_rows(spans), span_s)
    reached = _percent(until_s, span_s)
    mark = f'<div class="ar-mark" style="width:{reached:.2f}%;background-color:{MODE_COLOURS[mode]}"></div>'
    ending = f'<b class="ar-end" style="left:{reached:.2f}%">{html.escape(label)}</b>'
    return f'<div class="ar-band"><span>{mode}</span><div class="ar-track">{rows}{mark}{ending}</div></div>'


def _rows(rows: Iterable[Iterable[Span]], span_s: tuple[float, float]) -> str:
    return "".join(f'<div class="ar-row">{_bars(row, span_s)}</div>' for row in rows)


def _bars(row: Iterable[Span], span_s: tuple[float, float]) -> str:
    return "".join(
        f'<i class="ar-{_class(span.name)}" style="left:{_percent(span.start_s, span_s):.2f}%;'
        f"width:{_percent(span.end_s, span_s) - _percent(span.start_s, span_s):.2f}%;"
        f'background-color:{STAGE_COLOURS.get(span.name, NEUTRAL)}" '
        f'title="{html.escape(stage_name(span.name))}, {span.seconds:.2f} s"></i>'
        for span in row
    )


def _legend(spans: Iterable[Span]) -> str:
    names = {span.name for span in spans}
    order = [stage for stage in STAGE_COLOURS if stage in names] + sorted(names.difference(STAGE_COLOURS))
    chips = "".join(
        f'<span><i class="ar-{_class(stage)}" style="background-color:{STAGE_COLOURS.get(stage, NEUTRAL)}"></i>'
        f"{html.escape(stage_name(stage))}</span>"
        for stage in order
    )
    return f'<div class="ar-legend">{chips}</div>'


def _axis(span_s: tuple[float, float]) -> str:
    from_s, to_s = span_s
    places = 0 if to_s >= 100 or to_s - from_s >= 20 else 1 if to_s >= 4 else 2
    step_s = (to_s - from_s) / _STEPS
    ticks = "".join(f"<span>{from_s + step_s * part:.{places}f} s</span>" for part in range(_STEPS + 1))
    return f'<div class="ar-axis">{ticks}</div>'


def _class(stage: str) -> str:
    return stage if stage in STAGE_COLOURS else "other"


def _percent(at_s: float, span_s: tuple[float, float]) -> float:
    from_s, to_s = span_s
    return 100 * (at_s - from_s) / (to_s - from_s)


def _step_s(seconds: float) -> float:
    """Return the next round number of seconds, so that the axis seldom changes."""
    steps = (factor * 10.0**power for power in itertools.count() for factor in (1, 1.5, 2, 3, 5, 7.5))
    return next(step for step in steps if step >= max(seconds, 5))
