"""Draws Catalogue's list as cards, for people who choose by cover. The table is in catalogue.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.models.filters import STATUS_LABELS
from animerag.text.counting import counted
from animerag.ui import cards, session, show
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.shows import Show
    from animerag.ui.catalogue_filters import BrowseRequest

_PAGE = 24  # cards: each has three controls, so a page of the table's length would be slow
_PAGE_KEY = "cards_page"
# The address contains these words; with `format_func` it would contain that function's results.
_TABLE, _CARDS = ("Table", "Cards")


def chosen() -> bool:
    """Draw the choice between table and cards, which is in the page's address; return whether cards are chosen."""
    view: str = st.segmented_control(
        "View",
        [_TABLE, _CARDS],
        default=_TABLE,
        required=True,
        key="view",
        label_visibility="collapsed",
        bind="query-params",
        persist_state="session",
    )
    return view == _CARDS


def show_cards(asked: BrowseRequest) -> None:
    """Draw the list as cards, a page at a time; a click on a title opens the show."""
    with st.skeleton(height=400):
        ids = session.runtime().call(asked.page()).ids
        pages = -(-len(ids) // _PAGE)
        if st.session_state.get(_PAGE_KEY, 1) > max(pages, 1):  # the list has fewer pages than before
            st.session_state[_PAGE_KEY] = 1
        first = (st.session_state.get(_PAGE_KEY, 1) - 1) * _PAGE
        shows = _shows(ids[first : first + _PAGE])
    show.remember_list(ids)
    if not shows:
        st.info("No matches. Remove a filter, or try fewer letters.", icon=":material/search_off:")
        return
    st.caption(label(" · ".join([counted(len(ids), "show"), *asked.narrowed])))
    cards.grid([cards.Card(show=one, reason=_reason(one)) for one in shows], key="catalogue")
    if pages > 1:
        st.pagination(pages, key=_PAGE_KEY, bind="query-params", persist_state="session")


def _shows(ids: Sequence[str]) -> list[Show]:
    by_id = session.runtime().call(session.services().library.shows(ids, records=False))
    return [by_id[show_id] for show_id in ids if show_id in by_id]


def _reason(one: Show) -> str:
    """Return where the show is in your list; a card says "Watched" itself."""
    return "" if one.my_status in (None, "completed") else STATUS_LABELS[one.my_status].capitalize()
