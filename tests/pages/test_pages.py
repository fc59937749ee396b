"""Every page, run by Streamlit's own test harness over real services."""

import json
import re
from dataclasses import replace

import pytest

from animerag.ui import session
from animerag.ui.components import EXAMPLES
from animerag.ui.text import answer_markdown, escape, sentence
from tests.pages.screen import until, visit, words
from tests.shoko_server import ShokoDatabase

PAGES = ("home", "ask", "catalogue", "batch", "upload", "compare", "settings", "system")

pytestmark = pytest.mark.timeout(120)


def upload(app, data, name="export.json"):
    visit(app, "upload")
    app.file_uploader[0].set_value((name, data, "application/json")).run()
    return app


def plain(app):
    """Return the page's text without the marks that keep Markdown inert."""
    return words(app).replace("\\", "")


def as_export(*records):
    return json.dumps({"AniDB_Anime": records}, ensure_ascii=False).encode()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_an_empty_catalogue(app, page):
    app.run()
    visit(app, page)
    assert not app.exception
    assert not app.error
    assert app.title[0].value.lower() == page


def test_an_empty_catalogue_loads_the_sample_and_answers_an_example(sampled):
    sampled.button(key="ask_example_1").click().run()
    shown = words(sampled)
    assert "Shingeki no Kyojin" in shown
    assert "Quoted from your catalogue" in shown
    assert any("Shingeki no Kyojin" in button.label for button in sampled.button)


def test_a_sample_that_is_loaded_while_a_page_is_drawn_appears(sampled, monkeypatch):
    catalogue = session.services().catalogue
    counted = catalogue.status
    too_early = [replace(session.runtime().call(counted()), shows=0, sample=0, indexed=0)]

    async def status(**how):
        return too_early.pop() if too_early else await counted(**how)

    monkeypatch.setattr(catalogue, "status", status)
    sampled.run()
    assert too_early == []
    assert "The catalogue is empty" not in words(sampled)
    assert "Sample catalogue, 150 shows" in words(sampled)


def test_a_typed_question_and_its_follow_up_make_a_conversation(sampled):
    sampled.chat_input[0].set_value("How many episodes does Monster have?").run()
    sampled.chat_input[0].set_value("When did it air?").run()
    shown = words(sampled)
    assert "has 74 episodes" in shown
    assert "aired from 2004 to 2005" in shown
    visit(sampled, "settings")
    visit(sampled, "ask")
    assert "has 74 episodes" in words(sampled), "the conversation survives a change of page"


def test_an_upload_replaces_the_sample_and_its_report_adds_up(sampled, record):
    rows = [record(1, "Alpha", "A lighthouse."), record(2, "Beta", "A bakery."), record(2, "Beta II"), {}]
    upload(sampled, as_export(*rows))
    sampled.button(key="upload_start").click().run()
    until(sampled, lambda page: "rows stored" in words(page))
    visible = {metric.label: metric.value for metric in sampled.metric}
    assert visible == {"Stored": "2", "Unchanged": "0", "Repeated": "1", "Skipped": "1", "Remaining": "0"}
    visit(sampled, "ask")
    assert "Sample catalogue" not in words(sampled)
    starters = {button.label for button in sampled.button if (button.key or "").startswith("ask_example_")}
    assert starters
    assert not {label.replace("\\", "") for label in starters} & set(EXAMPLES)
    visit(sampled, "catalogue")
    assert list(sampled.dataframe[0].value["Title"]) == ["Alpha", "Beta II"]


def test_a_file_may_complete_shows_and_add_none(sampled, record):
    upload(sampled, as_export(record(1, "Monster", "A surgeon.")))
    sampled.button(key="upload_start").click().run()
    until(sampled, lambda page: "1 of 1 row stored" in words(page))
    rows = [{"title": "Monster", "studios": ["Madhouse"]}, {"title": "Elsewhere", "studios": ["Nowhere"]}]
    upload(sampled, json.dumps(rows).encode(), "reference.json")
    (switch,) = [toggle for toggle in sampled.toggle if toggle.key.endswith("_enrich")]
    assert "2 new" in plain(sampled)
    switch.set_value(True).run()
    assert "1 changed" in plain(sampled)
    assert "2 new" not in plain(sampled)


