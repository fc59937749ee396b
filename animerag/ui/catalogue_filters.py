"""Draws the search, order, filters and presets of Catalogue, which are all in the page's address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import streamlit as st

from animerag.errors import InvalidInputError
from animerag.models.filters import RESTRICTED_LABELS, STATUS_LABELS, Filters
from animerag.models.shows import TYPE_LABELS
from animerag.query.condition_text import parse
from animerag.query.plan import EVERYTHING, both, parts_of
from animerag.ui import session
from animerag.ui.components import error_boundary, show_error
from animerag.ui.text import label

if TYPE_CHECKING:
    from collections.abc import Callable

    from animerag.catalogue.browsing import Order, Page
    from animerag.models.filters import WatchState
    from animerag.models.shows import Season, ShowType
    from animerag.query.plan import Condition

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
# The filters of the pills, as conditions.
PRESETS = {
    "Not watched": "my_status=none or my_status=plan_to_watch",
    "Watching": "my_status=watching",
    "Movies": "type=movie",
    "Short series": "type=tv and episodes<=13",
    "Rated 8 or more": "rating>=8",
    "Before 2000": "year<=1999",
}
# The key of each control is its name in the address; the value is its default.
_NARROWING: dict[str, Any] = {
    "q": "", "preset": [], "from": None, "to": None, "min_episodes": None, "max_episodes": None, "min_rating": None,
    "adult": None, "aired_from": None, "aired_to": None, "type": [], "season": [], "tag": [], "status": [],
    "file": None,
}  # fmt: skip
_IN_POPOVER = tuple(name for name in _NARROWING if name not in ("q", "preset"))
_DEFAULTS: dict[str, Any] = {**_NARROWING, "order": "rating", "reverse": False, "page": 1, "cards_page": 1}
_LINK = "catalogue_link"
_ORDER_PX = 140
SAVED = "saved"  # in the address of a saved filter
_IN_ADDRESS: Any = {"bind": "query-params", "persist_state": "session"}
_SEVERAL: Any = {**_IN_ADDRESS, "filter_mode": "contains", "select_all": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseRequest:
    """The search, order and filters that are chosen in the controls."""

    search: str
    filters: Filters
    order: Order
    descending: bool
    file: str | None
    condition: Condition = EVERYTHING  # from a link and from presets
    presets: tuple[str, ...] = ()

    @property
    def narrowed(self) -> list[str]:
        """Return the search and filters in words."""
        conditions = [condition.label for condition in self.filters.conditions()]
        return [*self.presets, *conditions, *([self.file] if self.file else [])]

    async def page(self, number: int = 0) -> Page:
        """Return a page of the list."""
        return await session.services().browsing.page(
            self.search,
            self.filters,
            order=self.order,
            descending=self.descending,
            file=self.file,
            condition=self.condition,
            number=number,
        )


def controls(saved: Callable[[], None]) -> BrowseRequest:
    """Draw search, order, filters and presets, and return the choice, which is also in the page's address.

    `saved` draws the saved filters.
    """
    _begin_with_link()
    with st.container(horizontal=True, vertical_alignment="bottom", key="catalogue_head"):
        letters = st.text_input(
            "Search titles", key="q", placeholder="Any title, in any script", type="search", live=True, **_IN_ADDRESS
        )
        chosen = st.selectbox(
            "Order", list(_ORDERS), format_func=_ORDERS.__getitem__, key="order", width=_ORDER_PX, **_IN_ADDRESS
        )
        reversed_ = st.toggle("Reverse", key="reverse", **_IN_ADDRESS)
        more = st.popover(
            "Filters", icon=":material/filter_alt:", width="content", key="catalogue_filters", on_change="rerun"
        )
        # Its controls take a third of the page's time; closed, and without a filter, they would all be empty.
        filters, file = Filters(), None
        if more.open or _has_filters():
            with more:
                filters, file = _narrowing(saved)
    presets = _presets()
    return BrowseRequest(
        search=(letters or "").strip(),
        filters=filters,
        order=chosen,
        descending=(chosen != "title") ^ reversed_,
        file=file,
        condition=both(_linked_condition(), *(parse(PRESETS[name]) for name in presets)),
        presets=tuple(presets),
    )


def _has_filters() -> bool:
    """Return whether a control of the popover has a value, or gets one from the page's address."""
    return any(name in st.query_params or st.session_state.get(name) not in (None, []) for name in _IN_POPOVER)


