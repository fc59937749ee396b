"""Draws saved filters in Catalogue: a link for each, and a box to save the current ones."""

from __future__ import annotations

import streamlit as st

from animerag.errors import AnimeRAGError
from animerag.ui import session
from animerag.ui.catalogue_filters import SAVED
from animerag.ui.text import escape, label

_NAME = "catalogue_filter_name"


def draw() -> None:
    """Draw the saved filters as links, and the box that saves the current ones."""
    saved = session.runtime().call(session.services().saved_filters.all())
    if not saved:
        st.caption("Save the filters that you use often; each becomes a link that you can bookmark.")
    for number, one in enumerate(saved):
        link, delete = st.columns([5, 1], vertical_alignment="center")
        link.page_link("pages/catalogue.py", label=label(one.name), query_params={**one.parameters, SAVED: "1"})
        delete.button(
            "",
            icon=":material/delete:",
            key=f"catalogue_filter_delete_{number}",
            help="Delete this filter",
            type="tertiary",
            on_click=_delete,
            args=(one.name,),
        )
    name = st.text_input("Name of these filters", key=_NAME, max_chars=60, placeholder="Short films to watch")
    st.button("Save", icon=":material/bookmark_add:", key="catalogue_filter_save", disabled=not name, on_click=_save)


def _save() -> None:
    present = {name: st.query_params.get_all(name) for name in st.query_params}
    try:
        session.runtime().call(session.services().saved_filters.save(str(st.session_state[_NAME]), present))
    except AnimeRAGError as error:
        st.toast(escape(str(error)), icon=":material/error:")
        return
    st.session_state[_NAME] = ""


def _delete(name: str) -> None:
    session.runtime().call(session.services().saved_filters.delete(name))
