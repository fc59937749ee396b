"""The common style of all figures. Only the modules of this package import plotly.

NumPy and pandas are imported here before any figure exists: plotly looks for both in `sys.modules` at each array, and
fails with an `AttributeError` on one that another visitor's thread is still importing.

Backgrounds are transparent and text colours are not set, so that the page's theme, light or dark, applies.
"""

from __future__ import annotations

import html
import textwrap
import unicodedata
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np  # noqa: F401 - the docstring says why
import pandas as pd  # noqa: F401 - the docstring says why
import plotly.graph_objects as go

from animerag.comparison.plan import MODES, SYNC

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.comparison.experiment import Level
    from animerag.comparison.plan import Mode

Figure: TypeAlias = go.Figure
MODE_COLOURS: dict[Mode, str] = {
    "sync": "#8B8D98",
    "threads": "#E2A336",
    "async": "#5B5BD6",
    "async-early": "#5B5BD6",
}
STAGE_COLOURS: dict[str, str] = {
    "queue": "#C1C4CD",
    "throttled": "#F76B15",
    "unavailable": "#AD7F58",
    "embedding": "#5B5BD6",
    "alias": "#12A594",
    "words": "#00A2C7",
    "vectors": "#0090FF",
    "model": "#8E4EC6",
    "writing": "#30A46C",
    "failed": "#E5484D",
}
# Stages whose name for people differs from the name of their spans.
_STAGE_NAMES = {"alias": "titles", "unavailable": "provider unavailable"}
HATCHES = {"async-early": "/", "queue": "/", "throttled": "x", "unavailable": "x", "failed": "x"}
_LETTER_PX, _EDGE_PX, _TITLED_PX = 7.0, 12, 46  # of the labels of an axis; around them
NEUTRAL = "#8B8D98"  # readable on white and on near black
_CLEAR = "rgba(0,0,0,0)"
HOVER_TEXT = "%{hovertext}<extra></extra>"  # hover boxes show this text only, without plotly's additions


def drawn(traces: Sequence[Any], *, title: str, height: int, simulated: bool = False) -> Figure:
    """Return a figure in the common style."""
    figure = go.Figure(data=traces)
    figure.update_layout(
        # Not the default template: Streamlit sets one with placeholders that only its own page replaces.
        template=go.layout.Template(),
        title={
            "text": f"{title} · simulated" if simulated else title,
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "yref": "container",
            "pad": {"t": 10},
            "font": {"size": 15},
        },
        height=height,
        margin={"t": 96, "b": 60, "l": 10, "r": 10},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        modebar={"bgcolor": _CLEAR, "color": NEUTRAL, "activecolor": MODE_COLOURS["async"]},
        barmode="overlay",  # bars have explicit positions
        hovermode="closest",
        hoverlabel={"align": "left", "namelength": -1},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "bgcolor": _CLEAR},
        xaxis={"automargin": True, "title": {"standoff": 12}},
        yaxis={"automargin": True, "title": {"standoff": 14}},
    )
    return figure


def fit(figure: Figure, labels: Iterable[str], *, titled: bool = False) -> None:
    """Leave room for the longest label of the vertical axis, and for the axis's title if it is `titled`.

    Plotly measures that room by drawing the chart up to three times, so that pages with several charts open late.
    """
    room = _LETTER_PX * max(map(_letters, labels), default=0) + (_TITLED_PX if titled else _EDGE_PX)
    figure.update_layout(margin={"l": round(room)})
    figure.update_xaxes(automargin=False)
    figure.update_yaxes(automargin=False)


def _letters(text: str) -> int:
    """Return the width of a text in Latin letters."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def words_at(x: Sequence[float], y: Sequence[object], texts: Sequence[str], at: str, size: int = 12) -> go.Scatter:
    """Return a trace of text without markers."""
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


def from_zero(values: Iterable[float], room: float = 0.16) -> list[float]:
    """Return the range of an axis, with space above the highest value."""
    return [0.0, max(values, default=0.0) * (1 + room) or 1.0]


def remark(figure: Figure, sentence: str) -> None:
    """Write into a figure why it is empty."""
    figure.add_annotation(text=sentence, x=0.02, y=0.97, xref="paper", yref="paper", xanchor="left", showarrow=False)


def named(mode: Mode, concurrency: int, line: str = ", ") -> str:
    """Return the name of a mode at a level."""
    return mode if mode == SYNC else f"{mode}{line}{concurrency} in flight"


def stage_name(stage: str) -> str:
    """Return the name of a stage as people read it."""
    return _STAGE_NAMES.get(stage, stage)


def faint(colour: str) -> str:
    """Return a half-transparent colour."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.45)"


def wrapped(sentence: str, width: int = 60, lines: int = 12) -> str:
    """Return escaped text in lines, because hover boxes are as wide as their longest line."""
    return "<br>".join(html.escape(line) for line in textwrap.wrap(sentence, width, max_lines=lines, placeholder=" …"))


def short(value: float) -> str:
    """Return a number with about three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def modes_of(levels: Iterable[Level]) -> list[Mode]:
    """Return the modes of some levels, in their usual order."""
    present = {level.mode for level in levels}
    return [mode for mode in MODES if mode in present]
