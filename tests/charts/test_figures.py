"""Figures: their content, and the arithmetic of rows, bands and frames."""

import itertools
import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animerag.charts import experiment as charts_experiment
from animerag.charts import runs as charts_runs
from animerag.charts import style as charts
from animerag.comparison.experiment import Experiment
from animerag.comparison.measurements import Distribution, MeasuredRun
from animerag.comparison.plan import ExperimentPlan
from animerag.telemetry.tracing import Span

WRITE_S = 0.08


def made_run(mode, level, *, requests=15, each_s=1.5, repeat=0, start_s=0.0, **figures):
    """Return the run of an ideal provider: rounds of `level` requests, one writer, and waits for the other requests."""
    free_s, written_s, spans, latencies = [start_s] * level, start_s, [], []
    for number in range(requests):
        slot = min(range(level), key=free_s.__getitem__)
        begin_s, end_s = free_s[slot], free_s[slot] + each_s * (1 + 0.02 * (number % 3))
        if number >= level and mode == "async":
            spans.append(Span("queue", begin_s - 0.4, begin_s, number))
        write_at_s = max(end_s, written_s)
        written_s = write_at_s + WRITE_S
        spans += [Span("embedding", begin_s, end_s, number), Span("writing", write_at_s, written_s)]
        free_s[slot] = end_s if mode == "async" else written_s
        latencies.append(end_s - begin_s)
    fields = {"latency_s": Distribution.of(latencies), "spans": tuple(spans), "concurrency_peak": level, **figures}
    return MeasuredRun(
        mode=mode, concurrency=level, repeat=repeat, **{"wall_s": written_s - start_s, "items": 1458} | fields
    )


def made_experiment(**chosen):
    """Return an experiment whose repeats differ by a few per cent."""
    plan = ExperimentPlan(**chosen)
    each_s = {"ingest": 1.5, "batch": 3.5, "query": 3.4}[plan.workload]
    runs = [
        made_run(
            mode, level, requests=plan.requests, each_s=each_s * (1 + 0.03 * repeat), repeat=repeat, items=plan.items
        )
        for repeat, mode, level in plan.order()
    ]
    provider = {"embed_latency_s": 0.3, "chat_latency_s": 3.0}
    return Experiment(plan=plan, settings=provider, runs=tuple(runs), id="e1", created_at="2026-11-25T10:00:00+00:00")


def made_race(level=5):
    return [
        made_run("sync", 1, requests=5),
        made_run("threads", level, requests=5),
        made_run("async", level, requests=5),
    ]


def with_walls(experiment, mode, level, *walls):
    """Return the experiment with other wall times for one setting."""
    of_repeat = dict(enumerate(walls))
    runs = [
        replace(run, wall_s=of_repeat[run.repeat]) if (run.mode, run.concurrency) == (mode, level) else run
        for run in experiment.runs
    ]
    return replace(experiment, runs=tuple(runs))


