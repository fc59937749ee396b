"""Draws the list of shows in Catalogue. The filters are in catalogue_filters.py, the page of one show in show.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.batch import export
from animerag.catalogue.browsing import PAGE
from animerag.text.counting import counted
from animerag.ui import session, show
from animerag.ui.text import label, type_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.catalogue.browsing import Page
    from animerag.models.shows import Show
    from animerag.ui.catalogue_filters import BrowseRequest

# The first column. A focused table selects its first cell, and if that opened a show the keyboard could not pass the
# table: here a selected cell only offers to open the show, in the other columns it opens it.
_OPEN = "Open"


def show_table(asked: BrowseRequest) -> None:
    """Draw the list, a page at a time; a click on a show opens it."""
    call = session.runtime().call
    with st.skeleton(height=400):
        number = st.session_state.get("page", 1) - 1
        page = call(asked.page(number))
        if not page.shows and page.total:  # the list has fewer pages than before
            st.session_state["page"] = 1
            page = call(asked.page())
    show.remember_list(page.ids)
    conditions = [condition.label for condition in asked.filters.conditions()] + ([asked.file] if asked.file else [])
    narrowed = [*asked.presets, *conditions]
    if not page.total:
        hint = "Remove a filter." if narrowed else "Try fewer letters or another script."
        st.info(f"No matches. {hint}", icon=":material/search_off:")
        return
    st.caption(label(" · ".join([counted(page.total, "show"), *narrowed])))
    _table(page.shows)
    pages = -(-page.total // PAGE)
    with st.container(horizontal=True, vertical_alignment="center"):
        if pages > 1:
            st.pagination(pages, key="page", bind="query-params", persist_state="session")
        _download(page)


@st.fragment  # a selection redraws only the table, so a late one does not bring the page back
def _table(shows: Sequence[Show]) -> None:
    if show.shown() is not None:
        st.rerun()
    key = session.fresh_key("catalogue_table")

    def open_selected() -> None:
        row, column = _selected(key, shows)
        if row is not None and column != _OPEN:
            show.turn_to(row.id)

    def open_clicked() -> None:
        clicked = st.session_state[f"{key}_open"]
        if clicked is not None and clicked.row < len(shows):
            show.turn_to(shows[clicked.row].id)

    st.dataframe(
        [
            {
                _OPEN: ":material/open_in_full:",
                "Title": one.title,
                "Year": one.year,
                "Rating": one.rating,
                "Episodes": one.episodes,
                "Type": type_of(one),
                "Native title": one.native_title,
                "Season": one.season and one.season.capitalize(),
                "Aired from": one.air_date,
                "Until": one.end_date,
                "Tags": list(one.tags),
            }
            for one in shows
        ],
        key=key,
        alt="Shows",
        on_select=open_selected,
        selection_mode="single-cell",  # selecting rows would need a tick, which arrow keys do not set
        hide_index=True,
        placeholder="",
        width="stretch",
        height=min(35 * len(shows) + 38, 560),
        column_config={
            _OPEN: st.column_config.ButtonColumn(
                "", width=44, type="tertiary", on_click=open_clicked, key=f"{key}_open", help="Open the show"
            ),
            "Title": st.column_config.TextColumn(width="medium"),
            "Native title": st.column_config.TextColumn(width="medium"),
            "Type": st.column_config.TextColumn(width=150),
            "Year": st.column_config.NumberColumn(format="%d", width=60),
            "Season": st.column_config.TextColumn(width=75),
            "Aired from": st.column_config.TextColumn(width=95),
            "Until": st.column_config.TextColumn(width=95),
            "Episodes": st.column_config.NumberColumn(width=80),
            "Rating": st.column_config.NumberColumn(format="%.2f", width=70),
            "Tags": st.column_config.ListColumn(width="large"),
        },
    )
    row, _ = _selected(key, shows)
    if row is not None:
        name = f"Open {label(row.title)}"
        st.button(name, icon=":material/open_in_full:", key="catalogue_open", on_click=show.turn_to, args=(row.id,))


def _selected(key: str, shows: Sequence[Show]) -> tuple[Show | None, str]:
    """Return the show and the column of the selected cell; the show is None if nothing is selected."""
    cells = st.session_state[key].selection.cells
    return (shows[cells[0][0]], cells[0][1]) if cells and cells[0][0] < len(shows) else (None, "")


def _download(page: Page) -> None:
    """Offer the list as a CSV file that this app and spreadsheets can read; it is written on demand."""

    def content() -> bytes:
        shows = session.runtime().call(session.services().library.shows(page.ids))
        return export.shows_csv([shows[show_id] for show_id in page.ids if show_id in shows])

    st.download_button(
        f"Download {counted(page.total, 'show')} as CSV",
        content,
        file_name="catalogue.csv",
        mime="text/csv",
        icon=":material/download:",
        key="catalogue_csv",
        on_click="ignore",
    )
