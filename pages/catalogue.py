"""Catalogue: find a show by any of its titles and fields, read all there is about it, edit or delete it."""

import streamlit as st

from animerag.ui import catalogue, components, navigation, session, show


def page() -> None:
    st.title("Catalogue")
    with components.error_boundary():
        show.undo_deletion()
    if not components.catalogue_state(session.status()):
        return
    asked = catalogue.controls()
    show_id = st.query_params.get("show")
    table, *details = st.columns([3, 2] if show_id else [1], gap="large")
    with table:
        catalogue.show_table(asked)
        catalogue.gaps()
    if show_id is None:
        return
    with details[0]:
        found = session.runtime().call(session.services().catalogue.show(show_id))
        if found is None:
            st.info("This show is not in the catalogue.", icon=":material/search_off:")
            return
        show.draw(found)


navigation.run(page)
