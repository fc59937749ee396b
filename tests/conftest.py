"""Fixtures that the whole suite shares: one Chroma server, and an index that talks to it."""

import asyncio
import gc
import json
import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from animerag.composition import open_services
from animerag.config import load_settings
from animerag.ingestion.importer import SourceFile
from animerag.jobs.jobs import Control
from animerag.storage.library import Library
from animerag.vector_store.chroma import ChromaIndex
from animerag.vector_store.chroma_server import ServerFiles, ServerLease
from animerag.vector_store.chroma_tenant import create_tenant
from tests import postgresql

# No time limit for single examples, which a busy machine would exceed; pytest limits each test.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# Python's garbage collector examines objects after every 700 new ones. With all modules in memory that takes a tenth of
# the suite's time.
gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def chroma_dir(tmp_path_factory):
    """The directory of the suite's own server."""
    return tmp_path_factory.mktemp("chroma")


@pytest.fixture(scope="session")
def chroma_index_url(chroma_dir):
    """The address of the server that the suite shares; it ends with the session."""
    lease = ServerLease(chroma_dir, grace_s=0.2)
    url = asyncio.run(lease.url())
    create_tenant(url, "default_tenant")  # without a secret tenant, like a server that somebody else runs
    yield url
    asyncio.run(lease.release())
    process_gone = FileLock(ServerFiles(chroma_dir).lock, timeout=30)
    process_gone.acquire()
    process_gone.release()


@pytest.fixture
async def chroma_index(chroma_index_url):
    """An index on the test's loop, over the suite's server."""
    index = ChromaIndex(url=chroma_index_url)
    yield index
    await index.close()


@pytest.fixture(scope="session")
def postgresql_server():
    """The suite's own PostgreSQL server."""
    if postgresql.programs() is None:
        assert not os.environ.get("CI"), "with CI set the tests on PostgreSQL may not be skipped: install postgresql"
        pytest.skip("PostgreSQL is not installed: the tests on it did not run")
    with postgresql.running() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server):
    """The URL of a database with an empty library."""
    with postgresql_server.database() as url:
        yield url


@pytest.fixture
def database(request):
    """The name of the database that a test runs on; the marker `both_databases` runs it on each."""
    return getattr(request, "param", "sqlite")


@pytest.fixture
def place(database, request, tmp_path):
    """The location of a library for one test: a SQLite file that does not exist yet, or the URL of PostgreSQL."""
    if database == "postgresql":
        return request.getfixturevalue("postgresql_url")
    return tmp_path / "deep" / "library.db"


@pytest.fixture
async def library(place):
    """An empty library at `place`."""
    opened = await Library.open(place)
    yield opened
    await opened.close()


@pytest.fixture
def settings(tmp_path, chroma_index_url, monkeypatch, database, request):
    """Settings of an empty data directory over the suite's Chroma server, independent of the shell."""
    for name in [name for name in os.environ if name.startswith(("ANIMERAG_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    url = request.getfixturevalue("postgresql_url") if database == "postgresql" else None
    return load_settings(data_dir=tmp_path / "data", chroma_url=chroma_index_url, database_url=url)


@pytest.fixture
async def services(settings):
    """All services on the test's loop, with the real encoder, SQLite and Chroma."""
    async with open_services(settings, warm=False) as opened:
        yield opened


@pytest.fixture
def opened(settings):
    """Open services over one data directory, repeatedly."""
    stores = {name: getattr(settings, name) for name in ("data_dir", "chroma_url", "database_url")}
    return lambda **options: open_services(load_settings(**stores, **options), warm=False)


@pytest.fixture
def export(tmp_path):
    """Write records as a Shoko export and return it as a source."""

    def write(*records, name="export.json"):
        path = tmp_path / name
        path.write_text(json.dumps({"AniDB_Anime": records}, ensure_ascii=False), encoding="utf-8")
        return SourceFile(path=path, name=name)

    return write


@pytest.fixture
def source(request, export, record):
    """An export of as many short shows as the test's module sets in SHOWS."""
    rows = (record(n, f"Voyage {n}", f"The captain finds island {n * 7}.") for n in range(1, request.module.SHOWS + 1))
    return export(*rows)


@pytest.fixture(scope="session")
def real_export():
    """The real export of 1,458 shows, if it is beside the checkout."""
    path = Path(__file__).parents[2] / "shared" / "data" / "shoko_export.json"
    if not path.exists():
        pytest.skip(f"{path} is not here: the tests on the real export did not run")
    return path


@pytest.fixture(scope="session")
def real_library(real_export, chroma_index_url, tmp_path_factory, worker_id):
    """A library with the real export, indexed on the suite's server: to be copied into a data directory.

    The first worker that needs it embeds the shows; each other one indexes the vectors on its own server.
    """
    single = worker_id == "master"
    shared = tmp_path_factory.getbasetemp() if single else tmp_path_factory.getbasetemp().parent
    finished, directory = shared / "real", tmp_path_factory.mktemp("real")

    async def prepare():
        async with open_services(load_settings(data_dir=directory, chroma_url=chroma_index_url), warm=False) as opened:
            report = await opened.ingestion.run([SourceFile(path=real_export, name=real_export.name)], Control())
            assert (report.read, report.ingested + report.unchanged, report.catalogue) == (1458, 1458, 1458)
            if report.unchanged:
                await opened.maintenance.repair()
            assert (await opened.maintenance.check()).healthy

    with pytest.MonkeyPatch.context() as patch, FileLock(shared / "real.lock"):
        for name in [name for name in os.environ if name.startswith(("ANIMERAG_", "OPENAI_"))]:
            patch.delenv(name)
        if finished.exists():
            shutil.copy(finished / "library.db", directory)
        asyncio.run(prepare())
        if not finished.exists():
            shutil.copytree(directory, finished, ignore=shutil.ignore_patterns("*.lock"))
    return directory / "library.db"


@pytest.fixture
async def real_services(settings, real_library):
    """All services over a copy of the real shows."""
    settings.data_dir.mkdir(parents=True)
    shutil.copy(real_library, settings.data_dir)
    async with open_services(settings, warm=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def ugly():
    """The folder of ugly files, if it is beside the checkout."""
    path = Path(__file__).parents[2] / "shared" / "data" / "messy"
    if not path.exists():
        pytest.skip(f"{path} is not here: the tests on ugly files did not run")
    return path


@pytest.fixture
def record():
    """Return one record of a Shoko export."""

    def make(show_id, title, description="", **fields):
        return {"AnimeID": show_id, "MainTitle": title, "AllTitles": title, "Description": description, **fields}

    return make


def pytest_generate_tests(metafunc):
    """Run the tests that are marked so on SQLite and on PostgreSQL; `both_databases(False)` excepts one of a file."""
    marker = metafunc.definition.get_closest_marker("both_databases")
    marked = marker and False not in marker.args and "database" in metafunc.fixturenames
    if marked and "real_library" not in metafunc.fixturenames:  # the real library is a SQLite file
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True)


def pytest_collection_modifyitems(items):
    """Run files with long tests first; otherwise one worker would still be busy after the others have finished."""
    long_files = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long_files)


def pytest_collection_finish():
    """Exclude modules and tests from garbage collection: they stay until the end."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser):
    parser.addoption("--kills", type=int, help="how often tests/faults kills an import")
