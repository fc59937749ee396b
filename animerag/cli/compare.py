"""`animerag compare`: an experiment from the command line, as a table, JSON or a file."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from animerag.cli.job_runner import CANCELLED, DONE, ROWS_LEFT, Commands, positive, run_job, services
from animerag.comparison.measurements import FEW
from animerag.comparison.plan import MODES, WORKLOADS, ExperimentPlan, modes_of
from animerag.comparison.presets import PRESETS
from animerag.comparison.serialization import to_object
from animerag.errors import InvalidInputError
from animerag.text.counting import counted
from animerag.text.durations import duration

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from animerag.comparison.experiment import Experiment
    from animerag.comparison.plan import Mode
    from animerag.comparison.presets import ExperimentEstimate

_FORMATS = (".html", ".json", ".csv")
# A terminal has too few columns for these figures; only files have them.
_HIDDEN = ("Repeats", "Fastest (s)", "Slowest (s)", "Efficiency (%)")


def add(commands: Commands) -> None:
    """Add `compare` to the command line."""
    parser = commands.add_parser("compare", help="measure sync, threads and async on the same work")
    parser.add_argument(
        "workload",
        choices=WORKLOADS,
        help="importing documents (ingest), a sheet of questions (batch) or one question (query)",
    )
    parser.add_argument(
        "--levels", type=_numbers, default=(1, 3, 5, 10), metavar="N,N", help="requests in flight (1,3,5,10)"
    )
    parser.add_argument(
        "--modes",
        type=_names,
        metavar="NAME,NAME",
        help=f"modes to compare: {', '.join(MODES)} (default: all that apply)",
    )
    for flag, kind, default, text in (
        ("--repeats", positive, 3, "measured runs of each mode and level"),
        ("--warmup", int, 1, "short runs of each mode before the measured ones"),
        ("--documents", positive, 1458, "documents to import"),
        ("--questions", positive, 10, "questions to answer"),
        ("--batch-size", positive, 100, "documents per request"),
        ("--alias-latency", float, 0.2, "seconds per title match"),
        ("--seed", int, 0, "random seed for order, jitter and faults"),
    ):
        parser.add_argument(flag, type=kind, default=default, metavar="N", help=f"{text} ({default})")
    choices = ("simulated", "configured")
    parser.add_argument(
        "--provider", choices=choices, default="simulated", help="simulated, or your own, which costs money (simulated)"
    )
    parser.add_argument("--preset", default="typical", metavar="NAME", help=f"one of {', '.join(PRESETS)} (typical)")
    for flag, name, convert, text in (
        ("--embed-latency", "embed_latency_s", float, "seconds per embedding request, whatever its size"),
        ("--chat-latency", "chat_latency_s", float, "seconds per answer"),
        ("--jitter", "jitter", float, "share by which each latency varies at random, 0 to 1"),
        ("--rpm", "requests_per_minute", int, "requests per minute that the provider accepts"),
        ("--burst", "burst", int, "requests that the provider accepts at once"),
        ("--faults", "faults", str, "faults and their rates, as for `animerag simulate`"),
    ):
        parser.add_argument(flag, dest=name, type=convert, metavar="X", help=text)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a report (.html), or the figures (.json, .csv)")
    parser.set_defaults(run=compare)  # fmt: skip


async def compare(options: argparse.Namespace) -> int:
    """Run an experiment. Raises InvalidInputError for a plan that cannot run, and while other jobs are running."""
    if options.out is not None and options.out.suffix.lower() not in _FORMATS:
        raise InvalidInputError(f"{options.out} cannot be written: name a file that ends in .html, .json or .csv.")
    plan, provider = _plan(options), _provider(options)
    async with services() as opened:
        comparison = opened.comparison
        if plan.against == "configured" and (reason := comparison.why_not_configured()):
            raise InvalidInputError(reason)
        print(_announced(plan, comparison.estimate(plan, provider)), file=sys.stderr)
        if not (await opened.library.counts()).shows:
            from animerag.jobs.jobs import Control

            await opened.catalogue.import_sample(Control())
        experiment, stopped = await run_job(
            opened,
            lambda control: comparison.run(plan, provider, control),
            kind="compare",
            title=f"Comparison, {plan.workload}",
            exclusive=True,
        )
    if options.out is not None:
        await asyncio.to_thread(_write, options.out, experiment)
        print(f"Written to {options.out}.", file=sys.stderr)
    if options.json:
        print(json.dumps(to_object(experiment), ensure_ascii=False))
    elif options.out is None or sys.stdout.isatty():
        _print(experiment)
    failed = any(run.error or run.errors for run in experiment.runs)
    return CANCELLED if stopped else ROWS_LEFT if failed else DONE


def _plan(options: argparse.Namespace) -> ExperimentPlan:
    return ExperimentPlan(
        workload=options.workload,
        modes=cast("tuple[Mode, ...]", options.modes or modes_of(options.workload)),
        levels=options.levels,
        repeats=options.repeats,
        warmup=options.warmup,
        documents=options.documents,
        questions=options.questions,
        batch_size=options.batch_size,
        alias_latency_s=options.alias_latency,
        against=options.provider,
        preset=options.preset,
        seed=options.seed,
    )


def _provider(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the simulator: those of the preset, overridden by options."""
    if options.preset not in PRESETS:
        raise InvalidInputError(f"{options.preset!r} is not a preset: use {', '.join(PRESETS)}.")
    names = ("embed_latency_s", "chat_latency_s", "jitter", "requests_per_minute", "burst", "faults")
    own = {name: value for name in names if (value := getattr(options, name)) is not None}
    if "embed_latency_s" in own:
        own["embed_per_item_s"] = 0.0  # --embed-latency is the whole latency of a request
    return {**PRESETS[options.preset].provider, **own, "seed": options.seed}