def test_two_files_are_checked_as_one_import_and_leave_nothing_behind(sampled, settings, record):
    one, two = (as_export(record(1, "Alpha"), record(n, "Beta")) for n in (2, 3))
    visit(sampled, "upload")
    files = [(name, data, "application/json") for name, data in (("one.json", one), ("two.json", two))]
    sampled.file_uploader[0].set_value(files).run()
    shown = plain(sampled)
    assert "1 new · 1 repeated" in shown
    assert "2 new · " in shown
    assert len(list((settings.data_dir / "uploads").iterdir())) == 2
    sampled.button(key="upload_drop_1").click().run()
    assert "2 new · " in plain(sampled)
    assert "1 repeated" not in plain(sampled)
    sampled.button(key="upload_start").click().run()
    until(sampled, lambda page: "2 of 2 rows stored" in words(page))
    assert not list((settings.data_dir / "uploads").iterdir())


def test_a_truncated_file_gets_a_sentence_and_cannot_be_started(sampled):
    upload(sampled, b'{"AniDB_Anime": [{"AnimeID": 1')
    assert "not complete JSON" in sampled.error[0].value
    assert [button.disabled for button in sampled.button if button.label == "Start"] == [True]


def test_the_index_is_checked_on_the_system_page(sampled):
    visit(sampled, "system")
    sampled.button(key="system_check").click().run()
    assert "Index and library agree on 150 shows" in sampled.success[0].value


HOSTILE = (
    "![x](https://evil.example/p.png) [click](javascript:alert(1)) <img src=x onerror=alert(1)> "
    ":material/lock: :red[big] $E=mc^2$ # head https://evil.example www.evil.example a@evil.example ![r][1]"
)
LIVE = re.compile(
    r"(?<!\\)!\[|(?<!\\)\]\((?!#source-\d+\)\])|(?<!\\)<\w|:material/\w|(?<!\\):red(?!-badge\[\d+, no such source\])|(?<!\\)\$|https?://|\bwww\.|\w@\w"
)


@pytest.mark.parametrize("render", [escape, answer_markdown])
def test_hostile_text_is_never_live_markdown(render):
    assert LIVE.search(HOSTILE)
    assert not LIVE.search(render(HOSTILE))


def test_a_hostile_show_is_shown_as_text_on_every_page(sampled, record):
    upload(sampled, as_export(record(7, f"Evil {HOSTILE}", HOSTILE, AllTitles=f"Evil|{HOSTILE}")), name="![x](y).json")
    sampled.button(key="upload_start").click().run()
    until(sampled, lambda page: "1 row stored" in words(page))
    visit(sampled, "ask")
    sampled.chat_input[0].set_value("Tell me about Evil").run()
    assert "Evil" in words(sampled)
    for page in PAGES:
        visit(sampled, page)
        live = [
            element.value
            for kind in ("markdown", "caption", "title", "subheader")
            for element in getattr(sampled, kind)
        ]
        live += [expander.label for expander in sampled.expander] + [button.label for button in sampled.button]
        assert not [text for text in live if "evil" in text.lower() and LIVE.search(text)]


@pytest.mark.parametrize("page", PAGES)
def test_without_chroma_the_app_works_and_gives_the_reason(app, monkeypatch, page):
    monkeypatch.setenv("ANIMERAG_CHROMA_URL", "http://127.0.0.1:9")
    app.run()
    until(app, lambda shown: "Chroma" in words(shown), within_s=60)
    visit(app, page)
    assert not app.exception
    assert app.title[0].value.lower() == page


def test_a_show_that_two_sites_know_is_offered_to_be_merged(sampled, record):
    upload(sampled, as_export(record(5, "Long Way Home", "They walk.", BeginYear=2001, EpisodeCountNormal=12)))
    sampled.button(key="upload_start").click().run()
    until(sampled, lambda page: "1 of 1 row stored" in words(page))
    sheet = b"id,title,year,episodes,genres\n5,Other,1999,1,drama\n9,Long Way Home,2001,12,travel\n"
    visit(sampled, "upload").file_uploader[0].set_value(("mine.csv", sheet, "text/csv")).run()
    sampled.text_input[0].set_value("mine").run()
    sampled.button(key="upload_start").click().run()
    until(sampled, lambda page: "2 of 2 rows stored" in words(page))
    visit(sampled, "catalogue")
    sampled.session_state["catalogue_pairs"] = True
    sampled.run()
    assert "Long Way Home (2001, 12 episodes, id 5) and Long Way Home (2001, 12 episodes, id mine:9)" in plain(sampled)
    sampled.button(key="catalogue_merge_5_mine:9").click().run()
    assert not [button for button in sampled.button if (button.key or "").startswith("catalogue_merge")]
    sampled.query_params["show"] = "5"
    sampled.run()
    assert "travel" in words(sampled)
    assert "mine.csv (id mine:9)" in plain(sampled)


