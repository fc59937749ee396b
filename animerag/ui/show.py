"""Draws one show in Catalogue: its record, similar shows, and the controls that edit or delete it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.errors import AnimeRAGError
from animerag.models.filters import RESTRICTED_LABELS, STATUS_LABELS
from animerag.models.shows import TYPE_LABELS
from animerag.query.local_files import size_text
from animerag.text.cleaning import clean
from animerag.text.counting import counted
from animerag.ui import franchise, session
from animerag.ui.components import show_error
from animerag.ui.text import aired, label, season_of, type_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from animerag.models.shows import RelatedShow, Show

_SOURCES = {None: None, "original": "original work"}
_AIRING = {"finished": "finished airing", "airing": "on air", "upcoming": "not yet aired"}
_LIST = "catalogue_list"
_TURNED, _LATE_S = "catalogue_turned", 1.0  # the show that was clicked, and how long an older address is ignored
_EDIT_S = 120.0  # seconds; a provider may have to embed a new description


def draw(show: Show) -> None:
    """Draw a show: on the left its facts and your list, on the right its franchise and similar shows."""
    call, services = session.runtime().call, session.services()
    related = [item.id for item in (*show.relations, *show.similar)]
    known = set(call(services.library.shows(related, records=False)))
    st.subheader(label(show.title), anchor=False)
    _actions(show)
    about, beside = st.columns([3, 2], gap="large")
    with about:
        _facts(show)
        _synopsis(show)
        _tags(show)
        _provenance(show)
    with beside:
        franchise.draw(show.id, open_show)
        _links("Relations", show.relations, known)
        _links("Similar", show.similar, known)
        _nearest(show)


def _facts(show: Show) -> None:
    others = [title for title in show.titles if title != show.title]
    if others:
        st.text(" · ".join(others))
    years = (
        f"{show.year} to {show.end_year}" if show.year and show.end_year and show.end_year != show.year else show.year
    )
    facts = [
        type_of(show) or "",
        str(years) if years else "",
        counted(show.episodes, "episode") if show.episodes else "",
        f"rated {show.rating:.2f} of 10" if show.rating else "",
        counted(show.votes, "vote") if show.votes else "",
        f"id {show.id}",
    ]
    st.caption(label(" · ".join(filter(None, facts))))
    if details := _details(show):
        st.caption(label(" · ".join(details)))
    mine = [
        (show.my_status or "").replace("_", " "),
        f"my score {show.my_score:g}" if show.my_score is not None else "",
        f"{counted(show.episodes_watched, 'episode')} watched" if show.episodes_watched else "",
    ]
    if any(mine):
        st.caption(label("My list: " + ", ".join(filter(None, mine))))
    if on_disk := _files(show):
        st.caption(label("On disk: " + " · ".join(on_disk)))


def _tags(show: Show) -> None:
    if plain := [tag for tag in show.tags if tag not in show.spoiler_tags]:
        st.caption(label(", ".join(plain)))
    if show.spoiler_tags:
        with st.expander("Tags with spoilers"):
            st.caption(label(", ".join(show.spoiler_tags)))


def _provenance(show: Show) -> None:
    """Draw the files it was imported from and its edited fields, with a button that discards the edits."""
    call, services = session.runtime().call, session.services()
    origins, edited = call(services.same_shows.provenance_of(show.id)), call(services.editing.changed(show.id))
    if origins:
        files = ", ".join(f"{one.file} (id {one.source_id})" for one in origins)
        st.caption(label(f"Imported from {files}"))
    if edited and not session.is_demo():
        st.caption(label(f"Edited: {', '.join(name.replace('_', ' ') for name in edited)}"))
        hint = "The next import of its file restores the values of the file."
        if st.button("Discard edits", key="catalogue_forget", type="tertiary", icon=":material/undo:", help=hint):
            call(services.editing.forget(show.id))
            st.rerun()


def _details(show: Show) -> list[str]:
    """Return its dates, source material and studios, as far as they are known."""
    details = [
        season_of(show),
        f"aired {when}" if (when := aired(show)) else None,
        _AIRING[show.airing] if show.airing else None,
        None if show.restricted is None else RESTRICTED_LABELS[show.restricted],
        _SOURCES.get(show.source, f"made from {show.source}"),
        f"{counted(show.duration, 'minute')} per episode" if show.duration else None,
        f"by {', '.join(show.studios)}" if show.studios else None,
    ]
    return [part for part in details if part]


def _synopsis(show: Show) -> None:
    """Draw the description, folded if its owner does not want to see spoilers of unwatched shows."""
    text = clean(show.description) or "No description."
    if session.services().settings.fold_synopsis and show.my_status in (None, "plan_to_watch"):
        with st.expander("Synopsis"):
            st.text(text)
    else:
        st.text(text)


def _files(show: Show) -> list[str]:
    """Return the facts about its files on disk, as far as they are known."""
    if show.owned_episodes is None:
        return []
    of = f" of {show.episodes:,}" if show.episodes else ""
    parts = [
        f"{show.owned_episodes:,}{of} episodes",
        f"{counted(show.missing_episodes, 'episode')} missing" if show.missing_episodes else None,
        show.resolution,
        size_text(show.file_size) if show.file_size else None,
        f"audio {', '.join(show.audio_languages)}" if show.audio_languages else None,
        f"subtitles {', '.join(show.subtitle_languages)}" if show.subtitle_languages else None,
    ]
    return [part for part in parts if part]


def _my_list(show: Show) -> None:
    """Draw the buttons that change its owner's list by one click."""
    mine = session.services().my_list
    watched = show.my_status == "completed"
    if st.button("Watched", icon=":material/check:", key="catalogue_watched", disabled=watched):
        _changed(mine.watched(show.id))
    ended = bool(show.episodes) and (show.episodes_watched or 0) >= (show.episodes or 0)
    if st.button("+1 episode", key="catalogue_next", disabled=ended):
        _changed(mine.next_episode(show.id))
    score = st.selectbox(
        "My score",
        range(10, 0, -1),
        index=None,
        placeholder="Score" if show.my_score is None else f"Score: {show.my_score:g}",
        key=f"catalogue_score_{show.id}_{show.my_score}",
        label_visibility="collapsed",
        width=120,
    )
    if score is not None and score != show.my_score:
        _changed(mine.update(show.id, score=score))


