"""kill -9 at every point of an import, again and again over one catalogue: nothing acknowledged is lost, nothing is
stored twice, and no more than a batch a lane is paid twice.

    .venv/bin/python -m pytest tests/faults --kills 200      # more of them
"""

import asyncio
import itertools
import json
import random
import signal
import sqlite3

import pytest

from animerag.simulator import SimulatorProcess, SimulatorSettings
from tests.faults.killed import POINTS

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

SHOWS, CHANGED, BATCH, LANES = 120, 40, 4, 3


@pytest.fixture
def kills(request):
    return request.config.getoption("--kills")


def acknowledged(data_dir):
    """Return the ids the library says are stored and indexed, after checking that the library holds together."""
    path = data_dir / "library.db"
    if not path.exists():
        return set()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        shows = [row[0] for row in connection.execute("SELECT id FROM shows")]
        noted = connection.execute(
            "SELECT i.show_id, v.vector IS NOT NULL, w.rowid IS NOT NULL"
            " FROM indexed i JOIN shows s ON s.id = i.show_id"
            " LEFT JOIN vectors v ON v.text_hash = i.text_hash LEFT JOIN words w ON w.rowid = s.number"
        ).fetchall()
    assert len(shows) == len(set(shows)), "each show once"
    assert all(kept and found for _, kept, found in noted), "whatever is noted has its vector and its words"
    return {show_id for show_id, _, _ in noted}


async def test_an_import_survives_being_killed_anywhere(tmp_path, record, kills, importer):
    export, data_dir = tmp_path / "export.json", tmp_path / "data"
    days = dict.fromkeys(range(1, SHOWS + 1), 0)
    chance = random.Random(7)
    points = itertools.cycle([point for point in POINTS if point != "never"])
    before, died = set(), 0
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.01)) as provider:

        def imported(point, nth):
            arguments = (point, nth, data_dir, export, BATCH)
            return asyncio.to_thread(importer.run, *arguments, openai_base_url=provider.url)

        for day, point in enumerate(itertools.islice(points, kills), 1):
            days |= dict.fromkeys(chance.sample(sorted(days), CHANGED), day)  # there is always something to do
            write(export, record, days)
            code, said = await imported(point, chance.randint(1, 2))
            died += code == -signal.SIGKILL
            assert code in (0, -signal.SIGKILL), (point, said)
            now = acknowledged(data_dir)
            assert before <= now, f"{point}: lost {sorted(before - now)}"
            before = now
        code, said = await imported("never", 1)
        paid = (await provider.stats()).texts
    assert code == 0
    assert (said["catalogue"], said["healthy"], said["stopped_by"]) == (SHOWS, True, None)
    assert said["ingested"] + said["unchanged"] == SHOWS
    assert {show_id: f"Day {day}." in text for show_id, text, day in stored(data_dir, days)} == dict.fromkeys(
        map(str, days), True
    )
    assert died >= kills // 2, "the kills happen"
    assert paid <= SHOWS + kills * (CHANGED + LANES * BATCH), "at most a batch a lane is paid twice"


def write(export, record, days):
    rows = [record(n, f"Voyage {n}", f"Day {day}. The captain finds island {n * 7}.") for n, day in days.items()]
    export.write_text(json.dumps({"AniDB_Anime": rows}), encoding="utf-8")


def stored(data_dir, days):
    with sqlite3.connect(data_dir / "library.db") as connection:
        found = connection.execute("SELECT id, description FROM shows").fetchall()
    return [(show_id, text, days[int(show_id)]) for show_id, text in found]
