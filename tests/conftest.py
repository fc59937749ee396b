"""Fixtures that the whole suite shares: one Chroma server, and an index that talks to it."""

import asyncio

import pytest
from filelock import FileLock

from animerag.adapters.chroma import ChromaIndex
from animerag.adapters.chroma_server import ServerFiles, ServerLease


@pytest.fixture(scope="session")
def chroma_dir(tmp_path_factory):
    """The directory of the suite's own server."""
    return tmp_path_factory.mktemp("chroma")


@pytest.fixture(scope="session")
def chroma_index_url(chroma_dir):
    """The address of the one server that the suite shares; it has ended when the session has."""
    lease = ServerLease(chroma_dir, grace_s=0.2)
    yield asyncio.run(lease.url())
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
