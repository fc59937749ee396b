"""Settings: what can be changed in the app, and a test of the models."""

import streamlit as st

from animerag.ui import components, model_servers, navigation, settings


def page() -> None:
    st.title("Settings", anchor=False)
    components.follow_jobs()  # while one runs, nothing can be saved
    with components.error_boundary():
        model_servers.offer(model_servers.running(declined=True), page="settings", declinable=False)
    settings.form()
    with components.error_boundary():
        settings.connection_test()


navigation.run(page, for_owner=True)
