"""The arithmetic of comparisons, against cases worked out by hand."""

import json
from dataclasses import replace

import pytest

from animerag.comparison.experiment import (
    WORKLOADS,
    Distribution,
    Experiment,
    ExperimentPlan,
    MeasuredRun,
    attainable,
    claims,
    from_object,
    recommend,
    summarise,
    to_object,
)
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
def test_equal_requests_go_in_rounds(requests, level, best):
    assert attainable(requests, level) == best


def test_percentiles_are_by_nearest_rank():
    values = [float(number) for number in range(1, 11)]
    assert [percentile(values, p) for p in (50, 90, 95, 99, 100)] == [5, 9, 10, 10, 10]
    assert percentile([7.0], 95) == 7
    told = Distribution.of([3.0, 1.0, 2.0])
    assert (told.n, told.mean, told.p50, told.min, told.max) == (3, 2, 2, 1, 3)
    assert Distribution.of([]) == Distribution()


def test_levels_are_medians_against_the_median_of_sync():
    sync, three, five, ten = summarise(replace(PLAN, modes=("sync", "async")), RUNS)
    assert (sync.mode, sync.wall_s, sync.speedup, sync.attainable) == ("sync", 25.0, 1.0, 1.0)
    assert (three.wall_s, three.fastest_s, three.slowest_s, three.n) == (9.0, 8.0, 10.0, 3)
    assert three.speedup == pytest.approx(25 / 9)
    assert three.efficiency == pytest.approx(25 / 27)
    assert three.throughput == pytest.approx(162.0)
    assert three.cv == pytest.approx(0.8165 / 9, abs=1e-3)  # the root of 2/3 over the mean
    assert not three.suspect
    assert ten.suspect, "5.0, 4.9 and 2.0 s differ by more than a fifth of their mean"
    assert five.wall_s == 5.1


def test_without_sync_there_is_no_speed_up_and_failed_runs_do_not_count():
    runs = (run("async", 3, 9.0), run("async", 3, 0.0, 1, error="the provider is gone"))
    (three,) = summarise(PLAN, runs)
    assert (three.n, three.wall_s, three.speedup, three.efficiency) == (1, 9.0, None, None)


def test_the_lowest_level_near_the_fastest_is_recommended():
    levels = summarise(replace(PLAN, modes=("sync", "async")), RUNS)
    chosen = recommend(levels)
    assert chosen.concurrency == 5, "5.1 s is within 5 % of 4.9 s"
    assert "within 5 % of level 10" in chosen.reason
    assert "4.9×" in chosen.reason


def test_a_level_that_loses_work_is_not_recommended():
    runs = (run("async", 3, 9.0), run("async", 10, 3.0, errors=200))
    assert recommend(summarise(PLAN, runs)).concurrency == 3
    assert recommend(summarise(PLAN, (run("sync", 1, 9.0),))) is None


def test_a_claim_that_arithmetic_forbids_says_so():
    plan = ExperimentPlan(workload="batch", questions=10, levels=(3, 5))
    runs = (run("sync", 1, 33.0), run("async", 3, 13.2), run("async", 5, 6.7))
    three, five = claims(plan, summarise(plan, runs), {})
    assert three.low == 3.0
    assert "10 equal questions" not in three.verdict
    assert "10 equal requests at 3 go in 4 rounds: at most 2.5×" in three.verdict
    assert "Measured: 2.50×" in three.verdict
    assert five.verdict == "Arithmetic allows 5.0×. Measured: 4.93×."


def test_the_note_claims_nothing_about_a_handful_of_requests():
    assert claims(ExperimentPlan(documents=300, levels=(3,)), [], {}) == []
    assert claims(ExperimentPlan(workload="batch", questions=4, levels=(3,)), [], {}) == []


def test_one_question_cannot_save_a_fifth_by_overlap():
    plan = ExperimentPlan(workload="query", alias_latency_s=0.2)
    (claim,) = claims(plan, [], {"embed_latency_s": 0.3, "chat_latency_s": 3.0})
    assert (claim.low, round(claim.high, 2)) == (1.25, 1.43)
    assert "saves 6% at most." in claim.verdict