def _announced(plan: ExperimentPlan, needs: ExperimentEstimate) -> str:
    cost = "cost unknown" if needs.cost_usd is None else f"${needs.cost_usd:.4f}" if needs.cost_usd else "no cost"
    work = f"{counted(needs.requests, 'request')}, {counted(needs.tokens, 'token')}"
    return f"{counted(len(plan.order()), 'run')}, about {duration(needs.seconds)}, {work}, {cost}."


def _print(experiment: Experiment) -> None:
    from rich.console import Console
    from rich.table import Table

    from animerag.comparison.summary import doubt, verdict
    from animerag.comparison.tables import table_rows

    console = Console()
    provider = "simulated provider" if experiment.simulated else "configured provider"
    rows = table_rows(experiment)
    columns = [name for name in (rows[0] if rows else ()) if any(row[name] not in (None, "") for row in rows)]
    table = Table(title=f"{experiment.plan.workload}, {experiment.plan.items:,} items, {provider}")
    columns = [name for name in columns if name not in _HIDDEN]
    for name in columns:
        table.add_column(name, justify="left" if name == "Mode" else "right", no_wrap=name == "Mode")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    console.print(table)
    for sentence in filter(None, (verdict(experiment), doubt(experiment))):
        console.print(sentence, markup=False)
    if (best := experiment.recommended) and experiment.plan.workload != "query":
        console.print(f"Recommended: {best.concurrency} in flight, {best.reason}", markup=False)
    for note in experiment.notes:
        console.print(note, markup=False)
    if any(0 < run.latency_s.n < FEW for run in experiment.runs):
        console.print(f"With fewer than {FEW} requests, the 99th percentile is the slowest request.", markup=False)


def _cell(value: Mapping[str, object] | str | float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _write(path: Path, experiment: Experiment) -> None:
    from animerag.charts.report import experiment_html
    from animerag.comparison.tables import experiment_csv

    if path.suffix.lower() == ".html":
        data = experiment_html(experiment).encode()
    elif path.suffix.lower() == ".csv":
        data = experiment_csv(experiment)
    else:
        data = json.dumps(to_object(experiment, spans=True), ensure_ascii=False).encode()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInputError(
            f"{path} cannot be written ({error.strerror or error}): choose another file."
        ) from error


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(positive(part.strip()) for part in text.split(",") if part.strip())


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
