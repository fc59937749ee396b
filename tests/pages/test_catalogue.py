"""Catalogue: search, filters and order; a show is read, edited, deleted and restored."""

import pytest

from animerag.query.condition_text import parse
from animerag.ui import session
from animerag.ui.catalogue_filters import PRESETS
from tests.pages.screen import plain, visit, words


def listed(app):
    [table] = [one.value for one in app.dataframe if "Native title" in one.value]
    return list(table["Title"])


def carded(app):
    """Return the titles of the cards, which link to their shows."""
    return [plain(link.proto.label) for link in app.get("page_link") if "show=" in link.proto.query_string]


def opened(app, title):
    found = session.runtime().call(session.services().browsing.page(title))
    app.query_params["show"] = found.ids[0]
    return app.run()


def test_letters_order_and_conditions_narrow_the_list(sampled):
    visit(sampled, "catalogue")
    assert len(listed(sampled)) == 150
    first = listed(sampled)[0]

    sampled.toggle(key="reverse").set_value(True).run()
    assert listed(sampled)[0] != first

    sampled.selectbox(key="order").set_value("title").run()
    sampled.toggle(key="reverse").set_value(False).run()
    assert listed(sampled) == sorted(listed(sampled), key=str.casefold)

    sampled.text_input(key="q").set_value("monst").run()
    assert listed(sampled) == ["Monster"]
    sampled.text_input(key="q").set_value("")
    sampled.run()
    sampled.session_state["to"] = 1990
    sampled.run()
    older = len(listed(sampled))
    assert 0 < older < 150
    assert "before 1991" in words(sampled) or "1990" in words(sampled)

    sampled.multiselect(key="type").set_value(["tv"]).run()
    [table] = [one.value for one in sampled.dataframe if "Native title" in one.value]
    assert set(table["Type"]) == {"TV series (inferred)"}
    assert "TV series" in words(sampled)

    sampled.number_input(key="min_rating").set_value(10.0).run()
    assert "No matches. Remove a filter." in words(sampled)

    sampled.button(key="catalogue_clear").click().run()
    assert len(listed(sampled)) == 150
    assert "catalogue_clear" not in [button.key for button in sampled.button]


def test_cards_show_the_list_page_by_page(sampled):
    visit(sampled, "catalogue")
    titles = listed(sampled)
    sampled.button_group(key="view").set_value("Cards").run()
    assert not [one for one in sampled.dataframe if "Native title" in one.value]
    assert carded(sampled) == titles[:24]

    sampled.session_state["cards_page"] = 7
    sampled.run()
    assert carded(sampled) == titles[144:]

    sampled.text_input(key="q").set_value("monst").run()
    assert carded(sampled) == ["Monster"], "a shorter list begins on its first page"
    sampled.text_input(key="q").set_value("no such title").run()
    assert "No matches." in words(sampled)


def test_presets_are_conditions_of_the_list(sampled):
    visit(sampled, "catalogue")
    for name, text in PRESETS.items():
        sampled.session_state["preset"] = [name]
        sampled.run()
        asked = session.services().browsing.page(condition=parse(text))
        assert f"{session.runtime().call(asked).total:,} show" in words(sampled) or "No matches" in words(sampled)


def test_a_link_replaces_an_earlier_search(sampled):
    visit(sampled, "catalogue")
    sampled.text_input(key="q").set_value("monst").run()
    assert listed(sampled) == ["Monster"]
    sampled.query_params["where"] = "year<=1989"
    sampled.run()
    assert "Monster" not in listed(sampled)
    assert sampled.text_input(key="q").value == ""


def test_a_show_leads_to_its_neighbours_in_the_list(sampled):
    visit(sampled, "catalogue")
    first, second = listed(sampled)[:2]
    opened(sampled, first)
    assert sampled.button(key="catalogue_list_previous").disabled
    sampled.button(key="catalogue_list_next").click().run()
    assert second in [one.value.replace("\\", "") for one in sampled.subheader]
    assert "2 of 150" in words(sampled)
    sampled.button(key="catalogue_close").click().run()
    assert len(listed(sampled)) == 150


