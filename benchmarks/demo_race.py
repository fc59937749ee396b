"""Record the races that ship with the package, with the sample and the simulated provider.

    .venv/bin/python benchmarks/demo_race.py [--out animerag/comparison/demo.json]

Each race runs `--times` times on a quiet machine; the one with the median sync time is stored with its date and the
class of machine. Record them again when `RACES` in animerag/comparison/runner.py changes: a test fails then.
"""

import argparse
import asyncio
import json
import os
import platform
import tempfile
from pathlib import Path

from animerag.comparison.presets import PRESETS
from animerag.comparison.runner import RACES
from animerag.comparison.serialization import to_object
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.jobs.jobs import Control

OUT = Path(__file__).parents[1] / "animerag" / "comparison" / "demo.json"


async def measured(services, plan, times):
    runs = []
    for _ in range(times):
        experiment = await services.comparison.run(plan, PRESETS[plan.preset].provider, Control())
        assert not any(run.error or run.errors for run in experiment.runs), experiment.notes
        print({run.mode: round(run.wall_s, 2) for run in experiment.runs}, flush=True)
        runs.append(experiment)
    return sorted(runs, key=lambda experiment: experiment.levels[0].wall_s)[times // 2]


async def main(options):
    with tempfile.TemporaryDirectory() as directory:
        async with open_services(load_settings(data_dir=Path(directory)), warm=False) as services:
            await services.catalogue.import_sample(Control())
            races = {
                workload: to_object(await measured(services, plan, options.times), spans=True)
                for workload, plan in RACES.items()
            }
    machine = f"{os.cpu_count()} processor cores, {platform.system()}"
    stored = {"machine": machine, "races": races}
    options.out.write_text(json.dumps(stored, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--times", type=int, default=3)
    asyncio.run(main(parser.parse_args()))
