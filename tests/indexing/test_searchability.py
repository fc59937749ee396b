"""Which vectors an index does not find, with Chroma."""

import numpy as np
import pytest

from animerag.indexing import searchability
from animerag.indexing.searchability import unsearchable
from animerag.ports import CollectionSpec, VectorRecord


@pytest.fixture
async def held(chroma_index):
    """Return an index, its specification, and 300 vectors that it holds, the last five of which are equal."""
    spec = CollectionSpec(name="searchability", model="m", dimensions=16, recipe="r")
    matrix = np.random.default_rng(1).normal(size=(300, 16)).astype(np.float32)
    matrix[-5:] = matrix[-1]
    vectors = {str(row): vector for row, vector in enumerate(matrix)}
    await chroma_index.upsert(spec, [VectorRecord(id=one, vector=vectors[one], metadata={}) for one in vectors])
    yield chroma_index, spec, vectors
    await chroma_index.drop(spec)


@pytest.fixture(params=[2000, 100], ids=["few searches for all", "one search for each"])
def way(request, monkeypatch):
    monkeypatch.setattr(searchability, "SEARCHED_COMPLETELY", request.param)


@pytest.mark.usefixtures("way")
async def test_a_complete_index_finds_every_vector(held):
    assert await unsearchable(*held) == []


@pytest.mark.usefixtures("way")
async def test_vectors_that_are_missing_or_wrong_are_reported_in_order(held):
    index, spec, vectors = held
    await index.delete(spec, ["7", "299"])
    slightly = vectors["30"] + np.float32(0.1) * np.eye(16, dtype=np.float32)[0]
    wrong = {"30": slightly, "12": vectors["40"], "41": vectors["42"], "42": vectors["41"]}
    await index.upsert(spec, [VectorRecord(id=one, vector=vector, metadata={}) for one, vector in wrong.items()])
    assert await unsearchable(index, spec, vectors) == ["7", "12", "30", "41", "42", "299"]


@pytest.mark.usefixtures("way")
async def test_an_empty_index_finds_none(held):
    index, spec, vectors = held
    await index.delete(spec, list(vectors))
    assert await unsearchable(index, spec, {"1": vectors["1"]}) == ["1"]
    assert await unsearchable(index, spec, {}) == []
