"""Comparisons on real sockets: every mode does the same work, and its figures match those of the provider."""

import asyncio
import time

import pytest

from animerag.comparison import workspaces
from animerag.comparison.plan import ExperimentPlan
from animerag.comparison.presets import PRESETS, estimate
from animerag.comparison.runner import RACES, Comparison
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import InvalidInputError
from animerag.jobs.jobs import Control
from animerag.models.providers import Priority
from animerag.models.shows import Show
from animerag.simulator import SimulatorProcess, SimulatorSettings

QUICK = {"embed_latency_s": 0.15, "chat_latency_s": 0.3, "first_token_s": 0.1}


@pytest.fixture
async def stocked(services, export, record):
    """Services whose catalogue has a few shows."""
    rows = [record(n, f"Voyage {n}", f"Captain {n} crosses the sea and comes home late.") for n in range(1, 13)]
    await services.ingestion.run([export(*rows)], Control())
    return services


@pytest.fixture
def watched(stocked, monkeypatch):
    """The comparison, and the provider's counts at the end of each run."""
    seen = []
    provider = type(stocked.comparison._bench).provider

    class Watching(Comparison):
        async def _measure(self, opened, workspace, control, live, setting):
            run = await super()._measure(opened, workspace, control, live, setting)
            seen.append((run, await opened.simulator.stats(times=True)))
            return run

    assert provider is not None
    return Watching(stocked.library, stocked.index, stocked.comparison._bench), seen


@pytest.mark.timeout(120)
async def test_every_mode_does_the_same_ingestion_and_agrees_with_the_provider(watched, stocked):
    comparison, seen = watched
    modes = ("sync", "threads", "async")
    plan = ExperimentPlan(documents=60, batch_size=10, levels=(3,), modes=modes, repeats=1, warmup=0)
    before = await stocked.library.counts()
    experiment = await comparison.run(plan, QUICK, Control())
    assert {run.mode for run in experiment.runs} == set(modes)
    for run, stats in seen:
        assert (run.error, run.errors, run.items) == (None, 0, 60), run.mode
        assert stats.requests == {"embeddings": 6}, "the same batches"
        assert stats.texts == 60, "no cache helped anybody"
        assert stats.peak_in_flight["embeddings"] == run.concurrency_peak == (1 if run.mode == "sync" else 3)
        assert run.latency_s.n == 6
        assert run.latency_s.min >= 0.15
        assert run.wall_s >= 0.15 * (6 if run.mode == "sync" else 2)
        spent_s = sum(visit.finished_s - visit.arrived_s for visit in stats.times)
        assert run.provider_s == pytest.approx(spent_s)
    assert experiment.levels[-1].attainable == 3.0
    assert await stocked.library.counts() == before, "the user's catalogue is not touched"
    assert (await stocked.maintenance.check()).healthy


@pytest.mark.timeout(120)
async def test_all_modes_store_the_same_vectors_and_metadata(stocked, monkeypatch):
    held = {}
    drop = type(stocked.index).drop

    async def look_and_drop(index, spec):
        connection = await index._connected()
        collection = await connection.client.get_collection(spec.name, embedding_function=None)
        rows = await collection.get(include=["embeddings", "metadatas"])
        held[len(held)] = {
            key: (vector.round(5).tolist(), {k: v for k, v in meta.items() if v is not None})
            for key, vector, meta in zip(rows["ids"], rows["embeddings"], rows["metadatas"], strict=True)
        }
        await drop(index, spec)

    monkeypatch.setattr(type(stocked.index), "drop", look_and_drop)
    plan = ExperimentPlan(documents=20, batch_size=5, levels=(2,), repeats=1, warmup=0)
    await stocked.comparison.run(plan, QUICK, Control())
    assert len(held) == 3
    assert len(held[0]) == 20
    assert held[0] == held[1] == held[2]


@pytest.mark.timeout(120)
async def test_every_mode_answers_the_same_questions(watched):
    comparison, seen = watched
    plan = ExperimentPlan(workload="batch", questions=6, levels=(3,), repeats=1, warmup=0, alias_latency_s=0.05)
    experiment = await comparison.run(plan, QUICK, Control())
    by_mode = {run.mode: (run, stats) for run, stats in seen}
    for run, stats in by_mode.values():
        assert (run.error, run.errors) == (None, 0), run.mode
        assert stats.requests["responses"] == 6
        assert stats.texts == 6
        assert run.latency_s.n == 6
        assert run.latency_s.min >= 0.3
        assert {span.name for span in run.spans} >= {"alias", "vectors", "model", "embedding"}
    assert by_mode["sync"][1].requests["embeddings"] == 6
    assert by_mode["async"][1].requests["embeddings"] == 1, "the questions of a sheet are embedded together"
    assert by_mode["async"][1].peak_in_flight["responses"] == 3
    assert by_mode["async"][0].ttft_s.n == 6
    assert experiment.levels[-1].attainable == 3.0


