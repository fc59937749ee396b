"""Compare in its tabs and states, over real services."""

import pytest

from animerag.comparison.experiment import Experiment
from animerag.comparison.measurements import Distribution, MeasuredRun
from animerag.comparison.plan import ExperimentPlan
from animerag.comparison.serialization import to_object
from animerag.models.providers import Priority
from animerag.telemetry.tracing import Span
from animerag.ui import session
from tests.pages.screen import plain, until, visit, words

pytestmark = pytest.mark.timeout(120)


def experiment(experiment_id="first", *, faster=1.0, cancelled=False):
    """Return an experiment whose async runs at 1 and 5 took 4 s and 1 s, divided by `faster`."""
    walls = {("sync", 1): 4.4, ("async", 1): 4.0, ("async", 5): 1.0}
    runs = [
        MeasuredRun(
            mode=mode,
            concurrency=level,
            repeat=repeat,
            wall_s=wall_s / faster + repeat * 0.01,
            items=500,
            latency_s=Distribution.of([0.5] * 5),
            spans=(Span("embedding", 0.0, 0.5), Span("writing", 0.5, wall_s / faster)),
        )
        for (mode, level), wall_s in walls.items()
        for repeat in range(2)
    ]
    plan = ExperimentPlan(documents=500, modes=("sync", "async"), levels=(1, 5), repeats=2, preset="typical")
    created_at = "2026-11-23T14:02:11+00:00"
    return Experiment(
        plan=plan, settings={}, runs=tuple(runs), id=experiment_id, created_at=created_at, cancelled=cancelled
    )


def keep(found):
    """Save an experiment where the page finds it."""
    library = session.services().library
    session.runtime().call(library.experiments.save(found.id, to_object(found), to_object(found, spans=True)))


def open_saved(app, experiment_id):
    visit(app, "compare")
    app.query_params["experiment"] = experiment_id
    app.session_state["compare_tab"] = "Experiment"
    app.run()
    assert not app.exception
    return app


def opened(app, tab="Experiment"):
    """Go to a tab of Compare."""
    visit(app, "compare")
    app.session_state["compare_tab"] = tab
    app.run()
    assert not app.exception
    return app


def test_a_recorded_race_and_one_button_are_shown_at_first(sampled):
    visit(sampled, "compare")
    shown = words(sampled)
    assert "8 questions are answered three times" in shown
    assert "× as fast as sync" in shown
    assert "Recorded on 20" in shown
    assert len(sampled.get("plotly_chart")) == 1
    [start] = [button for button in sampled.button if button.key == "compare_race"]
    assert start.label.startswith("Start race · about")
    assert not start.disabled

    sampled.get("button_group")[0].set_value("ingest").run()
    assert "500 documents are embedded" in words(sampled)


def test_a_plan_is_priced_before_it_runs(sampled):
    opened(sampled)
    assert "27 runs, about" in words(sampled)
    assert "no cost" in words(sampled)
    sampled.number_input(key="compare_repeats").set_value(1).run()
    assert "9 runs, about" in words(sampled)
    assert not sampled.button(key="compare_run").disabled


def test_a_plan_that_cannot_run_gets_a_sentence_and_no_button(sampled):
    opened(sampled)
    sampled.multiselect(key="compare_levels").set_value([]).run()
    assert "Levels must be whole numbers from 1 to 64" in sampled.error[0].value
    assert "compare_run" not in [button.key for button in sampled.button if not button.disabled]


def test_choices_survive_a_visit_to_another_page(sampled):
    opened(sampled)
    sampled.number_input(key="compare_documents").set_value(300).run()
    visit(sampled, "settings")
    opened(sampled)
    assert sampled.number_input(key="compare_documents").value == 300


def test_custom_numbers_start_at_the_typical_ones(sampled):
    opened(sampled)
    sampled.selectbox(key="compare_against").set_value("own numbers").run()
    assert sampled.number_input(key="compare_chat_latency_s").value == 3.0
    sampled.text_input(key="compare_faults").set_value("nonsense").run()
    sampled.button(key="compare_run").click().run()
    until(sampled, lambda page: page.error)
    assert "nonsense" in sampled.error[0].value


def test_an_embedded_provider_is_not_offered(sampled):
    opened(sampled)
    assert "To measure your own provider, connect it in Settings" in words(sampled)
    assert not [option for option in sampled.selectbox(key="compare_against").options if "configured" in option.lower()]


