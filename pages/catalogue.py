"""Catalogue: find a show by any of its titles, and read all the file said about it."""

import streamlit as st

from animerag.ui import catalogue, components, navigation, session


def page() -> None:
    st.title("Catalogue")
    if not components.catalogue_state(session.status()):
        return
    kept = session.services().catalogue
    search = st.text_input("Search titles", key="catalogue_search", placeholder="Any title, in any script")
    shows, total = session.runtime().call(kept.browse(search.strip()))
    show_id = st.query_params.get("show")
    table, details = st.columns([3, 2], gap="large") if show_id else (st.container(), None)
    with table:
        catalogue.show_table(shows, total)
        catalogue.downloads(search.strip(), total)
        catalogue.same_shows()
    if show_id is None or details is None:
        return
    with details:
        show = session.runtime().call(kept.show(show_id))
        if show is None:
            st.info("This show is not in the catalogue.", icon=":material/search_off:")
            return
        linked = [item.id for item in (*show.relations, *show.similar)]
        told = session.runtime().call(session.services().same_shows.told_of(show_id))
        catalogue.show_page(show, known=set(session.runtime().call(kept.shows(linked))), told=told)


navigation.run(page)
