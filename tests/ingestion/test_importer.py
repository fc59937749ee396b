"""Ingestion over real Chroma, SQLite and the real encoder."""

import asyncio
import json

import pytest

from animerag import readers
from animerag.errors import InvalidInputError, RequestRefusedError, TransientProviderError, VectorStoreError
from animerag.jobs.jobs import Control
from animerag.models.imports import ImportKind
from animerag.models.providers import Priority
from animerag.text.documents import Document

pytestmark = pytest.mark.both_databases


def adds_up(report):
    parts = report.ingested + report.unchanged + report.duplicate + report.quarantined + report.cancelled
    return report.read == parts


async def test_shows_are_imported_once_and_a_second_import_costs_nothing(services, export, record):
    source = export(record(1, "A", "A robot wakes up."), record(2, "B", "A girl bakes bread."))
    first = await services.ingestion.run([source], Control())
    second = await services.ingestion.run([source], Control())
    assert (first.read, first.ingested, first.embedding_requests, first.catalogue) == (2, 2, 1, 2)
    assert (second.unchanged, second.embedding_requests, second.batches) == (2, 0, 0)
    assert adds_up(first)
    assert adds_up(second)
    assert (await services.maintenance.check()).healthy


async def test_a_changed_rating_updates_the_show_without_a_new_vector(services, export, record):
    await services.ingestion.run([export(record(1, "A", "Text.", Rating=700))], Control())
    report = await services.ingestion.run([export(record(1, "A", "Text.", Rating=800))], Control())
    assert (report.ingested, report.embedding_requests) == (1, 0)
    assert (await services.library.show("1")).rating == 8.0
    spec = await services.ingestion._indexer.spec()
    assert (await services.index.metadata(spec, ["rating"]))["1"] == {"rating": 8.0}


async def test_a_field_that_a_file_dropped_is_removed_from_library_and_index(services, export, record):
    await services.ingestion.run([export(record(1, "A", "Text.", BeginYear=1999, AllTags="x|y"))], Control())
    await services.ingestion.run([export(record(1, "A", "Text."))], Control())
    spec = await services.ingestion._indexer.spec()
    assert (await services.index.metadata(spec, ["year", "tags", "title"]))["1"] == {"title": "A"}
    assert (await services.library.show("1")).year is None


async def test_the_last_of_two_rows_with_one_id_wins_and_is_counted(services, export, record):
    report = await services.ingestion.run([export(record(1, "Old"), record(1, "New"), record(2, "B"))], Control())
    assert (report.read, report.ingested, report.duplicate) == (3, 2, 1)
    assert (await services.library.show("1")).title == "New"


async def test_broken_rows_are_skipped_and_the_rest_is_stored(services, export, record):
    report = await services.ingestion.run([export(record(1, "A"), {"AnimeID": 2}, None)], Control())
    assert (report.ingested, report.quarantined) == (1, 2)
    assert [(row.line, row.id) for row in report.rows] == [(1, "2"), (1, None)]
    assert adds_up(report)


async def test_an_empty_list_changes_nothing(services, export):
    report = await services.ingestion.run([export()], Control())
    assert (report.read, report.catalogue, report.stopped_by) == (0, 0, None)


async def test_a_broken_file_imports_nothing_even_beside_a_good_one(services, export, record, tmp_path):
    good = export(record(1, "A"))
    broken = tmp_path / "broken.json"
    broken.write_text('{"AniDB_Anime": [')
    with pytest.raises(InvalidInputError, match="broken.json"):
        await services.ingestion.run([good, type(good)(path=broken, name="broken.json")], Control())
    assert (await services.library.counts()).shows == 0


async def test_a_check_spends_and_stores_nothing(services, export, record):
    report = await services.ingestion.preview.check([export(record(1, "A"), record(1, "B"), {})])
    assert (report.ingested, report.duplicate, report.quarantined) == (1, 1, 1)
    assert (await services.library.counts()).shows == 0


async def test_a_row_in_two_files_counts_as_repeated_in_the_first_and_is_priced_once(services, export, record):
    one = export(record(1, "A", "Text."), record(2, "B", "More."), name="one.json")
    two = export(record(2, "B", "More."), record(3, "C", "Text."), name="two.json")
    first, second = [seen.report for seen in await services.ingestion.preview.each([one, two])]
    assert (first.read, first.ingested, first.duplicate) == (2, 1, 1)
    assert (second.read, second.ingested, second.duplicate) == (2, 2, 0)
    together, run = (
        await services.ingestion.preview.check([one, two]),
        await services.ingestion.run([one, two], Control()),
    )
    assert first.usage.embedding_tokens + second.usage.embedding_tokens == together.usage.embedding_tokens
    assert (run.ingested, run.duplicate) == (first.ingested + second.ingested, first.duplicate + second.duplicate)


