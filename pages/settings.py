"""Settings: what runs, where it keeps things, and whether index and library agree."""

import streamlit as st

from animerag.ui import components, navigation, session, settings


def page() -> None:
    st.title("Settings")
    services = session.services()
    writer = "openai" if services.answering.written_by_a_model else "local"
    settings.facts(
        "Models",
        {
            "Embeddings": f"{services.embedder.model} ({settings.provider(services.embedder.provider)})",
            "Answers": f"{services.answering.model} ({settings.provider(writer)})",
        },
    )
    settings.catalogue_facts(services, session.status(), session.chroma_trouble())
    check()
    settings.jobs_table(session.all_jobs())
    settings.versions()


def check() -> None:
    """Hold the index against the library, and mend it when asked to."""
    maintenance = session.services().maintenance
    with components.seam(), st.container(horizontal=True, vertical_alignment="center"):
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
