"""Compare imports with LangChain and LlamaIndex: the same documents, batches and provider, one process per run.

    .venv/bin/python benchmarks/peers.py --export shoko_export.json

Creates a virtual environment for the other libraries the first time. Runs are interleaved; prints medians, and ratios
to LangChain one after another.
"""

import argparse
import asyncio
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, pstdev

from pipeline import BATCH, bare_write, documents

from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.vector_store.chroma import ChromaIndex

HERE = Path(__file__).parent
PACKAGES = (
    "langchain-openai",
    "langchain-chroma",
    "llama-index-core",
    "llama-index-embeddings-openai",
    "llama-index-vector-stores-chroma",
)
YARDSTICK, CONCURRENT, BARE = "langchain", ("langchain-best", "llamaindex", "animerag"), "bare-writer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all runs share: the other libraries' interpreter, the documents, the provider and the Chroma server."""

    python: Path
    documents: Path
    provider_url: str
    chroma_url: str


def peers_python(directory):
    """Return the interpreter of the other libraries; install them if they are missing."""
    python = directory / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp = directory / "installed"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        stamp.touch()
    return python.absolute()


def plain(document):
    """Return a document for the other libraries: metadata without lists, which LlamaIndex refuses."""
    show = document.show
    metadata = {"title": show.title, "year": show.year, "episodes": show.episodes, "rating": show.rating}
    return {"id": show.id, "text": document.text, "metadata": {k: v for k, v in metadata.items() if v is not None}}


def in_own_process(variant, level, options, site):
    """Run a variant once in a new working directory, so that no `.env` applies."""
    with tempfile.TemporaryDirectory() as directory:
        if variant == "animerag":
            export = options.export.absolute() if options.export else ""
            arguments = [sys.executable, HERE / "own_run.py", level, options.documents, export]
            arguments += [site.provider_url, site.chroma_url, directory]
        else:
            arguments = [
                site.python,
                HERE / "peer_runs.py",
                variant,
                level,
                site.documents,
                site.provider_url,
                directory,
            ]
        command = [str(part) for part in arguments]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment(), cwd=directory)
    figures = json.loads(done.stdout.splitlines()[-1])
    if figures["stored"] != options.documents:
        raise RuntimeError(f"{variant} stored {figures['stored']} of {options.documents} documents")
    return figures["wall_s"]


def environment():
    """Return the environment of a run: without settings, and with compiled modules, as an installer leaves them."""
    others = ("ANIMERAG_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {**environment, "ANONYMIZED_TELEMETRY": "False"}


def requests_of(options):
    return math.ceil(options.documents / BATCH)


def last_round(options, level):
    """Return the number of documents in the last round of requests; level 0 means all in one."""
    requests = requests_of(options)
    return options.documents - BATCH * (requests - (requests % level or level)) if level else options.documents


async def run(options):
    """Return {(variant, level): [figures of a run, …]}."""
    os.environ["NO_PROXY"] = "127.0.0.1,localhost"
    results, python = {}, peers_python(options.venv)
    runs = [(YARDSTICK, 1), *((name, level) for name in CONCURRENT for level in options.levels)]
    runs += [(BARE, level) for level in {0, 1, *options.levels}]
    settings = SimulatorSettings(embed_latency_s=options.latency, jitter=options.jitter, seed=1)
    with tempfile.TemporaryDirectory() as directory:
        path, index = Path(directory) / "documents.json", ChromaIndex(Path(directory) / "chroma")
        work = documents(options.export, options.documents)
        path.write_text(json.dumps([plain(one) for one in work]), encoding="utf-8")
        await index.start()
        async with SimulatorProcess(settings) as simulator:
            site = Site(python=python, documents=path, provider_url=simulator.url, chroma_url=index.url)
            for repeat in range(options.repeats):
                random.Random(repeat).shuffle(runs)
                for variant, level in runs:
                    await simulator.reset()
                    if variant == BARE:
                        wall_s = await asyncio.to_thread(bare_write, index.url, work, last_round(options, level))
                    else:
                        wall_s = await asyncio.to_thread(in_own_process, variant, level, options, site)
                    figures = {"wall_s": wall_s, **seen(await simulator.stats())}
                    results.setdefault((variant, level), []).append(figures)
                    print(f"{variant} at {level or 'all'}: {wall_s:.2f} s", file=sys.stderr)
        await index.close()
    return results


def seen(stats):
    """Return the provider's statistics without the request that warms a client."""
    requests = stats.requests.get("embeddings", 0)
    return {"peak": stats.peak_in_flight.get("embeddings", 0), "requests": max(0, requests - 1)}


def row(variant, level, results, options):
    runs = results[variant, level]
    walls = [one["wall_s"] for one in runs]
    wall_s, provided = median(walls), variant != BARE
    floor_s = math.ceil(requests_of(options) / level) * options.latency if provided else None
    bare_s = median(one["wall_s"] for one in results[BARE, level]) if provided and (BARE, level) in results else None
    sync_s = median(one["wall_s"] for one in results[YARDSTICK, 1])
    return {
        "variant": variant,
        "level": level or "all",
        "wall_s": round(wall_s, 2),
        "cv": round(pstdev(walls) / mean(walls), 3),
        "times_sync": round(sync_s / wall_s, 2) if provided else None,
        "overhead_s": None if bare_s is None else round(wall_s - floor_s - bare_s, 2),
        "peak": max(one["peak"] for one in runs),
        "requests": max(one["requests"] for one in runs),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--export", type=Path, help="a Shoko export (default: the sample's shows, repeated)")
    parser.add_argument("--documents", type=int, default=1458)
    parser.add_argument("--levels", type=lambda text: [int(part) for part in text.split(",")], default=[1, 3, 5, 10])
    parser.add_argument("--latency", type=float, default=1.5)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--venv", type=Path, default=Path(".venv-peers"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = asyncio.run(run(options))
    rows = [row(variant, level, results, options) for variant, level in sorted(results)]
    if options.json:
        print(json.dumps(rows))
        return
    print("  ".join(f"{name:>14}" for name in rows[0]))
    for one in rows:
        print("  ".join(f"{'–' if value is None else value!s:>14}" for value in one.values()))


if __name__ == "__main__":
    main()
