"""Whole conversations over a catalogue in memory: the meaning of every question before any search."""

from dataclasses import replace

import pytest

from animerag.discovery.franchises import Franchises
from animerag.models.answers import Turn
from animerag.models.shows import Show
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.intents import Likely
from animerag.query.lexicon import vocabulary
from animerag.query.titles import AliasIndex
from animerag.retrieval.snapshots import CatalogueSnapshot
from animerag.retrieval.understanding import best_matches, finished, understand
from animerag.retrieval.word_coverage import WordStatistics
from tests.discovery.shows import SHOWS, related, snapshot

CATALOGUE = snapshot(SHOWS)
TABLE = CATALOGUE.table


def ask(question, history=()):
    reading = understand(question, CATALOGUE.aliases.match(question), CATALOGUE, history=history)
    return finished(reading, question, CATALOGUE, {}) if reading.needs_likeness else reading


def converse(*questions):
    """Ask one after another; return the readings."""
    history, readings = [], []
    for question in questions:
        readings.append(ask(question, history))
        ids = readings[-1].fact.ids if readings[-1].fact else readings[-1].lead
        history.append(Turn(question=question, answer="", ids=tuple(ids)))
    return readings


@pytest.mark.parametrize(
    ("question", "intent", "ids"),
    [
        ("in what order do I watch Dawn?", "watch_order", {"one", "side", "two", "half", "zero", "recap"}),
        ("dawn watch order", "watch_order", {"one", "side", "two", "half", "zero", "recap"}),
        ("how many films do I have", "count", {"zero", "recap", "film"}),
        ("drama but not films", "list", {"one", "two", "half", "dark"}),
        ("does Dawn have a movie?", "list", {"zero", "recap"}),
        ("how many episodes does Quiet Lake have", "field", {"calm"}),
        ("is Farewell older than Black Street?", "compare", {"film", "dark"}),
        ("list all comet series", "list", {"loose", "loose2"}),
        ("best rated film", "superlative", {"film"}),
        ("what should I watch after Dawn", "next", {"two", "half"}),
        ("average rating per type", "stats", set()),
        ("hello", "help", set()),
    ],
)
def test_a_question_is_answered_from_memory(question, intent, ids):
    fact = ask(question).fact

    assert fact is not None
    assert (fact.intent, set(fact.ids)) == (intent, ids)


@pytest.mark.parametrize(
    ("question", "value", "words"),
    [
        ("where does Quiet Lake rank", 4, "by rating"),
        ("how does Quiet Lake rank among dramas", None, "**Quiet Lake** is not one of these shows (drama)"),
        ("where does Dawn rank by popularity", 1, "by votes"),
        ("what rank is Dawn among shows from 2010", 1, "of 1 show (from 2010) by rating"),
    ],
)
def test_the_rank_of_a_show(question, value, words):
    fact = ask(question).fact

    assert fact.value == value
    assert words in fact.heading


@pytest.mark.parametrize(
    ("question", "shows"),
    [
        ("what's the difference between Dawn and At Noon", ("one", "side")),
        ("compare Dawn and Noon", ("one", "side")),
        ("Dawn vs Farewell", ("one", "film")),
    ],
)
def test_a_part_is_compared_under_its_own_words(question, shows):
    fact = ask(question).fact

    assert (fact.intent, fact.ids) == ("compare", shows)
    assert fact.heading.count("**Dawn**") == 1


WATCHED = [replace(show, my_status="completed") for show in SHOWS]
WATCHED.append(Show(id="given", title="Given", my_status="dropped"))
LISTED = replace(CATALOGUE, aliases=AliasIndex(WATCHED), table=FieldsInMemory(WATCHED), franchises=Franchises(WATCHED))


@pytest.mark.parametrize(
    ("question", "shows", "missing"),
    [
        ("have I seen Zyxwell Gate", (), "“Zyxwell Gate” is not in your catalogue."),
        ("have I seen your name", (), "“your name” is not in your catalogue."),
        ("have I seen given", ("given",), ""),
        ("did I drop Given yet", ("given",), ""),
        ("have I seen everything", (), ""),
        ("have I seen any films", (), ""),
        ("did I finish the first one", (), ""),
    ],
)
def test_a_question_whether_you_have_seen_a_show_is_about_that_show(question, shows, missing):
    reading = understand(question, LISTED.aliases.match(question), LISTED)

    assert (reading.plan.shows, reading.missing) == (shows, missing)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("who directed Dawn", "Director: not recorded"),
        ("what have I not watched yet", "does not know what you have watched"),
        ("when does the next episode of Dawn air", "Upcoming: not recorded"),
        ("most episodes left to air", "Upcoming: not recorded"),
        ("what did Zyx Wvu direct", "Director: not recorded"),
        ("the most controversial anime", "Controversy and influence: not recorded"),
        ("what did I add recently", "When you added shows: not recorded"),
        ("any anime in black and white", "Art style: not recorded"),
        ("in what order do I watch Zyxwell", "“Zyxwell” is not in your catalogue"),
        ("something like Game of Thrones", "“Game of Thrones” is not in your catalogue"),
        ("shows similar to Breaking Bad but shorter", "“Breaking Bad” is not in your catalogue"),
    ],
)
def test_missing_titles_and_topics_are_named(question, words):
    reading = ask(question)

    assert words in reading.missing
    assert reading.fact is None


