"""`animerag doctor`: checks the library and the search index, and repairs the index."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from animerag.cli.job_runner import DONE, ROWS_LEFT, Commands, services

if TYPE_CHECKING:
    import argparse


def add(commands: Commands) -> None:
    """Add `doctor` to the command line."""
    parser = commands.add_parser("doctor", help="check the library and the search index")
    parser.add_argument("--repair", action="store_true", help="repair the index from stored vectors, at no cost")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=doctor)


async def doctor(options: argparse.Namespace) -> int:
    """Check the library and the index; repair the index with --repair."""
    async with services() as opened:
        maintenance = opened.maintenance
        report = await (maintenance.repair_as_job(opened.jobs) if options.repair else maintenance.check())
    if options.json:
        print(json.dumps({"healthy": report.healthy, **asdict(report)}, ensure_ascii=False))
    elif report.damage:
        print(
            f"The library is damaged: {'; '.join(report.damage)}. Restore a backup with"
            " `animerag restore FILE --replace`; the damaged files stay beside it."
        )
    elif report.healthy:
        print(f"Healthy: {report.shows:,} shows, {report.indexed:,} indexed, {report.repaired:,} repaired.")
    else:
        print(
            f"{len(report.missing)} missing, {len(report.stray)} stray, {len(report.stale)} stale,"
            f" {len(report.unsearchable)} unsearchable of {report.shows:,} shows,"
            f" {len(report.unsound_vectors)} damaged vectors. {_advice(repaired=options.repair)}"
        )
    if report.oversized:
        size = f"The index takes {report.index_bytes / 2**20:,.0f} MB, far more than its vectors need."
        remedy = "Delete the chroma folder in the data directory, then run `animerag doctor --repair`."
        print(size, remedy, file=sys.stderr)
    return DONE if report.healthy else ROWS_LEFT


def _advice(*, repaired: bool) -> str:
    return "Run `animerag ingest --reindex`." if repaired else "Run `animerag doctor --repair`."