def test_one_question_saves_a_fifth_when_the_model_starts_on_the_title_alone():
    plan = ExperimentPlan(workload="query", modes=("sync", "async", "async-early"), alias_latency_s=0.2)
    runs = (run("sync", 1, 2.7), run("async", 1, 2.52), run("async-early", 1, 2.0))
    (claim,) = claims(plan, summarise(plan, runs), {"embed_latency_s": 0.5, "chat_latency_s": 2.0})
    assert claim.verdict == (
        "Overlapping the title match and the embedding saves 7% at most (measured: 7%). Starting the model on a title"
        " match in memory saves 26% (measured: 26%). With a title service of 0.2 s that would be 19%."
    )


def test_each_kind_of_work_has_the_modes_that_differ_for_it():
    every = ("sync", "threads", "threads-unlocked", "async", "async-early")
    planned = {work: {mode for mode, _ in ExperimentPlan(workload=work, modes=every).settings()} for work in WORKLOADS}
    assert planned["ingest"] == {"sync", "threads", "threads-unlocked", "async"}
    assert planned["batch"] == {"sync", "threads", "async"}
    assert planned["query"] == {"sync", "threads", "async", "async-early"}
    with pytest.raises(InvalidInputError, match="at least one mode"):
        ExperimentPlan(workload="ingest", modes=("async-early",))


def test_littles_law_names_a_blocked_loop():
    calm = run("async", 10, 3.0, concurrency_mean=7.5, provider_s=22.5, loop_lag_p95_s=0.004)
    assert calm.blocked is None
    held_up = replace(calm, wall_s=6.0, loop_lag_p95_s=0.4, loop_lag_max_s=1.2)
    assert "requests were in flight for 45.0 s in all, of which the provider needed 22.5 s" in held_up.blocked
    assert "lag p95 400 ms" in held_up.blocked
    untold = replace(held_up, provider_s=None)
    assert untold.blocked.startswith("The event loop was blocked")


def test_repeats_come_one_after_another_each_in_an_order_of_its_own():
    order = PLAN.order()
    assert order == ExperimentPlan(levels=(3, 5, 10), repeats=3).order(), "the same seed, the same order"
    assert order != replace(PLAN, seed=1).order()
    assert [repeat for repeat, _, _ in order] == sorted(repeat for repeat, _, _ in order)
    assert len(order) == 3 * 7, "sync once a repeat, threads and async at each level"
    assert len({tuple(setting[1:] for setting in order if setting[0] == n) for n in range(3)}) > 1


def test_a_single_question_has_no_levels_and_questions_no_unlocked_writes():
    assert ExperimentPlan(workload="query").settings() == [("sync", 1), ("threads", 1), ("async", 1)]
    assert ("threads-unlocked", 3) not in ExperimentPlan(
        workload="batch", modes=("threads-unlocked", "async")
    ).settings()
    assert ("threads-unlocked", 3) in ExperimentPlan(modes=("threads-unlocked",)).settings()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"workload": "dance"}, "no workload 'dance'"),
        ({"modes": ("sync", "magic")}, "no mode magic"),
        ({"modes": ()}, "at least one mode"),
        ({"levels": (0,)}, "from 1 to 64"),
        ({"levels": ()}, "from 1 to 64"),
        ({"repeats": 0}, "repeats must be from 1 to 50"),
        ({"documents": 10**6}, "documents must be from 1 to 20,000"),
        ({"alias_latency_s": -1}, "latency must be from 0"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_a_sentence(wrong, says):
    with pytest.raises(InvalidInputError, match=says):
        ExperimentPlan(**wrong)


def test_an_experiment_survives_json_and_keeps_the_shape_that_scripts_read():
    spans = (Span("embedding", 0.0, 1.5, 3),)
    runs = (replace(RUNS[0], spans=spans, latency_s=Distribution.of([1.5]), provider_s=22.5), *RUNS[1:])
    whole = Experiment(plan=PLAN, settings={"embed_latency_s": 1.5}, runs=runs, id="x", created_at="2026", notes=("n",))
    told = json.loads(json.dumps(to_object(whole)))
    assert (told["workload"], told["provider"]) == ("ingest", "simulated")
    assert {"mode", "concurrency", "repeat", "wall_s", "items", "throughput", "errors", "rate_limited"} <= set(
        told["runs"][0]
    )
    assert set(told["runs"][0]["latency_s"]) == {"mean", "p50", "p90", "p95", "p99", "min", "max", "n"}
    assert {"mode", "concurrency", "wall_s", "cv", "speedup", "efficiency", "attainable"} <= set(told["levels"][0])
    assert set(told["recommended"]) == {"concurrency", "reason"}
    assert "spans" not in told["runs"][0]
    assert from_object(json.loads(json.dumps(to_object(whole, spans=True)))) == whole
