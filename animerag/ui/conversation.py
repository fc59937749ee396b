"""Keeps the conversation of Ask, in this tab and in the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.models.answers import Turn
from animerag.ui import session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.models.answers import Exchange


def current() -> list[Exchange]:
    """Return the conversation of the page's address, otherwise the one of this tab, oldest exchange first."""
    wanted, shown = st.query_params.get("chat"), st.session_state.get("ask_chat")
    if wanted and wanted != shown:
        open_one(wanted)
    elif shown:  # you have come back from another page, whose address does not contain it
        st.query_params["chat"] = shown
    exchanges: list[Exchange] = st.session_state.setdefault("ask_conversation", [])
    return exchanges


def open_one(conversation_id: str | None) -> None:
    """Show an earlier conversation, or start a new one."""
    exchanges = (
        session.runtime().call(session.services().conversations.exchanges(conversation_id)) if conversation_id else []
    )
    st.session_state["ask_conversation"] = exchanges
    st.session_state["ask_chat"] = conversation_id if exchanges else None
    st.query_params.pop("chat", None)
    if exchanges and conversation_id:
        st.query_params["chat"] = conversation_id


def ask_next(question: str) -> None:
    """Let Ask answer this question when it is opened next."""
    st.session_state["ask_next"] = question


def asked_elsewhere() -> str | None:
    """Return the question that another page handed over, once."""
    question: str | None = st.session_state.pop("ask_next", None)
    return question


def store(exchanges: Sequence[Exchange]) -> Callable[[], None]:
    """Store the last exchange, and return a function that stores it again, even while the page is being stopped."""
    loop, stored = session.runtime(), session.services().conversations
    number, exchange = len(exchanges) - 1, exchanges[-1]
    chat = loop.call(stored.put(st.session_state.get("ask_chat"), number, exchange))
    st.session_state["ask_chat"] = st.query_params["chat"] = chat

    def again() -> None:
        loop.call(stored.put(chat, number, exchange))

    return again


def delete(conversation_id: str) -> None:
    """Delete a conversation."""
    session.runtime().call(session.services().conversations.delete(conversation_id))
    if st.session_state.get("ask_chat") == conversation_id:
        open_one(None)


def turns(exchanges: Sequence[Exchange]) -> list[Turn]:
    """Return the earlier exchanges as context for the next question."""
    return [
        Turn(
            question=exchange.question,
            answer=exchange.text,
            cited=exchange.answer.citations,
            ids=exchange.answer.result.ids if exchange.answer.result else (),
        )
        for exchange in exchanges
        if exchange.answer is not None
    ]