def _narrowing(saved: Callable[[], None]) -> tuple[Filters, str | None]:
    """Draw what the popover contains, and return the filters and the file."""
    present, stored = (st.container(), None) if session.is_demo() else st.tabs(["Filter by", "Saved filters"])
    with present:
        chosen = _conditions()
    if stored is not None:
        with stored, error_boundary():
            saved()
    return chosen


def _begin_with_link() -> None:
    """Forget earlier filters when a link brings its own; otherwise the list would be shorter than the link says."""
    where = st.query_params.get("where")
    saved = st.query_params.pop(SAVED, None) is not None  # removed at once, so that the same link works again later
    if saved or (where and where != st.session_state.get(_LINK)):
        for name, value in _DEFAULTS.items():
            if name not in st.query_params:
                st.session_state[name] = value
            elif saved:
                st.session_state.pop(name, None)  # its control starts with the value of the address
    if saved and "view" in st.query_params:
        st.session_state.pop("view", None)
    st.session_state[_LINK] = where


def clear() -> None:
    """Remove all filters; for callbacks."""
    for name, value in _DEFAULTS.items():
        if name != "order":
            st.session_state[name] = value
    st.query_params.pop("where", None)


def _presets() -> list[str]:
    """Draw the quick filters as pills, and a button that removes all filters if there are any."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        chosen: list[str] = st.pills(
            "Quick filters",
            list(PRESETS),
            selection_mode="multi",
            key="preset",
            label_visibility="collapsed",
            **_IN_ADDRESS,
        )
        narrowed = any(st.session_state.get(name) not in (value, None, []) for name, value in _NARROWING.items())
        if narrowed or st.query_params.get("where"):
            st.button(
                "Clear all", icon=":material/filter_alt_off:", key="catalogue_clear", type="tertiary", on_click=clear
            )
    return chosen


def _linked_condition() -> Condition:
    """Draw the conditions of a link, each with a way to remove it, and return them."""
    text = st.query_params.get("where")
    if not text:
        return EVERYTHING
    try:
        condition = parse(text)
    except InvalidInputError as error:
        show_error(str(error))
        return EVERYTHING
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Filtered by:", width="content")
        for keys, words in session.labelled(condition):
            hint = "Remove this condition to see more shows"
            if st.button(label(words), key=f"catalogue_where_{keys}", icon=":material/close:", help=hint):
                left = [f"({part})" for part in parts_of(condition) if str(part) not in keys]
                st.query_params.pop("where")
                if left:
                    st.query_params["where"] = " and ".join(left)
                st.rerun()
    return condition


def _conditions() -> tuple[Filters, str | None]:
    vocabulary = session.cached_by_revision("vocabulary", session.services().browsing.vocabulary)
    left, right = st.columns(2)  # two columns per row, so that on a phone each "from" is above its "to"
    year_from = left.number_input("From year", 1900, 2200, value=None, key="from", **_IN_ADDRESS)
    year_to = right.number_input("To year", 1900, 2200, value=None, key="to", **_IN_ADDRESS)
    left, right = st.columns(2)
    episodes_from = left.number_input("Episodes at least", 1, 100_000, value=None, key="min_episodes", **_IN_ADDRESS)
    episodes_to = right.number_input("Episodes at most", 1, 100_000, value=None, key="max_episodes", **_IN_ADDRESS)
    left, right = st.columns(2)
    rating_from = left.number_input("Rated at least", 0.0, 10.0, value=None, step=0.5, key="min_rating", **_IN_ADDRESS)
    restricted = right.selectbox(
        "For adults",
        list(RESTRICTED_LABELS),
        None,
        format_func=_restriction,
        key="adult",
        **_IN_ADDRESS,
        placeholder="Any",
    )
    left, right = st.columns(2)
    aired_from = left.date_input("Aired from", None, _FIRST_DAY, _LAST_DAY, key="aired_from", **_IN_ADDRESS)
    aired_to = right.date_input("Aired until", None, _FIRST_DAY, _LAST_DAY, key="aired_to", **_IN_ADDRESS)
    left, right = st.columns(2)
    types = left.multiselect("Types (any)", list(TYPE_LABELS), format_func=_type, key="type", **_SEVERAL)
    seasons = right.multiselect("Seasons (any)", _SEASONS, format_func=str.capitalize, key="season", **_SEVERAL)
    tags = st.multiselect("Tags (all)", vocabulary.tags, key="tag", **_SEVERAL)
    statuses = st.multiselect("My status (any)", list(STATUS_LABELS), format_func=_status, key="status", **_SEVERAL)
    files = vocabulary.files
    file = (
        st.selectbox("From file", list(files), None, key="file", **_IN_ADDRESS, placeholder="Any file")
        if files
        else None
    )
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