def test_shows_without_a_vector_for_this_model_are_counted_with_an_estimate(sampled):
    services = session.services()
    spec = session.runtime().call(services.ingestion._indexer.spec())
    session.runtime().call(
        services.library.embeddings.forget_indexed(spec.name, list(session.runtime().call(services.library.hashes())))
    )
    visit(sampled, "ask")
    assert "150 shows are not indexed for" in words(sampled)
    assert "Indexing takes " in words(sampled)
    sampled.button(key="index_now").click().run()
    until(sampled, lambda page: "not indexed" not in words(page))


def test_conditions_of_a_question_are_shown_and_can_be_removed(sampled, record):
    shows = (
        record(1, "Old Robot", "A robot wakes.", BeginYear=1985, AllTags="mecha"),
        record(2, "New Robot", "A robot sleeps.", BeginYear=2015, AllTags="mecha"),
        record(3, "Twin", "A first film.", BeginYear=1997),
        record(4, "Twin", "A second film.", BeginYear=2016),
    )
    upload(sampled, as_export(*shows)).button(key="upload_start").click().run()
    until(sampled, lambda page: "4 of 4 rows stored" in words(page))
    visit(sampled, "ask")
    sampled.chat_input[0].set_value("mecha shows before 1990").run()
    assert "**1 show**" in words(sampled)
    assert [link.proto.label for link in sampled.get("page_link") if "Robot" in link.proto.label] == ["Old Robot"]
    chips = {button.label: button for button in sampled.button if (button.key or "").startswith("ask_drop_")}
    assert set(chips) == {"until 1989", "mecha"}
    chips["until 1989"].click().run()
    assert "**2 shows**" in words(sampled)
    assert len([button for button in sampled.button if (button.key or "").startswith("ask_drop_")]) == 1

    sampled.chat_input[0].set_value("What is Twin about?").run()
    assert "is the name of several shows" in words(sampled)
    sampled.button(key="ask_option_4").click().run()
    visible = plain(sampled)
    assert "A second film." in visible
    assert "A first film." not in visible


def test_filters_apply_to_every_question_until_they_are_removed(sampled):
    sampled.number_input(key="ask_year_to").set_value(1990).run()
    sampled.chat_input[0].set_value("How many shows do I have?").run()
    assert "**150 shows**" not in words(sampled)
    assert "until 1990" in [button.label for button in sampled.button]

    sampled.number_input(key="ask_year_to").set_value(None).run()
    sampled.chat_input[0].set_value("How many shows do I have?").run()
    assert "150" in words(sampled)


def test_of_several_users_of_a_shoko_database_one_is_chosen(sampled, tmp_path):
    database = ShokoDatabase(tmp_path / "JMMServer.db3")
    database.anime(23, "Monster", Description="A surgeon.", EpisodeCountNormal=2)
    episodes = database.episodes(23, 2)
    database.user(1, "Kenzo", watched=episodes[:1])
    database.user(2, "Nina", watched=episodes)
    upload(sampled, database.path.read_bytes(), "JMMServer.db3")
    assert "has watch states of 2 users (Kenzo, Nina): choose one" in plain(sampled)

    [user] = [box for box in sampled.selectbox if box.label == "Watch state of"]
    user.set_value("Nina").run()
    assert "Watch state of Nina." in plain(sampled)
    sampled.button(key="upload_start").click().run()
    until(sampled, lambda page: "stored" in words(page) and "Remaining" in {metric.label for metric in page.metric})
    show = session.runtime().call(session.services().library.show("23"))
    assert (show.my_status, show.episodes_watched, show.owned_episodes) == ("completed", 2, 0)


def test_only_plain_names_between_backticks_are_code():
    assert sentence("Correct it in `.env`, or run `animerag ingest`.").count("`.env`") == 1
    assert "`animerag ingest`" in sentence("or run `animerag ingest`.")
    assert sentence("`![x](http://a)`") == escape("`![x](http://a)`")
