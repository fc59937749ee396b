"""`animerag evaluate`: measure how often the right shows are found, with a sheet of questions and known answers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from animerag.cli.job_runner import CANCELLED, DONE, Commands, positive, run_job, services
from animerag.errors import InvalidInputError
from animerag.text.counting import counted

if TYPE_CHECKING:
    import argparse

    from animerag.evaluation.evaluation import Evaluation
    from animerag.jobs.job import Control
    from animerag.models.json_types import JsonMapping, JsonObject

_COLUMNS = {
    "hit@1": "Found first",
    "hit@3": "In the top 3",
    "hit@5": "In the top 5",
    "mrr": "Mean reciprocal rank",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "no_match": "No match",
}


def add(commands: Commands) -> None:
    """Add `evaluate` to the command line."""
    parser = commands.add_parser("evaluate", help="measure how often the right shows are found")
    parser.add_argument(
        "file", metavar="FILE", help="CSV with question, expected_ids (separated by |) and, optionally, kind"
    )
    parser.add_argument("-k", type=positive, default=8, metavar="N", help="sources per question (8)")
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="file with an earlier --json output, to compare with"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=evaluate)


async def evaluate(options: argparse.Namespace) -> int:
    """Ask every question of the file and print the figures. Raises InvalidInputError for a file without answers."""
    from animerag.evaluation.evaluation import expectations
    from animerag.readers import confinement

    path = Path(options.file)
    wanted = expectations((await asyncio.to_thread(confinement.read_questions, path, path.name)).rows)
    before = await asyncio.to_thread(_earlier, options.against) if options.against else None
    async with services(warm=True) as opened:
        if not (await opened.library.counts()).shows:
            raise InvalidInputError("The catalogue is empty: run `animerag ingest PATH` first.")

        async def work(control: Control) -> Evaluation:
            return await opened.evaluator.run(wanted, control, k=options.k)

        report, cancelled = await run_job(opened, work, kind="evaluate", title=Path(options.file).name)
    figures = report.as_json()
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        _print(figures, before)
    return CANCELLED if cancelled else DONE


def _earlier(path: Path) -> JsonObject:
    try:
        figures: JsonObject = json.loads(path.read_bytes())
        figures["kinds"].items()
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InvalidInputError(
            f"{path} is not an output of `animerag evaluate --json`: choose one, or leave --against out."
        ) from error
    return figures


def _print(figures: JsonMapping, before: JsonMapping | None) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Kind", "Questions", *_COLUMNS.values())
    for kind, row in {**figures["kinds"], "all answerable": figures}.items():
        old = (before["kinds"].get(kind, {}) if kind in figures["kinds"] else before) if before else {}
        number = row.get("n", figures["questions"])
        table.add_row(kind, str(number), *(_cell(row.get(name), old.get(name)) for name in _COLUMNS))
    console = Console(width=140)
    console.print(table)
    console.print(f"False no-match: {counted(figures['wrongly_no_match'], 'question')}.")
    for miss in figures["misses"]:
        expected = ", ".join(miss["expected"][:5]) or "nothing"
        shows = "nothing" if miss["no_match"] else ", ".join(miss["titles"])
        console.print(f"  {miss['kind']}: {miss['question']}\n    expected {expected}; found {shows}", markup=False)


def _cell(value: float | None, before: float | None) -> str:
    if value is None:
        return ""
    shown = _shown(value)
    return shown if before is None or before == value else f"{shown} (was {_shown(before)})"


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{100 * value:.1f} %"
