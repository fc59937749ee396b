"""Settings and where they come from."""

import os

import pytest

from animerag.config import load_settings
from animerag.errors import SettingsError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("ANIMERAG_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_without_a_key_everything_is_local():
    settings = load_settings()
    assert settings.provider_for(settings.chat_provider) == "local"


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
def test_a_key_or_an_address_means_openai(monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:1/v1")
    settings = load_settings()
    assert settings.provider_for(settings.chat_provider) == "openai"
    assert settings.provider_for("local") == "local"


def test_options_win_over_the_environment_and_that_over_the_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("ANIMERAG_BATCH_SIZE=10\nANIMERAG_API=chat\nANIMERAG_CHAT_MODEL=from-file\n")
    monkeypatch.setenv("ANIMERAG_BATCH_SIZE", "20")
    monkeypatch.setenv("ANIMERAG_API", "responses")
    settings = load_settings(batch_size=30, api=None)
    assert (settings.batch_size, settings.api, settings.chat_model) == (30, "responses", "from-file")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANIMERAG_BATCH_SIZE", "many"),
        ("ANIMERAG_BATCH_SIZE", "0"),
        ("ANIMERAG_INGEST_CONCURRENCY", "-1"),
        ("ANIMERAG_DATABASE_URL", "postgresql://db/x"),
        ("ANIMERAG_CHAT_PROVIDER", "nobody"),
    ],
)
def test_an_unusable_value_is_named_in_a_sentence(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_an_empty_variable_is_an_unset_one(monkeypatch):
    monkeypatch.setenv("ANIMERAG_MAX_RPM", "")
    assert load_settings().max_rpm is None


def test_a_key_never_shows(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-123")
    assert "sk-canary-123" not in repr(load_settings())


def test_loopback_never_goes_through_a_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "example.org")
    load_settings()
    assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost"
