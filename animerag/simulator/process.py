"""Runs the simulator in a separate process, so that its work does not slow down the measured client."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from animerag.errors import ProviderUnusableError
from animerag.simulator.traffic import SimulatorStats, Visit

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    import aiohttp

    from animerag.simulator.settings import SimulatorSettings

_START_S = 30.0  # seconds; imports take long on a busy machine
_STOP_S = 5.0
_REQUEST_S = 10.0
_IMPORT_ROOT = Path(__file__).parents[2]


class SimulatorProcess:
    """Starts a simulator and always stops it; belongs to the event loop that entered it.

    Entering raises ProviderUnusableError if the simulator does not start. If this process dies, the simulator's
    standard input ends and it stops as well.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._process: Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self.url = ""

    @property
    def pid(self) -> int:
        """Process id, once entered."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> Self:
        import aiohttp

        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "animerag.simulator", "--watch-stdin", *self._settings.arguments()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_IMPORT_ROOT,  # the package need not be installed, and the caller may be anywhere
        )
        try:
            self.url = await self._announced_url(self._process)
        except BaseException:
            await self._stop(self._process)
            raise
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_REQUEST_S))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._session is not None
        try:
            await self._session.close()
        finally:
            await self._stop(self._process)

    async def stats(self, *, times: bool = False) -> SimulatorStats:
        """Return the simulator's statistics since its start or reset; `times` adds the times of every request."""
        given = json.loads(await self._call("GET", "/stats?times=1" if times else "/stats"))
        given["times"] = tuple(Visit(**visit) for visit in given["times"])
        return SimulatorStats(**given)

    async def reset(self) -> None:
        """Reset the statistics, the rate limits and the random numbers."""
        await self._call("POST", "/reset")

    async def _call(self, method: str, path: str) -> bytes:
        assert self._session is not None
        async with self._session.request(method, self.url.removesuffix("/v1") + path) as response:
            response.raise_for_status()
            return await response.read()

    @staticmethod
    async def _announced_url(process: Process) -> str:
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_START_S):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            raise ProviderUnusableError("The simulated provider did not start: see its messages on standard error.")
        return str(json.loads(line)["url"])

    @staticmethod
    async def _stop(process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            if process.returncode is None:
                process.kill()
            # Reading to the end lets asyncio close the pipe before the loop does.
            await process.stdout.read()
            await process.wait()
