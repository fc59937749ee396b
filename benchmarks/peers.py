"""Ingestion beside LangChain and LlamaIndex: the same documents, batches and simulated provider, a process a run.

    .venv/bin/python benchmarks/peers.py --export shoko_export.json

Makes a virtual environment for the peers the first time. Runs are interleaved; medians, and ratios to LangChain's sync.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, median, pstdev

from pipeline import documents

from animerag.library import Library, show_rows
from animerag.simulator import SimulatorProcess, SimulatorSettings

HERE = Path(__file__).parent
PACKAGES = (
    "langchain-openai",
    "langchain-chroma",
    "llama-index-core",
    "llama-index-embeddings-openai",
    "llama-index-vector-stores-chroma",
)
SYNC, OTHERS = "langchain-sync", ("langchain-best", "llamaindex", "animerag")


def peers_python(directory):
    """Return the peers' interpreter, installing it and them where it is missing."""
    python = directory / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def plain(document):
    """Return a document as the peers take it: Chroma's metadata without lists, which LlamaIndex refuses."""
    show = document.show
    told = {"title": show.title, "year": show.year, "episodes": show.episodes, "rating": show.rating}
    return {"id": show.id, "text": document.text, "metadata": {k: v for k, v in told.items() if v is not None}}


def peer(python, variant, level, path, url):
    with tempfile.TemporaryDirectory() as directory:
        command = [python, HERE / "peer_runs.py", variant, str(level), path, url, directory]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=quiet())
    return json.loads(done.stdout.splitlines()[-1])["wall_s"]


def ours(level, options, catalogue):
    """Run our own pipeline in a fresh process, over a simulator of the same settings."""
    command = [sys.executable, "-m", "animerag", "compare", "ingest", "--modes", "async", "--levels", str(level)]
    command += ["--repeats", "1", "--documents", str(options.documents), "--embed-latency", str(options.latency)]
    command += ["--jitter", str(options.jitter), "--json"]
    environment = {**quiet(), "ANIMERAG_DATA_DIR": str(catalogue)}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    return json.loads(done.stdout)["runs"][0]["wall_s"]


def quiet():
    return {**os.environ, "ANONYMIZED_TELEMETRY": "False", "NO_PROXY": "127.0.0.1,localhost"}


async def run(options):
    python = peers_python(options.venv)
    results = {}
    settings = [
        (SYNC, 1),
        *((name, level) for name in ("langchain-best", "llamaindex", "animerag") for level in options.levels),
    ]
    told = SimulatorSettings(embed_latency_s=options.latency, jitter=options.jitter, seed=1)
    with tempfile.TemporaryDirectory() as directory:
        path, catalogue = Path(directory) / "documents.json", Path(directory) / "catalogue"
        work = documents(options.export, options.documents)
        path.write_text(json.dumps([plain(one) for one in work]), encoding="utf-8")
        await store_titles(catalogue, work)
        async with SimulatorProcess(told) as simulator:
            for repeat in range(options.repeats):
                random.Random(repeat).shuffle(settings)
                for variant, level in settings:
                    await simulator.reset()
                    if variant == "animerag":
                        wall_s = await asyncio.to_thread(ours, level, options, catalogue)
                    else:
                        wall_s = await asyncio.to_thread(peer, python, variant, level, path, simulator.url)
                    results.setdefault((variant, level), []).append(wall_s)
                    print(f"{variant} at {level}: {wall_s:.2f} s", file=sys.stderr)
    return results


async def store_titles(catalogue, work):
    """Put the documents into a catalogue, unindexed, for our own runs to take them from."""
    library = await Library.open(catalogue / "library.db")
    number = await library.begin_import("own", "benchmark", "")
    await library.store(show_rows(work, number), collection=None)
    await library.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--export", type=Path, help="a Shoko export; without one the sample's shows repeat")
    parser.add_argument("--documents", type=int, default=1458)
    parser.add_argument("--levels", type=lambda text: [int(part) for part in text.split(",")], default=[3, 5, 10])
    parser.add_argument("--latency", type=float, default=1.5)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--venv", type=Path, default=Path(".venv-peers"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = asyncio.run(run(options))
    sync_s = median(results[SYNC, 1])
    rows = [
        {
            "variant": variant,
            "level": level,
            "wall_s": round(median(walls), 2),
            "cv": round(pstdev(walls) / mean(walls), 3),
            "times_sync": round(sync_s / median(walls), 2),
        }
        for (variant, level), walls in sorted(results.items())
    ]
    if options.json:
        print(json.dumps(rows))
        return
    for one in rows:
        name, wall, times = f"{one['variant']:16} {one['level']:>3}", f"{one['wall_s']:>6.2f} s", one["times_sync"]
        print(f"{name}  {wall}  ×{times:<5} CV {one['cv']:.0%}")


if __name__ == "__main__":
    main()
