"""Batch: a sheet of questions in, the same sheet with answers out."""

import streamlit as st

from animerag.ui import batch, batch_history, batch_run, batch_runs, components, navigation, session


def page() -> None:
    st.title("Batch", anchor=False)
    components.follow_jobs()
    if not components.catalogue_state(session.status()):
        return
    shown = batch_runs.shown()
    if shown is not None:
        with components.error_boundary():
            batch_run.draw(shown)
    else:
        with components.error_boundary():
            batch.choose()
    if not session.is_demo():
        batch_history.saved(shown)


navigation.run(page)
