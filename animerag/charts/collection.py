"""Draws the charts of the collection: years and types, tags, scores, decades. Each mark carries its filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from animerag.catalogue.statistics import MOST_TAGS
from animerag.charts.style import HOVER_TEXT, NEUTRAL, drawn, fit, words_at, wrapped
from animerag.models.filters import STATUS_LABELS
from animerag.models.shows import TYPE_LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.catalogue.statistics import ScoreFigure, TagFigure

_MINE, _CROWD = "#5B5BD6", "#E2A336"
_TYPE_COLOURS = {
    "tv": "#5B5BD6",
    "movie": "#E2A336",
    "ova": "#12A594",
    "web": "#0090FF",
    "special": "#8E4EC6",
    "music": "#30A46C",
    "other": "#E5484D",
    "": NEUTRAL,
}
_STATUS_COLOURS = {
    "completed": "#5B5BD6",
    "watching": "#12A594",
    "on_hold": "#E2A336",
    "dropped": "#E5484D",
    "plan_to_watch": "#0090FF",
    "none": NEUTRAL,
}
_ROW_PX, _AROUND_PX = 22, 96
_TAG_LETTERS = 24
_LEGEND_PX = 122  # room above a chart for its title and, on a phone, for three lines of names


def years(counts: Mapping[int, Mapping[str, int]]) -> go.Figure:
    """Draw shows by year, stacked by type; a click gives the shows of that year and type."""
    kinds = [kind for kind in _TYPE_COLOURS if any(kind in row for row in counts.values())]
    traces = []
    for kind in kinds:
        shown = [year for year, row in counts.items() if kind in row]
        name = TYPE_LABELS[kind] if kind else "type not recorded"  # type: ignore[index]
        traces.append(
            go.Bar(
                name=name,
                x=shown,
                y=[counts[year][kind] for year in shown],
                customdata=[_where(f"year={year}", _type(kind)) for year in shown],
                hovertext=[wrapped(f"{year}, {name}: {_shows(counts[year][kind])}") for year in shown],
                hovertemplate=HOVER_TEXT,
                marker={"color": _TYPE_COLOURS[kind], "line": {"width": 0}},
            )
        )
    figure = drawn(traces, title="Shows by year and type", height=_AROUND_PX + _ROW_PX * MOST_TAGS)
    figure.update_layout(
        barmode="stack", bargap=0.15, margin={"t": _LEGEND_PX, "b": 36}, legend={"traceorder": "normal"}
    )
    figure.update_xaxes(tickformat="d")
    highest = max((sum(row.values()) for row in counts.values()), default=0)
    fit(figure, [f"{10 * highest:,}"])  # the highest tick may have a digit more than the highest bar
    return figure


def tags(figures: Sequence[TagFigure]) -> go.Figure:
    """Draw the weightiest tags, longest bar first; a click gives the shows with that tag."""
    names = [one.tag for one in figures]
    weighted = any(one.weight != one.shows for one in figures)
    bars = go.Bar(
        orientation="h",
        x=[one.weight for one in figures],
        y=[wrapped(name, _TAG_LETTERS, 1) for name in names],
        customdata=[f"tag>={name}" for name in names],  # with any weight: the bar counts these shows too
        hovertext=[
            wrapped(f"{one.tag}: {_shows(one.shows)}" + (f", weight {one.weight:,.1f}" if weighted else ""))
            for one in figures
        ],
        hovertemplate=HOVER_TEXT,
        marker={"color": _MINE},
        text=[f"{one.shows:,}" for one in figures],
        textposition="outside",
        cliponaxis=False,
        showlegend=False,
    )
    title = "Shows by tag, highest weight first" if weighted else "Shows by tag"
    figure = drawn([bars], title=title, height=_AROUND_PX + _ROW_PX * len(figures))
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(visible=False, range=[0, max((one.weight for one in figures), default=1) * 1.18])
    figure.update_layout(margin={"t": 48, "b": 10})
    fit(figure, [one.tag[:_TAG_LETTERS] for one in figures])
    return figure


def scores(figures: Sequence[ScoreFigure]) -> go.Figure:
    """Draw the mean rating beside each score of yours; a click lists the shows with that score."""
    rows = [f"{one.score}" for one in figures]
    where = [_scored(one.score) for one in figures]
    sentence = [
        wrapped(f"{_shows(one.shows)} scored {one.score}: {one.mine:.1f} by you, {one.crowd:.1f} by others")
        for one in figures
    ]
    lines = [
        go.Scatter(
            x=[one.mine, one.crowd],
            y=[row, row],
            mode="lines",
            line={"color": NEUTRAL, "width": 3},
            hoverinfo="skip",
            showlegend=False,
        )
        for one, row in zip(figures, rows, strict=True)
    ]
    dots = [
        go.Scatter(
            name=name,
            x=values,
            y=rows,
            mode="markers",
            marker={"color": colour, "size": 13, "symbol": symbol},
            customdata=where,
            hovertext=sentence,
            hovertemplate=HOVER_TEXT,
        )
        for name, values, colour, symbol in (
            ("your mean score", [one.mine for one in figures], _MINE, "circle"),
            ("mean rating", [one.crowd for one in figures], _CROWD, "diamond"),
        )
    ]
    figure = drawn([*lines, *dots], title="Your scores against the ratings", height=_AROUND_PX + 34 * len(figures))
    figure.update_yaxes(autorange="reversed", type="category", title={"text": "your score"})
    figure.update_xaxes(range=[0, 10.4], dtick=2)
    fit(figure, rows, titled=True)
    return figure


def decades(counts: Mapping[int, Mapping[str, int]]) -> go.Figure:
    """Draw each decade's shows by your status; a click gives the shows of that decade and status."""
    names = [name for name in _STATUS_COLOURS if any(name in row for row in counts.values())]
    rows = {decade: f"{decade}s" for decade in counts}
    traces = []
    for name in names:
        shown = [decade for decade, row in counts.items() if name in row]
        called = STATUS_LABELS[name]  # type: ignore[index]
        traces.append(
            go.Bar(
                name=called,
                orientation="h",
                x=[counts[decade][name] for decade in shown],
                y=[rows[decade] for decade in shown],
                customdata=[_where(f"year>={decade}", f"year<={decade + 9}", f"my_status={name}") for decade in shown],
                hovertext=[wrapped(f"{rows[one]}, {called}: {_shows(counts[one][name])}") for one in shown],
                hovertemplate=HOVER_TEXT,
                marker={"color": _STATUS_COLOURS[name], "line": {"width": 0}},
            )
        )
    totals = [sum(row.values()) for row in counts.values()]
    ends = words_at(totals, list(rows.values()), [f"{total:,}" for total in totals], "middle right")
    figure = drawn([*traces, ends], title="Your list by decade", height=_LEGEND_PX + 20 + 30 * len(counts))
    figure.update_layout(barmode="stack", margin={"t": _LEGEND_PX, "b": 10}, legend={"traceorder": "normal"})
    figure.update_yaxes(autorange="reversed", type="category", categoryorder="array", categoryarray=list(rows.values()))
    figure.update_xaxes(visible=False, range=[0, max(totals, default=1) * 1.15])
    fit(figure, rows.values())
    return figure


def filters_of(figure: go.Figure) -> dict[str, str]:
    """Return the filters of a chart's marks by name, so that they can be chosen without a mouse."""
    named: dict[str, str] = {}
    for trace in figure.data:
        if trace.customdata is None:
            continue
        bars = trace.type == "bar"
        places = trace.x if bars and trace.orientation != "h" else trace.y
        kind = f" · {trace.name}" if bars and trace.name else ""
        for place, where in zip(places, trace.customdata, strict=True):
            named.setdefault(f"{place}{kind}", where)
    return named


def _type(kind: str) -> str:
    return f"type={kind}" if kind else "type unknown"


def _scored(score: int) -> str:
    return f"my_score>={score}" if score == 10 else _where(f"my_score>={score}", f"my_score<{score + 1}")


def _where(*conditions: str) -> str:
    return " and ".join(conditions)


def _shows(number: int) -> str:
    return f"{number:,} show" if number == 1 else f"{number:,} shows"
