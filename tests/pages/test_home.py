"""Home, the page the app opens on: figures, questions, cards, charts, and what needs attention."""

import json
import re

import pytest

from animerag.ui import cards, session
from animerag.ui.components import EXAMPLES, STYLE
from tests.pages.screen import plain, until, visit, words

pytestmark = pytest.mark.timeout(120)

SHEET = """id,title,year,episodes,type,rating,votes,genres,description,my_status,my_score,episodes_watched
1,Alpha,1994,26,tv,8.5,900,drama,A harbour.,completed,9,26
2,Alpha 2nd Season,1996,13,tv,8.1,800,drama,The harbour again.,,,
3,Beta,2004,12,tv,7.0,700,action,A train.,watching,,5
4,Gamma,2011,1,movie,9.0,500,mystery,,,,
5,![x](https://evil.example/p.png) :red[Delta],2012,12,tv,9.2,400,law and order,A court.,,,
,,2013,,,,,,,,,
"""


@pytest.fixture
def owned(app):
    """The app on Home, with the owner's list."""
    app.run()
    until(app, lambda page: "Sample catalogue, 150 shows" in words(page))
    visit(app, "upload").file_uploader[0].set_value(("mine.csv", SHEET.encode(), "text/csv")).run()
    app.button(key="upload_start").click().run()
    until(app, lambda page: "5 of 6 rows stored" in words(page))
    visit(app, "home")
    assert not app.exception
    return app


def figures_of(app):
    return {metric.label: plain(metric.value) for metric in app.metric}


def links(app):
    return {(one.proto.page, one.proto.query_string, plain(one.proto.label)) for one in app.get("page_link")}


def labels(app):
    return {plain(label) for _, _, label in links(app)}


def charts(app):
    return {json.loads(one.proto.spec)["layout"]["title"]["text"] for one in app.get("plotly_chart")}


def test_home_is_the_first_page_and_shows_three_steps_until_an_import(app):
    app.run()
    until(app, lambda page: "Sample catalogue, 150 shows" in words(page))
    assert app.title[0].value == "Home"
    assert "1 · Look around" in plain(words(app))
    assert figures_of(app)["Shows"] == "150"
    questions = [plain(one) for one in app.button_group[0].options]
    assert (questions[:3], len(set(questions))) == (list(EXAMPLES), 6)


def test_home_shows_the_collection_and_suggestions(owned):
    figures = figures_of(owned)
    shown = plain(words(owned))

    assert figures == {"Shows": "5", "Episodes": "64", "Median rating": "8.50", "Seen": "1", "Missing sequels": "0"}
    assert "Look around" not in shown
    headings = [heading.value for heading in owned.subheader]
    assert headings[:3] == ["Finish what you started", "Next in your franchises", "Best rated you have not watched"]
    assert "Next: episode 6 of 12" in shown
    assert "Continues Alpha" in shown
    assert charts(owned) == {
        "Shows by year and type",
        "Shows by tag",
        "Your scores against the ratings",
        "Your list by decade",
    }
    assert "1 show without a description" in shown.replace("**", "")
    assert "1 skipped row" in shown.replace("**", "")


def test_one_click_on_a_card_changes_the_list(owned):
    owned.button(key="home_started_3_next").click().run()
    assert "Next: episode 7 of 12" in plain(words(owned))
    owned.button(key="home_started_3_watched").click().run()
    mine = session.runtime().call(session.services().catalogue.show("3"))
    assert (mine.my_status, mine.episodes_watched) == ("completed", 12)
    assert "Beta" not in labels(owned), "what is finished is no longer suggested"
    assert figures_of(owned)["Seen"] == "2"


def test_a_question_of_home_is_answered_in_ask(owned):
    owned.chat_input[0].set_value("How many episodes does Beta have?").run()
    assert owned.title[0].value == "Ask"
    assert "has 12 episodes" in words(owned)
    visit(owned, "home")
    owned.chat_input[0].set_value("What is Alpha about?").run()
    assert [message.name for message in owned.chat_message].count("user") == 1, "a new conversation"


def test_a_choice_of_a_chart_leads_to_catalogue(owned):
    chosen = owned.selectbox(key="home_marks_0")
    statuses = {"1990s · completed", "1990s · not in my list", "2000s · watching", "2010s · not in my list"}
    assert {f"Decade: {status}" for status in statuses} <= set(chosen.options)
    kinds = {option.partition(":")[0] for option in chosen.options}
    assert len(kinds) == len(charts(owned)), "one list has the marks of every chart"
    chosen.set_value("Decade: 1990s · completed").run()
    assert owned.title[0].value == "Catalogue"


def test_a_title_on_a_card_is_never_live_markdown(owned):
    live = [label for _, _, label in links(owned) if "evil" in label]
    assert live, "the show is on a card"
    raw = [one.proto.label for one in owned.get("page_link") if "evil" in one.proto.label]
    assert all("\\[" in label and "\\:red" in label for label in raw)


def test_lists_that_need_attention_are_linked(owned):
    owned.button(key="home_skipped").click().run()
    (skipped,) = [one.value for one in owned.dataframe if "Reason" in one.value]
    assert (list(skipped["File"]), list(skipped["Line"])) == (["mine.csv"], [7])
    assert ("catalogue", "gaps=stubs", "Show in Catalogue") in links(owned)


def test_the_right_show_can_be_chosen_under_an_answer(owned):
    visit(owned, "ask")
    owned.chat_input[0].set_value("What is Harbour Nights about?").run()
    owned.session_state["teach_search"] = "alph"
    owned.button(key="ask_teach").click().run()
    assert owned.text_input(key="teach_title").value == "Harbour Nights"
    assert [plain(one) for one in owned.radio(key="teach_show").options] == ["Alpha (1994)", "Alpha 2nd Season (1996)"]
    assert owned.button(key="teach_save").disabled


def test_filters_are_saved_as_a_link(owned):
    visit(owned, "catalogue")
    owned.query_params["type"] = "film"
    owned.run()
    owned.text_input(key="catalogue_filter_name").set_value("*Films*").run()
    owned.button(key="catalogue_filter_save").click().run()
    assert ("catalogue", "type=film&saved=1", "*Films*") in links(owned)
    owned.button(key="catalogue_filter_delete_0").click().run()
    assert "*Films*" not in labels(owned)


def test_the_words_on_a_tile_can_be_read():
    style = STYLE.read_text(encoding="utf-8")
    tiles = dict(re.findall(r"\.ar-tile-(\d) \{ background: linear-gradient\(135deg, ([^)]*)\)", style))
    assert len(tiles) == cards.TILES
    for colours in tiles.values():
        for colour in colours.split(", "):
            assert 1.05 / (luminance(colour) + 0.05) >= 4.5, f"white on {colour}"


def luminance(colour):
    """Return the relative luminance of #RRGGBB, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
