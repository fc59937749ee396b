"""The app's pages, and the way back to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.ui.components import ICON, seam

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.navigation.page import StreamlitPage

_THROUGH_APP = "through_app"


def pages() -> list[StreamlitPage]:
    """Return the pages in the order of the sidebar."""
    return [
        st.Page("pages/ask.py", title="Ask", icon=":material/forum:", url_path="ask", default=True),
        st.Page("pages/catalogue.py", title="Catalogue", icon=":material/video_library:", url_path="catalogue"),
        st.Page("pages/batch.py", title="Batch", icon=":material/list_alt:", url_path="batch"),
        st.Page("pages/upload.py", title="Upload", icon=":material/upload_file:", url_path="upload"),
        st.Page("pages/compare.py", title="Compare", icon=":material/speed:", url_path="compare"),
        st.Page("pages/settings.py", title="Settings", icon=":material/settings:", url_path="settings"),
    ]


def entered() -> None:
    """Give the page its name and icon, and note that this session came in through app.py."""
    _name()
    st.session_state[_THROUGH_APP] = True


def run(page: Callable[[], None]) -> None:
    """Run a page; whatever goes wrong in it becomes a sentence.

    A server whose very first request is for a page runs that file alone, by Streamlit's older rules for a folder called
    `pages`. Naming the pages ends that mode, and the next run goes through app.py.
    """
    if _THROUGH_APP not in st.session_state:
        _name()  # before the page's own icon, which browsers would fetch from its maker
        st.navigation(pages())
        st.rerun()
    with seam():
        page()


def _name() -> None:
    st.set_page_config(page_title="animerag", page_icon=ICON, layout="wide")
