"""Home: the collection at a glance, and the ways on from it."""

import streamlit as st

from animerag.ui import components, home, home_charts, navigation, session


def page() -> None:
    st.title("Home")
    components.follow_jobs()
    status = session.status()
    if status.sample_only or not status.shows:
        home.first_steps()
    if not components.catalogue_state(status):
        return
    figures = session.runtime().call(session.services().statistics.collection())
    home.figures(figures)
    home.question_box()
    with components.error_boundary():
        home.starters(status)
    for section in (lambda: home_charts.draw(figures), home.suggestions, home.attention, home.recent_jobs):
        with components.error_boundary():
            section()


navigation.run(page)