@pytest.mark.exclusive
@pytest.mark.timeout(120)
async def test_wall_times_agree_with_a_stopwatch_outside_the_process(watched):
    comparison, seen = watched
    plan = ExperimentPlan(workload="batch", questions=4, levels=(2,), repeats=1, warmup=1, alias_latency_s=0)
    await comparison.run(plan, {"embed_latency_s": 0.3, "chat_latency_s": 1.2}, Control())
    measured = seen[3:]  # after a warm-up each
    assert {run.mode for run, _ in measured} == {"sync", "threads", "async"}
    for run, stats in measured:
        outside_s = max(visit.finished_s for visit in stats.times) - min(visit.arrived_s for visit in stats.times)
        assert outside_s == pytest.approx(run.wall_s, rel=0.03), run.mode
        assert run.wall_s >= outside_s, "nothing of a run lies outside its time"


@pytest.mark.timeout(120)
async def test_a_configured_provider_is_measured_at_its_address(settings, export, record):
    simulated = SimulatorSettings(embed_latency_s=0.1, chat_latency_s=0.2)
    async with SimulatorProcess(simulated) as elsewhere:
        own = {"data_dir": settings.data_dir, "chroma_url": settings.chroma_url, "openai_base_url": elsewhere.url}
        async with open_services(load_settings(**own), warm=False) as services:
            await services.ingestion.run([export(record(1, "Voyage", "Captains cross the sea."))], Control())
            for workload in ("ingest", "batch"):
                await elsewhere.reset()
                plan = ExperimentPlan(
                    workload=workload, documents=20, batch_size=10, questions=2, levels=(2,), repeats=1, warmup=0,
                    against="configured",
                )  # fmt: skip
                experiment = await services.comparison.run(plan, {}, Control())
                stats = await elsewhere.stats()
                assert [run.error for run in experiment.runs] == [None] * 3
                assert experiment.plan.against == "configured"
                assert stats.requests["embeddings"] >= 6, "sync, threads and async all went there"
                assert all(run.provider_s is None for run in experiment.runs), "only a simulator tells what it saw"


@pytest.mark.timeout(120)
async def test_the_independent_steps_of_one_question_overlap(watched):
    comparison, seen = watched
    modes = ("sync", "threads", "async", "async-early")
    plan = ExperimentPlan(workload="query", modes=modes, repeats=1, warmup=0, alias_latency_s=0.3)
    await comparison.run(plan, QUICK, Control())
    walls = {run.mode: run.wall_s for run, _ in seen}
    assert walls["sync"] >= 0.3 + 0.15 + 0.3
    for mode in ("threads", "async"):
        run = next(run for run, _ in seen if run.mode == mode)
        alias, embedding = (next(span for span in run.spans if span.name == name) for name in ("alias", "embedding"))
        assert embedding.start_s < alias.end_s, f"{mode} waits for both at once"
    early = next(run for run, _ in seen if run.mode == "async-early")
    model, embedding = (next(span for span in early.spans if span.name == name) for name in ("model", "embedding"))
    assert model.start_s < embedding.end_s, "the model waits for no search"


def test_no_two_questions_are_alike_however_few_shows_there_are():
    shows = [Show(id="1", title="Monster"), Show(id="2", title="Nana")]
    asked = workspaces.questions_about(shows, 5)
    assert asked[:3] == ["What is Monster about?", "What is Nana about?", "What is Monster about??"]
    assert len(set(asked)) == 5


async def test_async_completes_its_work_with_a_flaky_provider(watched):
    comparison, seen = watched
    flaky = {**QUICK, "embed_latency_s": 0.02, "faults": "429=0.05@0.2,500@0.1,drop@0.05", "seed": 3}
    plan = ExperimentPlan(documents=60, batch_size=3, levels=(4,), modes=("async",), repeats=1, warmup=0)
    await comparison.run(plan, flaky, Control())
    ((run, stats),) = seen
    assert (run.errors, run.error) == (0, None)
    assert run.rate_limited == stats.rate_limited
    assert run.rate_limited + run.retries > 0


async def test_a_blocked_loop_is_found_and_named(stocked):
    async def block():
        while True:
            await asyncio.sleep(0.01)
            time.sleep(0.25)

    blocker = asyncio.create_task(block())
    plan = ExperimentPlan(documents=40, batch_size=10, levels=(2,), modes=("async",), repeats=1, warmup=0)
    experiment = await stocked.comparison.run(plan, QUICK, Control())
    blocker.cancel()
    assert experiment.runs[0].blocked
    assert experiment.notes[0].startswith("The event loop was blocked")


