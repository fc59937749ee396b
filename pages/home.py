"""Home: the collection at a glance, with links to the other pages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from animerag.ui import components, home, home_charts, navigation, session

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.delta_generator import DeltaGenerator


def page() -> None:
    st.title("Home", anchor=False)
    components.follow_jobs()
    status = session.status()
    if status.sample_only or not status.shows:
        home.first_steps(status.shows)
    if not components.catalogue_state(status):
        return
    figures = session.cached_by_revision("figures", session.services().statistics.collection)
    home.figures(figures)
    home.question_box()
    # Starters and suggestions need every show in memory, so everything else is drawn first.
    starters, charts, suggestions, rest = (st.container() for _ in range(4))
    sections: list[tuple[DeltaGenerator, Callable[[], None]]] = [(charts, partial(home_charts.draw, figures))]
    if not session.is_demo():
        sections += [(rest, partial(home.attention, figures, status)), (rest, home.recent_jobs)]
    sections += [(starters, partial(home.starters, status)), (suggestions, home.suggestions)]
    for place, section in sections:
        with place, components.error_boundary():
            section()


navigation.run(page)
