"""`animerag ingest`: import files and print a report."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from animerag.cli.job_runner import CANCELLED, DONE, ROWS_LEFT, Commands, number_or_auto, run_job, services
from animerag.cli.reading import add_reading, print_files, read_options, with_user
from animerag.errors import InvalidInputError
from animerag.text.counting import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from animerag.ingestion.importer import SourceFile
    from animerag.jobs.jobs import Control
    from animerag.models.imports import IngestReport
    from animerag.services import Services
    from animerag.text.durations import TimeEstimate


_NOTES = 20  # as many as fit on one screen of a terminal


def add(commands: Commands) -> None:
    """Add `ingest` to the command line."""
    parser = commands.add_parser("ingest", help="import files into the catalogue")
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="Shoko database or export, CSV, TSV, Excel, JSON, JSON lines, MyAnimeList XML, or notes",
    )
    parser.add_argument("--batch-size", type=number_or_auto, metavar="N|auto", help="shows per embedding request")
    parser.add_argument("--concurrency", type=number_or_auto, metavar="N|auto", help="requests in flight")
    add_reading(parser)
    parser.add_argument(
        "--enrich", action="store_true", help="use the files as references: complete existing shows without adding any"
    )
    parser.add_argument("--dry-run", action="store_true", help="report what would be stored; store and spend nothing")
    parser.add_argument("--reindex", action="store_true", help="index the shows without a vector for the current model")
    parser.add_argument(
        "--accept-bad-rows",
        action="store_true",
        help="import the good rows without asking, even if more than a fifth of the rows have errors",
    )
    parser.add_argument("--detach", action="store_true", help="let workers run the import, and print the job's id")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=ingest)


async def ingest(options: argparse.Namespace) -> int:
    """Import files. Raises AnimeRAGError if nothing could be imported."""
    if not options.paths and not options.reindex:
        raise InvalidInputError("Name at least one file, or use --reindex.")
    from animerag.ingestion.importer import SourceFile

    reading = read_options(options)
    files = [
        SourceFile(path=path, name=path.name, options=reading, id_prefix=options.id_prefix, enrich=options.enrich)
        for path in options.paths
    ]
    from animerag.readers import DetectedFileError

    async with services() as opened:
        if options.detach:
            return await _detached(opened, files, options)
        while True:
            try:
                return await _ingested(opened, files, options)
            except DetectedFileError as error:
                if not error.detection.users or options.json or not sys.stdin.isatty():
                    raise
                files = with_user(files, error.detection)


async def _detached(opened: Services, files: Sequence[SourceFile], options: argparse.Namespace) -> int:
    """Let workers run an import, and print the id of its job."""
    if opened.detached is None:
        raise InvalidInputError("--detach needs workers: set ANIMERAG_ENGINE=queue, and start `animerag worker`.")
    if not files or options.dry_run:
        raise InvalidInputError("--detach imports files: name at least one, and leave out --dry-run.")
    level, size = options.concurrency, options.batch_size
    job_id = await opened.detached.imports.hand_over(files, concurrency=level, batch_size=size)
    print(json.dumps({"job": job_id}) if options.json else job_id)
    print("Workers import it: `animerag jobs` shows the progress.", file=sys.stderr)
    return DONE


async def _ingested(opened: Services, files: Sequence[SourceFile], options: argparse.Namespace) -> int:
    ingestion = opened.ingestion
    if options.dry_run:
        report = await ingestion.preview.check(files)
        return _print_report(report, options, expected=await ingestion.preview.expected_time(report.ingested))

    async def work(control: Control) -> IngestReport:
        if not files:
            return await ingestion.reindex(control)
        return await ingestion.run(
            files,
            control,
            concurrency=options.concurrency,
            batch_size=options.batch_size,
            # Without a terminal nobody can answer: good rows are imported, bad ones are reported.
            accept_bad_rows=options.accept_bad_rows or options.json or not sys.stdin.isatty(),
        )

    report, stopped = await run_job(opened, work, kind="ingest", title=", ".join(file.name for file in files))
    status = _print_report(report, options)
    return CANCELLED if stopped else status


def _print_report(report: IngestReport, options: argparse.Namespace, *, expected: TimeEstimate | None = None) -> int:
    """Print what was imported, or, given an `expected` time, what would be imported; return the exit status."""
    dry_run = expected is not None
    if options.json:
        print(json.dumps(ingest_object(report, expected), ensure_ascii=False))
    else:
        print_files(report.files)
        print_counts(report, "would be stored" if dry_run else "stored")
        if report.usage.embedding_tokens:
            usd = report.usage.cost_usd
            cost = "cost unknown" if usd is None else f"${usd:.4f}" if usd else "no cost"
            estimated = ", estimated: the provider reported no usage" if report.usage.estimated else ""
            tokens = counted(report.usage.embedding_tokens, "token")
            print(f"About {tokens} to embed, {cost}." if dry_run else f"{tokens} embedded, {cost}{estimated}.")
        if expected is not None and report.ingested:
            print(f"The import will take {expected.words()}.")
        for note in report.notes[:_NOTES]:
            print(f"  {note.file}:{note.line}: {note.note}", file=sys.stderr)
        if len(report.notes) > _NOTES:
            print(f"  {len(report.notes) - _NOTES:,} more notes: use --json to see all.", file=sys.stderr)
    if report.stopped_by:
        print(f"Stopped: {report.stopped_by} Run the command again to continue.", file=sys.stderr)
    return ROWS_LEFT if report.quarantined or report.cancelled else DONE


def print_counts(report: IngestReport, verb: str = "stored") -> None:
    """Print the counts of rows, and the reason for each skipped row."""
    print(
        f"{report.read:,} read: {report.ingested:,} {verb}, {report.unchanged:,} unchanged,"
        f" {report.duplicate:,} repeated (the last row counts), {report.quarantined:,} skipped,"
        f" {report.cancelled:,} remaining. {report.catalogue:,} shows in the catalogue."
    )
    if report.conflicts:
        print(
            f"Your list differs from the file in {counted(len(report.conflicts), 'value')}:",
            file=sys.stderr,
        )
    for one in report.conflicts[:_NOTES]:
        note = " (your edit, which is not changed)" if one.stays else ""
        name = one.field.replace("_", " ")
        print(f"  {one.title}: {name} {one.given} in the file, {one.stored} in your list{note}", file=sys.stderr)
    for row in report.rows:
        print(f"  {row.file}:{row.line}: {row.reason}", file=sys.stderr)


def ingest_object(report: IngestReport, expected: TimeEstimate | None) -> dict[str, object]:
    """Return a report as `--json` prints it."""
    plain = ("read", "ingested", "unchanged", "duplicate", "quarantined", "cancelled", "changed")
    counts = ("batches", "embedding_requests", "rate_limited", "retries", "catalogue", "stopped_by")
    return {
        **{name: getattr(report, name) for name in plain},
        "rows": [{**asdict(row), "given": row.excerpt} for row in report.rows],
        "notes": [asdict(note) for note in report.notes],
        "files": [asdict(file) for file in report.files],
        "seconds": round(report.seconds, 3),
        "throughput": round(report.throughput, 1),
        "concurrency": asdict(report.concurrency),
        "usage": {name: getattr(report.usage, name) for name in ("embedding_tokens", "cost_usd", "estimated")},
        "expected_s": [round(expected.least_s, 1), round(expected.most_s, 1)] if expected else None,
        **{name: getattr(report, name) for name in counts},
        "conflicts": [asdict(conflict) for conflict in report.conflicts],
    }
