"""Compare: the same work one request after another, by threads and by async, measured side by side."""

import streamlit as st

from animerag.comparison.experiment import Experiment
from animerag.comparison.runner import COMPARE_JOB, RACE_JOB
from animerag.ui import compare, compare_history, components, experiment, experiment_form, navigation, session


def page() -> None:
    st.title("Compare", anchor=False)
    jobs = session.services().jobs
    race, job = jobs.latest(RACE_JOB), jobs.latest(COMPARE_JOB)
    running = [other for other in jobs.all() if other.running]
    if any(other not in (race, job) for other in running):
        compare.waiting_for_others(running)
    for name, tab in compare.open_tabs(job).items():
        if tab.open:
            with tab, components.error_boundary():
                TABS[name](busy=bool(running))
    if any(
        not other.running for other in running
    ):  # the job ended while the page was drawn, so the buttons are out of date
        st.rerun()


def race_tab(*, busy: bool) -> None:
    """Choose a race and start it; draw it, or the last one."""
    service, jobs = session.services().comparison, session.services().jobs
    workload, started = compare.choose_race(busy=busy)
    if started:
        session.runtime().call(service.start_race(jobs, workload))
        st.rerun()
    compare.race(jobs.latest(RACE_JOB), workload)


def experiment_tab(*, busy: bool) -> None:
    """Draw the experiment in progress, or the one that was opened or ended last; the form is folded beside either.

    On a phone nobody would scroll past the form to see the result.
    """
    job = session.services().jobs.latest(COMPARE_JOB)
    is_running = job is not None and job.running
    opened = None
    if job is not None and is_running:
        compare.running(job)
    else:
        compare.ended_without_figures(job)
        with components.error_boundary():
            opened = compare.shown_experiment(job)
    is_first = opened is None and not is_running
    with st.container() if is_first else st.expander("New experiment", icon=":material/science:"):
        form(busy=busy)
    shown(opened)


def form(*, busy: bool) -> None:
    """Choose a plan on the left and run it on the right."""
    service, jobs = session.services().comparison, session.services().jobs
    left, right = st.columns([5, 4], gap="large")
    with left, components.error_boundary():
        chosen = experiment_form.choose(service.why_not_configured())
        provider = experiment_form.provider(chosen)
        with right, st.container(border=True):
            if experiment_form.run_button(chosen, service.estimate(chosen, provider), busy=busy):
                session.runtime().call(service.start(jobs, chosen, provider))
                compare.open_experiment(None)
                st.rerun()


def history_tab(*, busy: bool) -> None:  # noqa: ARG001 - nothing is started here
    """Draw the saved experiments."""
    service, call = session.services().comparison, session.runtime().call
    compare_history.history(call(service.saved()), call(service.baseline()))


def shown(shown_experiment: Experiment | None) -> None:
    """Draw the chosen experiment, compared with the baseline."""
    if shown_experiment is None:
        return
    service, call = session.services().comparison, session.runtime().call
    baseline_id = call(service.baseline())
    baseline = call(service.load(baseline_id)) if baseline_id else None
    experiment.result(shown_experiment, baseline)
    compare_history.actions(shown_experiment, baseline_id)


TABS = {compare.RACE: race_tab, compare.EXPERIMENT: experiment_tab, compare.HISTORY: history_tab}

navigation.run(page)