def test_a_tag_of_few_shows_that_empties_a_list_is_searched_for_as_a_word():
    comedies = [Show(id=f"c{n}", title=f"Comet {n}", tags=("Comedy",)) for n in range(9)]
    shows = [*comedies, Show(id="b", title="Visitors", tags=("Alien",))]
    catalogue = replace(
        CATALOGUE,
        aliases=AliasIndex(shows),
        table=FieldsInMemory(shows),
        franchises=Franchises(shows),
        vocabulary=vocabulary(("comedy", "alien")),
    )
    reading = understand("comedies with alien", [], catalogue)
    assert (reading.plan.text, reading.plan.conditions(), reading.fact) == ("alien", ["tag=comedy"], None)
    assert understand("alien shows", [], catalogue).fact.ids == ("b",)


@pytest.mark.parametrize("question", ["something like Quiet Lak", "anything like Slice Of Life", "shows like Comet"])
def test_capitals_of_a_tag_or_of_part_of_a_title_are_no_missing_title(question):
    shows = [Show(id="a", title="The Quiet Lak Story", tags=("Slice of Life",))]
    table, franchises = FieldsInMemory(shows), Franchises(shows)
    catalogue = replace(CATALOGUE, aliases=AliasIndex(shows), table=table, franchises=franchises)
    assert understand(question, [], catalogue).missing == ""


def test_examples_decide_what_no_cue_does_in_a_conversation_too():
    history = [Turn(question="a successor to Dawn", answer="", ids=("two",))]
    matches = CATALOGUE.aliases.match("and Quiet Lake?")
    open_ones = understand("and Quiet Lake?", matches, CATALOGUE, history=history).undecided
    likely = {text: Likely("next", 0.9, ("what comes after X",)) for text in open_ones if "successor" in text}
    reading = understand("and Quiet Lake?", matches, CATALOGUE, history=history, likely=likely)

    assert "a successor to X" in open_ones
    assert (reading.plan.intent, reading.plan.shows) == ("next", ("calm",))


def test_a_japanese_question_has_japanese_conditions():
    reading = ask("ドラマの映画")

    assert [chip.label for chip in reading.conditions] == ["映画", "ドラマ"]
    assert reading.fact.labels == ("映画", "ドラマ")


def test_ten_follow_ups_are_understood():
    readings = converse(
        "which dramas do I have",
        "only films",
        "which of those is the oldest?",
        "tell me about Dawn",
        "how many episodes does it have?",
        "and its second season?",
        "who directed it?",
        "is there a film of it too?",
        "something like it but darker",
        "and Quiet Lake?",
    )
    found = [(one.fact.ids if one.fact else one.lead) for one in readings]

    assert set(found[0]) == {"one", "two", "half", "zero", "dark", "film"}
    assert set(found[1]) == {"zero", "film"}
    assert found[2] == ("film",)
    assert found[3][0] == "one"
    assert readings[4].fact.value == 24
    assert found[5][0] == "two"
    assert readings[6].not_recorded == ("director",)
    assert set(found[7]) == {"zero", "recap"}
    assert found[8] == ("dark",)
    assert readings[9].plan.shows == ("calm",)
    assert readings[4].standalone == "how many episodes does Dawn have?"
    assert readings[5].standalone == "and its second season? (Dawn Season 2)"
    assert readings[9].standalone == "and Quiet Lake?"


def test_why_repeats_the_reasons():
    picks, why = converse("recommend me something sad", "why these?")

    assert why.fact == picks.fact
    assert all(why.fact.reasons)


def test_conditions_are_chips_that_can_be_removed():
    question = "dramas from 2010 to 2013"
    chips = ask(question).conditions
    assert [chip.label for chip in chips] == ["drama", "2010 to 2013"]

    less = understand(question, [], CATALOGUE, ignore={chips[1].key})
    assert [chip.label for chip in less.conditions] == ["drama"]
    assert len(less.fact.ids) == 6


def test_a_list_is_not_complete_if_a_word_has_no_field():
    reading = ask("all dramas with a female lead")
    fact = best_matches(reading, reading.plan.text, ["one"])

    assert reading.fact is None
    assert not fact.complete
    assert "female lead" in fact.ignored
    assert set(reading.allowed) == {"one", "two", "half", "zero", "dark", "film"}


def test_unwanted_words_without_a_field_are_named_and_not_searched_for():
    fact = ask("dramas but not about pirates").fact

    assert (fact.ignored, fact.complete, len(fact.ids)) == (("not pirates",), False, 6)


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("percentage of films", 25.0),
        ("do I have more films than ovas", "movies"),
        ("is there a sequel to Quiet Lake", None),
        ("films sorted by year", None),
    ],
)
def test_measures_and_orders_are_answered(question, value):
    assert ask(question).fact.value == value