async def test_stopping_keeps_the_runs_that_are_finished(stocked):
    control = Control()
    plan = ExperimentPlan(documents=20, batch_size=10, levels=(1, 2), repeats=9, warmup=0)
    running = asyncio.create_task(stocked.comparison.run(plan, QUICK, control))
    while control.partial is None or len(control.partial.finished) < 2:
        await asyncio.sleep(0.02)
    control.stop()
    experiment = await running
    assert experiment.cancelled
    assert 2 <= len(experiment.runs) < 9
    stored = await stocked.comparison.load(experiment.id)
    assert [run.wall_s for run in stored.runs] == [round(run.wall_s, 4) for run in experiment.runs]


async def test_a_comparison_is_an_exclusive_job(stocked):
    release = asyncio.Event()

    async def other(_control):
        await release.wait()

    busy = await stocked.jobs.start(other, kind="ingest", title="Shows")
    with pytest.raises(InvalidInputError, match="Other jobs are running"):
        await stocked.comparison.start_race(stocked.jobs, "ingest")
    release.set()
    await stocked.jobs.wait(busy)
    plan = ExperimentPlan(documents=10, levels=(1,), modes=("async",), repeats=1, warmup=0)
    job = await stocked.comparison.start(stocked.jobs, plan, QUICK)
    later = await stocked.jobs.start(other, kind="ingest", title="More shows")
    await asyncio.sleep(0)
    assert "Waiting until this ends: Comparison" in later.control.progress.stage
    await stocked.jobs.wait(job)
    await stocked.jobs.wait(later)
    assert (job.state, later.state) == ("done", "done")
    assert later.finished_s >= job.finished_s
    assert [one.id for one in await stocked.comparison.saved()] == [job.report.id]


async def test_a_level_is_used_and_saved_unless_the_environment_sets_it(stocked):
    await stocked.comparison.use_level("ingest", 9)
    assert stocked.gate.level(Priority.INGEST) == 9
    assert await stocked.library.get_meta("setting ingest_concurrency") == "9"
    assert await stocked.comparison.level_fixed_by("ingest") is None


async def test_saved_experiments_are_listed_opened_chosen_and_deleted(stocked):
    plan = ExperimentPlan(documents=10, levels=(1,), modes=("async",), repeats=1, warmup=0)
    made = await stocked.comparison.run(plan, QUICK, Control())
    await stocked.comparison.set_baseline(made.id)
    assert await stocked.comparison.baseline() == made.id
    assert (await stocked.comparison.saved())[0].runs[0].spans == ()
    assert (await stocked.comparison.load(made.id)).runs[0].spans
    await stocked.comparison.delete(made.id)
    assert await stocked.comparison.load(made.id) is None
    assert await stocked.comparison.baseline() is None


async def test_leftovers_of_a_killed_experiment_are_removed(stocked, monkeypatch):
    left = stocked.comparison._bench.directory / "old" / "run"
    left.mkdir(parents=True)
    (left / "collection").write_text("animerag-gone-123", encoding="utf-8")
    monkeypatch.setattr(workspaces, "_ABANDONED_S", -1.0)
    await stocked.comparison._workspaces.remove_abandoned()
    assert not left.parent.exists()


async def test_the_embedded_default_is_refused_with_a_reason(stocked):
    reason = stocked.comparison.why_not_configured()
    assert "uses no network" in reason
    with pytest.raises(InvalidInputError, match="uses no network"):
        await stocked.comparison.start(stocked.jobs, ExperimentPlan(against="configured"), {})


def test_presets_and_the_race_have_estimates():
    note = ExperimentPlan(modes=("sync",), repeats=1, warmup=0)
    assert 40 <= estimate(note, PRESETS["note"].provider, {}).seconds <= 55
    assert all(estimate(race, PRESETS[race.preset].provider, {}).seconds <= 25 for race in RACES.values())
    limited = ExperimentPlan(modes=("async",), levels=(10,), repeats=1, warmup=0)
    assert estimate(limited, PRESETS["limited"].provider, {}).seconds == pytest.approx(23, abs=2)


def test_an_unknown_price_makes_an_unknown_cost():
    plan = ExperimentPlan(documents=100, levels=(1,), modes=("async",), repeats=1, warmup=0)
    assert estimate(plan, {}, {"embedding": None}).cost_usd is None
    assert estimate(plan, {}, {"embedding": 0.02}).cost_usd == pytest.approx(100 * 230 * 0.02 / 1e6)
