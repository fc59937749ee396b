"""Offers model servers on this machine, in Ask and in Settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.errors import AnimeRAGError
from animerag.ui import session
from animerag.ui.components import show_error
from animerag.ui.text import escape, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.providers import ModelServer

_TEST_S = 180.0


def running(*, declined: bool = False) -> list[ModelServer]:
    """Return the servers on this machine that could write answers; the search runs once per session."""
    key = "offers_all" if declined else "offers"
    servers: list[ModelServer] | None = st.session_state.get(key)
    if servers is None:
        servers = st.session_state[key] = session.runtime().call(
            session.services().preferences.offers(declined=declined)
        )
    return servers


def offer(servers: Sequence[ModelServer], *, page: str, declinable: bool) -> None:
    """Offer servers on this machine that could write answers; none is used until it is chosen."""
    for server in servers:
        with st.container(border=True, key=f"{page}_offer_{server.name}_{server.url[-8:-3]}".replace(" ", "_")):
            _offered(server, page=page, declinable=declinable)


def _offered(server: ModelServer, *, page: str, declinable: bool) -> None:
    first, many = server.models[0], len(server.models) > 1
    line, models, use, decline = st.columns(
        [4, 3, 1.4, 1.4] if many else [7, 0.1, 1.4, 1.4], vertical_alignment="center"
    )
    name = label(f"{server.name} runs on this machine" + ("." if many else f": {first}. Use it to write answers?"))
    line.markdown(name, help=escape(server.url))
    key = f"{page}_{server.url}"
    model = first
    if many:
        model = models.selectbox("Model", server.models, key=f"{key}_model", label_visibility="collapsed")
    if use.button("Use it", key=f"{key}_use", type="primary", width="stretch"):
        try:
            with st.spinner("Testing"):
                session.use_server(server, model, _TEST_S)
        except AnimeRAGError as error:
            show_error(str(error))
            return
        st.rerun()
    if declinable and decline.button("Not now", key=f"{key}_decline", width="stretch"):
        session.runtime().call(session.services().preferences.decline(server))
        st.session_state.pop("offers", None)
        st.rerun()