def trace(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


def overlaps(row):
    return [(one, other) for one, other in itertools.pairwise(row) if other.start_s < one.end_s]


def bars_of(figure):
    """Return (row, start, end) of every bar of a Gantt figure that stands for a span."""
    stages = [trace for trace in figure.data if trace.type == "bar" and trace.base is not None]
    return sorted(
        (y, base, base + x) for stage in stages for y, base, x in zip(stage.y, stage.base, stage.x, strict=True)
    )


def hover_texts(figure):
    """Return all hover texts."""
    return "\n".join(text for trace in figure.data for text in (trace.hovertext or ()))


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

random_spans = st.lists(
    st.builds(
        lambda name, start, length, lane: Span(name, start / 10, (start + length) / 10, lane),
        st.sampled_from(["queue", "embedding", "alias", "model", "writing"]),
        st.integers(0, 60),
        st.integers(0, 20),
        st.integers(0, 8),
    ),
    max_size=60,
)


@given(random_spans)
def test_no_two_bars_overlap_in_a_row_and_none_is_lost(spans):
    requests, writers = charts_runs.request_rows(spans), charts_runs.writer_rows(spans)

    assert [overlaps(row) for row in requests + writers if overlaps(row)] == []
    assert Counter(span for row in requests + writers for span in row) == Counter(spans)


def test_five_requests_at_a_time_take_five_rows_and_one_writer():
    run = made_run("threads", 5)

    assert len(charts_runs.request_rows(run.spans)) == 5
    assert len(charts_runs.writer_rows(run.spans)) == 1


def test_one_at_a_time_takes_one_row():
    assert len(charts_runs.request_rows(made_run("sync", 1).spans)) == 1


def test_the_steps_of_a_request_are_in_one_row():
    waits, works = Span("queue", 0.0, 1.0, 1), Span("embedding", 1.0, 2.0, 1)
    other = Span("embedding", 0.0, 0.5, 0)

    assert charts_runs.request_rows([works, other, waits]) == [[other], [waits, works]]


def test_simultaneous_steps_of_a_question_are_in_neighbouring_rows():
    questions = [[Span("alias", 0, 1, n), Span("words", 0, 0.1, n), Span("model", 1, 3, n)] for n in range(3)]

    rows = charts_runs.request_rows(itertools.chain(*questions))

    lanes_of_rows = [{span.lane for span in row} for row in rows]
    assert lanes_of_rows == [{0}, {0}, {1}, {1}, {2}, {2}]


# ── An experiment ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_wall_time_has_one_series_per_mode_with_the_range_of_its_repeats():
    experiment = with_walls(made_experiment(), "async", 5, 5.0, 5.5, 4.8)

    ours = trace(charts_experiment.wall_time(experiment), "async")

    at = 2  # of 1, 3, 5, 10
    assert ours.y[at] == 5.0
    assert (ours.error_y.array[at], ours.error_y.arrayminus[at]) == pytest.approx((0.5, 0.2))


def test_levels_are_categories_and_modes_are_grouped_around_them():
    figure = charts_experiment.wall_time(made_experiment())

    assert list(figure.layout.xaxis.ticktext) == ["1", "3", "5", "10"]
    middles = [math.fsum(pair) / 2 for pair in zip(trace(figure, "threads").x, trace(figure, "async").x, strict=True)]
    assert middles[1:] == pytest.approx([1, 2, 3])


def test_a_setting_whose_repeats_differ_is_marked_suspect():
    experiment = with_walls(made_experiment(), "threads", 3, 8.0, 8.2, 14.0)

    figure = charts_experiment.wall_time(experiment)

    assert [text for text in figure.data[-1].text if "suspect" in text] == ["8.20<br><b>suspect</b>"]
    assert hover_texts(figure).count("Suspect") == 1


def test_a_single_repeat_has_no_whiskers():
    figure = charts_experiment.wall_time(made_experiment(repeats=1))

    assert not any(series.error_y.visible for series in figure.data if series.type == "bar")


def test_throughput_counts_items_that_did_not_fail_from_slowest_to_fastest():
    runs = [made_run("async", 1, repeat=n, wall_s=10.0, items=100, errors=n) for n in range(3)]
    experiment = Experiment(plan=ExperimentPlan(modes=("async",), levels=(1,)), settings={}, runs=tuple(runs))

    figure = charts_experiment.throughput(experiment)

    ours = trace(figure, "async")
    assert (ours.y[0], ours.error_y.array[0], ours.error_y.arrayminus[0]) == pytest.approx((9.9, 0.1, 0.1))
    assert figure.layout.yaxis.title.text == "documents per second"


def test_attainable_speed_up_follows_from_whole_rounds():
    steps = next(
        trace for trace in charts_experiment.speedup(made_experiment()).data if trace.name.startswith("attainable")
    )

    assert list(steps.x) == list(range(1, 11))
    assert list(steps.y) == [15 / math.ceil(15 / level) for level in range(1, 11)]


def test_speedup_without_sync_says_why_it_is_empty():
    figure = charts_experiment.speedup(made_experiment(modes=("async",)))

    assert "Sync did not run" in figure.layout.annotations[0].text
    assert [series.name for series in figure.data] == ["attainable, n/⌈n/c⌉"]


def test_two_experiments_in_one_figure_differ_by_their_dash():
    figure = charts_experiment.overlay([("before", made_experiment()), ("after", made_experiment(levels=(1, 5)))])

    lines = {line.name: line for line in figure.data}
    assert set(lines) == {"threads, before", "async, before", "threads, after", "async, after"}
    assert lines["async, before"].line.dash != lines["async, after"].line.dash
    assert list(lines["async, after"].x) == [1, 5]


def test_one_question_has_a_bar_for_each_mode():
    figure = charts_experiment.speedup(made_experiment(workload="query"))

    assert list(figure.data[0].y) == ["sync", "threads", "async"]


def test_early_async_differs_from_async_by_more_than_colour():
    bars = charts_experiment.wall_time(made_experiment(workload="query", modes=("sync", "async", "async-early")))

    assert trace(bars, "async").marker.pattern.shape != trace(bars, "async-early").marker.pattern.shape


def figures(simulated):
    experiment = made_experiment(against="simulated" if simulated else "configured")
    question = made_experiment(workload="query", against=experiment.plan.against)
    runs = made_race()
    return {
        "wall_time": charts_experiment.wall_time(experiment),
        "throughput": charts_experiment.throughput(experiment),
        "speedup": charts_experiment.speedup(experiment),
        "one question": charts_experiment.speedup(question),
        "lanes": charts_runs.lanes(runs[2], simulated=simulated),
        "race": charts_runs.race(runs, simulated=simulated),
    }


def test_every_figure_of_the_simulator_says_so_and_no_other_does():
    assert all("simulated" in figure.layout.title.text for figure in figures(simulated=True).values())
    assert not any("simulated" in figure.layout.title.text for figure in figures(simulated=False).values())


def test_figures_leave_background_and_text_to_the_page():
    for figure in figures(simulated=True).values():
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert figure.layout.font.color is None
        assert figure.layout.template.layout.to_plotly_json() == {}  # not the process's default


def test_an_experiment_without_runs_is_drawn_as_such():
    nothing = replace(made_experiment(), runs=())

    drawn = [
        charts_experiment.wall_time(nothing),
        charts_experiment.throughput(nothing),
        charts_experiment.speedup(nothing),
    ]

    assert [figure.layout.annotations[0].text for figure in drawn] == ["No run has finished."] * 3


# ── A run, and a race ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_timeline_has_one_trace_per_stage_and_the_writer_at_the_bottom():
    figure = charts_runs.lanes(made_run("async", 5), simulated=True)

    colours = {stage.name: stage.marker.color for stage in figure.data}
    assert colours == {name: charts.STAGE_COLOURS[name] for name in ("queue", "embedding", "writing")}
    assert figure.layout.yaxis.ticktext[-1] == "writer"
    assert min(trace(figure, "writing").y) > max(trace(figure, "embedding").y)


def test_bars_of_lanes_do_not_overlap():
    bars = bars_of(charts_runs.lanes(made_run("async", 5), simulated=True))

    assert all(y != next_y or end <= start + 1e-9 for (y, _, end), (next_y, start, _) in itertools.pairwise(bars))


def test_an_unknown_stage_is_drawn_without_markup():
    run = made_run("async", 1, spans=(Span('<a href="https://x.example">', 0.0, 1.0),))

    figure = charts_runs.lanes(run, simulated=False)

    assert "<a" not in figure.to_json().replace("\\u003c", "<")
    assert "&lt;a" in figure.data[0].name


def test_a_run_without_spans_has_a_note():
    figure = charts_runs.lanes(made_run("async", 5, spans=()), simulated=False)

    assert figure.layout.annotations[0].text == "No spans were recorded for this run."


def test_the_race_names_the_winner_and_its_speed_up():
    runs = [made_run("sync", 1, wall_s=24.1), made_run("threads", 5, wall_s=6.2), made_run("async", 5, wall_s=5.0)]

    labels = charts_runs.race(runs, simulated=True).data[-1].text

    assert "24.1 s" in labels[0]
    assert "fastest" not in labels[0] + labels[1]
    assert all(part in labels[2] for part in ("5.0 s", "fastest", "4.8× as fast as sync"))


def test_a_race_within_noise_has_no_single_winner():
    runs = [made_run("sync", 1, wall_s=8.1), made_run("threads", 5, wall_s=2.10), made_run("async", 5, wall_s=2.32)]

    labels = charts_runs.race(runs, simulated=True).data[-1].text

    assert "fastest" not in labels[0]
    assert all("tied for fastest" in label for label in labels[1:])


def test_the_race_stays_at_its_end_and_its_last_frame_looks_the_same():
    figure = charts_runs.race(made_race(), simulated=True)

    last = figure.frames[-1]
    assert len(figure.frames) == 40
    for number, part in zip(last.traces, last.data, strict=True):
        assert list(part.x) == pytest.approx(list(figure.data[number].x), abs=0.001)
    assert list(last.data[-1].text) == list(figure.data[-1].text)


def test_frames_show_one_clock_for_all_modes():
    runs = made_race()
    half = charts_runs.race(runs, simulated=True).frames[19]

    assert list(half.data[-2].x) == pytest.approx([min(run.wall_s, runs[0].wall_s / 2) for run in runs])
    assert f"{runs[0].wall_s / 2:.1f} s" in half.data[-1].text[0]


def test_the_replay_takes_four_seconds_whatever_the_race_took():
    button = (
        charts_runs.race([made_run("sync", 1), made_run("async", 10)], simulated=True).layout.updatemenus[0].buttons[0]
    )

    frames, how = button.args
    assert (button.label, button.method, frames) == ("Replay", "animate", None)
    assert how["frame"]["duration"] * 40 == 4000


def test_a_failed_mode_is_shown_with_its_reason():
    failed = MeasuredRun(mode="threads", concurrency=5, repeat=0, wall_s=0.0, items=5, error="The <provider> is down.")

    labels = charts_runs.race([made_run("sync", 1), failed], simulated=True).data[-1].text

    assert "failed" in labels[1]
    assert "&lt;provider&gt;" in labels[1]


def test_hundreds_of_spans_make_a_handful_of_traces():
    figure = charts_runs.lanes(made_run("async", 10, requests=400), simulated=True)

    assert len(figure.data) == 3
    assert len(bars_of(figure)) == 400 * 2 + 390
