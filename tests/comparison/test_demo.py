"""The recorded races match those that the page would run."""

import pytest

from animerag.comparison.demo import demo_race
from animerag.comparison.plan import MODES
from animerag.comparison.presets import PRESETS
from animerag.comparison.runner import RACES


@pytest.mark.parametrize("workload", RACES)
def test_the_recorded_race_matches_the_race_that_a_click_starts(workload):
    demo = demo_race(workload)

    stale = "RACES or its preset has changed: benchmarks/demo_race.py records the races again"
    assert demo.experiment.plan == RACES[workload], stale
    assert demo.experiment.settings == PRESETS[RACES[workload].preset].provider, stale
    assert {run.mode for run in demo.experiment.runs} == set(MODES) - {"async-early"}
    assert all(run.spans and not run.error and not run.errors for run in demo.experiment.runs)
    assert demo.machine
    assert demo.experiment.created_at


def test_a_race_that_was_not_recorded_is_not_shown():
    assert demo_race("query") is None
