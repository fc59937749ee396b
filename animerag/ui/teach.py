"""Lets you choose the right show when an answer is about another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.errors import AnimeRAGError
from animerag.query.asked_titles import asked_title
from animerag.ui import conversation, session
from animerag.ui.components import show_error
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.catalogue.teaching import Correction
    from animerag.models.answers import Exchange
    from animerag.models.shows import Show

_OFFERED = 8  # shows to choose from
_LATEST = "teach_correction"  # of this tab, with the question as it was typed; it can be undone
_STORE_S = 120.0  # seconds; a provider may have to embed the show again


def offer(item: Exchange) -> None:
    """Draw the button under an answer that opens the choice of the right show, or undoes that choice."""
    if session.is_demo():
        return
    if st.button("Not the show I meant", key="ask_teach", icon=":material/school:", type="tertiary"):
        _choose(item)
    asked, correction = st.session_state.get(_LATEST, (None, None))
    if asked == item.question and st.button(
        "Undo correction", key="ask_unteach", icon=":material/undo:", type="tertiary", help=_about(correction)
    ):
        _undo(asked, correction)


def _about(correction: Correction) -> str:
    title = f" “{correction.added_title}” became one of its titles." if correction.added_title else ""
    return label(f"You said that this question means {correction.show.title}.{title}")


def _undo(asked: str, correction: Correction) -> None:
    try:
        session.runtime().call(session.services().teaching.undo(correction), _STORE_S)
    except AnimeRAGError as error:
        show_error(str(error))
        return
    st.session_state.pop(_LATEST)
    conversation.ask_next(asked)
    st.rerun()


@st.dialog("Not the show I meant", width="medium")
def _choose(item: Exchange) -> None:
    question = (item.answer.standalone if item.answer else None) or item.question
    st.text(question)
    letters = st.text_input("Find the show you meant", key="teach_search", placeholder="Any title, in any script")
    shows = {show.id: show for show in _candidates(item, (letters or "").strip())}
    if not shows:
        st.info("No title matches. Try fewer letters or another script.", icon=":material/search_off:")
        return
    chosen = st.radio(
        "The show you meant", list(shows), None, format_func=lambda one: label(_named(shows[one])), key="teach_show"
    )
    title = st.text_input(
        "Also call it",
        asked_title(question) or "",
        key="teach_title",
        help="This becomes a title of the show. Leave it empty if your question describes the show.",
    )
    sheet = session.services().teaching.sheet
    st.caption(
        label(
            f"Your choice is also saved in {sheet.name} in the data directory, so that animerag evaluate can test it."
        )
    )
    if st.button("Save and ask again", type="primary", disabled=chosen is None, key="teach_save") and chosen:
        _save(item.question, question, chosen, title or "")


def _save(asked: str, question: str, show_id: str, title: str) -> None:
    try:
        correction = session.runtime().call(session.services().teaching.correct(question, show_id, title), _STORE_S)
    except AnimeRAGError as error:
        show_error(str(error))
        return
    st.session_state[_LATEST] = (asked, correction)
    conversation.ask_next(asked)
    st.rerun()


def _candidates(item: Exchange, letters: str) -> Sequence[Show]:
    """Return shows with these letters in a title; without letters, the answer's other candidates."""
    if letters:
        page = session.runtime().call(session.services().browsing.page(letters, order="votes"))
        return page.shows[:_OFFERED]
    sources = item.retrieval.sources if item.retrieval else ()
    return [source.show for source in sources[1 : _OFFERED + 1]] or [source.show for source in sources]


def _named(show: Show) -> str:
    return f"{show.title} ({show.year})" if show.year else show.title
