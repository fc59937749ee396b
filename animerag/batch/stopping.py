"""Ends a run of a sheet before its last question: when it is cancelled, or at its cost cap."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from animerag.batch.groups import RowGroup
    from animerag.batch.progress import RunProgress
    from animerag.jobs.job import Control
    from animerag.storage.batch_runs import RunOptions

_GRACE_S = 1.0  # answers that arrive this soon after Cancel are stored, because they are paid for


def until_stopped(
    groups: Sequence[RowGroup], control: Control, live: RunProgress, options: RunOptions
) -> Iterator[RowGroup]:
    """Yield groups until the run is stopped, or until one more might exceed the cap."""
    # A group counts as asked from here until its cost is known: several may be drawn before the first one starts.
    cap = options.max_cost_usd
    for group in groups:
        if control.stopping or live.stopped_by:
            return
        if cap is not None and (live.usage.cost_usd or 0.0) + (live.asking + 1) * live.dearest_usd > cap:
            live.stopped_by = cap_reached(cap)
            return
        live.asking += 1
        yield group


def cap_reached(cap_usd: float) -> str:
    """Return the sentence for a run that has reached its cost cap."""
    return f"The cost cap of ${cap_usd:,.2f} is reached: raise it, then resume."


async def grace_over(control: Control) -> None:
    """Wait until a run is stopped, and a second longer."""
    await control.stopped()
    await asyncio.sleep(_GRACE_S)
