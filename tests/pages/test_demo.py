"""Demo mode: the sample, which no user can change."""

import pytest

from animerag.config import load_settings
from animerag.ui import navigation, session
from animerag.ui.batch import DEMO_ROWS
from tests.pages.screen import until, visit, words


@pytest.fixture
def demo(app, monkeypatch):
    monkeypatch.setenv("ANIMERAG_DEMO", "1")
    monkeypatch.setenv("OPENAI_API_KEY", "the-owner's")
    navigation.is_demo.cache_clear()
    app.run()
    yield until(app, lambda page: "A demo with 150 shows" in words(page))
    navigation.is_demo.cache_clear()


def test_a_demo_has_its_own_data_and_asks_no_provider(monkeypatch, tmp_path):
    monkeypatch.setenv("ANIMERAG_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "the-owner's")
    owner = load_settings()
    monkeypatch.setenv("ANIMERAG_DEMO", "1")
    demo = load_settings()
    assert owner.provider_for(owner.chat_provider) == "openai"
    assert demo.provider_for(demo.chat_provider) == demo.provider_for(demo.embedding_provider) == "local"
    assert demo.provider_key is None
    assert demo.data_dir == tmp_path / "demo"


def test_nothing_can_be_changed(demo):
    for page in ("upload", "settings", "system"):
        visit(demo, page)
        assert "The demo cannot be changed." in words(demo)
        assert not demo.title
    visit(demo, "catalogue")
    demo.query_params["show"] = "1"
    demo.run()
    assert "Cowboy Bebop" in [one.value for one in demo.subheader]
    keys = {button.key for button in demo.button}
    assert not keys & {"catalogue_edit", "catalogue_delete", "catalogue_watched", "catalogue_next"}


def test_home_leads_only_to_pages_that_a_demo_has(demo):
    visit(demo, "home")
    assert not demo.error
    linked = {link.proto.page for link in demo.get("page_link")}
    assert {"ask", "catalogue"} <= linked
    assert not linked & {"upload", "settings", "system"}
    assert "Needs attention" not in words(demo)


def test_nothing_that_strangers_type_is_saved_for_others(demo):
    visit(demo, "ask")
    demo.chat_input[0].set_value("When did Cowboy Bebop air?").run()
    assert "ask_teach" not in [button.key for button in demo.button]
    visit(demo, "catalogue")
    demo.session_state["from"] = 1990  # a filter in use: its controls are drawn
    demo.run()
    assert demo.number_input(key="from").value == 1990
    assert "catalogue_filter_name" not in [box.key for box in demo.text_input]


def test_a_question_is_answered_and_no_stranger_sees_it(demo):
    visit(demo, "ask")
    demo.chat_input[0].set_value("When did Cowboy Bebop air?").run()
    assert "1998" in words(demo)
    assert session.runtime().call(session.services().conversations.latest())
    assert not [button for button in demo.button if (button.key or "").startswith("ask_open_")]


def test_a_long_sheet_is_refused(demo):
    visit(demo, "batch")
    demo.text_area[0].set_value("\n".join(f"What is show {n} about?" for n in range(DEMO_ROWS + 1))).run()
    assert f"at most {DEMO_ROWS} questions" in demo.error[0].value
    assert "batch_start" not in [button.key for button in demo.button]
