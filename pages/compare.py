"""Compare: the same work one after another, by threads and by async, measured side by side."""

import streamlit as st

from animerag.comparison.runner import COMPARE_JOB, RACE_JOB
from animerag.ui import compare, components, experiment, experiment_form, navigation, session


def page() -> None:
    st.title("Compare")
    jobs = session.services().jobs
    race, job = session.latest(RACE_JOB), session.latest(COMPARE_JOB)
    running = [other for other in session.all_jobs() if other.running]
    if compare.race_button(busy=bool(running)):
        session.runtime().call(session.services().comparison.start_race(jobs))
        st.rerun()
    if any(other not in (race, job) for other in running):
        compare.waiting_for_others(running)
    if race is not None:
        compare.race(race, newest=job is None or race.started_s > job.started_s)
    more = st.expander("More", key="compare_more", icon=":material/tune:", on_change="rerun")
    if more.open:
        with more, components.error_boundary():
            choose(busy=bool(running))
    if job is not None and job.running:
        compare.running(job)
    else:
        ended()
    if any(
        not other.running for other in running
    ):  # it ended while the page was drawn: the buttons above are of before
        st.rerun()


def choose(*, busy: bool) -> None:
    """Choose a plan, hear what it takes, run it."""
    service = session.services().comparison
    chosen = experiment_form.choose(service.why_not_configured())
    provider = experiment_form.provider(chosen)
    if experiment_form.run_button(chosen, service.estimate(chosen, provider), busy=busy):
        session.runtime().call(service.start(session.services().jobs, chosen, provider))
        session.open_experiment(None)
        st.rerun()


def ended() -> None:
    """Draw the experiment that was opened or has just ended, and the list of those that are kept."""
    service, call, job = session.services().comparison, session.runtime().call, session.latest(COMPARE_JOB)
    saved, baseline_id = call(service.saved()), call(service.baseline())
    compare.ended_without_figures(job)
    shown = session.experiment(job)
    if shown is not None:
        experiment.result(shown, next((one for one in saved if one.id == baseline_id), None))
        experiment.keeping(shown, baseline_id)
    elif not saved and session.latest(RACE_JOB) is None:
        compare.empty()
    experiment.saved(saved, baseline_id)


navigation.run(page)
