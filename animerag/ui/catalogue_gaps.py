"""Draws the lists below Catalogue's table: pairs that may be one show, missing sequels, shows without a description."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from animerag.text.counting import counted
from animerag.ui import session
from animerag.ui.components import error_boundary
from animerag.ui.show import open_show
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.catalogue.browsing import Missing
    from animerag.catalogue.duplicates import Pair
    from animerag.models.shows import Show, StoredShow

_PAIRS, _PAIRS_SHOWN, _STUBS_SHOWN = 50, 10, 20


@st.fragment  # a list opens without drawing the page again
def gaps(opened: str = "") -> None:
    """List pairs that may be one show, missing sequels, and shows without a description; closed lists stay empty.

    `opened` names the list that is open from the start: `pairs`, `missing` or `stubs`.
    """
    services = session.services()

    async def list_gaps() -> tuple[list[Pair], list[Missing], list[Show]]:
        pairs, browsing = await services.same_shows.pairs(limit=_PAIRS), services.browsing
        return pairs, await browsing.missing(), await browsing.stubs()

    with error_boundary():
        with st.skeleton(height=120):
            pairs, missing, stubs = session.cached_by_revision("gaps", list_gaps)
        if pairs and not session.is_demo():
            more = "at least " if len(pairs) == _PAIRS else ""
            heading = f"{more}{counted(len(pairs), 'possible duplicate')}"
            _draw_opened(heading, ":material/join:", "pairs", opened, lambda: _same_shows(pairs))
        if missing:
            heading = f"{counted(len(missing), 'sequel')} missing"
            _draw_opened(heading, ":material/playlist_remove:", "missing", opened, lambda: _missing(missing))
        if stubs:
            heading = f"{counted(len(stubs), 'show')} without a description"
            _draw_opened(heading, ":material/short_text:", "stubs", opened, lambda: _stubs(stubs))


def _draw_opened(heading: str, icon: str, name: str, opened: str, draw: Callable[[], None]) -> None:
    """Draw an expander, and what it contains while it is open."""
    key = f"catalogue_{name}"
    if key in st.session_state:  # the number in its heading makes it another one, which would begin closed
        st.session_state[key] = st.session_state[key]
    expander = st.expander(label(heading), icon=icon, expanded=opened == name, key=key, on_change="rerun")
    if expander.open:
        with expander:
            draw()


def _missing(missing: Sequence[Missing]) -> None:
    """List the sequels and prequels that the catalogue lacks."""
    st.caption("Sequels and prequels of your shows that are not in your catalogue.")
    rows = [
        {
            "Missing": one.show.title or one.show.id,
            "Year": one.show.year,
            "Relation": one.show.kind,
            "Of your show": one.named_by.title,
            "ID": one.show.id,
        }
        for one in missing
    ]
    st.dataframe(rows, hide_index=True, placeholder="", width="stretch", height=min(35 * len(rows) + 38, 400))


def _stubs(stubs: Sequence[Show]) -> None:
    """List the shows without a description, each a button that opens it."""
    st.caption("You can find these by title and fields only. Edit a show, or import a file with its description.")
    for place, show in enumerate(stubs[:_STUBS_SHOWN]):
        if st.button(_heading(show), key=f"catalogue_stub_{place}", type="tertiary"):
            open_show(show.id)
    if len(stubs) > _STUBS_SHOWN:
        st.caption(f"Showing {_STUBS_SHOWN} of {len(stubs):,}.")


def _heading(show: Show) -> str:
    return label(show.title + (f" ({show.year})" if show.year else ""))


def _same_shows(pairs: Sequence[Pair]) -> None:
    """Offer to merge pairs that look like one show, or to keep both."""
    service, call = session.services().same_shows, session.runtime().call
    st.caption("Their titles, year and episodes agree. Merging keeps all titles and fills in what one of them lacks.")
    for pair in pairs[:_PAIRS_SHOWN]:
        one, two = pair.first, pair.second
        names, merge, both = st.columns([4, 1, 1], vertical_alignment="center")
        names.markdown(f"{_named(one)} and {_named(two)}")
        key = f"{one.id}_{two.id}"
        if merge.button("Merge", key=f"catalogue_merge_{key}", width="stretch"):
            call(service.merge(one.id, two.id))
            st.rerun()
        if both.button("Keep both", key=f"catalogue_both_{key}", width="stretch"):
            call(service.keep_both(one.id, two.id))
            session.forget_cached("gaps")
            st.rerun()
    if len(pairs) > _PAIRS_SHOWN:
        st.caption(f"Showing {_PAIRS_SHOWN} of {len(pairs):,}.")


def _named(show: StoredShow) -> str:
    facts = [str(show.year)] if show.year else []
    facts += [counted(show.episodes, "episode")] if show.episodes else []
    return label(f"{show.title} ({', '.join([*facts, f'id {show.id}'])})")
