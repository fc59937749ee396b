"""Settings and where they come from."""

import os

import pytest

from animerag.config import load_settings, variable
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


def test_options_override_the_environment_which_overrides_the_file(monkeypatch, tmp_path):
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
        ("ANIMERAG_DATABASE_URL", "mysql://db/x"),
        ("ANIMERAG_CHAT_PROVIDER", "nobody"),
        ("ANIMERAG_HOSTS", "https://anime.example"),
        ("ANIMERAG_HOSTS", "anime.example:8443"),
        ("ANIMERAG_HOSTS", "*"),
    ],
)
def test_an_unusable_value_is_named_in_a_sentence(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_hosts_are_names_separated_by_commas(monkeypatch):
    monkeypatch.setenv("ANIMERAG_HOSTS", " Anime.Example., 192.168.1.5,[fd00::1] ,")
    assert load_settings().hosts == ("anime.example", "192.168.1.5", "fd00::1")


def test_an_empty_variable_is_an_unset_one(monkeypatch):
    monkeypatch.setenv("ANIMERAG_MAX_RPM", "")
    assert load_settings().max_rpm is None


def test_a_key_is_never_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-123")
    assert "sk-canary-123" not in repr(load_settings())


def test_loopback_never_goes_through_a_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "example.org")
    load_settings()
    assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost"


def test_saved_settings_apply_if_nothing_else_sets_them(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("ANIMERAG_CHAT_MODEL=from-file\n")
    monkeypatch.setenv("ANIMERAG_MAX_RPM", "30")
    saved = {"batch_size": 7, "chat_model": "saved", "max_rpm": 5, "ingest_concurrency": 4, "sources": 3}

    settings = load_settings(ingest_concurrency=9).with_saved(saved)

    assert (settings.batch_size, settings.sources) == (7, 3)
    assert (settings.chat_model, settings.max_rpm, settings.ingest_concurrency) == ("from-file", 30, 9)
    assert settings.saved == {"batch_size", "sources"}
    assert settings.fixed == {"chat_model", "max_rpm", "ingest_concurrency"}


def test_a_saved_value_that_cannot_be_used_is_left_out_or_refused(caplog):
    saved = {"batch_size": 0, "sources": 3, "openai_api_key": "sk-saved", "data_dir": "/elsewhere", "unheard_of": 1}

    settings = load_settings().with_saved(saved)

    assert (settings.batch_size, settings.sources, settings.openai_api_key) == (100, 3, None)
    assert settings.saved == {"sources"}
    assert "batch_size" in caplog.text
    with pytest.raises(SettingsError, match="Batch size, shows per request: 0 cannot be used"):
        load_settings().with_saved(saved, strict=True)


def test_an_address_that_is_no_text_is_left_out_or_refused():
    saved = {"openai_base_url": 7, "sources": 3}

    settings = load_settings().with_saved(saved)

    assert (settings.openai_base_url, settings.sources) == (None, 3)
    with pytest.raises(SettingsError, match="Address of the provider: 7 cannot be used"):
        load_settings().with_saved(saved, strict=True)


def test_an_environment_that_has_become_invalid_is_reported(monkeypatch):
    settings = load_settings()
    monkeypatch.setenv("ANIMERAG_BATCH_SIZE", "many")

    with pytest.raises(SettingsError, match="ANIMERAG_BATCH_SIZE"):
        settings.with_saved({"sources": 3})


def test_the_key_goes_to_no_address_that_was_saved_in_the_app(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    settings = load_settings()

    assert settings.provider_key == "sk-env"
    assert settings.with_saved({"openai_base_url": "http://127.0.0.1:9/v1"}).provider_key is None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8/v1")
    fixed = load_settings().with_saved({"openai_base_url": "http://127.0.0.1:9/v1"})
    assert (fixed.openai_base_url, fixed.provider_key) == ("http://127.0.0.1:8/v1", "sk-env")


def test_every_setting_has_its_variable(monkeypatch):
    for name, value in (("sources", "3"), ("openai_base_url", "http://127.0.0.1:8/v1")):
        monkeypatch.setenv(variable(name), value)

    assert load_settings().fixed == {"sources", "openai_base_url"}


@pytest.mark.parametrize("token", ["two words", "schlüssel", "tab\there", " "])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(monkeypatch, token):
    monkeypatch.setenv("ANIMERAG_API_TOKEN", token)

    with pytest.raises(SettingsError, match="ANIMERAG_API_TOKEN") as refused:
        load_settings()
    assert not token.strip() or token not in str(refused.value)


def test_a_queue_needs_stores_that_other_machines_reach(monkeypatch):
    stores = {"database_url": "postgresql://me@db/anime", "chroma_url": "http://chroma:8000"}
    assert load_settings().engine == "local"
    monkeypatch.setenv("ANIMERAG_ENGINE", "queue")
    assert load_settings(**stores).engine == "queue"
    with pytest.raises(SettingsError, match="ANIMERAG_ENGINE cannot be used: .*ANIMERAG_DATABASE_URL=postgresql://"):
        load_settings(chroma_url=stores["chroma_url"])
    with pytest.raises(SettingsError, match="set ANIMERAG_DATABASE_URL"):
        load_settings(**{**stores, "database_url": "sqlite:///a.db"})
    with pytest.raises(SettingsError, match="set ANIMERAG_CHROMA_URL"):
        load_settings(database_url=stores["database_url"])
