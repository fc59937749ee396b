"""Catalogue: find a show by its titles and fields, read its record, edit or delete it."""

import streamlit as st

from animerag.ui import (
    catalogue,
    catalogue_cards,
    catalogue_filters,
    catalogue_gaps,
    components,
    navigation,
    saved_filters,
    session,
    show,
)


def page() -> None:
    st.title("Catalogue", anchor=False)
    with components.error_boundary():
        show.undo_deletion()
    if not components.catalogue_state(session.status()):
        return
    show_id = show.shown()
    if show_id is not None:
        opened = session.runtime().call(session.services().catalogue.show(show_id))
        show.navigate(show_id)
        if opened is None:
            st.info("This show is not in your catalogue.", icon=":material/search_off:")
        else:
            show.draw(opened)
        return
    first = st.query_params.get("gaps")  # a link from Home opens one of these lists, which then comes before the table
    if first:
        catalogue_gaps.gaps(first)
    asked = catalogue_filters.controls(saved_filters.draw)
    if catalogue_cards.chosen():
        catalogue_cards.show_cards(asked)
    else:
        catalogue.show_table(asked)
    if not first:
        catalogue_gaps.gaps()


navigation.run(page)
