"""Settings saved in the app: tested on a real provider, stored in the library, overridden by the environment."""

import pytest

from animerag.errors import SettingsError
from animerag.models.providers import ModelServer, Priority
from animerag.saved_settings import Preferences, saved_settings
from animerag.simulator import SimulatorSettings, parse_faults
from animerag.simulator.server import listening

QUICK = {"embed_latency_s": 0, "chat_latency_s": 0}


async def test_saved_settings_apply_from_the_next_start(opened):
    async with opened() as services:
        await services.preferences.save(
            {"ingest_concurrency": 7, "query_concurrency": 2, "sources": 3, "prices": {"mine": 1.5}}
        )
        assert services.gate.level(Priority.INGEST) != 7
    async with opened() as services:
        assert (services.gate.level(Priority.INGEST), services.gate.level(Priority.BATCH)) == (7, 2)
        assert (services.answering.k, services.settings.prices) == (3, {"mine": 1.5})
        await services.preferences.save({"sources": None, "ingest_concurrency": "auto"})
    async with opened() as services:
        assert (services.answering.k, services.settings.ingest_concurrency) == (8, "auto")
        assert services.settings.saved == {"query_concurrency", "prices", "ingest_concurrency"}


async def test_the_environment_wins_and_is_named(opened):
    async with opened() as services:
        await services.preferences.save({"sources": 3})
    async with opened(sources=5) as services:
        assert services.answering.k == 5
        assert services.preferences.fixed == {"sources": "ANIMERAG_SOURCES"}
        with pytest.raises(SettingsError, match="ANIMERAG_SOURCES is set in the environment"):
            await services.preferences.save({"sources": 4})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sources": 0}, "Sources per question: 0 cannot"),
        ({"ingest_concurrency": "many"}, "Imports, requests in flight"),
        ({"prices": {"mine": "dear"}}, "dear"),
        ({"openai_base_url": "ftp://somewhere"}, "http:// or https://"),
        ({"openai_api_key": "sk-saved"}, "OPENAI_API_KEY can only be set in the environment"),
        ({"data_dir": "/elsewhere"}, "ANIMERAG_DATA_DIR can only be set in the environment"),
    ],
)
async def test_a_value_that_cannot_be_used_changes_nothing(opened, change, sentence):
    async with opened() as services:
        with pytest.raises(SettingsError, match=sentence):
            await services.preferences.save({"batch_size": 20, **change})
        assert await saved_settings(services.library) == {}


async def test_a_provider_is_tested_before_it_is_saved(opened):
    async with listening(SimulatorSettings(**QUICK)) as url:
        async with opened() as services:
            fresh = await services.preferences.save(
                {"openai_base_url": url, "embedding_provider": "openai", "chat_provider": "openai"}
            )
            assert (fresh.openai_base_url, fresh.chat_provider) == (url, "openai")
            with pytest.raises(SettingsError, match="does not list gpt-nobody-has"):
                await services.preferences.save({"chat_model": "gpt-nobody-has", "sources": 4})
        async with opened() as services:
            assert (services.embedder.provider, services.answering.k) == ("openai", 8)
            checked = await services.preferences.check()
            assert [one.ok for one in checked] == [True, True]
            assert "1,536 dimensions" in checked[0].message
            assert services.settings.chat_model in checked[1].message


async def test_a_provider_that_refuses_is_not_saved(opened):
    refusing = SimulatorSettings(**QUICK, faults=parse_faults("401@1"))
    async with listening(refusing) as url, opened() as services:
        with pytest.raises(SettingsError, match=r"Your settings were not changed\. Vectors: "):
            await services.preferences.save({"openai_base_url": url, "embedding_provider": "openai"})
        assert await saved_settings(services.library) == {}


async def test_the_embedded_default_passes_its_own_check(opened):
    async with opened() as services:
        checked = await services.preferences.check()
    assert [one.ok for one in checked] == [True, True]
    assert "512 dimensions" in checked[0].message


def of(services, *servers):
    async def find():
        return servers

    return Preferences(services.library, services.settings, try_out=services.preferences.try_out, find=find)


async def test_a_server_on_this_machine_is_offered_used_or_never_offered_again(opened):
    async with listening(SimulatorSettings(**QUICK)) as url, opened() as services:
        server = ModelServer(name="Ollama", url=url, models=("gpt-5-nano",))
        preferences = of(services, server)
        assert await preferences.offers() == [server]
        await preferences.decline(server)
        assert await preferences.offers() == []

        await preferences.use(server, "gpt-5-nano")
        async with opened() as again:
            assert (again.embedder.provider, again.answering.written_by_a_model) == ("local", True)
            assert await of(again, server).offers() == []  # a chat model is already configured


@pytest.mark.parametrize("fixed", [{"openai_base_url": "http://127.0.0.1:9/v1"}, {"chat_provider": "local"}])
async def test_nothing_is_offered_if_the_environment_sets_the_provider(opened, fixed):
    async with opened(**fixed) as services:
        server = ModelServer(name="Ollama", url="http://127.0.0.1:11434/v1", models=("llama3.2",))
        assert await of(services, server).offers() == []


async def test_invalid_saved_settings_are_ignored(opened):
    async with opened() as services:
        await services.library.set_meta_all(
            {"setting sources": "{", "setting batch_size": "-4", "setting nonsense": "1"}
        )
    async with opened() as services:
        assert (services.answering.k, services.settings.batch_size) == (8, 100)
