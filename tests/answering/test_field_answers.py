"""Facts in sentences."""

from animerag.answering import field_answers
from animerag.models.filters import Filters, Sort
from animerag.models.retrieval import Evidence, FactAnswer, Source
from animerag.models.shows import Show

OLD = Show(id="1", title="Old Robot", titles=("Old Robot", "古いロボット"), year=1980, episodes=50, rating=7.5)
NEW = Show(id="2", title="New Robot", year=2012, episodes=1, rating=8.25)
SHOWS = {"1": OLD, "2": NEW}
SOURCES = (Source(show=NEW, evidence=(Evidence(branch="alias", rank=1),), score=1.0),)


def test_a_list_states_its_count_and_conditions_and_cites_its_sources():
    fact = FactAnswer(kind="list", ids=("1", "2"), total=2, filters=Filters(tags=("mecha",), year_to=2012))
    text = field_answers.render("mecha until 2012", fact, SHOWS, SOURCES)
    assert text.startswith("**2 shows**: ")
    assert "- **Old Robot** (1980, 50 episodes, rated 7.50)\n- **New Robot** (2012, 1 episode, rated 8.25) [1]" in text


def test_shows_beyond_the_list_are_counted():
    fact = FactAnswer(kind="list", ids=tuple(map(str, range(1, 131))), total=130)
    assert field_answers.render("all shows", fact, SHOWS, ()).rstrip().endswith("and 128 more.")


def test_a_ranking_names_its_shows_and_the_field():
    fact = FactAnswer(kind="order", ids=("2",), total=7, sort=Sort(field="rating"), filters=Filters(year_from=2012))
    text = field_answers.render("highest rated since 2012", fact, SHOWS, SOURCES)
    assert text.startswith("Highest rated of 7 shows (")
    assert "1. **New Robot** (2012, 1 episode, rated 8.25) [1]" in text


def test_recommendations_have_reasons_and_japanese_questions_get_japanese_titles():
    fact = FactAnswer(
        kind="picks", heading="For you:", ids=("2", "1"), reasons=("robots", ""), remarks=("That is all.",)
    )
    text = field_answers.render("something with robots", fact, SHOWS, SOURCES)
    assert text == (
        "For you:\n\n- **New Robot** (2012, 1 episode, rated 8.25): robots [1]\n"
        "- **Old Robot** (1980, 50 episodes, rated 7.50)\n\nThat is all.\n"
    )
    assert "**古いロボット** (1980, 全50話, 7.50点)" in field_answers.render("ロボットは？", fact, SHOWS, SOURCES)


def test_an_answer_without_shows_is_plain_text():
    fact = FactAnswer(kind="text", heading="Ask this:", remarks=("One?", "Two?"))
    assert field_answers.render("help", fact, {}, ()) == "Ask this:\n\n- One?\n- Two?\n"


def test_a_title_is_shown_with_its_english_name():
    show = Show(
        id="3", title="Shingeki no Kyojin", titles=("Shingeki no Kyojin", "進撃の巨人", "AoT", "Attack on Titan")
    )
    assert show.english_title == "Attack on Titan"
    assert OLD.english_title is None
