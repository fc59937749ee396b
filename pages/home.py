"""Home: the collection at a glance, with links to the other pages."""

import streamlit as st

from animerag.ui import components, home, home_charts, navigation, session


def page() -> None:
    st.title("Home", anchor=False)
    components.follow_jobs()
    status = session.status()
    if status.sample_only or not status.shows:
        home.first_steps(status.shows)
    if not components.catalogue_state(status):
        return
    figures = session.runtime().call(session.services().statistics.collection())
    home.figures(figures)
    home.question_box()
    # Starters and suggestions need every show in memory, so everything else is drawn first.
    starters, charts, suggestions, rest = (st.container() for _ in range(4))
    for_owner = [] if session.is_demo() else [(rest, home.attention), (rest, home.recent_jobs)]
    for place, section in (
        (charts, lambda: home_charts.draw(figures)),
        *for_owner,
        (starters, lambda: home.starters(status)),
        (suggestions, home.suggestions),
    ):
        with place, components.error_boundary():
            section()


navigation.run(page)