async def test_an_unreadable_file_does_not_stop_the_check_of_the_others(services, export, record, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    good = export(record(1, "A"))
    bad, sound = await services.ingestion.preview.each([type(good)(path=broken, name="broken.json"), good])
    error, report = bad.problem, sound.report
    assert "broken.json" in str(error)
    assert report.ingested == 1


async def test_the_first_upload_replaces_the_sample(services, export, record):
    await services.ingestion.run([export(record(1, "A"), record(2, "B"))], Control(), kind=ImportKind.SAMPLE)
    report = await services.ingestion.run([export(record(2, "B"), record(3, "C"))], Control())
    assert (report.ingested, report.embedding_requests, report.catalogue) == (2, 1, 2)
    check = await services.maintenance.check()
    assert (check.healthy, check.shows) == (True, 2)


async def test_the_sample_never_overwrites_your_shows(services, export, record):
    await services.ingestion.run([export(record(1, "Mine"))], Control())
    await services.ingestion.run([export(record(1, "Sample"))], Control(), kind=ImportKind.SAMPLE)
    assert (await services.library.show("1")).title == "Mine"


async def test_nested_values_are_stored_completely(services, export, record):
    source = record(1, "A", Deep={"list": [1, [2, {"x": None}]], "text": "鬼\n"})
    await services.ingestion.run([export(source)], Control())
    assert dict((await services.library.show("1")).record) == source


class Refusing:
    """The real embedder, which refuses certain texts as a provider does."""

    def __init__(self, embedder, poison=(), fail_after=None, error=None):
        self._embedder, self._poison, self._left, self._error = embedder, poison, fail_after, error
        self.provider, self.model = embedder.provider, embedder.model
        self.dimensions, self.known_dimensions = embedder.dimensions, embedder.known_dimensions
        self.warm, self.close = embedder.warm, embedder.close

    async def embed(self, texts, *, priority):
        if any(mark in text for mark in self._poison for text in texts):
            raise RequestRefusedError("The provider refuses this text.")
        if self._left is not None:
            if self._left == 0:
                raise self._error
            self._left -= 1
        return await self._embedder.embed(texts, priority=priority)


async def test_a_refused_batch_is_halved_until_only_the_rows_at_fault_are_skipped(services, export, record):
    rows = [
        record(number, f"T{number}", "POISON" if number in (3, 7) else f"Text {number}.") for number in range(1, 11)
    ]
    services.ingestion._indexer.embedder = Refusing(services.embedder, poison=("POISON",))
    report = await services.ingestion.run([export(*rows)], Control())
    assert (report.ingested, report.quarantined) == (8, 2)
    assert sorted(row.id for row in report.rows) == ["3", "7"]
    assert adds_up(report)


async def test_a_provider_that_fails_midway_leaves_stored_shows_and_a_reason(services, export, record):
    rows = [record(number, f"T{number}", f"Text {number}.") for number in range(1, 9)]
    down = Refusing(services.embedder, fail_after=2, error=TransientProviderError("The provider is down."))
    services.ingestion._indexer.embedder = down
    report = await services.ingestion.run([export(*rows)], Control(), batch_size=1)
    assert report.stopped_by == "The provider is down."
    assert (report.ingested, report.cancelled) == (2, 6)
    services.ingestion._indexer.embedder = services.embedder
    again = await services.ingestion.run([export(*rows)], Control())
    assert (again.unchanged, again.ingested) == (2, 6)


async def test_a_provider_that_never_works_fails_the_run(services, export, record):
    down = Refusing(services.embedder, fail_after=0, error=TransientProviderError("The provider is down."))
    services.ingestion._indexer.embedder = down
    with pytest.raises(TransientProviderError):
        await services.ingestion.run([export(record(1, "A"))], Control())


async def test_a_store_that_fails_is_reported_and_nothing_is_acknowledged(services, export, record, monkeypatch):
    async def fail(*_arguments):
        raise VectorStoreError("Chroma is gone.")

    monkeypatch.setattr(services.index, "upsert", fail)
    with pytest.raises(VectorStoreError):
        await services.ingestion.run([export(record(1, "A", "Text."))], Control())
    assert (await services.library.counts()).shows == 0
    monkeypatch.undo()
    report = await services.ingestion.run([export(record(1, "A", "Text."))], Control())
    assert (report.ingested, report.embedding_requests) == (1, 0), "the vector was paid for once and kept"


async def test_a_stopped_import_keeps_stored_shows_and_its_counts_add_up(services, export, record):
    control = Control()
    started = asyncio.Event()
    original = services.embedder.embed

    class Slow(Refusing):
        async def embed(self, texts, *, priority):
            started.set()
            return await original(texts, priority=priority)

    services.ingestion._indexer.embedder = Slow(services.embedder)
    rows = [record(number, f"T{number}", f"Text {number}.") for number in range(1, 60)]
    running = asyncio.create_task(services.ingestion.run([export(*rows)], control, batch_size=1))
    await started.wait()
    control.stop()
    report = await running
    assert report.cancelled > 0
    assert adds_up(report)
    assert (await services.maintenance.check()).healthy


async def test_a_reindex_embeds_only_what_the_model_lacks(services, export, record):
    await services.ingestion.run([export(record(1, "A", "One."), record(2, "B", "Two."))], Control())
    spec = await services.ingestion._indexer.spec()
    await services.index.drop(spec)
    await services.library.embeddings.forget_indexed(spec.name, ["1", "2"])
    report = await services.ingestion.reindex(Control())
    assert (report.read, report.ingested, report.embedding_requests) == (2, 2, 0)
    assert (await services.maintenance.check()).healthy


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_every_show_of_the_real_export_can_be_found(real_services, real_export):
    from animerag.ingestion.importer import SourceFile

    services = real_services  # their fixture imports the export and checks the index
    again = await services.ingestion.run([SourceFile(path=real_export, name=real_export.name)], Control())
    assert (again.read, again.unchanged, again.embedding_requests, again.catalogue) == (1458, 1458, 0, 1458)
    assert (await services.maintenance.check()).healthy
    truth = {str(item["AnimeID"]): item for item in json.loads(real_export.read_bytes())["AniDB_Anime"]}
    stored = await services.library.shows(truth)
    assert {show_id: dict(show.record) for show_id, show in stored.items()} == truth
    found = await services.retriever.search("What is Monster about?", priority=Priority.LIVE)
    assert found.sources[0].show.id == "19"


@pytest.mark.timeout(120)
async def test_every_show_finds_itself_after_many_descriptions_have_changed(services, export, record):
    """Chroma's graph loses the path to some neighbours of a replaced vector; the run repairs it before it reports."""

    def rows(word):
        return [record(n, f"T{n}", f"{word} {n * 7919 % 1000} {n}.", AllTags=f"t{n % 7}") for n in range(1, 601)]

    changed = {record["AnimeID"]: record for record in rows("The city") if record["AnimeID"] % 3 == 0}
    await services.ingestion.run([export(*rows("A farm"))], Control())
    second = [changed.get(row["AnimeID"], row) for row in rows("A farm")]
    report = await services.ingestion.run([export(*second)], Control())
    assert (report.ingested, report.unchanged) == (200, 400)
    assert (await services.maintenance.check()).healthy


async def test_a_given_batch_size_is_used_and_a_given_level_means_usual_batches(services, export, record):
    source = export(*(record(number, f"Show {number}", f"Text {number}.") for number in range(1, 8)))
    report = await services.ingestion.run([source], Control(), batch_size=2)
    assert report.batches == 4
    assert report.checked_s > 0, "a bulk load is checked after it was acknowledged"


async def test_documents_in_memory_are_imported_like_a_file(services, export, record):
    source = export(record(1, "A", "A robot wakes up."), record(2, "B", "A girl bakes bread."))
    documents = [Document.of(show) for show in readers.read(source.path, name="x")]
    report = await services.ingestion.import_documents(documents, Control())
    again = await services.ingestion.run([source], Control())
    assert (report.read, report.ingested, again.unchanged) == (2, 2, 2)


async def test_the_expected_time_is_a_range_until_a_batch_was_measured(services, export, record):
    before = await services.ingestion.preview.expected_time(1000)
    report = await services.ingestion.run([export(*(record(n, f"Voyage {n}") for n in range(1, 101)))], Control())
    after = await services.ingestion.preview.expected_time(1000)
    assert before.least_s < before.most_s
    assert after.least_s == after.most_s == pytest.approx(10 * report.seconds, rel=0.1)


async def test_an_import_of_stored_vectors_does_not_count_as_a_measurement(services, export, record):
    await services.ingestion.run([export(*(record(n, f"Voyage {n}") for n in range(1, 101)))], Control())
    known = await services.ingestion.preview.expected_time(1000)
    again = export(*(record(n, f"Voyage {n}", EpisodeCountNormal=12) for n in range(1, 101)), name="again.json")
    report = await services.ingestion.run([again], Control())
    assert (report.changed, report.embedding_requests) == (100, 0)
    assert await services.ingestion.preview.expected_time(1000) == known
