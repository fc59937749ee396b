"""System: running work, models, the catalogue and its index, jobs, log and versions."""

import streamlit as st

from animerag.ui import components, navigation, session, system


def page() -> None:
    st.title("System", anchor=False)
    components.follow_jobs()
    services = session.services()
    system.gate()
    for job in services.jobs.all():
        if job.running:
            components.job_watched(job)
    system.facts("Models", system.models(services))
    size = session.runtime().call(services.maintenance.index_bytes())
    trouble = system.chroma_trouble()
    system.catalogue_facts(services, session.status(), trouble, size)
    check()
    system.workers()
    if trouble is None:  # its reason is already on the page
        with components.error_boundary():
            system.indexes()
    system.jobs_table(session.runtime().call(services.library.journal.jobs()))
    system.log_tail(services)
    system.versions()


def check() -> None:
    """Compare the index with the library, and repair it when asked to."""
    maintenance = session.services().maintenance
    with components.error_boundary(), st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Check now", icon=":material/stethoscope:", key="system_check"):
            with st.spinner("Checking", show_time=True):
                st.session_state["system_report"] = session.runtime().call(maintenance.check(), timeout_s=120)
        report = st.session_state.get("system_report")
        if report is None:
            return
        if not report.healthy and st.button("Repair", type="primary", key="system_repair"):
            report = session.runtime().call(maintenance.repair_as_job(session.services().jobs), timeout_s=120)
            st.session_state["system_report"] = report
        system.doctor(report)


navigation.run(page, for_owner=True)
