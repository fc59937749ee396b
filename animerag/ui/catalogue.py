"""What Catalogue draws: the shows that match, and all there is about one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import streamlit as st

from animerag import exports
from animerag.texts import clean
from animerag.ui import session
from animerag.ui.text import counted, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models import RelatedShow, Show, StoredShow, Told

_PAIRS, _PAIRS_SHOWN = 50, 10
_JAPANESE = re.compile(r"[ぁ-ヿ一-鿿]")


def native_title(show: Show) -> str | None:
    """Return the first title in Japanese writing, when the main one is not."""
    return next((title for title in show.titles if title != show.title and _JAPANESE.search(title)), None)


def show_table(shows: Sequence[Show], total: int) -> None:
    """Draw the shows that match; choosing a row opens it."""
    if not shows:
        st.info("No title has this. Try fewer letters, or another script.", icon=":material/search_off:")
        return
    st.caption(f"{counted(total, 'show')}" + (f", the first {len(shows):,} below" if total > len(shows) else ""))
    key = session.fresh_key("catalogue_table")

    def choose() -> None:
        chosen = st.session_state[key].selection.rows
        if chosen and chosen[0] < len(shows):
            st.query_params["show"] = shows[chosen[0]].id
        else:
            st.query_params.pop("show", None)

    st.dataframe(
        [
            {
                "Title": show.title,
                "Native title": native_title(show),
                "Year": show.year,
                "Episodes": show.episodes,
                "Rating": show.rating,
                "Tags": ", ".join(show.tags),
            }
            for show in shows
        ],
        key=key,
        on_select=choose,
        selection_mode="single-row",
        hide_index=True,
        width="stretch",
        height=560,
        column_config={
            "Title": st.column_config.TextColumn(width="medium"),
            "Native title": st.column_config.TextColumn(width="medium"),
            "Year": st.column_config.NumberColumn(format="%d", width=60),
            "Episodes": st.column_config.NumberColumn(width=80),
            "Rating": st.column_config.NumberColumn(format="%.2f", width=70),
        },
    )


def downloads(search: str, total: int) -> None:
    """Offer what was searched for as a table that this app, and a spreadsheet, can read again; made when asked for."""
    if not total:
        return

    def made() -> bytes:
        shows, _ = session.runtime().call(session.services().catalogue.browse(search, limit=total))
        return exports.shows_csv(shows)

    st.download_button(
        f"Download {counted(total, 'show')} as CSV",
        made,
        file_name="catalogue.csv",
        mime="text/csv",
        icon=":material/download:",
        key="catalogue_csv",
        on_click="ignore",
    )


def same_shows() -> None:
    """Offer pairs that look like one show, from files of different sites, to be merged or kept as two."""
    service, call = session.services().same_shows, session.runtime().call
    pairs = call(service.pairs(limit=_PAIRS))
    if not pairs:
        return
    more = "at least " if len(pairs) == _PAIRS else ""
    with st.expander(f"{more}{counted(len(pairs), 'pair')} may be the same show", icon=":material/join:"):
        st.caption("Their titles, year and episodes agree. Merging keeps the titles of both and what either lacks.")
        for pair in pairs[:_PAIRS_SHOWN]:
            one, two = pair.first, pair.second
            said, merge, both = st.columns([4, 1, 1], vertical_alignment="center")
            said.markdown(f"{_named(one)} and {_named(two)}")
            key = f"{one.id}_{two.id}"
            if merge.button("Merge", key=f"catalogue_merge_{key}", width="stretch"):
                call(service.merge(one.id, two.id))
                st.rerun()
            if both.button("Keep both", key=f"catalogue_both_{key}", width="stretch"):
                call(service.keep_both(one.id, two.id))
                st.rerun()


def _named(show: StoredShow) -> str:
    facts = [str(show.year)] if show.year else []
    facts += [counted(show.episodes, "episode")] if show.episodes else []
    return label(f"{show.title} ({', '.join([*facts, f'id {show.id}'])})")


def show_page(show: Show, *, known: set[str], told: Sequence[Told] = ()) -> None:
    """Draw all there is about one show, `told` says which files; relations that the catalogue has can be opened."""
    st.subheader(label(show.title), anchor=False)
    others = [title for title in show.titles if title != show.title]
    if others:
        st.text(" · ".join(others))
    years = (
        f"{show.year} to {show.end_year}" if show.year and show.end_year and show.end_year != show.year else show.year
    )
    facts = [
        str(years) if years else "",
        counted(show.episodes, "episode") if show.episodes else "",
        f"rated {show.rating:.2f} of 10" if show.rating else "",
        counted(show.votes, "vote") if show.votes else "",
        f"id {show.id}",
    ]
    st.caption(label(" · ".join(filter(None, facts))))
    mine = [
        (show.my_status or "").replace("_", " "),
        f"my score {show.my_score:g}" if show.my_score is not None else "",
        f"{counted(show.episodes_watched, 'episode')} watched" if show.episodes_watched else "",
    ]
    if any(mine):
        st.caption(label("My list: " + ", ".join(filter(None, mine))))
    st.text(clean(show.description) or "The catalogue has no description of it.")
    if show.tags:
        st.caption(label(", ".join(show.tags)))
    _links("Relations", show.relations, known)
    _links("Similar", show.similar, known)
    if told:
        files = ", ".join(f"{one.file} (id {one.source_id})" for one in told)
        st.caption(label(f"From {files}"))
    if st.button("Close", icon=":material/close:", key="catalogue_close"):
        _open_show(None)


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
            _open_show(item.id)


def _open_show(show_id: str | None) -> None:
    session.renew("catalogue_table")  # the row that was chosen is no longer what is shown
    if show_id is None:
        st.query_params.pop("show", None)
    else:
        st.query_params["show"] = show_id
    st.rerun()