def test_a_running_experiment_can_be_cancelled(sampled):
    opened(sampled)
    sampled.number_input(key="compare_warmup").set_value(0).run()
    sampled.multiselect(key="compare_levels").set_value([1]).run()  # no run ends within 20 s
    sampled.button(key="compare_run").click().run()
    until(sampled, lambda page: any("Run 1 of 9" in bar.text for bar in page.get("progress")))
    assert sampled.button(key="compare_run").disabled
    next(button for button in sampled.button if button.label == "Cancel").click().run()
    sampled.session_state["compare_tab"] = "Experiment"  # the harness does not send the state of tabs
    until(sampled, lambda page: "Cancelled before a run finished" in words(page))
    assert not sampled.button(key="compare_run").disabled


def test_a_saved_experiment_is_opened_by_its_address(sampled):
    keep(experiment())
    open_saved(sampled, "first")
    figures = {plain(metric.label): plain(metric.value) for metric in sampled.metric}
    assert figures["Best speed-up"] == "4.4×"
    assert figures["Recommended level"] == "5"
    assert "Import, 500 documents · Typical API, simulated" in words(sampled).replace("\\", "")
    assert [button.label for button in sampled.get("download_button")] == [
        "Download JSON",
        "Download CSV",
        "Download HTML",
    ]


def test_a_baseline_of_the_same_work_is_compared(sampled):
    keep(experiment("before"))
    keep(experiment("after", faster=2.0))
    open_saved(sampled, "before")
    sampled.button(key="compare_baseline").click().run()
    open_saved(sampled, "after")
    table = sampled.dataframe[0].value
    assert list(table["Baseline (s)"]) == [4.405, 4.005, 1.005]
    assert all(change < -49 for change in table["Against baseline (%)"])


def test_a_deleted_experiment_is_gone(sampled):
    keep(experiment())
    open_saved(sampled, "first")
    sampled.button(key="compare_delete").click().run()
    assert not sampled.metric
    assert "No experiments yet" in words(opened(sampled, "History"))


def test_saved_experiments_are_listed_with_their_figures(sampled):
    keep(experiment("before"))
    keep(experiment("after", faster=2.0))
    opened(sampled, "History")
    table = sampled.dataframe[0].value
    assert list(table["Speed-up"]) == ["4.4×", "4.4×"]
    assert list(table["Async by level"][0]) == pytest.approx([2.0, 0.5], abs=0.02)


def test_levels_that_the_work_cannot_fill_are_left_out_of_the_plan(sampled):
    opened(sampled)
    sampled.number_input(key="compare_documents").set_value(300).run()
    assert "This work makes only 3 requests, so levels 5 and 10 are left out" in plain(words(sampled))
    assert "15 runs, about" in words(sampled)


def test_a_cancelled_experiment_says_so(sampled):
    keep(experiment(cancelled=True))
    open_saved(sampled, "first")
    assert "cancelled" in sampled.warning[0].value


def test_a_level_cannot_be_used_by_the_embedded_provider_and_the_page_says_why(sampled):
    keep(experiment())
    open_saved(sampled, "first")
    assert sampled.button(key="compare_use_first").disabled
    assert "The embedded provider uses no network" in words(sampled)


def test_a_level_is_used_by_a_provider_on_the_network(app, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    app.run()
    keep(experiment())
    open_saved(app, "first")
    app.button(key="compare_use_first").click().run()
    assert "Level 5 is now in use for imports." in words(app)
    assert session.gate_now().levels[Priority.INGEST] == 5


def test_a_level_that_the_environment_fixes_cannot_be_used(app, monkeypatch):
    monkeypatch.setenv("ANIMERAG_INGEST_CONCURRENCY", "3")
    app.run()
    keep(experiment())
    open_saved(app, "first")
    assert app.button(key="compare_use_first").disabled
    assert "ANIMERAG_INGEST_CONCURRENCY fixes the level" in words(app).replace("\\", "")


def test_a_race_that_fails_says_why_and_can_be_run_again(app, monkeypatch):
    monkeypatch.setenv("ANIMERAG_CHROMA_URL", "http://127.0.0.1:9")
    app.run()
    visit(app, "compare")
    until(app, lambda page: not page.button(key="compare_race").disabled)
    app.button(key="compare_race").click().run()
    until(app, lambda page: page.error)
    assert "The race did not finish" in app.error[0].value
    assert not app.button(key="compare_race").disabled


def test_a_configured_provider_is_asked_only_after_a_confirmation(app, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    app.run()
    opened(app)
    app.selectbox(key="compare_against").set_value("configured").run()
    assert "go to the configured provider" in app.warning[0].value
    assert "tokens" in words(app)
    assert app.button(key="compare_run").disabled
    app.checkbox[0].check().run()
    until(app, lambda page: not page.button(key="compare_run").disabled)