def _changed(change: Coroutine[Any, Any, Show]) -> None:
    try:
        session.runtime().call(change, timeout_s=_EDIT_S)
    except AnimeRAGError as error:
        show_error(str(error))
        return
    st.rerun()


def _links(heading: str, related: Sequence[RelatedShow], known: set[str]) -> None:
    if not related:
        return
    st.markdown(f"**{heading}**")
    for place, item in enumerate(related):
        kind = f" · {item.kind}" if item.kind not in ("", "similar") else ""
        name = label(f"{item.title or item.id}{kind}" + (f" · {item.year}" if item.year else ""))
        if item.id not in known:
            st.caption(f"{name} · not in the catalogue")
        elif st.button(name, key=f"catalogue_{heading}_{place}", type="tertiary", icon=":material/arrow_forward:"):
            open_show(item.id)


def remember_list(ids: Sequence[str]) -> None:
    """Let `navigate` step through this list."""
    st.session_state[_LIST] = ids


def navigate(show_id: str) -> None:
    """Draw the way back to the list, and to the shows before and after this one in it."""
    ids: Sequence[str] = st.session_state.get(_LIST, ())
    place = ids.index(show_id) if show_id in ids else None
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        # A callback runs before anything is drawn. A click that is read further down is lost when a late selection in
        # the table reruns the page.
        st.button("All shows", icon=":material/arrow_back:", key="catalogue_close", on_click=_turn_to, args=(None,))
        if place is None:
            return
        before, after = ids[place - 1] if place else None, ids[place + 1] if place + 1 < len(ids) else None
        for name, icon, there in (("Previous", "chevron_left", before), ("Next", "chevron_right", after)):
            key = f"catalogue_list_{name.lower()}"
            st.button(name, icon=f":material/{icon}:", key=key, disabled=not there, on_click=_turn_to, args=(there,))
        st.caption(f"{place + 1:,} of {len(ids):,}", width="content")


def open_show(show_id: str | None) -> None:
    """Open a show, or close the open one; its address can be bookmarked."""
    _turn_to(show_id)
    st.rerun()


def shown() -> str | None:
    """Return the show to draw; None for the list.

    If the browser requests a rerun just before it learns of a click, that rerun has the address from before the click.
    """
    turned: tuple[str | None, float] | None = st.session_state.get(_TURNED)
    if turned is not None and time.monotonic() < turned[1] + _LATE_S and st.query_params.get("show") != turned[0]:
        _address(turned[0])
    return st.query_params.get("show")


def turn_to(show_id: str | None) -> None:
    """Make the page draw a show, or the list, and put that into its address."""
    st.session_state[_TURNED] = show_id, time.monotonic()
    _address(show_id)


def _address(show_id: str | None) -> None:
    if show_id is None:
        st.query_params.pop("show", None)
    else:
        st.query_params["show"] = show_id


def _turn_to(show_id: str | None) -> None:
    session.renew("catalogue_table")  # the selected row is no longer the show on the page
    turn_to(show_id)


