"""The chart of one question: which step ran when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from animerag.charts.style import HOVER_TEXT, STAGE_COLOURS, drawn, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.telemetry.tracing import Span

_ROW_PX, _AROUND_PX = 30, 150
# The labels of spans; waiting comes before work.
_LABELS = {
    "queue": "waiting for a slot",
    "throttled": "waiting for the rate limit",
    "alias": "titles",
    "words": "words",
    "embedding": "embedding",
    "vectors": "vectors",
    "model": "first token",
    "answer": "answer",
}


def waterfall(spans: Sequence[Span]) -> go.Figure:
    """Draw one row per kind of step, ordered by start, in seconds since the question."""
    names = list(dict.fromkeys(span.name for span in sorted(spans, key=lambda one: one.start_s)))
    traces = [
        go.Bar(
            name=_LABELS.get(name, name),
            orientation="h",
            base=[round(span.start_s, 4) for span in ours],
            x=[round(max(span.seconds, 0.001), 4) for span in ours],
            y=[_LABELS.get(name, name)] * len(ours),
            marker={"color": STAGE_COLOURS.get(name, STAGE_COLOURS["model"]), "line": {"width": 0}},
            hovertext=[
                wrapped(f"{_LABELS.get(name, name)}: {span.seconds * 1000:,.0f} ms, starting at {span.start_s:.2f} s")
                for span in ours
            ],
            hovertemplate=HOVER_TEXT,
            showlegend=False,
        )
        for name in names
        if (ours := [span for span in spans if span.name == name])
    ]
    figure = drawn(traces, title="Timeline", height=_AROUND_PX + _ROW_PX * len(names))
    figure.update_layout(
        xaxis={"title": {"text": "seconds since the question"}, "rangemode": "tozero"},
        yaxis={"autorange": "reversed", "type": "category"},
        margin={"t": 50},
    )
    return figure
