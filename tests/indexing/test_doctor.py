"""Doctor: both sides, by id and hash, and repair without a single embedding call."""

import pytest

from animerag.jobs.jobs import Control
from animerag.ports import VectorRecord

pytestmark = pytest.mark.both_databases


class Forbidden:
    """An embedder that must not be asked."""

    def __init__(self, embedder):
        self.provider, self.model, self.dimensions = embedder.provider, embedder.model, embedder.dimensions

    async def embed(self, texts, *, priority):
        raise AssertionError("doctor must not embed")


@pytest.fixture
async def spec(services, export, record):
    rows = [record(number, f"T{number}", f"Text number {number}.") for number in range(1, 6)]
    await services.ingestion.run([export(*rows)], Control())
    services.maintenance._indexer.embedder = Forbidden(services.embedder)
    return await services.maintenance._indexer.spec()


async def test_a_dropped_collection_is_rebuilt_from_stored_vectors(services, spec):
    await services.index.drop(spec)
    sick = await services.maintenance.check()
    assert (sick.healthy, len(sick.missing)) == (False, 5)
    repaired = await services.maintenance.repair()
    assert (repaired.healthy, repaired.repaired, repaired.indexed) == (True, 5, 5)


async def test_strays_are_reported_and_removed(services, spec):
    vector = next(
        iter((await services.library.embeddings.load(spec.model, spec.dimensions, await _hashes(services))).values())
    )
    await services.index.upsert(spec, [VectorRecord(id="999", vector=vector, metadata={"title": "Stray"})])
    assert (await services.maintenance.check()).stray == ("999",)
    repaired = await services.maintenance.repair()
    assert (repaired.healthy, repaired.repaired) == (True, 1)


async def test_an_outdated_entry_is_recognised_by_its_hash_and_rewritten(services, spec):
    vectors = await services.library.embeddings.load(spec.model, spec.dimensions, await _hashes(services))
    old = VectorRecord(id="1", vector=next(iter(vectors.values())), metadata={"content_hash": "old"})
    await services.index.upsert(spec, [old])
    assert (await services.maintenance.check()).stale == ("1",)
    assert (await services.maintenance.repair()).healthy


async def test_a_vector_that_belongs_to_another_show_is_unsearchable_and_repaired(services, spec):
    content, text = (await services.library.hashes())["1"]
    vectors = await services.library.embeddings.load(spec.model, spec.dimensions, [text])
    wrong = VectorRecord(id="1", vector=-vectors[text], metadata={"content_hash": content, "text_hash": text})
    await services.index.upsert(spec, [wrong])
    check = await services.maintenance.check()
    assert check.unsearchable == ("1",)
    assert (await services.maintenance.repair()).healthy


async def test_a_vector_that_changed_in_the_index_is_noticed_though_it_is_still_the_nearest(services, spec):
    content, text = (await services.library.hashes())["1"]
    vectors = await services.library.embeddings.load(spec.model, spec.dimensions, [text])
    changed = vectors[text].copy()
    changed[0] += 0.05
    hashes = {"content_hash": content, "text_hash": text}
    await services.index.upsert(spec, [VectorRecord(id="1", vector=changed, metadata=hashes)])
    [[nearest]] = await services.index.query(spec, vectors[text][None, :], k=1)
    assert nearest.id == "1"
    assert (await services.maintenance.check()).unsearchable == ("1",)
    assert (await services.maintenance.repair()).healthy


async def test_shows_that_were_never_embedded_stay_missing_and_are_listed(services, spec, record, export):
    from animerag.models.shows import Show
    from animerag.storage.library import show_rows
    from animerag.text.documents import Document

    number = await services.library.begin_import("own", "f", "h")
    await services.library.store(show_rows([Document.of(Show(id="77", title="New"))], number), collection=None)
    repaired = await services.maintenance.repair()
    assert (repaired.healthy, repaired.missing) == (False, ("77",))


async def test_a_repair_invalidates_answers_and_a_check_does_not(services, spec):
    before = await services.library.revision()
    assert (await services.maintenance.repair()).healthy
    assert await services.library.revision() == before
    await services.index.drop(spec)
    await services.maintenance.repair()
    assert await services.library.revision() > before


async def test_a_repair_of_the_graph_invalidates_answers(services, spec):
    before = await services.library.revision()
    indexer = services.maintenance._indexer
    await services.index.delete(spec, ["1"])
    assert await indexer.repair_index(spec) == 1
    assert await services.library.revision() > before


async def test_a_check_of_the_graph_reads_no_shows(services, spec, monkeypatch):
    async def documents(_ids):
        raise AssertionError("the hashes of the texts are recorded")

    indexer = services.maintenance._indexer
    monkeypatch.setattr(indexer, "documents", documents)
    assert await indexer.repair_index(spec) == 0


async def _hashes(services):
    return [text for _, text in (await services.library.hashes()).values()]
