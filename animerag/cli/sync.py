"""`animerag sync shoko`: import new and changed shows from a Shoko Server."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from animerag.cli.ingest import ingest_object, print_counts
from animerag.cli.job_runner import CANCELLED, DONE, ROWS_LEFT, Commands, run_job, services

if TYPE_CHECKING:
    import argparse

    from animerag.ingestion.shoko_sync import SyncReport
    from animerag.jobs.jobs import Control


def add(commands: Commands) -> None:
    """Add `sync` to the command line."""
    parser = commands.add_parser("sync", help="import new and changed shows from a server")
    sources = parser.add_subparsers(dest="source", metavar="SOURCE", required=True)
    shoko = sources.add_parser("shoko", help="Shoko Server; the key comes from ANIMERAG_SHOKO_KEY")
    shoko.add_argument(
        "--url", required=True, metavar="URL", help="address of the server, such as http://localhost:8111"
    )
    shoko.add_argument("--user", metavar="NAME", help="name of your user; the key of any other user is refused")
    shoko.add_argument("--json", action="store_true", help="print one JSON object")
    shoko.set_defaults(run=sync)


async def sync(options: argparse.Namespace) -> int:
    """Synchronise. Raises AnimeRAGError if nothing could be imported."""
    from animerag.ingestion.shoko_sync import NAME, SYNC_JOB

    async with services() as opened:

        async def work(control: Control) -> SyncReport:
            return await opened.shoko_sync.run(options.url, control, user=options.user)

        done: SyncReport
        done, stopped = await run_job(opened, work, kind=SYNC_JOB, title=NAME)
        report = done.report
        if options.json:
            counts = {
                "series": done.series,
                "fetched": done.fetched,
                "listing_requests": done.listing_requests,
                "detail_requests": done.detail_requests,
            }
            print(json.dumps({**counts, **ingest_object(report, None)}, ensure_ascii=False))
        else:
            requests = f"{done.listing_requests:,} requests for lists, {done.detail_requests:,} for series"
            print(f"{done.series:,} series on the server, {done.fetched:,} of them new or changed ({requests}).")
            print_counts(report)
        if report.stopped_by:
            print(f"Stopped: {report.stopped_by} Run the command again to continue.", file=sys.stderr)
        if stopped:
            return CANCELLED
        return ROWS_LEFT if report.quarantined or report.cancelled else DONE
