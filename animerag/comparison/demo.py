"""Races that were measured once and ship with the package, for a page to show before the first one is run here.

`benchmarks/demo_race.py` measures them again.
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
    """A stored race, and the class of machine it was measured on."""

    experiment: Experiment
    machine: str


@cache
def demo_race(workload: Workload) -> DemoRace | None:
    """Return the stored race of a workload, or None where there is none."""
    stored = json.loads(files("animerag.comparison").joinpath("demo.json").read_text(encoding="utf-8"))
    race = stored["races"].get(workload)
    return DemoRace(experiment=from_object(race), machine=stored["machine"]) if race else None
