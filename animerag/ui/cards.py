"""Draws a show as a card, the same on every page: cover or tile, title, facts, a reason, buttons for your list."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.errors import AnimeRAGError
from animerag.models.shows import TYPE_LABELS
from animerag.text.counting import counted
from animerag.text.html_templates import html_template
from animerag.ui import session
from animerag.ui.text import escape, label

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from animerag.models.shows import Show

_WIDTH_PX = 168  # minimum width of a card, so that two fit beside each other on a phone
TILES = 6  # colours in style.css
_INITIALS, _NATIVE = 3, 14  # letters on a tile
_PARTS = re.compile(r"[\w\s]*[^\w\s]?")
_WORD = re.compile(r"[^\W_]+")
_STORE_S = 120.0  # seconds; a provider may have to embed the show first
SCORES = tuple(range(10, 0, -1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A show, and the reason why it is on the page, in a few words."""

    show: Show
    reason: str = ""


def grid(cards: Sequence[Card], *, key: str) -> None:
    """Draw cards beside each other, as many as fit. `key` is the grid's name, unique on its page."""
    covers = session.runtime().call(session.services().covers.of([card.show.id for card in cards]))
    with st.grid("auto", min_column_width=_WIDTH_PX, gap="small"):
        for card in cards:
            with st.container(border=True, height="stretch", gap="xsmall", key=f"card_{key}_{card.show.id}"):
                _picture(card.show, covers.get(card.show.id), tall=bool(covers))
                _words(card)
                _actions(card.show, f"{key}_{card.show.id}")


def facts(show: Show) -> str:
    """Return year, type, length and rating of a show on one line, as far as they are known."""
    parts = [
        str(show.year) if show.year else "",
        TYPE_LABELS[show.type] if show.type else "",
        counted(show.episodes, "episode") if show.episodes and show.type != "movie" else "",
        f"★ {show.rating:.1f}" if show.rating else "",
    ]
    return " · ".join(filter(None, parts))


def _picture(show: Show, cover: bytes | None, *, tall: bool) -> None:
    """Draw the cover, or a tile made of the title; tiles are as tall as covers if there are any."""
    if cover is not None:
        st.image(cover, width="stretch", alt=f"Cover of {show.title}")
        return
    colour = hashlib.sha256(show.title.encode()).digest()[0] % TILES
    parts = _PARTS.findall(_tile_words(show))  # "HUNTER×HUNTER" may break after its mark
    st.html(html_template("animerag.ui", "tile.html").render(tall=tall, colour=colour, parts=parts))


def _tile_words(show: Show) -> str:
    """Return the title in its own script, else its initials."""
    if show.native_title:
        native = show.native_title
        return native if len(native) <= _NATIVE else f"{native[: _NATIVE - 1]}…"
    return "".join(word[0].upper() for word in _WORD.findall(show.title))[:_INITIALS] or "?"


def _words(card: Card) -> None:
    show = card.show
    st.page_link("pages/catalogue.py", label=label(show.title), query_params={"show": show.id}, width="stretch")
    if about := facts(show):
        st.caption(label(about).replace("★ ", "★\u00a0"))  # a star does not end a line
    if card.reason:
        st.caption(label(card.reason))


def _actions(show: Show, key: str) -> None:
    """Draw the buttons that change your list with one click."""
    if session.is_demo():
        return
    mine = session.services().my_list
    with st.container(horizontal=True, gap="xxsmall"):
        if show.my_status == "completed":
            st.caption(":material/check: Watched", width="content")
        else:
            message = f"{show.title} is marked as watched."
            st.button("Watched", key=f"{key}_watched", on_click=_store, args=(mine.watched, show.id, message))
            if show.type != "movie" and (show.episodes or 2) > 1:
                number = (show.episodes_watched or 0) + 1
                message = f"Episode {number:,} of {show.title} is marked as watched."
                hint = f"Mark episode {number:,} as watched"
                st.button(
                    "+1", key=f"{key}_next", on_click=_store, args=(mine.next_episode, show.id, message), help=hint
                )
        st.menu_button(
            f"★ {show.my_score:g}" if show.my_score else "★",
            SCORES,
            key=f"{key}_score",
            on_click=_score,
            args=(show.id, f"{key}_score", show.title),
            help="Score from 1 to 10",
        )


def _score(show_id: str, key: str, title: str) -> None:
    score = st.session_state.get(key)
    if score is not None:
        message = f"{title} is scored {score:g}."
        _store(lambda one: session.services().my_list.update(one, score=float(score)), show_id, message)


def _store(change: Callable[[str], Coroutine[Any, Any, Show]], show_id: str, message: str) -> None:
    """Change the list and confirm it. A callback runs before the page is drawn, so an error becomes a message, too."""
    try:
        session.runtime().call(change(show_id), _STORE_S)
    except AnimeRAGError as error:
        st.toast(escape(str(error)), icon=":material/error:")
        return
    st.toast(escape(message), icon=":material/check:")
