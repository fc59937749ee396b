"""Exact search over stored vectors: the same hits as Chroma, no server, never a write."""

import csv

import numpy as np
import pytest

from animerag.backends import open_index
from animerag.catalogue import sample
from animerag.composition import open_services
from animerag.config import load_settings
from animerag.errors import VectorStoreError
from animerag.indexing.indexer import Indexer
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.models.providers import Priority
from animerag.ports import CollectionSpec, VectorRecord
from animerag.retrieval.retriever import Retriever
from animerag.vector_store.exact import ExactIndex, StoredVectors

SPEC = CollectionSpec(name="small", model="m", dimensions=2, recipe="r")


def index_of(rows, revision=lambda: 1):
    async def load(_spec):
        return StoredVectors(
            ids=tuple(rows), text_hashes=tuple(f"text {one}" for one in rows), matrix=np.array([*rows.values()], "f4")
        )

    async def current():
        return revision()

    return ExactIndex(current, load)


def exact_over(library):
    async def load(spec):
        ids, hashes, matrix = await library.embeddings.of_shows(spec.model, spec.dimensions)
        return StoredVectors(ids=tuple(ids), text_hashes=tuple(hashes), matrix=matrix)

    return ExactIndex(library.revision, load)


async def test_the_nearest_come_first_and_ids_restrict_them():
    index = index_of({"east": (2, 0), "north": (0, 1), "north-east": (1, 1)})

    [everywhere] = await index.query(SPEC, np.array([[1, 0]], "f4"), k=2)
    [there] = await index.query(SPEC, np.array([[1, 0]], "f4"), k=2, ids=["north", "unknown", "north-east"])

    assert [(one.id, round(one.distance, 3)) for one in everywhere] == [("east", 0.0), ("north-east", 0.293)]
    assert [(one.id, round(one.distance, 3)) for one in there] == [("north-east", 0.293), ("north", 1.0)]


async def test_distances_do_not_depend_on_other_questions():
    rng = np.random.default_rng(1)
    index = index_of({str(n): row for n, row in enumerate(rng.normal(size=(300, 2)))})
    questions = rng.normal(size=(7, 2)).astype("f4")

    together = await index.query(SPEC, questions, k=20)

    assert together == [(await index.query(SPEC, one[None, :], k=20))[0] for one in questions]


async def test_a_change_by_another_process_is_seen():
    rows, revision = {"a": (1, 0)}, [1]
    index = index_of(rows, lambda: revision[0])
    assert await index.count(SPEC) == 1

    rows["b"], revision[0] = (0, 1), 2

    assert await index.count(SPEC) == 2
    assert (await index.vectors(SPEC, ["b", "c"])).keys() == {"b"}
    assert await index.metadata(SPEC, ["text_hash", "other"]) == {
        "a": {"text_hash": "text a"},
        "b": {"text_hash": "text b"},
    }


async def test_vectors_of_another_width_and_changes_are_refused():
    index = index_of({"a": (1, 0)})

    with pytest.raises(VectorStoreError, match="2 dimensions"):
        await index.query(SPEC, np.ones((1, 3), "f4"), k=1)
    with pytest.raises(VectorStoreError, match="cannot change the index"):
        await index.upsert(SPEC, [VectorRecord(id="b", vector=np.ones(2, "f4"), metadata={})])
    for change in (index.ensure(SPEC), index.delete(SPEC, ["a"]), index.drop(SPEC)):
        with pytest.raises(VectorStoreError):
            await change


async def test_it_finds_what_chroma_finds_on_the_real_export(real_services, real_export):
    with (real_export.parent / "questions.csv").open(encoding="utf-8", newline="") as file:
        questions = [row["question"] for row in csv.DictReader(file)]
    indexer = real_services.retriever._indexer
    spec, exact = await indexer.spec(), exact_over(real_services.library)
    vectors = (await real_services.embedder.embed(questions, priority=Priority.BATCH)).vectors

    by_chroma = await real_services.index.query(spec, vectors, k=100)
    by_comparison = await exact.query(spec, vectors, k=100)

    assert len(questions) > 100
    for one, other in zip(by_chroma, by_comparison, strict=True):
        distances = {near.id: near.distance for near in other}
        assert all(abs(distances.get(near.id, other[-1].distance) - near.distance) < 1e-5 for near in one)
        assert np.allclose([near.distance for near in one], [near.distance for near in other], atol=1e-5)

    retriever = Retriever(Indexer(real_services.library, exact, real_services.embedder))
    for question in questions[::12]:
        through_chroma = await real_services.retriever.search(question, k=8)
        through_comparison = await retriever.search(question, k=8)
        assert [source.show.id for source in through_comparison.sources] == [
            source.show.id for source in through_chroma.sources
        ]


async def test_a_small_catalogue_is_searched_without_a_server(settings):
    settings.data_dir.mkdir(parents=True)
    async with open_services(settings, warm=False) as opened:
        with sample.catalogue() as path:
            await opened.ingestion.run([SourceFile(path=path, name=path.name)], Control())
    settings_without_server = load_settings(data_dir=settings.data_dir, chroma_url=None)

    async with open_services(settings_without_server, warm=True, serverless=True) as opened:
        answer = await opened.answering.ask("astronauts who collect trash in orbit")

    assert "Planetes" in answer.text
    assert not (settings.data_dir / "chroma" / "server.json").exists()


async def test_a_small_catalogue_is_searched_until_its_server_has_started(settings):
    settings.data_dir.mkdir(parents=True)
    async with open_services(settings, warm=False) as opened:
        with sample.catalogue() as path:
            await opened.ingestion.run([SourceFile(path=path, name=path.name)], Control())
        spec, embedder = await opened.indexer.spec(), opened.embedder
        [vector] = (await embedder.embed(["astronauts who collect trash in orbit"], priority=Priority.LIVE)).vectors
        with_its_own_server = load_settings(data_dir=settings.data_dir, chroma_url=None)
        index = await open_index(with_its_own_server, opened.library, embedder, serverless=False, warm=True)
        indexer = Indexer(opened.library, index, embedder)

        await indexer.restore_lost(spec)  # the server's content is not known yet: nothing is compared or started
        [early] = await index.query(spec, vector[None], k=3)
        assert (index.starting, index.url) == (True, None)
        assert list(await index.vectors(spec, [early[0].id])) == [early[0].id]

        await index.start()
        assert (index.starting, await index.count(spec)) == (False, 0)
        await indexer.restore_lost(spec)  # now all its shows are missing
        [late] = await index.query(spec, vector[None], k=3)
        await index.close()

    assert [near.id for near in early] == [near.id for near in late]


async def test_a_search_does_not_wait_for_a_server_that_cannot_start(settings, tmp_path):
    async with open_services(settings, warm=False) as opened:
        broken = load_settings(data_dir=tmp_path / "elsewhere", chroma_url=None)
        broken.data_dir.mkdir()
        (broken.data_dir / "chroma").write_text("not a directory")
        index = await open_index(broken, opened.library, opened.embedder, serverless=False, warm=True)
        spec = await opened.indexer.spec()
        question = np.zeros((1, spec.dimensions), "f4")

        assert await index.query(spec, question, k=1) == [[]]
        with pytest.raises(VectorStoreError):
            await index.start()
        with pytest.raises(VectorStoreError):  # the reason is told from now on
            await index.query(spec, question, k=1)
        await index.close()
