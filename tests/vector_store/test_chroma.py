"""The vector index against real Chroma servers."""

import asyncio
import contextlib
import json
import math
import os
import signal
import socket
import ssl
import sys
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
import pytest
from filelock import FileLock

from animerag.errors import VectorStoreError
from animerag.ports import CollectionSpec, VectorRecord
from animerag.vector_store import chroma, chroma_collections
from animerag.vector_store.chroma import ChromaIndex
from animerag.vector_store.chroma_server import ServerFiles


@pytest.fixture
def spec():
    return CollectionSpec(name=f"animerag-test-{uuid4().hex[:12]}", model="tiny", dimensions=4, recipe="1")


@pytest.fixture
async def local_index(tmp_path):
    """An index with its own server, which ends with the test."""
    index = ChromaIndex(tmp_path)
    index._lease._grace_s = 0.2
    yield index
    await index.close()
    lock = FileLock(ServerFiles(tmp_path).lock, thread_local=False)
    await asyncio.to_thread(lock.acquire, timeout=30)
    lock.release()


def record(show_id, vector, **metadata):
    return VectorRecord(id=show_id, vector=np.array(vector, dtype=np.float32), metadata=metadata)


def axis(number):
    return [1.0 if place == number else 0.0 for place in range(4)]


def many(count, spec, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, spec.dimensions), dtype=np.float32)
    return [VectorRecord(id=str(n), vector=vectors[n], metadata={"n": n}) for n in range(count)], vectors


def ids_of(rankings):
    return [[neighbour.id for neighbour in ranking] for ranking in rankings]


