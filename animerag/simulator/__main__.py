"""`python -m animerag.simulator`: serve a simulated provider until a signal or, if asked, the end of standard input."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.simulator.server import serve
from animerag.simulator.settings import add_arguments, settings_from

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; return the exit status, 2 for invalid options."""
    parser = argparse.ArgumentParser(prog="python -m animerag.simulator", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--watch-stdin", action="store_true", help="stop when standard input ends")
    given = parser.parse_args(arguments)
    try:
        asyncio.run(serve(settings_from(given), given.port, watch_stdin=given.watch_stdin))
    except InvalidInputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
