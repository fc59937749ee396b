"""Draws the charts of Home. A click on a mark, or a choice below the charts, opens Catalogue with that filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.ui import session

if TYPE_CHECKING:
    from animerag.catalogue.statistics import CollectionStatistics

    Charts = dict[str, tuple[Any, dict[str, str], str]]


_made: list[tuple[CollectionStatistics, Charts]] = []  # the charts of the latest figures, for all visitors


def draw(statistics: CollectionStatistics) -> None:
    """Draw every chart that has something to show, and below them one list of their marks.

    The list is for people who do not use a mouse. One for each chart took a tenth of the page's time in the browser.
    """
    shown = _charts(statistics)
    if not shown:
        return
    clicked = []
    with st.grid(2, min_column_width=340, gap="medium"):
        for key, (figure, _, _) in shown.items():
            with st.container(border=True):
                clicked.append(_chart(figure, key))
    marks = {f"{what}: {name}": where for _, named, what in shown.values() for name, where in named.items()}
    listed = st.selectbox(
        "Show a bar or a point of the charts in Catalogue",
        list(marks),
        None,
        key=session.fresh_key("home_marks"),
        placeholder="Open a bar or a point of the charts in Catalogue",
        label_visibility="collapsed",
    )
    if where := marks.get(listed or "") or next(filter(None, clicked), None):
        for key in ("marks", *shown):
            session.renew(f"home_{key}")
        st.switch_page("pages/catalogue.py", query_params={"where": where})


def _charts(statistics: CollectionStatistics) -> Charts:
    """Return each chart with its marks' filters and their kind; it is cached, because it takes most of Home's time.

    The statistics of a revision are one object: `Statistics` computes them once.
    """
    from animerag.charts import collection

    latest = _made[0] if _made else None
    if latest is None or latest[0] is not statistics:
        charts = {
            "years": (collection.years(statistics.years), "Year") if len(statistics.years) > 1 else None,
            "tags": (collection.tags(statistics.tags), "Tag") if statistics.tags else None,
            "scores": (collection.scores(statistics.scores), "Score") if statistics.scores else None,
            "decades": (collection.decades(statistics.decades), "Decade") if statistics.listed else None,
        }
        shown = {key: (one[0], collection.filters_of(one[0]), one[1]) for key, one in charts.items() if one is not None}
        latest = (statistics, shown)
        _made[:] = [latest]
    return latest[1]


def _chart(figure: Any, key: str) -> str | None:
    """Draw a chart, and return the filter of the mark that was clicked."""
    chosen = st.plotly_chart(
        figure,
        key=session.fresh_key(f"home_{key}"),
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False, "scrollZoom": False},
        alt=f"{figure.layout.title.text}. The list below the charts has the same figures to choose from.",
    )
    points = [point.get("customdata") for point in chosen["selection"]["points"]] if chosen else []
    return next((_text(data) for data in points if data), None)


def _text(data: Any) -> str:
    return str(data[0] if isinstance(data, list | tuple) else data)