def test_all_shows_of_a_title_include_unrelated_ones():
    shows = [
        Show(id="1", title="Comet", type="tv", episodes=12, relations=(related("Sequel", "2"),)),
        Show(id="2", title="Night Train", type="tv", episodes=12),
        Show(id="3", title="Comet Chronicles", type="tv", episodes=12),
    ]
    table = FieldsInMemory(shows)
    catalogue = CatalogueSnapshot(
        revision=1,
        aliases=AliasIndex(shows),
        table=table,
        franchises=Franchises(shows),
        vocabulary=vocabulary(table.tags),
        statistics=WordStatistics(shows),
    )
    reading = understand("List all Comet series", catalogue.aliases.match("List all Comet series"), catalogue)

    assert set(reading.fact.ids) == {"1", "2", "3"}


def test_a_misspelt_word_is_corrected_and_the_answer_says_so():
    reading = ask("comdy anime")

    assert reading.plan.respelt == (("comdy", "comedy"),)
    assert reading.standalone == "comedy anime"
    assert (reading.fact.ids, reading.fact.remarks) == (("side",), ("Read “comdy” as “comedy”.",))


def test_how_many_of_a_kind_are_there_means_the_show_before_or_all_shows():
    assert ask("how many movies are there").fact.value == ask("how many films do I have").fact.value
    alone, _, after = ask("how many sequels are there"), *converse("what is Dawn about", "how many sequels are there")
    assert (alone.fact.intent, after.plan.shows) == ("count", ("one",))
    assert (ask("how many seasons are there").fact, ask("how many episodes are there").plan.measure) == (None, "sum")
    assert converse("what is Dawn about", "how many episodes are there")[-1].plan.shows == ("one",)


@pytest.mark.parametrize(
    "question",
    ["when did it air", "what is it about", "how many seasons are there", "what comes after it", "what's its rating"],
)
def test_a_question_about_it_asks_back_unless_a_show_was_named(question):
    assert ask(question).missing.startswith("Which show do you mean?")
    assert converse("what is Dawn about", question)[-1].missing == ""
    assert ask("the one where it rains at dawn").missing == ""


@pytest.mark.parametrize(
    ("question", "value", "ids", "lead"),
    [
        ("is Dawn Season 2 a sequel", "yes", {"one"}, "Yes. "),
        ("is Farewell a sequel", "no", set(), "Not as far as the"),
    ],
)
def test_whether_a_show_is_a_sequel(question, value, ids, lead):
    fact = ask(question).fact
    assert (fact.value, set(fact.ids)) == (value, ids)
    assert fact.heading.startswith(lead)


def test_a_show_is_compared_by_the_beginning_of_its_title():
    assert ask("is Farewell older than Black?").plan.shows == ("film", "dark")


def test_a_comparison_with_a_missing_show_says_so():
    missing = ask("Is Farewell older than Zorro Princess?").missing

    assert missing.startswith("“Zorro Princess” is not in your catalogue. **Farewell** aired in 2001.")


@pytest.mark.parametrize(
    ("titles", "season", "missing"),
    [
        (("Iron Sea: The Ninth Wave",), 2, "does not say whether it is season 2"),
        (("Iron Sea",), 2, "no season 2"),
        (("Iron Sea: The Ninth Wave", "Iron Sea: Low Tide Part 2"), 5, "no season 5"),
    ],
)
def test_a_season_that_is_not_there_is_named(titles, season, missing):
    shows = [Show(id=title, title=title, type="tv", episodes=12) for title in titles]
    catalogue = CatalogueSnapshot(
        revision=1,
        aliases=AliasIndex(shows),
        table=FieldsInMemory(shows),
        franchises=Franchises(shows),
        vocabulary=vocabulary(()),
        statistics=WordStatistics(shows),
    )
    question = f"Iron Sea season {season}"
    reading = understand(question, catalogue.aliases.match(question), catalogue)

    assert missing in reading.missing
    assert bool(reading.missing) == bool(missing)


def test_a_mood_weighs_the_shows_of_the_last_answer():
    first, sad, second = converse("which dramas do I have", "which of those are sad", "the second one")

    assert sad.plan.intent == "recommend"
    assert set(sad.fact.ids) <= set(first.fact.ids)
    assert [match.id for match in second.matches if match.named] == [sad.fact.ids[1]]


def test_another_is_a_wish_for_more_after_recommendations():
    shows = [*SHOWS, Show(id="another", title="Another", type="tv")]
    catalogue = replace(CATALOGUE, aliases=AliasIndex(shows), table=FieldsInMemory(shows), franchises=Franchises(shows))
    history = [Turn(question="recommend a drama", answer="", ids=("one",))]
    for question, earlier, found in (("another", [], ("another",)), ("another one, please", history, ())):
        plan = understand(question, catalogue.aliases.match(question), catalogue, history=earlier).plan
        assert plan.shows == found
    assert (plan.intent, plan.excluded) == ("recommend", ("one",))