def _actions(show: Show) -> None:
    if session.is_demo():
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        _my_list(show)
        if st.button("Edit", icon=":material/edit:", key="catalogue_edit"):
            _edit(show)
        with st.popover("Delete", icon=":material/delete:"):
            st.caption("Removes the show from your catalogue. You can undo this until the next import.")
            if st.button("Delete show", key="catalogue_delete", type="primary"):
                session.runtime().call(session.services().editing.delete([show.id]), timeout_s=_EDIT_S)
                open_show(None)


def undo_deletion() -> None:
    """Name the last deleted show and offer to restore it, until the next import."""
    call, editing = session.runtime().call, session.services().editing
    deleted = call(editing.deleted())
    if not deleted or session.is_demo():
        return
    last, before = deleted[0], len(deleted) - 1
    more = f" You can undo {counted(before, 'earlier deletion')} as well, one at a time." if before else ""
    text, action = st.columns([5, 1], vertical_alignment="center")
    text.info(f"{label(last.title)} was deleted.{more}", icon=":material/delete:")
    if action.button("Undo", icon=":material/undo:", key="catalogue_undo", width="stretch"):
        call(editing.undo([last.id]), timeout_s=_EDIT_S)
        open_show(last.id)


def _nearest(show: Show) -> None:
    """Draw the shows with the most similar descriptions, or the reason why the index cannot list them."""
    try:
        near = session.runtime().call(session.services().browsing.nearest(show.id))
    except AnimeRAGError as error:
        st.caption(label(f"Similar shows cannot be listed: {error}"))
        return
    if near:
        st.markdown("**Nearest by meaning**")
    for place, one in enumerate(near):
        name = label(one.title + (f" ({one.year})" if one.year else ""))
        if st.button(name, key=f"catalogue_near_{place}", type="tertiary", icon=":material/arrow_forward:"):
            open_show(one.id)


@st.dialog("Edit", width="large")
def _edit(show: Show) -> None:
    st.caption("Your edits stay when you import the file again.")
    fields: dict[str, Any] = {"title": st.text_input("Title", show.title, key="catalogue_edit_title")}
    others = "\n".join(title for title in show.titles if title != show.title)
    titles = st.text_area("Other titles, one per line", others, height=100, key="catalogue_edit_titles")
    fields["description"] = st.text_area("Description", show.description, height=200, key="catalogue_edit_description")
    tags = list(show.tags)
    known = list(dict.fromkeys([*tags, *session.tags()]))
    fields["tags"] = st.multiselect("Tags", known, tags, accept_new_options=True, key="catalogue_edit_tags")
    kind, begins, ends = st.columns(3)
    types = list(TYPE_LABELS)
    fields["type"] = kind.selectbox(
        "Type",
        types,
        types.index(show.type) if show.type else None,
        format_func=TYPE_LABELS.__getitem__,
        key="catalogue_edit_type",
    )
    shape = "2012-04-07, or 2012-04"
    fields["air_date"] = begins.text_input(
        "Aired from", show.air_date or "", placeholder=shape, key="catalogue_edit_air_date"
    )
    fields["end_date"] = ends.text_input(
        "Aired until", show.end_date or "", placeholder=shape, key="catalogue_edit_end_date"
    )
    year, episodes, rating, score = st.columns(4)
    fields["year"] = year.number_input("Year", 1900, 2200, show.year or None, key="catalogue_edit_year")
    fields["episodes"] = episodes.number_input(
        "Episodes", 1, 100_000, show.episodes or None, key="catalogue_edit_episodes"
    )
    fields["rating"] = rating.number_input("Rating", 0.0, 10.0, show.rating, step=0.1, key="catalogue_edit_rating")
    fields["my_score"] = score.number_input("My score", 0.0, 10.0, show.my_score, step=0.5, key="catalogue_edit_score")
    statuses = [status for status in STATUS_LABELS if status != "none"]
    now = statuses.index(show.my_status) if show.my_status else None
    fields["my_status"] = st.selectbox(
        "My status", statuses, now, format_func=STATUS_LABELS.__getitem__, key="catalogue_edit_status"
    )
    if st.button("Save", type="primary", icon=":material/save:", key="catalogue_edit_save"):
        named = [fields["title"].strip(), *titles.splitlines()]
        changes = {name: value for name, value in fields.items() if _differs(value, getattr(show, name))}
        if titles != others or "title" in changes:
            changes["titles"] = named
        _save(show, changes)


def _differs(value: object, before: object) -> bool:
    return (tuple(value) if isinstance(value, list) else value or None) != (before or None)


def _save(show: Show, changes: dict[str, object]) -> None:
    if changes:
        try:
            session.runtime().call(session.services().editing.edit(show.id, changes), timeout_s=_EDIT_S)
        except AnimeRAGError as error:
            show_error(str(error))
            return
    st.rerun()
