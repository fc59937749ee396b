"""The app under Streamlit's own test harness, over real services."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from tests.pages.screen import until, visit, words

ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(settings, monkeypatch):
    """The app over an empty data directory; the runtime ends with the test."""
    # As in .streamlit/config.toml, which is not read from a test's directory. Magic parses every page at every run, and
    # parsing in two threads at once makes CPython 3.11 stumble.
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
