"""A disk that fills up during an import: stored shows stay, and the next run does the rest without paying again."""

import asyncio
import json
import os
import shutil
import subprocess

import pytest

from animerag.errors import InvalidInputError
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.storage.disk_space import Space

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]

SHOWS = 1200


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 60 MB in memory, which needs the right to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=60m", "none", place]
    if not shutil.which("mount") or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here: the tests on a full one did not run")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


async def test_a_full_disk_loses_nothing_and_the_import_can_be_resumed(small_disk, tmp_path, record, importer):
    export, ballast = tmp_path / "export.json", small_disk / "ballast"
    rows = [record(n, f"Voyage {n}", f"The captain finds island {n * 7}.") for n in range(1, SHOWS + 1)]
    export.write_text(json.dumps({"AniDB_Anime": rows}), encoding="utf-8")
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.1)) as provider:

        def imported():
            arguments = ("never", 1, small_disk / "data", export, 50)
            return asyncio.to_thread(importer.run, *arguments, openai_base_url=provider.url)

        importing = asyncio.create_task(imported())
        while (await provider.stats()).texts < SHOWS / 4:
            await asyncio.sleep(0.01)
        fill(ballast)
        stopped_with, stopped = await importing
        ballast.unlink()
        ended_with, rest = await imported()
        paid = (await provider.stats()).texts
    assert (stopped_with, ended_with) == (0, 0)
    assert "disk" in (stopped.get("stopped_by") or stopped.get("error"))
    assert "is full" in (stopped.get("stopped_by") or stopped.get("error"))
    assert (rest["stopped_by"], rest["catalogue"], rest["healthy"]) == (None, SHOWS, True)
    assert rest["ingested"] + rest["unchanged"] == SHOWS
    assert stopped.get("ingested", 0) <= rest["unchanged"] < SHOWS, "what was acknowledged is there"
    # One more text: it determines the width of a new server's vectors.
    assert paid <= SHOWS + 6 * 50, "what was on its way may be paid twice"


def test_an_import_that_cannot_fit_is_refused_before_it_begins(small_disk):
    with pytest.raises(InvalidInputError, match=r"about 1,562 MB of disk.*has 60 MB left"):
        Space(small_disk).require(50_000, 1536)
    Space(small_disk).require(1000, 1536)


def fill(path):
    with path.open("wb", buffering=0) as file:  # a buffer would repeat a failed write when it is closed
        try:
            while file.write(os.urandom(2**16)):
                pass
        except OSError:
            return
