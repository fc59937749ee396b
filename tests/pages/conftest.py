"""The app under Streamlit's own test harness, over real services."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from animerag.models.jobs import Progress
from animerag.storage.job_journal import JobStatus
from animerag.storage.sqlite import process_locks
from animerag.ui import session
from tests.pages.screen import until, visit, words

ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(settings, monkeypatch):
    """The app over an empty data directory; the runtime ends with the test."""
    # As in .streamlit/config.toml, which is not read from a test's directory. Magic parses every page at every run, and
    # CPython 3.11 may crash when it parses in two threads at once.
    config.set_option("runner.magicEnabled", False)
    monkeypatch.setenv("ANIMERAG_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("ANIMERAG_CHROMA_URL", settings.chroma_url)
    yield AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    st.cache_resource.clear()


@pytest.fixture
def sampled(app):
    """The app on Ask, once the sample is in."""
    app.run()
    visit(app, "ask")
    return until(app, lambda page: "Sample catalogue, 150 shows" in words(page))


@pytest.fixture
def elsewhere(sampled, settings):
    """Run the job 4711 in the journal as another process would.

    `elsewhere(kind=…, key=…)` begins it, `elsewhere(question=…)` writes its status; each call returns its record.
    """
    lease = process_locks.take(settings.data_dir / process_locks.DIRECTORY)
    journal, call = session.services().library.journal, session.runtime().call
    about = {"owner": "local", "title": "other.csv", "host": "desk, process 7", "lease": lease.lock_file}
    progress = Progress(done=3, total=9, stage="Embedding")

    def job(*, kind=None, key=None, **status):
        if kind is not None:
            call(journal.begin("4711", kind=kind, key=key, **about))
        elif status:
            call(journal.update({"4711": JobStatus(progress=progress, **status)}))
        return call(journal.get("4711"))

    yield job
    process_locks.drop(lease)
