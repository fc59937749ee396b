"""Imports, changes, cancels, losses, repairs, and another process that imports and may be killed, in any order.

The catalogue always equals a plain dictionary.
"""

import asyncio
import json
import signal
import uuid

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import LibraryError
from animerag.indexing.indexer import Indexer
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

POINTS = ("vectors kept", "before writing", "written, not noted", "inside the commit", "acknowledged", "never")
IDS = st.sets(st.integers(1, 8), min_size=1)
VERSIONS = st.integers(1, 3)
FEW = settings(max_examples=12, stateful_step_count=8, suppress_health_check=list(HealthCheck))


def machine_over(directory, chroma_url, importer):
    """Return a state machine that works on catalogues in `directory`, a new one each time."""

    class Catalogue(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.expected = {}
            self.others = 0
            self.runner = asyncio.Runner()
            self.path = directory / uuid.uuid4().hex
            given = load_settings(data_dir=self.path, chroma_url=chroma_url)
            self.opening = open_services(given, warm=False)
            self.services = self.runner.run(self.opening.__aenter__())

        def teardown(self):
            self.runner.run(self.opening.__aexit__(None, None, None))
            self.runner.close()

        def file(self, ids, version, bad=0):
            rows = [self.record(show_id, version) for show_id in sorted(ids)] + [{"AnimeID": "none"}] * bad
            path = self.path / "export.json"
            path.write_text(json.dumps({"AniDB_Anime": rows}), encoding="utf-8")
            return SourceFile(path=path, name="export.json")

        @staticmethod
        def record(show_id, version):
            text = f"Ship number {show_id} sails for the {version}. time."
            return {"AnimeID": show_id, "MainTitle": f"Ship {show_id}", "Description": text, "Rating": 100 * version}

        @rule(ids=IDS, version=VERSIONS, bad=st.integers(0, 2))
        def ingest(self, ids, version, bad):
            new = {show_id for show_id in ids if self.expected.get(show_id) != version}
            source = self.file(ids, version, bad)
            report = self.runner.run(self.services.ingestion.run([source], Control(), batch_size=3))
            self.expected |= dict.fromkeys(ids, version)
            found = (report.read, report.ingested, report.unchanged, report.quarantined, report.cancelled)
            assert found == (len(ids) + bad, len(new), len(ids) - len(new), bad, 0)

        @rule(ids=IDS, version=VERSIONS, after=st.integers(0, 2))
        def ingest_and_cancel(self, ids, version, after):
            source, control, calls = self.file(ids, version), Control(), 0
            upsert = Indexer.upsert

            async def stopping(indexer, *args):
                nonlocal calls
                calls += 1
                if calls > after:
                    control.stop()
                return await upsert(indexer, *args)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Indexer, "upsert", stopping)
                report = self.runner.run(self.services.ingestion.run([source], control, batch_size=1))
            parts = report.ingested + report.unchanged + report.duplicate + report.quarantined + report.cancelled
            assert report.read == parts == len(ids)
            stored = self.stored()
            assert all(stored.get(i) in (self.expected.get(i), version) for i in ids), "old or new, nothing between"
            self.expected |= {i: stored[i] for i in ids if i in stored}

        @rule(ids=IDS)
        def lose_vectors_and_repair(self, ids):
            # Which shows can be lost depends on when a process was killed, so hypothesis must not draw from them.
            lost = ids & self.expected.keys() or set(self.expected)
            if not lost:
                return

            async def lose():
                spec = await self.services.ingestion._indexer.spec()
                await self.services.index.delete(spec, [str(show_id) for show_id in lost])
                assert not (await self.services.maintenance.check()).healthy
                return await self.services.maintenance.repair()

            assert self.runner.run(lose()).repaired == len(lost)

        @precondition(lambda self: self.others == 0)  # a process takes seconds to start
        @rule(ids=IDS, version=VERSIONS, point=st.sampled_from(POINTS), nth=st.integers(1, 2))
        def ingest_in_another_process_that_may_be_killed(self, ids, version, point, nth):
            self.others += 1
            export = self.file(ids, version).path
            status, _ = importer.run(point, nth, self.path, export, 3, chroma_url=chroma_url)
            assert status in (0, -signal.SIGKILL)
            stored = self.stored()
            assert all(stored.get(i) in (self.expected.get(i), version) for i in ids), "old or new, nothing between"
            if status == 0:
                assert all(stored[i] == version for i in ids)
            self.expected |= {i: stored[i] for i in ids if i in stored}
            self.runner.run(self.services.maintenance.repair())

        def stored(self):
            shows = self.runner.run(self.services.library.shows([str(number) for number in range(1, 9)]))
            return {int(show_id): int(show.rating) for show_id, show in shows.items()}

        @invariant()
        def the_library_is_what_was_told(self):
            assert self.stored() == self.expected
            texts = self.runner.run(self.services.library.shows([str(number) for number in self.expected]))
            assert all(f"for the {self.expected[int(i)]}. time" in show.description for i, show in texts.items())

        @invariant()
        def the_index_agrees_with_it(self):
            health = self.runner.run(self.services.maintenance.check())
            assert health.healthy, health
            assert health.shows == health.indexed == len(self.expected)

    return Catalogue


def test_imports_cancels_losses_and_repairs_may_come_in_any_order(tmp_path, chroma_index_url, importer):
    run_state_machine_as_test(machine_over(tmp_path, chroma_index_url, importer), settings=FEW)


async def nothing(*_args, **_kwargs):
    return None


@pytest.mark.parametrize(
    "skipped", ["animerag.indexing.indexer.Indexer.upsert", "animerag.storage.library.insert_many"]
)
def test_a_write_that_is_skipped_is_noticed(tmp_path, chroma_index_url, importer, monkeypatch, skipped):
    """The checks can fail: they do if one half of the write is left out."""
    monkeypatch.setattr(skipped, nothing)
    with pytest.raises((AssertionError, LibraryError)):
        run_state_machine_as_test(
            machine_over(tmp_path, chroma_index_url, importer), settings=settings(FEW, phases=[Phase.generate])
        )
