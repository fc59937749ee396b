"""Batch: a sheet of questions in, the same sheet with answers out."""

import streamlit as st

from animerag.ui import batch, components, navigation, run, runs, session


def page() -> None:
    st.title("Batch")
    if not components.catalogue_state(session.status()):
        return
    shown = session.run_shown()
    if shown is not None:
        with components.seam():
            run.draw(shown)
    else:
        with components.seam():
            batch.choose()
    runs.saved(shown)


navigation.run(page)
