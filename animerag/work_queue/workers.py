"""The worker processes of all hosts. A worker is alive as long as it holds its lease."""

from __future__ import annotations

import asyncio
import json
import os
import platform
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from animerag import __version__
from animerag.errors import InvalidInputError
from animerag.storage import library_metadata
from animerag.storage.schema_version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.storage.library import Library
    from animerag.storage.locks import Locks

_KEY = "worker:"  # followed by the lease
NO_WORKER = "Waiting for a worker: start `animerag worker` on any host"
RELEASE = f"{__version__} (tables {VERSION})"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcess:
    """A process that takes tasks; `concurrency` is its number of embedding requests in flight."""

    lease: str
    host: str
    pid: int
    release: str
    concurrency: int
    began_at: str
    done: int = 0  # tasks since its start
    takers: Sequence[int] = ()  # as Procrastinate numbers those that take its tasks, one for each kind


class Workers:
    """The list of workers in the library."""

    def __init__(self, library: Library, locks: Locks) -> None:
        self._library = library
        self._locks = locks

    @property
    def lease(self) -> str:
        """Return the lease of this process."""
        return self._locks.lease

    async def alive(self) -> list[WorkerProcess]:
        """Return the workers whose processes are running, the oldest first. Raises LibraryError."""
        stored = await self.listed()
        gone = await self.gone([one.lease for one in stored])
        running = [one for one in stored if one.lease not in gone]
        return sorted(running, key=lambda one: (one.began_at, one.lease))

    async def listed(self) -> list[WorkerProcess]:
        """Return the workers that have not ended cleanly: they run, or were killed. Raises LibraryError."""
        stored = (await self._library.facts(_KEY)).items()
        return [_process(lease, json.loads(value)) for lease, value in stored]

    async def gone(self, leases: Sequence[str]) -> set[str]:
        """Return those leases whose processes have ended. Raises LibraryError."""
        return set(await asyncio.to_thread(lambda: [lease for lease in leases if self._locks.is_free(lease)]))

    async def put(self, *, concurrency: int, began_at: str, done: int, takers: Sequence[int] = ()) -> None:
        """Record what this worker is and how many tasks it has done. Raises LibraryError."""
        mine = WorkerProcess(
            lease=self.lease,
            host=platform.node() or "unknown",
            pid=os.getpid(),
            release=RELEASE,
            concurrency=concurrency,
            began_at=began_at,
            done=done,
            takers=takers,
        )
        async with self._library.counting() as connection:  # it does not wait for imports
            await library_metadata.put(connection, _KEY + self.lease, json.dumps(asdict(mine)))

    async def remove(self) -> None:
        """Remove this worker from the list. Raises LibraryError."""
        await self._library.remove_meta(_KEY + self.lease)

    async def remove_dead(self) -> None:
        """Remove workers that died from the list. Raises LibraryError."""
        dead = [_KEY + lease for lease in await self.gone([one.lease for one in await self.listed()])]
        if dead:
            await self._library.remove_meta(*dead)

    async def require_same_release(self) -> None:
        """Raise InvalidInputError if a worker of another release is running, because their tasks may differ."""
        for other in await self.alive():
            if other.release != RELEASE:
                raise InvalidInputError(
                    f"The worker on {other.host} (process {other.pid}) runs animerag {other.release}, and this is"
                    f" {RELEASE}: stop the workers, install the same version on all hosts, and start them again."
                )


def _process(lease: str, stored: Mapping[str, Any]) -> WorkerProcess:
    """Return a worker from its record, which another release may have written."""
    known = {field.name for field in fields(WorkerProcess)}
    return WorkerProcess(**{**{name: value for name, value in stored.items() if name in known}, "lease": lease})


def require_release(started_by: str) -> None:
    """Raise InvalidInputError in a worker whose release is not that of the process which handed out a task."""
    if started_by != RELEASE:
        raise InvalidInputError(
            f"The work was started by animerag {started_by}, and a worker is {RELEASE}:"
            " install the same version on all hosts, and start it again."
        )
