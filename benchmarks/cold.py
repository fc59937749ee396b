"""Measure whole processes: imports and questions from a cold shell, with the processor time of every process of a run.

    .venv/bin/python benchmarks/cold.py --export shoko_export.json
    .venv/bin/python benchmarks/cold.py --export shoko_export.json --pin --peers --before ../other-checkout

Runs are interleaved. An import is a new process over an empty data directory, including the start of Chroma;
`first_wave_s` is the time between the first and the last request of the first round. `--pin` also runs everything on
one core, `--peers` adds LangChain's script of peers.py, `--before` the same commands of another checkout, and
`--catalogue` asks questions over a copy of a data directory.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from peers import HERE, environment, peers_python, plain
from pipeline import documents

from animerag.simulator import SimulatorProcess, SimulatorSettings

QUESTIONS = ("How many episodes does {title} have?", "a story about somebody who is far from home")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Run:
    """One kind of process to measure: a checkout's import or question, or another library's import."""

    name: str
    root: Path
    level: int = 0
    question: str = ""
    pinned: bool = False


async def process(command, *, pinned, cwd, variables):
    """Run a command; return its seconds, and those of the processor in it and the processes it waited for."""
    command = ["taskset", "-c", "0", *command] if pinned else command
    started_s = time.perf_counter()
    started = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=cwd, env=variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output = await started.stdout.read()
    wall_s = time.perf_counter() - started_s
    if await started.wait():
        raise RuntimeError(f"{command} ended with status {started.returncode}: {output.decode()[-500:]}")
    return wall_s, output


def waited_cpu_s():
    """Return the processor time of all processes that have ended and been waited for."""
    times = os.times()
    return times.children_user + times.children_system


def end_chroma(directory):
    """End the Chroma server of a data directory, and return the processor time that it took."""
    address = Path(directory) / "chroma" / "server.json"
    if not address.exists():
        return 0.0
    pid = json.loads(address.read_text("utf-8"))["pid"]
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


async def imported(run, options, simulator, work):
    """Import into an empty data directory once."""
    await simulator.reset()
    with tempfile.TemporaryDirectory() as directory:
        variables = {**environment(), "ANIMERAG_DATA_DIR": directory, "OPENAI_BASE_URL": simulator.url}
        if run.name == "langchain":
            script = [peers_python(options.venv), HERE / "peer_runs.py", "langchain-best"]
            command = [*script, run.level, work, simulator.url, f"{directory}/peer"]
        else:
            variables["PYTHONPATH"] = str(run.root)
            flags = ["--json", "--concurrency", run.level, "--batch-size", 100]
            command = [sys.executable, "-m", "animerag", "ingest", options.export.absolute(), *flags]
        before_s = waited_cpu_s()
        wall_s, _ = await process(command, pinned=run.pinned, cwd=directory, variables=variables)
        chroma_s = end_chroma(directory)
        cpu_s = waited_cpu_s() - before_s
    visits = sorted(one.arrived_s for one in (await simulator.stats(times=True)).times if one.endpoint == "embeddings")
    warming = 0 if run.name == "animerag" else 1  # requests before: LangChain's script warms its client
    wave = visits[warming : warming + run.level]
    return {
        "wall_s": wall_s,
        "cpu_s": cpu_s + chroma_s,
        "chroma_cpu_s": chroma_s,
        "first_wave_s": wave[-1] - wave[0],
    }


async def asked(run, directory):
    """Ask once from a new process over a catalogue that is there."""
    variables = {**environment(), "ANIMERAG_DATA_DIR": str(directory), "PYTHONPATH": str(run.root)}
    before_s = waited_cpu_s()
    command = [sys.executable, "-m", "animerag", *(("query", "-q", run.question) if run.question else ("info",))]
    wall_s, _ = await process(command, pinned=run.pinned, cwd=directory, variables=variables)
    return {"wall_s": wall_s, "cpu_s": waited_cpu_s() - before_s}


def plan(options, title):
    """Return every kind of run."""
    checkouts = [("animerag", HERE.parent), *([("before", options.before.absolute())] if options.before else [])]
    runs = []
    for pinned in (False, True) if options.pin else (False,):
        for name, root in checkouts:
            runs += [Run(name, root, level=level, pinned=pinned) for level in options.levels]
            if options.catalogue:
                runs += [Run(name, root, question=text.format(title=title), pinned=pinned) for text in (*QUESTIONS, "")]
        if options.peers:
            runs += [Run("langchain", HERE, level=level, pinned=pinned) for level in options.levels]
    return runs


async def measure(options):
    os.environ["NO_PROXY"] = "127.0.0.1,localhost"
    work = documents(options.export, options.documents)
    runs = plan(options, work[0].show.title)
    results = {run: [] for run in runs}
    with tempfile.TemporaryDirectory() as directory:
        catalogues = {}
        for run in runs if options.catalogue else ():  # each checkout has its own copy, because a newer one upgrades it
            if run.name not in catalogues and not run.level:
                catalogues[run.name] = shutil.copytree(options.catalogue, Path(directory) / run.name)
                await asked(run, catalogues[run.name])
        path = Path(directory) / "documents.json"
        path.write_text(json.dumps([plain(one) for one in work]), encoding="utf-8")
        settings = SimulatorSettings(embed_latency_s=options.latency, seed=1)
        async with SimulatorProcess(settings) as simulator:
            for repeat in range(options.repeats):
                random.Random(repeat).shuffle(runs)
                for run in runs:
                    figures = await (
                        imported(run, options, simulator, path) if run.level else asked(run, catalogues[run.name])
                    )
                    results[run].append(figures)
                    print(labelled(run), figures, file=sys.stderr)
    return results


def labelled(run):
    return f"{run.name}, {f'import at {run.level}' if run.level else run.question or 'info'}{', one core' * run.pinned}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--export", type=Path, required=True, help="a Shoko export")
    parser.add_argument("--documents", type=int, default=1458, help="shows in the export")
    parser.add_argument("--catalogue", type=Path, help="a data directory with shows, for questions and `info`")
    parser.add_argument("--before", type=Path, help="another checkout to compare with")
    parser.add_argument(
        "--levels", type=lambda text: [int(part) for part in text.split(",") if part], default=[3, 5, 10]
    )
    parser.add_argument("--latency", type=float, default=1.5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--pin", action="store_true", help="also on one core")
    parser.add_argument("--peers", action="store_true", help="also LangChain, in a virtual environment of its own")
    parser.add_argument("--venv", type=Path, default=Path(".venv-peers"))
    results = asyncio.run(measure(parser.parse_args()))
    for run, figures in sorted(results.items(), key=lambda item: labelled(item[0])):
        medians = {name: round(median(one[name] for one in figures), 2) for name in figures[0]}
        print(labelled(run), *(f"{name} {value}" for name, value in medians.items()), sep="  ")


if __name__ == "__main__":
    main()