async def kill_server(directory):
    pid = json.loads(ServerFiles(directory).address.read_text("utf-8"))["pid"]
    os.kill(pid, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    lock = FileLock(ServerFiles(directory).lock, thread_local=False)
    await asyncio.to_thread(lock.acquire, timeout=30)  # the lock is free when the process is gone
    lock.release()


async def test_what_was_written_is_returned_nearest_first(chroma_index, spec):
    await chroma_index.upsert(
        spec, [record("a", axis(0), n=1), record("b", axis(1), n=2), record("c", [1, 1, 0, 0], n=3)]
    )

    found = await chroma_index.query(spec, np.array([axis(0), axis(1)], dtype=np.float32), k=2)

    assert ids_of(found) == [["a", "c"], ["b", "c"]]
    assert found[0][0].distance == pytest.approx(0, abs=1e-6)
    assert found[0][1].distance == pytest.approx(1 - 1 / math.sqrt(2), abs=1e-6)
    assert await chroma_index.count(spec) == 3


async def test_a_collection_that_does_not_exist_is_empty(chroma_index, spec):
    assert await chroma_index.count(spec) == 0
    assert await chroma_index.metadata(spec, ["n"]) == {}
    assert await chroma_index.query(spec, np.ones((2, 4), dtype=np.float32), k=3) == [[], []]
    await chroma_index.delete(spec, ["a"])
    await chroma_index.drop(spec)


async def test_empty_writes_create_no_collection(chroma_index, spec):
    await chroma_index.upsert(spec, [])
    await chroma_index.delete(spec, [])

    assert await chroma_index.query(spec, np.empty((0, 4), dtype=np.float32), k=3) == []
    assert chroma_index.url is not None
    await chroma_index.upsert(spec, [record("a", axis(0))])
    assert await chroma_index.query(spec, np.ones((1, 4), dtype=np.float32), k=3, ids=[]) == [[]]


async def test_ids_restrict_a_search_and_unknown_ones_are_no_error(chroma_index, spec):
    await chroma_index.upsert(spec, [record(str(n), axis(n)) for n in range(4)])
    question = np.array([axis(0)], dtype=np.float32)

    assert ids_of(await chroma_index.query(spec, question, k=9, ids=["2", "2"])) == [["2"]]
    assert ids_of(await chroma_index.query(spec, question, k=9, ids=["0", "gone"])) == [["0"]]
    assert ids_of(await chroma_index.query(spec, question, k=9, ids=["gone"])) == [[]]


async def test_more_ids_than_fit_a_statement_are_merged_by_distance(chroma_index, spec, monkeypatch):
    monkeypatch.setattr(chroma, "_QUERY_IDS", 30)
    records, vectors = many(100, spec)
    await chroma_index.upsert(spec, records)

    found = await chroma_index.query(spec, vectors[:60], k=5, ids=[str(n) for n in range(100)])

    assert found == await chroma_index.query(spec, vectors[:60], k=5)
    assert [ranking[0].id for ranking in found] == [str(n) for n in range(60)]


async def test_delete_removes_named_records_and_ignores_unknown_and_repeated_ids(chroma_index, spec):
    await chroma_index.upsert(spec, [record("a", axis(0)), record("b", axis(1))])

    await chroma_index.delete(spec, ["a", "a", "never there"])

    assert list(await chroma_index.metadata(spec, [])) == ["b"]


async def test_metadata_is_read_back_and_only_requested_keys_are_returned(chroma_index, spec):
    fields = {"title": "進撃の巨人 — “Ⅱ” 🗡", "tags": ["Action", "ドラマ"], "year": 2013, "score": 8.5, "done": True}
    await chroma_index.upsert(spec, [record("é/日本", axis(0), **fields, other="x"), record("b", axis(1))])

    assert await chroma_index.metadata(spec, list(fields)) == {"é/日本": fields, "b": {}}


async def test_a_none_value_removes_its_key_and_keeps_other_keys(chroma_index, spec):
    await chroma_index.upsert(spec, [record("a", axis(0), year=2013, tags=["x"], title="old", votes=3)])

    await chroma_index.upsert(spec, [record("a", axis(1), year=None, tags=[], votes=math.nan, new=1)])

    assert await chroma_index.metadata(spec, ["year", "tags", "title", "votes", "new"]) == {
        "a": {"title": "old", "new": 1}
    }


async def test_numpy_scalars_are_stored_as_plain_values(chroma_index, spec):
    values = {"i": np.int64(3), "f": np.float32(0.5), "b": np.bool_(True), "s": np.str_("x"), "l": [np.int64(1)]}
    await chroma_index.upsert(spec, [record("a", axis(0), **values, nan=np.float64("nan"), inf=math.inf)])

    stored = await chroma_index.metadata(spec, [*values, "nan", "inf"])

    assert stored == {"a": {"i": 3, "f": 0.5, "b": True, "s": "x", "l": [1]}}


async def test_repeated_ids_in_one_write_are_refused_and_nothing_is_written(chroma_index, spec):
    with pytest.raises(VectorStoreError, match=r"^Chroma rejected"):
        await chroma_index.upsert(spec, [record("a", axis(0)), record("a", axis(1))])

    assert await chroma_index.count(spec) == 0


async def test_more_records_than_one_call_takes_are_written_read_and_deleted(chroma_index, spec):
    records, vectors = many(11_001, spec)

    await chroma_index.upsert(spec, records)

    assert await chroma_index.metadata(spec, ["n"]) == {str(n): {"n": n} for n in range(11_001)}
    assert ids_of(await chroma_index.query(spec, vectors[-60:], k=1)) == [[str(n)] for n in range(10_941, 11_001)]
    await chroma_index.delete(spec, [str(n) for n in range(11_000)])
    assert await chroma_index.count(spec) == 1


async def test_wide_vectors_are_written_in_bodies_the_server_accepts(chroma_index, spec):
    wide = replace(spec, dimensions=3072)
    records, vectors = many(900, wide)

    await chroma_index.upsert(wide, records)

    assert await chroma_index.count(wide) == 900
    assert ids_of(await chroma_index.query(wide, vectors[:3], k=1)) == [["0"], ["1"], ["2"]]


@pytest.mark.parametrize("change", [{"model": "other"}, {"dimensions": 5}, {"recipe": "2"}])
async def test_a_collection_of_another_specification_is_refused(chroma_index, chroma_index_url, spec, change):
    await chroma_index.upsert(spec, [record("a", axis(0))])
    other = ChromaIndex(url=chroma_index_url)

    with pytest.raises(VectorStoreError, match=f"was created for {next(iter(change))} .*import your files again"):
        await other.count(replace(spec, **change))
    await other.close()


async def test_a_collection_of_an_earlier_version_searches_as_widely_as_a_new_one(chroma_index, chroma_index_url, spec):
    import chromadb

    server = urlsplit(chroma_index_url)
    client = await chromadb.AsyncHttpClient(host=server.hostname, port=server.port)
    await client.create_collection(
        spec.name,
        metadata={"model": spec.model, "dimensions": spec.dimensions, "recipe": spec.recipe},
        configuration={"hnsw": {"space": "cosine", "ef_search": 100}},
        embedding_function=None,
    )
    await chroma_index.count(spec)
    opened = await client.get_collection(spec.name, embedding_function=None)
    assert opened.configuration_json["hnsw"]["ef_search"] == chroma_collections.EF_SEARCH


async def test_vectors_of_another_width_never_reach_a_new_collection(chroma_index, spec):
    with pytest.raises(VectorStoreError, match="4 dimensions"):
        await chroma_index.upsert(spec, [record("a", [1, 2, 3])])
    with pytest.raises(VectorStoreError, match="4 dimensions"):
        await chroma_index.query(spec, np.ones((1, 3), dtype=np.float32), k=1)

    assert await chroma_index.count(spec) == 0


@pytest.mark.parametrize("bad", [record("a", [math.nan, 0, 0, 0]), record("\ud800", [1, 0, 0, 0])])
async def test_invalid_input_for_chroma_is_a_vector_store_error(chroma_index, spec, bad):
    with pytest.raises(VectorStoreError):
        await chroma_index.upsert(spec, [bad])


async def test_a_collection_recreated_by_another_process_is_opened_again(chroma_index, chroma_index_url, spec):
    await chroma_index.upsert(spec, [record("a", axis(0))])
    other = ChromaIndex(url=chroma_index_url)
    await other.drop(spec)

    assert await chroma_index.count(spec) == 0
    await other.upsert(spec, [record("b", axis(1))])
    assert list(await chroma_index.metadata(spec, [])) == ["b"]
    await other.drop(spec)
    await chroma_index.upsert(spec, [record("c", axis(2))])
    assert list(await chroma_index.metadata(spec, [])) == ["c"]
    await other.close()


async def test_closing_one_index_does_not_close_the_connections_of_another(chroma_index, chroma_index_url, spec):
    other = ChromaIndex(url=chroma_index_url)
    await asyncio.gather(other.start(), chroma_index.upsert(spec, [record("a", axis(0))]))

    *counts, _ = await asyncio.gather(*(chroma_index.count(spec) for _ in range(20)), other.close())

    assert counts == [1] * 20
    with pytest.raises(VectorStoreError, match="closed"):
        await other.count(spec)


async def test_concurrent_first_calls_make_one_collection(chroma_index, spec):
    await asyncio.gather(*(chroma_index.upsert(spec, [record(str(n), axis(n % 4))]) for n in range(20)))

    assert await chroma_index.count(spec) == 20


async def test_a_server_that_is_down_is_a_vector_store_error(spec):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    index = ChromaIndex(url=f"http://127.0.0.1:{port}")

    with pytest.raises(VectorStoreError, match=rf"cannot be reached at http://127.0.0.1:{port}: .*[^.]\.$"):
        await index.start()
    assert (index.mode, index.url) == ("remote", f"http://127.0.0.1:{port}")
    await index.close()


async def test_a_server_that_does_not_answer_times_out(spec, monkeypatch):
    monkeypatch.setattr(chroma, "_READ_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = ChromaIndex(url=f"http://127.0.0.1:{silent.getsockname()[1]}")

        with pytest.raises(VectorStoreError, match="did not answer within"):
            await index.count(spec)
        await index.close()


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1:1", "http://"])
async def test_an_invalid_address_is_a_vector_store_error(url):
    index = ChromaIndex(url=url)

    with pytest.raises(VectorStoreError):
        await index.start()
    await index.close()


async def test_an_index_takes_a_directory_or_a_url(tmp_path):
    with pytest.raises(ValueError, match="either"):
        ChromaIndex()
    with pytest.raises(ValueError, match="either"):
        ChromaIndex(tmp_path, url="http://127.0.0.1:1")


async def test_a_local_index_starts_its_server_at_the_first_call(local_index, spec):
    assert (local_index.mode, local_index.url) == ("local", None)

    await asyncio.gather(local_index.start(), local_index.count(spec))

    assert local_index.url is not None


async def test_calls_survive_a_killed_server(local_index, spec, tmp_path):
    records, vectors = many(300, spec)
    await local_index.upsert(spec, records[:200])
    before = local_index.url

    await kill_server(tmp_path)
    await asyncio.gather(
        local_index.upsert(spec, records[200:]),
        local_index.delete(spec, ["199"]),
        local_index.query(spec, vectors[:1], k=1),
        local_index.count(spec),
    )

    assert local_index.url != before
    assert await local_index.count(spec) == 299


async def test_a_server_killed_during_a_write_loses_nothing(local_index, spec, tmp_path):
    wide = replace(spec, dimensions=1536)
    records, _ = many(2000, wide)
    await local_index.start()
    before = local_index.url
    writing = asyncio.create_task(local_index.upsert(wide, records))
    while await local_index.count(wide) == 0:
        await asyncio.sleep(0.01)

    await kill_server(tmp_path)
    assert not writing.done()
    await writing

    assert local_index.url != before
    assert await local_index.metadata(wide, ["n"]) == {str(n): {"n": n} for n in range(2000)}


async def test_a_local_server_that_cannot_start_is_a_vector_store_error(local_index, spec, tmp_path):
    ServerFiles(tmp_path).data.write_text("not a directory", "utf-8")

    with pytest.raises(VectorStoreError, match="could not be started"):
        await local_index.count(spec)


@pytest.mark.parametrize("tls", [False, True])
async def test_certificates_are_read_only_for_a_server_with_tls(chroma_index_url, monkeypatch, tls):
    """Reading them takes 0.05 s, each time a catalogue is opened."""
    read = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *_, **files: read.append(files))
    index = ChromaIndex(url="https://127.0.0.1:1" if tls else chroma_index_url)
    with pytest.raises(VectorStoreError) if tls else contextlib.nullcontext():
        await index.start()
    await index.close()
    assert bool(read) is tls
