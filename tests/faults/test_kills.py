"""kill -9 at every point of an import, again and again over one catalogue, on both databases.

No acknowledged show is lost, none is stored twice, and at most one batch per lane is paid twice.

.venv/bin/python -m pytest tests/faults --kills 200 # more of them
"""

import asyncio
import itertools
import json
import random
import signal
import sqlite3

import psycopg
import pytest

from animerag.simulator import SimulatorProcess, SimulatorSettings
from tests.faults.killed import POINTS

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800), pytest.mark.both_databases]

SHOWS, CHANGED, BATCH, LANES = 120, 40, 4, 3


ACKNOWLEDGED = (
    "SELECT i.show_id, v.vector IS NOT NULL, w.number IS NOT NULL"
    " FROM indexed i JOIN shows s ON s.id = i.show_id"
    " LEFT JOIN vectors v ON v.text_hash = i.text_hash LEFT JOIN {words} w ON w.number = s.number"
)


class SQLiteFile:
    """The library of a data directory."""

    url = None

    def __init__(self, data_dir):
        self._path = data_dir / "library.db"
        self.acknowledged = ACKNOWLEDGED.format(words="(SELECT rowid AS number FROM words)")

    def rows(self, query):
        if not self._path.exists():
            return []
        with sqlite3.connect(self._path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return connection.execute(query).fetchall()


class Server:
    """The library of a PostgreSQL database."""

    acknowledged = ACKNOWLEDGED.format(words="word_shows")

    def __init__(self, url):
        self.url = url

    def rows(self, query):
        with psycopg.connect(self.url) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def library(database, request, tmp_path):
    """The library of the import, read like another program would."""
    if database == "postgresql":
        return Server(request.getfixturevalue("postgresql_url"))
    return SQLiteFile(tmp_path / "data")


@pytest.fixture
def kills(request, database):
    """How often to kill: by default at least once at each point, and some more where no server is needed."""
    given = request.config.getoption("--kills")
    return given if given is not None else {"sqlite": 12, "postgresql": len(POINTS) - 1}[database]


def acknowledged(library):
    """Return the ids that are stored and indexed according to the library, after checking that each is complete."""
    shows = [show_id for (show_id,) in library.rows("SELECT id FROM shows")]
    recorded = library.rows(library.acknowledged) if shows else []
    assert len(shows) == len(set(shows)), "each show once"
    assert all(vector and words for _, vector, words in recorded), "what is recorded has its vector and its words"
    return {show_id for show_id, _, _ in recorded}


async def test_an_import_survives_being_killed_anywhere(tmp_path, record, kills, importer, library):
    export, data_dir = tmp_path / "export.json", tmp_path / "data"
    days = dict.fromkeys(range(1, SHOWS + 1), 0)
    chance = random.Random(7)
    points = itertools.cycle([point for point in POINTS if point != "never"])
    before, died = set(), 0
    async with SimulatorProcess(SimulatorSettings(embed_latency_s=0.01)) as provider:

        def imported(point, nth):
            arguments = (point, nth, data_dir, export, BATCH)
            options = {"openai_base_url": provider.url, "database_url": library.url}
            return asyncio.to_thread(importer.run, *arguments, **options)

        for day, point in enumerate(itertools.islice(points, kills), 1):
            days |= dict.fromkeys(chance.sample(sorted(days), CHANGED), day)  # so that every import has something to do
            write(export, record, days)
            code, report = await imported(point, chance.randint(1, 2))
            died += code == -signal.SIGKILL
            assert code in (0, -signal.SIGKILL), (point, report)
            now = acknowledged(library)
            assert before <= now, f"{point}: lost {sorted(before - now)}"
            before = now
        code, report = await imported("never", 1)
        paid = (await provider.stats()).texts
    assert code == 0
    assert (report["catalogue"], report["healthy"], report["stopped_by"]) == (SHOWS, True, None)
    assert report["ingested"] + report["unchanged"] == SHOWS
    assert {show_id: f"Day {day}." in text for show_id, text, day in stored(library, days)} == dict.fromkeys(
        map(str, days), True
    )
    assert died >= kills // 2, "the kills happen"
    assert paid <= SHOWS + kills * (CHANGED + LANES * BATCH), "at most a batch per lane is paid twice"


def write(export, record, days):
    rows = [record(n, f"Voyage {n}", f"Day {day}. The captain finds island {n * 7}.") for n, day in days.items()]
    export.write_text(json.dumps({"AniDB_Anime": rows}), encoding="utf-8")


def stored(library, days):
    rows = library.rows("SELECT id, description FROM shows")
    return [(show_id, text, days[int(show_id)]) for show_id, text in rows]
