"""`animerag stats`: print the figures of the collection that Home shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from animerag.cli.job_runner import DONE, Commands, services
from animerag.models.filters import STATUS_LABELS

if TYPE_CHECKING:
    import argparse

    from animerag.catalogue.statistics import Attention, CollectionStatistics

_TAGS_PRINTED = 10


def add(commands: Commands) -> None:
    """Add `stats` to the command line."""
    parser = commands.add_parser("stats", help="print the figures of your collection")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=stats)


async def stats(options: argparse.Namespace) -> int:
    """Print the figures, then the lists that need attention."""
    from animerag.catalogue.statistics import as_json

    async with services() as opened:
        figures = await opened.statistics.collection()
        attention = await opened.statistics.attention()
    if options.json:
        print(json.dumps(as_json(figures, attention), ensure_ascii=False))
    elif not figures.shows:
        print("The catalogue is empty: run `animerag ingest PATH` first.")
    else:
        for line in (*_lines(figures), *_attention_lines(attention)):
            print(line)
    return DONE


def _lines(figures: CollectionStatistics) -> list[str]:
    lines = [f"Shows: {figures.shows:,}, {figures.films:,} of them films", f"Episodes: {figures.episodes:,}"]
    if figures.timed:
        lines.append(f"Hours: {figures.hours:,.0f}, of {figures.timed:,} shows whose length is known")
    if figures.median_rating is not None:
        lines.append(f"Median rating: {figures.median_rating:.2f}, of {sum(figures.ratings.values()):,} rated shows")
    if figures.listed:
        lines.append(f"Watched: {figures.seen:,}, started: {figures.begun:,}, unwatched: {figures.unseen:,}")
    lines.append("Tags: " + ", ".join(f"{one.tag} {one.shows:,}" for one in figures.tags[:_TAGS_PRINTED]))
    for decade, statuses in figures.decades.items():
        counts = ", ".join(f"{STATUS_LABELS[name]} {statuses[name]:,}" for name in STATUS_LABELS if name in statuses)
        lines.append(f"{decade}s: {sum(statuses.values()):,}" + (f" ({counts})" if figures.listed else ""))
    lines += [
        f"Scored {one.score}: {one.shows:,} shows, on average {one.mine:.1f} by you and {one.crowd:.1f} by others"
        for one in figures.scores
    ]
    return lines


def _attention_lines(attention: Attention) -> list[str]:
    counts = (
        (attention.missing_sequels, "missing sequel or prequel", "missing sequels and prequels"),
        (attention.duplicates, "pair that may be the same show", "pairs that may be the same show"),
        (attention.without_description, "show without a description", "shows without a description"),
        (attention.not_indexed, "show not indexed", "shows not indexed"),
        (attention.skipped_rows, "row skipped by the last import", "rows skipped by the last import"),
    )
    return [f"Needs attention: {count:,} {one if count == 1 else many}" for count, one, many in counts if count]
