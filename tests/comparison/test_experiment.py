"""The arithmetic of comparisons, checked with known results."""

import json
from dataclasses import replace

import pytest

from animerag.comparison.experiment import Experiment, recommend, summarise
from animerag.comparison.measurements import Distribution, MeasuredRun
from animerag.comparison.plan import WORKLOADS, ExperimentPlan, attainable
from animerag.comparison.serialization import from_object, to_object
from animerag.comparison.summary import doubt, verdict
from animerag.errors import InvalidInputError
from animerag.telemetry.statistics import percentile
from animerag.telemetry.tracing import Span


def run(mode, level, wall_s, repeat=0, **more):
    return MeasuredRun(mode=mode, concurrency=level, repeat=repeat, wall_s=wall_s, items=1458, **more)


PLAN = ExperimentPlan(levels=(3, 5, 10), repeats=3)
RUNS = (
    *(run("sync", 1, wall, n) for n, wall in enumerate((24.0, 25.0, 29.0))),
    *(run("async", 3, wall, n) for n, wall in enumerate((8.0, 9.0, 10.0))),
    *(run("async", 5, wall, n) for n, wall in enumerate((5.1, 5.0, 5.2))),
    *(run("async", 10, wall, n) for n, wall in enumerate((5.0, 4.9, 2.0))),
)


@pytest.mark.parametrize(
    ("requests", "level", "best"),
    [(15, 3, 3.0), (15, 10, 7.5), (15, 15, 15.0), (10, 3, 2.5), (10, 5, 5.0), (10, 10, 10.0), (1, 10, 1.0)],
)
def test_equal_requests_take_whole_rounds(requests, level, best):
    assert attainable(requests, level) == best


def test_percentiles_are_by_nearest_rank():
    values = [float(number) for number in range(1, 11)]
    assert [percentile(values, p) for p in (50, 90, 95, 99, 100)] == [5, 9, 10, 10, 10]
    assert percentile([7.0], 95) == 7
    printed = Distribution.of([3.0, 1.0, 2.0])
    assert (printed.n, printed.mean, printed.p50, printed.min, printed.max) == (3, 2, 2, 1, 3)
    assert Distribution.of([]) == Distribution()


def test_levels_are_medians_against_the_median_of_sync():
    sync, three, five, ten = summarise(PLAN, RUNS)
    assert (sync.mode, sync.wall_s, sync.speedup, sync.attainable) == ("sync", 25.0, 1.0, 1.0)
    assert (three.wall_s, three.fastest_s, three.slowest_s, three.n) == (9.0, 8.0, 10.0, 3)
    assert three.speedup == pytest.approx(25 / 9)
    assert three.efficiency == pytest.approx(25 / 27)
    assert three.throughput == pytest.approx(162.0)
    assert three.cv == pytest.approx(0.8165 / 9, abs=1e-3)  # the square root of 2/3, divided by the mean
    assert not three.suspect
    assert ten.suspect, "5.0, 4.9 and 2.0 s differ by more than a fifth of their mean"
    assert five.wall_s == 5.1


def test_without_sync_there_is_no_speed_up_and_failed_runs_do_not_count():
    runs = (run("async", 3, 9.0), run("async", 3, 0.0, 1, error="the provider is gone"))
    (three,) = summarise(PLAN, runs)
    assert (three.n, three.wall_s, three.speedup, three.efficiency) == (1, 9.0, None, None)


def test_the_lowest_level_near_the_fastest_is_recommended():
    levels = summarise(PLAN, RUNS)
    chosen = recommend(levels)
    assert chosen.concurrency == 5, "5.1 s is within 5 % of 4.9 s"
    assert "within 5 % of level 10" in chosen.reason
    assert "4.9×" in chosen.reason


def test_a_level_with_errors_is_not_recommended():
    runs = (run("async", 3, 9.0), run("async", 10, 3.0, errors=200))
    assert recommend(summarise(PLAN, runs)).concurrency == 3
    assert recommend(summarise(PLAN, (run("sync", 1, 9.0),))) is None


def test_each_kind_of_work_has_the_modes_that_differ_for_it():
    every = ("sync", "threads", "async", "async-early")
    planned = {work: {mode for mode, _ in ExperimentPlan(workload=work, modes=every).settings()} for work in WORKLOADS}
    assert planned["ingest"] == planned["batch"] == {"sync", "threads", "async"}
    assert planned["query"] == {"sync", "threads", "async", "async-early"}
    with pytest.raises(InvalidInputError, match="at least one mode"):
        ExperimentPlan(workload="ingest", modes=("async-early",))


def test_levels_that_the_work_cannot_fill_are_left_out_with_the_reason():
    plan = ExperimentPlan(documents=300, levels=(1, 3, 5, 10))
    assert plan.usable_levels == (1, 3)
    assert plan.left_out.startswith("This work makes only 3 requests, so levels 5 and 10 are left out")
    assert {level for _, level in plan.settings()} == {1, 3}

    only_too_many = replace(plan, levels=(8,))
    assert only_too_many.usable_levels == (3,)
    assert only_too_many.left_out.endswith("Level 3 is measured instead.")
    assert ExperimentPlan().left_out is None
    assert ExperimentPlan(workload="query").left_out is None


def test_the_former_name_of_threads_is_accepted():
    assert ExperimentPlan(modes=("threads-unlocked", "async", "threads")).modes == ("threads", "async")


