"""Settings: what can be changed in the app, tested before it applies, and what the environment sets."""

import asyncio
import contextlib

import pytest

from animerag.config import SAVABLE
from animerag.jobs.jobs import Control
from animerag.providers import discovery
from animerag.simulator import SimulatorProcess, SimulatorSettings
from animerag.ui import session
from tests.pages.screen import until, visit, words

QUICK = SimulatorSettings(embed_latency_s=0, chat_latency_s=0)


@pytest.fixture
def provider():
    """A simulated provider in its own process."""
    with asyncio.Runner() as runner, contextlib.ExitStack() as stack:
        simulator = SimulatorProcess(QUICK)
        runner.run(simulator.__aenter__())
        stack.callback(lambda: runner.run(simulator.__aexit__(None, None, None)))
        yield simulator.url


def field(app, name, kind="text_input"):
    [found] = [one for one in getattr(app, kind) if str(one.key).endswith(f"_{name}")]
    return found


def text_of(app):
    """Return the visible text of the page."""
    return words(app).replace("\\", "").replace("\u2060", "")


def opened(app):
    """Open Settings with all controls expanded."""
    visit(app, "settings")
    app.session_state["settings_more"] = True
    return app.run()


def save(app, action="Test and save"):
    [button] = [one for one in app.button if one.label == action]
    return button.click().run()


def test_changes_apply_at_once_and_can_be_reset(sampled):
    opened(sampled)
    field(sampled, "sources").set_value("5")
    field(sampled, "ingest_concurrency").set_value("7")
    field(sampled, "prices", "text_area").set_value("mine = 0.5\n")
    save(sampled, "Save")

    assert "Saved: Sources per question; Imports, requests in flight; Prices" in text_of(sampled)
    assert (session.services().answering.k, session.services().settings.prices) == (5, {"mine": 0.5})
    assert field(sampled, "sources").value == "5"

    sampled.button(key="settings_defaults").click().run()
    assert session.services().answering.k == 8
    assert field(sampled, "sources").value == "8"
    assert "settings_defaults" not in [button.key for button in sampled.button]


@pytest.mark.parametrize(
    ("name", "kind", "value", "sentence"),
    [
        ("sources", "text_input", "many", "Sources per question: 'many' cannot be used"),
        ("batch_size", "text_input", "0", "Batch size, shows per request: 0 cannot be used"),
        ("prices", "text_area", "mine: 5", "This line is not a price: mine: 5"),
        ("openai_base_url", "text_input", "localhost:11434", "must begin with http:// or https://"),
    ],
)
def test_a_value_that_cannot_be_used_changes_nothing_and_says_why(sampled, name, kind, value, sentence):
    opened(sampled)
    field(sampled, name, kind).set_value(value)
    save(sampled, "Test and save" if name == "openai_base_url" else "Save")

    assert sentence in text_of(sampled)
    assert session.services().settings.saved == frozenset()


def test_saving_without_a_change_says_so(sampled):
    visit(sampled, "settings")
    save(sampled)
    assert "Nothing has changed." in text_of(sampled)


def test_settings_of_the_environment_are_locked_and_name_it(app, monkeypatch):
    monkeypatch.setenv("ANIMERAG_SOURCES", "4")
    app.run()
    opened(until(app, lambda page: "Sample catalogue" in text_of(page)))

    assert (field(app, "sources").value, field(app, "sources").disabled) == ("4", True)
    assert "ANIMERAG_SOURCES" in field(app, "sources").help
    assert "ANIMERAG_SOURCES" in text_of(app)


def test_a_provider_is_tested_and_used_and_the_earlier_index_can_be_deleted(sampled, provider):
    visit(sampled, "settings")
    field(sampled, "openai_base_url").set_value(provider)
    field(sampled, "embedding_provider", "selectbox").set_value("openai")
    field(sampled, "chat_provider", "selectbox").set_value("openai")
    save(sampled)
    assert "Saved:" in text_of(sampled)
    assert session.services().embedder.provider == "openai"

    sampled.button(key="settings_try").click().run()
    assert "1,536 dimensions" in text_of(sampled)
    assert "has gpt-5-nano" in text_of(sampled)
    assert "not indexed" in text_of(visit(sampled, "ask"))

    session.runtime().call(session.services().ingestion.reindex(Control()), timeout_s=60)
    visit(sampled, "system")
    assert "512 dimensions: 150 vectors" in text_of(sampled)
    [delete] = [one for one in sampled.button if one.label == "Delete index"]
    delete.click().run()
    assert "150 vectors" not in text_of(sampled)


def test_a_provider_that_is_not_there_is_not_used(sampled, unused_tcp_port):
    visit(sampled, "settings")
    field(sampled, "openai_base_url").set_value(f"http://127.0.0.1:{unused_tcp_port}/v1")
    field(sampled, "chat_provider", "selectbox").set_value("openai")
    save(sampled)

    assert "Your settings were not changed. Vectors: The provider cannot be reached" in text_of(sampled)
    assert not session.services().answering.written_by_a_model


def test_nothing_is_saved_while_a_job_runs(sampled):
    async def wait(control):
        await control.stopped()

    job = session.start_job(wait, kind="test", title="A job")
    visit(sampled, "settings")
    [button] = [one for one in sampled.button if one.label == "Test and save"]
    assert button.disabled
    assert "1 job running: save when it has finished." in text_of(sampled)
    session.cancel_job(job)
    until(sampled, lambda _: not job.running)


@pytest.fixture
def found(provider, monkeypatch):
    """A server at a port that is searched: the test's own instead of the four usual ones."""
    find, port = discovery.find, int(provider.split(":")[2].split("/")[0])
    monkeypatch.setattr(discovery, "find", lambda: find({port: "Ollama"}))
    return port


def test_a_server_on_this_machine_is_offered_and_used_when_chosen(app, found):
    app.run()
    visit(app, "ask")
    until(app, lambda page: "Ollama runs on this machine" in text_of(page))
    assert not session.services().answering.written_by_a_model  # a server is not used before you choose it

    [use] = [one for one in app.button if one.label == "Use it"]
    use.click().run()
    assert session.services().answering.written_by_a_model
    assert session.services().embedder.provider == "local"
    assert "runs on this machine" not in text_of(app)
    assert f"gpt-5-nano (http://127.0.0.1:{found}/v1)" in text_of(visit(app, "system"))


@pytest.mark.usefixtures("found")
def test_a_server_that_was_declined_is_offered_only_in_settings(app):
    app.run()
    visit(app, "ask")
    until(app, lambda page: "Ollama runs on this machine" in text_of(page))
    [decline] = [one for one in app.button if one.label == "Not now"]
    decline.click().run()
    assert "runs on this machine" not in text_of(app)
    app.run()
    assert "runs on this machine" not in text_of(app)
    assert "runs on this machine" in text_of(visit(app, "settings"))


def test_a_level_used_from_compare_is_shown_at_once(sampled):
    session.runtime().call(session.services().comparison.use_level("ingest", 7))
    visit(sampled, "settings")
    sampled.session_state["settings_more"] = True
    sampled.run()
    assert [field.value for field in sampled.text_input if field.label == SAVABLE["ingest_concurrency"]] == ["7"]
    assert "settings_defaults" in [button.key for button in sampled.button]
