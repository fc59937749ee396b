"""Recorded races that ship with the package; the page shows them until a race has been run.

`benchmarks/demo_race.py` records them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from animerag.comparison.serialization import from_object

if TYPE_CHECKING:
    from animerag.comparison.experiment import Experiment
    from animerag.comparison.plan import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRace:
    """A recorded race, and the class of machine that ran it."""

    experiment: Experiment
    machine: str


@cache
def demo_race(workload: Workload) -> DemoRace | None:
    """Return the recorded race of a workload, or None."""
    stored = json.loads(files("animerag.comparison").joinpath("demo.json").read_text(encoding="utf-8"))
    race = stored["races"].get(workload)
    return DemoRace(experiment=from_object(race), machine=stored["machine"]) if race else None
