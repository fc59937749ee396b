"""An independent server in its own process, with the small model that `make test-real` downloads."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

LIMIT = 128  # tokens of an answer; the test that waits for all of them takes seconds on two cores


class RealServer:
    """The address and the counters of a running server."""

    limit = LIMIT

    def __init__(self, address):
        self.url = f"{address}/v1"
        self._metrics = f"{address}/metrics"

    async def generated(self):
        """Wait until no request is in progress, and return the tokens generated since the server began."""
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while True:
                async with session.get(self._metrics) as response:
                    counters = dict(re.findall(r"^llamacpp:(\w+) (\d+)", await response.text(), re.MULTILINE))
                if counters["requests_processing"] == counters["requests_deferred"] == "0":
                    return int(counters["tokens_predicted_total"])
                await asyncio.sleep(0.05)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    model = os.environ["REAL_MODEL"]
    assert Path(model).is_file(), f"REAL_MODEL names no file: {model}"
    log = tmp_path_factory.mktemp("real") / "server.log"
    command = [sys.executable, Path(__file__).with_name("serve.py"), model, str(LIMIT)]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    with process:  # leaving it closes standard input and waits
        line = process.stdout.readline()
        assert line, log.read_text(errors="replace")[-2000:]
        yield RealServer(json.loads(line)["url"])
