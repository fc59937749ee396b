"""`animerag doctor`, `info` and `simulate`: check the index, show the configuration, simulate a provider."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from animerag import __version__, simulator
from animerag.cli.job_runner import DONE, ROWS_LEFT, Commands, services

if TYPE_CHECKING:
    import argparse

    from animerag.catalogue.overview import Overview
    from animerag.models.json_types import JsonObject
    from animerag.services import Services


def add(commands: Commands) -> None:
    """Add `simulate`, `doctor` and `info` to the command line."""
    parser = commands.add_parser("simulate", help="run a simulated provider that speaks the OpenAI protocol")
    simulator.add_arguments(parser)
    parser.set_defaults(run=simulate)

    parser = commands.add_parser("doctor", help="check the library and the search index")
    parser.add_argument("--repair", action="store_true", help="repair the index from stored vectors, at no cost")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=doctor)

    parser = commands.add_parser("info", help="show the configuration and the size of the catalogue")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=info)


async def simulate(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    from animerag.simulator.server import serve

    await serve(simulator.settings_from(options), options.port)
    return DONE


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


async def info(options: argparse.Namespace) -> int:
    """Print the configuration and the size of the catalogue."""
    from animerag.catalogue import overview
    from animerag.config import load_settings

    state = overview.read(load_settings())
    if state is None:
        async with services() as opened:
            state = await _from_services(opened)
    values = _info_object(state)
    if options.json:
        print(json.dumps(values, ensure_ascii=False))
        return DONE
    for name, value in values.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name.replace('_', ' ')}: {shown}")
    return DONE


async def _from_services(opened: Services) -> Overview:
    from animerag.catalogue.overview import Overview

    status = await opened.catalogue.status()
    return Overview(
        settings=opened.settings,
        provider=opened.embedder.provider,
        chat_model=opened.answering.model,
        embedding_model=opened.embedder.model,
        dimensions=await opened.embedder.dimensions(),
        shows=status.shows,
        indexed=status.indexed,
    )


def _info_object(state: Overview) -> JsonObject:
    from animerag.catalogue.overview import chroma_address

    settings = state.settings
    limits = ("ingest_concurrency", "query_concurrency", "batch_size", "max_rpm", "max_tpm", "max_cost_usd")
    return {
        "version": __version__,
        "provider": state.provider,
        "chat_model": state.chat_model,
        "embedding_model": state.embedding_model,
        "dimensions": state.dimensions,
        "catalogue": {"shows": state.shows, "indexed": state.indexed},
        "chroma": {"mode": "remote" if settings.chroma_url else "local", "url": chroma_address(settings)},
        "data_dir": str(settings.data_dir),
        "limits": {name: getattr(settings, name) for name in limits},
    }