def test_a_show_is_read_changed_and_deleted(sampled):
    visit(sampled, "catalogue")
    opened(sampled, "Planetes")
    assert "Nearest by meaning" in words(sampled)

    # The dialog itself is used in a browser: tests/browser/test_catalogue.py.
    show_id = "".join(sampled.query_params["show"])
    session.runtime().call(session.services().editing.edit(show_id, {"title": "Space Sweepers", "my_score": 9.5}))
    sampled.run()
    assert "Space Sweepers" in [one.value for one in sampled.subheader]
    assert "Edited: my score, title" in words(sampled).replace("\\", "")
    assert "my score 9.5" in words(sampled).replace("\\", "")

    sampled.button(key="catalogue_forget").click().run()
    assert "Edited:" not in words(sampled)

    sampled.button(key="catalogue_delete").click().run()
    assert len(listed(sampled)) == 149
    assert "Space Sweepers" not in listed(sampled)

    sampled.run()
    assert "Space Sweepers was deleted." in words(sampled)
    sampled.button(key="catalogue_undo").click().run()
    assert "Space Sweepers" in [one.value for one in sampled.subheader]
    assert "was deleted" not in words(sampled)
    sampled.button(key="catalogue_close").click().run()
    assert "Space Sweepers" in listed(sampled)


def test_missing_sequels_are_listed(sampled):
    visit(sampled, "catalogue")
    missing = session.runtime().call(session.services().browsing.missing())
    assert missing
    assert not [one for one in sampled.dataframe if "Missing" in one.value], "a closed list is not drawn"

    sampled.session_state["catalogue_missing"] = True
    sampled.run()
    (table,) = [one.value for one in sampled.dataframe if "Missing" in one.value]
    assert list(table["Missing"]) == [one.show.title for one in missing]


def test_your_list_changes_by_one_click(sampled):
    visit(sampled, "catalogue")
    opened(sampled, "Planetes")
    sampled.button(key="catalogue_next").click().run()
    assert "My list: watching, 1 episode watched" in plain(words(sampled))

    [score] = [box for box in sampled.selectbox if box.key.startswith("catalogue_score_")]
    score.set_value(9).run()
    assert "my score 9" in plain(words(sampled))

    sampled.button(key="catalogue_watched").click().run()
    assert "My list: completed, my score 9, 26 episodes watched" in plain(words(sampled))
    assert sampled.button(key="catalogue_next").disabled
    assert sampled.button(key="catalogue_watched").disabled


@pytest.mark.usefixtures("settings")  # before the environment is set, because this clears it
def test_the_synopsis_of_an_unseen_show_is_folded_on_request(request, monkeypatch):
    monkeypatch.setenv("ANIMERAG_FOLD_SYNOPSIS", "1")
    app = request.getfixturevalue("sampled")
    visit(app, "catalogue")
    opened(app, "Planetes")
    assert "Synopsis" in [one.label for one in app.expander]

    app.button(key="catalogue_watched").click().run()
    assert "Synopsis" not in [one.label for one in app.expander]


def test_an_address_from_before_a_click_does_not_bring_the_show_back(sampled, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("animerag.ui.show.time.monotonic", lambda: now[0])
    visit(sampled, "catalogue")
    sampled.query_params["show"] = "5"
    sampled.run()
    sampled.button(key="catalogue_close").click().run()

    sampled.query_params["show"] = "5"  # the address that a browser sends before it learns of the click
    sampled.run()
    assert not any(button.key == "catalogue_close" for button in sampled.button)

    now[0] += 5
    sampled.query_params["show"] = "5"
    sampled.run()
    assert any(button.key == "catalogue_close" for button in sampled.button)
