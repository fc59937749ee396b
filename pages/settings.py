"""Settings: what runs and where it keeps things, what can be changed, and whether index and library agree."""

import streamlit as st

from animerag.ui import components, navigation, preferences, session, settings


def page() -> None:
    st.title("Settings")
    models()
    preferences.form()
    settings.gate()
    services = session.services()
    size = session.runtime().call(services.maintenance.index_bytes())
    settings.catalogue_facts(services, session.status(), session.chroma_trouble(), size)
    check()
    with components.error_boundary():
        settings.indexes()
    settings.jobs_table(session.journal())
    settings.versions()


def models() -> None:
    """Say who makes vectors and answers, and try them when asked to."""
    services = session.services()
    settings.facts("Models", settings.models(services))
    with components.error_boundary():
        preferences.offer(session.offers(declined=True), page="settings", declinable=False)
        if st.button("Try the models", icon=":material/network_check:", key="settings_try"):
            with st.spinner("Trying the models"):
                told = session.runtime().call(services.preferences.check(), timeout_s=120)
            settings.tried(told)


def check() -> None:
    """Hold the index against the library, and mend it when asked to."""
    maintenance = session.services().maintenance
    with components.error_boundary(), st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Check now", icon=":material/stethoscope:", key="settings_check"):
            st.session_state["settings_report"] = session.runtime().call(maintenance.check(), timeout_s=120)
        report = st.session_state.get("settings_report")
        if report is None:
            return
        if not report.healthy and st.button("Repair", type="primary", key="settings_repair"):
            report = session.runtime().call(maintenance.repair_alone(session.services().jobs), timeout_s=120)
            st.session_state["settings_report"] = report
        settings.doctor(report)


navigation.run(page)
