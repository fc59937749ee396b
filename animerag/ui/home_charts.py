"""Draws the charts of Home. A click on a mark, or a choice below the chart, opens Catalogue with that filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.ui import session
from animerag.ui.text import label

if TYPE_CHECKING:
    from animerag.catalogue.statistics import CollectionStatistics

    Charts = dict[str, tuple[Any, dict[str, str], str]]


_made: list[tuple[CollectionStatistics, Charts]] = []  # the charts of the latest figures, for all visitors


def draw(statistics: CollectionStatistics) -> None:
    """Draw every chart that has something to show."""
    shown = _charts(statistics)
    if not shown:
        return
    with st.grid(2, min_column_width=340, gap="medium"):
        for key, (figure, filters, what) in shown.items():
            with st.container(border=True):
                _chart(figure, filters, key, what)


def _charts(statistics: CollectionStatistics) -> Charts:
    """Return each chart with its marks' filters and their kind; it is cached, because it takes most of Home's time.

    The statistics of a revision are one object: `Statistics` computes them once.
    """
    from animerag.charts import collection

    latest = _made[0] if _made else None
    if latest is None or latest[0] is not statistics:
        charts = {
            "years": (collection.years(statistics.years), "year and type") if len(statistics.years) > 1 else None,
            "tags": (collection.tags(statistics.tags), "tag") if statistics.tags else None,
            "scores": (collection.scores(statistics.scores), "score") if statistics.scores else None,
            "decades": (collection.decades(statistics.decades), "decade and status") if statistics.listed else None,
        }
        shown = {key: (one[0], collection.filters_of(one[0]), one[1]) for key, one in charts.items() if one is not None}
        latest = (statistics, shown)
        _made[:] = [latest]
    return latest[1]


def _chart(figure: Any, filters: dict[str, str], key: str, what: str) -> None:
    """Draw a chart, and below it the same choice as a list, for people who do not use a mouse."""
    name = session.fresh_key(f"home_{key}")
    chosen = st.plotly_chart(
        figure,
        key=name,
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False, "scrollZoom": False},
        alt=f"{figure.layout.title.text}. The list below has the same figures to choose from.",
    )
    listed = st.selectbox(
        f"Show one {label(what)} in Catalogue",
        list(filters),
        None,
        key=f"{name}_list",
        placeholder=f"Open a {what} in Catalogue",
        label_visibility="collapsed",
    )
    points = [point.get("customdata") for point in chosen["selection"]["points"]] if chosen else []
    where = filters.get(listed) if listed else next((_text(data) for data in points if data), None)
    if where:
        session.renew(f"home_{key}")
        st.switch_page("pages/catalogue.py", query_params={"where": where})


def _text(data: Any) -> str:
    return str(data[0] if isinstance(data, list | tuple) else data)
