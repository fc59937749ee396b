"""What Catalogue draws: the list of shows, and what is missing from the catalogue. One show: show.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import streamlit as st

from animerag.batch import export
from animerag.catalogue.browsing import PAGE
from animerag.errors import InvalidInputError
from animerag.models.filters import RESTRICTED_LABELS, STATUS_LABELS, Filters
from animerag.models.shows import TYPE_LABELS
from animerag.query.condition_text import parse
from animerag.query.plan import EVERYTHING, parts_of
from animerag.ui import session
from animerag.ui.components import show_error
from animerag.ui.show import open_show
from animerag.ui.text import counted, label, type_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.catalogue.browsing import Missing, Order, Page
    from animerag.catalogue.duplicates import Pair
    from animerag.models.filters import WatchState
    from animerag.models.shows import Season, Show, ShowType, StoredShow
    from animerag.query.plan import Condition

_PAIRS, _PAIRS_SHOWN, _STUBS_SHOWN = 50, 10, 20
_ORDERS: dict[Order, str] = {
    "rating": "Best rated",
    "title": "Title",
    "year": "Newest",
    "air_date": "Air date",
    "episodes": "Longest",
    "votes": "Most votes",
    "my_score": "My score",
}
_SEASONS: tuple[Season, ...] = ("winter", "spring", "summer", "fall")
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseRequest:
    """What the controls ask for."""

    search: str
    filters: Filters
    order: Order
    descending: bool
    file: str | None
    condition: Condition = EVERYTHING  # of the question whose answer is looked at

    async def page(self, number: int = 0) -> Page:
        """Return a page of what is asked for."""
        return await session.services().browsing.page(
            self.search,
            self.filters,
            order=self.order,
            descending=self.descending,
            file=self.file,
            condition=self.condition,
            number=number,
        )


def controls() -> BrowseRequest:
    """Draw search, order and filters, and return what they ask for."""
    search, order, way, narrow = st.columns([4.2, 2, 1.8, 2], vertical_alignment="bottom")
    letters = search.text_input(
        "Search titles", key="catalogue_search", placeholder="Any title, in any script", type="search", live=True
    )
    chosen = order.selectbox("Order", list(_ORDERS), format_func=_ORDERS.__getitem__, key="catalogue_order")
    turned = way.toggle("Reverse", key="catalogue_turned")
    with narrow.popover("Filters", icon=":material/filter_alt:", width="stretch"):
        filters, file = _conditions()
    down = (chosen != "title") ^ turned
    return BrowseRequest(
        search=(letters or "").strip(),
        filters=filters,
        order=chosen,
        descending=down,
        file=file,
        condition=_asked_condition(),
    )


def _asked_condition() -> Condition:
    """Draw the conditions that a link brings, to be taken away, and return them."""
    text = st.query_params.get("where")
    if not text:
        return EVERYTHING
    try:
        condition = parse(text)
    except InvalidInputError as error:
        show_error(str(error))
        return EVERYTHING
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("As you asked:", width="content")
        for keys, words in session.labelled(condition):
            hint = "Show more by removing this condition"
            if st.button(label(words), key=f"catalogue_where_{keys}", icon=":material/close:", help=hint):
                left = [f"({part})" for part in parts_of(condition) if str(part) not in keys]
                st.query_params.pop("where")
                if left:
                    st.query_params["where"] = " and ".join(left)
                st.rerun()
    return condition


def _conditions() -> tuple[Filters, str | None]:
    vocabulary = session.cached_by_revision("vocabulary", session.services().browsing.vocabulary)
    left, right = st.columns(2)
    year_from = left.number_input("From year", 1900, 2200, value=None, key="catalogue_year_from")
    year_to = right.number_input("To year", 1900, 2200, value=None, key="catalogue_year_to")
    episodes_from = left.number_input("Episodes at least", 1, 100_000, value=None, key="catalogue_episodes_from")
    episodes_to = right.number_input("Episodes at most", 1, 100_000, value=None, key="catalogue_episodes_to")
    rating_from = left.number_input("Rated at least", 0.0, 10.0, value=None, step=0.5, key="catalogue_rating_from")
    restricted = right.selectbox(
        "For adults",
        list(RESTRICTED_LABELS),
        None,
        format_func=_restriction,
        key="catalogue_restricted",
        placeholder="Any",
    )
    aired_from = left.date_input("Aired from", None, _FIRST_DAY, _LAST_DAY, key="catalogue_aired_from")
    aired_to = right.date_input("Aired until", None, _FIRST_DAY, _LAST_DAY, key="catalogue_aired_to")
    types = left.multiselect("Types (any)", list(TYPE_LABELS), format_func=_type, key="catalogue_types")
    seasons = right.multiselect("Seasons (any)", _SEASONS, format_func=str.capitalize, key="catalogue_seasons")
    tags = st.multiselect("Tags (all)", vocabulary.tags, key="catalogue_tags")
    statuses = st.multiselect("My status (any)", list(STATUS_LABELS), format_func=_status, key="catalogue_statuses")
    files = vocabulary.files
    file = st.selectbox("From file", list(files), None, key="catalogue_file", placeholder="Any file") if files else None
    filters = Filters(
        year_from=year_from,
        year_to=year_to,
        episodes_from=episodes_from,
        episodes_to=episodes_to,
        rating_from=rating_from,
        tags=tuple(tags),
        statuses=tuple(statuses),
        types=tuple(types),
        seasons=tuple(seasons),
        aired_from=aired_from.isoformat() if aired_from else None,
        aired_to=aired_to.isoformat() if aired_to else None,
        restricted=restricted,
    )
    return filters, file


def _type(kind: ShowType) -> str:
    return TYPE_LABELS[kind]


def _restriction(restricted: bool) -> str:
    return RESTRICTED_LABELS[restricted].capitalize()


def _status(status: WatchState) -> str:
    return STATUS_LABELS[status]


def show_table(asked: BrowseRequest) -> None:
    """Draw the list, a page at a time; a click or an arrow key on a show opens it."""
    call = session.runtime().call
    number = st.session_state.get("catalogue_page", 1) - 1
    page = call(asked.page(number))
    if not page.shows and page.total:  # what is asked for has fewer pages than before
        st.session_state["catalogue_page"], number = 1, 0
        page = call(asked.page())
    conditions = [condition.label for condition in asked.filters.conditions()] + ([asked.file] if asked.file else [])
    if not page.total:
        hint = "Try fewer letters or another script." if not conditions else "Remove a filter."
        st.info(f"No matches. {hint}", icon=":material/search_off:")
        return
    count, turn = st.columns([4, 1], vertical_alignment="bottom")
    count.caption(label(" · ".join([counted(page.total, "show"), *conditions])))
    pages = -(-page.total // PAGE)
    if pages > 1:
        turn.number_input(f"Page, of {pages:,}", 1, pages, key="catalogue_page")
    _table(page.shows)
    _download(page)


def _table(shows: Sequence[Show]) -> None:
    key = session.fresh_key("catalogue_table")

    def choose() -> None:
        if key != session.fresh_key("catalogue_table"):  # a late event of a table that was replaced meanwhile
            return
        cells = st.session_state[key].selection.cells
        if cells and cells[0][0] < len(shows):
            st.query_params["show"] = shows[cells[0][0]].id
        else:
            st.query_params.pop("show", None)

    st.dataframe(
        [
            {
                "Title": show.title,
                "Native title": show.native_title,
                "Type": type_of(show),
                "Year": show.year,
                "Season": show.season and show.season.capitalize(),
                "Episodes": show.episodes,
                "Rating": show.rating,
                "Aired from": show.air_date,
                "Until": show.end_date,
                "Tags": ", ".join(show.tags),
            }
            for show in shows
        ],
        key=key,
        on_select=choose,
        selection_mode="single-cell",  # a row would have to be ticked: by arrow keys none is
        hide_index=True,
        width="stretch",
        height=min(35 * len(shows) + 38, 560),
        column_config={
            "Title": st.column_config.TextColumn(width="medium"),
            "Native title": st.column_config.TextColumn(width="medium"),
            "Type": st.column_config.TextColumn(width=90),
            "Year": st.column_config.NumberColumn(format="%d", width=60),
            "Season": st.column_config.TextColumn(width=75),
            "Aired from": st.column_config.TextColumn(width=95),
            "Until": st.column_config.TextColumn(width=95),
            "Episodes": st.column_config.NumberColumn(width=80),
            "Rating": st.column_config.NumberColumn(format="%.2f", width=70),
        },
    )


def _download(page: Page) -> None:
    """Offer the list as a CSV file that this app and spreadsheets can read; it is made on demand."""

    def made() -> bytes:
        shows = session.runtime().call(session.services().library.shows(page.ids))
        return export.shows_csv([shows[show_id] for show_id in page.ids if show_id in shows])

    st.download_button(
        f"Download {counted(page.total, 'show')} as CSV",
        made,
        file_name="catalogue.csv",
        mime="text/csv",
        icon=":material/download:",
        key="catalogue_csv",
        on_click="ignore",
    )


def gaps() -> None:
    """List pairs that may be one show, missing sequels, and shows without a description."""
    services = session.services()

    async def look() -> tuple[list[Pair], list[Missing], list[Show]]:
        pairs, browsing = await services.same_shows.pairs(limit=_PAIRS), services.browsing
        return pairs, await browsing.missing(), await browsing.stubs()

    pairs, missing, stubs = session.cached_by_revision("gaps", look)
    same_shows(pairs)
    if missing:
        with st.expander(f"{counted(len(missing), 'sequel')} missing", icon=":material/playlist_remove:"):
            st.caption("Sequels and prequels that your shows refer to and that are not in the catalogue.")
            rows = [
                {
                    "Missing": one.show.title or one.show.id,
                    "Year": one.show.year,
                    "Relation": one.show.kind,
                    "Of": one.named_by.title,
                    "ID": one.show.id,
                }
                for one in missing
            ]
            st.dataframe(rows, hide_index=True, width="stretch", height=min(35 * len(rows) + 38, 400))
    if stubs:
        with st.expander(f"{counted(len(stubs), 'show')} without a description", icon=":material/short_text:"):
            st.caption("Only names and fields find these. Edit a show, or import a file that has its description.")
            for place, show in enumerate(stubs[:_STUBS_SHOWN]):
                if st.button(_heading(show), key=f"catalogue_stub_{place}", type="tertiary"):
                    open_show(show.id)
            if len(stubs) > _STUBS_SHOWN:
                st.caption(f"Showing {_STUBS_SHOWN} of {len(stubs):,}.")


def _heading(show: Show) -> str:
    return label(show.title + (f" ({show.year})" if show.year else ""))


def same_shows(pairs: Sequence[Pair]) -> None:
    """Offer to merge pairs that look like one show, or to keep both."""
    service, call = session.services().same_shows, session.runtime().call
    if not pairs:
        return
    more = "at least " if len(pairs) == _PAIRS else ""
    with st.expander(f"{more}{counted(len(pairs), 'pair')} may be the same show", icon=":material/join:"):
        st.caption(
            "Their titles, year and episodes agree. Merging keeps both titles and fills in what one of them lacks."
        )
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


def _named(show: StoredShow) -> str:
    facts = [str(show.year)] if show.year else []
    facts += [counted(show.episodes, "episode")] if show.episodes else []
    return label(f"{show.title} ({', '.join([*facts, f'id {show.id}'])})")