def test_an_experiment_of_former_modes_is_read_without_mixing_their_runs():
    stored = json.loads(json.dumps(to_object(Experiment(plan=PLAN, settings={}, runs=RUNS), spans=True)))
    stored["plan"]["modes"] = ["sync", "threads", "threads-unlocked"]
    stored["runs"] = [
        {**stored["runs"][0], "mode": mode, "concurrency": 3, "wall_s": wall_s}
        for mode, wall_s in (("threads", 9.0), ("threads-unlocked", 30.0))
    ]
    assert [(level.mode, level.wall_s) for level in from_object(stored).levels] == [("threads", 9.0)]

    stored["plan"]["modes"], stored["runs"] = ["threads-unlocked"], stored["runs"][1:]
    assert [(level.mode, level.wall_s) for level in from_object(stored).levels] == [("threads", 30.0)]


def judged(*runs):
    return verdict(Experiment(plan=replace(PLAN, levels=(5,)), settings={}, runs=runs))


def test_single_runs_that_differ_by_noise_are_tied():
    runs = (run("sync", 1, 8.1), run("threads", 5, 2.1), run("async", 5, 2.3))
    assert judged(*runs) == "threads ≈ async: both about 3.9× as fast as sync (2.1 s instead of 8.1 s)."
    assert "cannot show differences below 15 %" in doubt(Experiment(plan=PLAN, settings={}, runs=runs))
    assert doubt(Experiment(plan=PLAN, settings={}, runs=runs[:2])) is None


def test_consistent_repeats_show_smaller_differences():
    runs = [run(mode, level, wall + n / 100, n) for mode, level, wall in (("sync", 1, 8), ("threads", 5, 2.2), ("async", 5, 2)) for n in range(5)]  # fmt: skip  # noqa: E501 - a table
    assert judged(*runs).startswith("async at 5 is fastest: 4.0× as fast as sync")

    scattered = [replace(one, wall_s=one.wall_s * (1 + 0.2 * (one.repeat % 2))) for one in runs]
    assert judged(*scattered).startswith("threads ≈ async: both about")


def test_a_verdict_is_possible_without_sync_and_without_a_finished_run():
    assert judged() == "No run finished."
    assert judged(run("async", 5, 2.0)) == "async at 5 took 2.0 s."
    assert judged(run("threads", 5, 4.0), run("async", 5, 2.0)) == "async at 5 is fastest: 2.0 s."
    assert judged(run("sync", 1, 2.0), run("async", 5, 2.1)).startswith("sync ≈ async: no difference beyond noise")
    assert judged(run("sync", 1, 2.0), run("async", 5, 9.0)) == "sync is fastest: 2.0 s."


def test_a_mode_with_errors_does_not_win():
    assert judged(run("threads", 5, 4.0), run("async", 5, 2.0, errors=9)) == "threads at 5 is fastest: 4.0 s."


def test_littles_law_detects_a_blocked_loop():
    calm = run("async", 10, 3.0, concurrency_mean=7.5, provider_s=22.5, loop_lag_p95_s=0.004)
    assert calm.blocked is None
    held_up = replace(calm, wall_s=6.0, loop_lag_p95_s=0.4, loop_lag_max_s=1.2)
    assert "requests were in flight for 45.0 s in total, and the provider needed 22.5 s" in held_up.blocked
    assert "lag p95 400 ms" in held_up.blocked
    unknown = replace(held_up, provider_s=None)
    assert unknown.blocked.startswith("The event loop was blocked")


def test_repeats_follow_one_another_each_in_its_own_order():
    order = PLAN.order()
    assert order == ExperimentPlan(levels=(3, 5, 10), repeats=3).order(), "the same seed, the same order"
    assert order != replace(PLAN, seed=1).order()
    assert [repeat for repeat, _, _ in order] == sorted(repeat for repeat, _, _ in order)
    assert len(order) == 3 * 7, "sync once a repeat, threads and async at each level"
    assert len({tuple(setting[1:] for setting in order if setting[0] == n) for n in range(3)}) > 1


def test_a_single_question_has_no_levels():
    assert ExperimentPlan(workload="query").settings() == [("sync", 1), ("threads", 1), ("async", 1)]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"workload": "dance"}, "'dance' is not a workload"),
        ({"modes": ("sync", "magic")}, "magic is not a mode"),
        ({"modes": ()}, "at least one mode"),
        ({"levels": (0,)}, "from 1 to 64"),
        ({"levels": ()}, "from 1 to 64"),
        ({"repeats": 0}, "Repeats must be from 1 to 50"),
        ({"documents": 10**6}, "Documents must be from 1 to 20,000"),
        ({"alias_latency_s": -1}, "title service must be from 0"),
    ],
)
def test_a_plan_that_cannot_run_is_refused_with_a_reason(wrong, says):
    with pytest.raises(InvalidInputError, match=says):
        ExperimentPlan(**wrong)


def test_an_experiment_survives_json_and_has_the_shape_that_scripts_read():
    spans = (Span("embedding", 0.0, 1.5, 3),)
    runs = (replace(RUNS[0], spans=spans, latency_s=Distribution.of([1.5]), provider_s=22.5), *RUNS[1:])
    whole = Experiment(plan=PLAN, settings={"embed_latency_s": 1.5}, runs=runs, id="x", created_at="2026", notes=("n",))
    printed = json.loads(json.dumps(to_object(whole)))
    assert (printed["workload"], printed["provider"]) == ("ingest", "simulated")
    assert {"mode", "concurrency", "repeat", "wall_s", "items", "throughput", "errors", "rate_limited"} <= set(
        printed["runs"][0]
    )
    assert set(printed["runs"][0]["latency_s"]) == {"mean", "p50", "p90", "p95", "p99", "min", "max", "n"}
    assert {"mode", "concurrency", "wall_s", "cv", "speedup", "efficiency", "attainable"} <= set(printed["levels"][0])
    assert set(printed["recommended"]) == {"concurrency", "reason"}
    assert "spans" not in printed["runs"][0]
    assert from_object(json.loads(json.dumps(to_object(whole, spans=True)))) == whole
