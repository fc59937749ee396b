"""`animerag simulate`: a simulated provider that speaks the OpenAI protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from animerag import simulator
from animerag.cli.job_runner import DONE

if TYPE_CHECKING:
    import argparse

    from animerag.cli.job_runner import Commands


def add(commands: Commands) -> None:
    """Add `simulate` to the command line."""
    parser = commands.add_parser("simulate", help="run a simulated provider that speaks the OpenAI protocol")
    simulator.add_arguments(parser)
    parser.set_defaults(run=simulate)


async def simulate(options: argparse.Namespace) -> int:
    """Serve until stopped."""
    from animerag.simulator.server import serve

    await serve(simulator.settings_from(options), options.port)
    return DONE
