"""`animerag info`: the configuration and the size of the catalogue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from animerag import __version__
from animerag.cli.job_runner import DONE, services

if TYPE_CHECKING:
    import argparse

    from animerag.catalogue.overview import Overview
    from animerag.cli.job_runner import Commands
    from animerag.models.json_types import JsonObject
    from animerag.services import Services


def add(commands: Commands) -> None:
    """Add `info` to the command line."""
    parser = commands.add_parser("info", help="show the configuration and the size of the catalogue")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=info)


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
