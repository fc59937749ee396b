"""Facts in sentences."""

from animerag.answering import field_answers
from animerag.models import Evidence, FactAnswer, Filters, Show, Sort, Source

OLD = Show(id="1", title="Old Robot", titles=("Old Robot", "古いロボット"), year=1980, episodes=50, rating=7.5)
NEW = Show(id="2", title="New Robot", year=2012, episodes=1, rating=8.25)
SHOWS = {"1": OLD, "2": NEW}
SOURCES = (Source(show=NEW, evidence=(Evidence(branch="alias", rank=1),), score=1.0),)


def test_a_list_says_its_count_and_conditions_and_cites_what_is_a_source():
    fact = FactAnswer(kind="list", ids=("1", "2"), total=2, filters=Filters(tags=("mecha",), year_to=2012))
    text = field_answers.render("mecha until 2012", fact, SHOWS, SOURCES)
    assert text.startswith("**2 shows** found: ")
    assert "- **Old Robot** (1980, 50 episodes)\n- **New Robot** (2012, 1 episode) [1]" in text


def test_what_is_not_listed_is_counted():
    fact = FactAnswer(kind="list", ids=tuple(map(str, range(1, 131))), total=130)
    assert field_answers.render("all shows", fact, SHOWS, ()).rstrip().endswith("- and 128 more")


def test_an_order_tells_what_was_ranked_by_what():
    fact = FactAnswer(kind="order", ids=("2",), total=7, sort=Sort(field="rating"), filters=Filters(year_from=2012))
    text = field_answers.render("highest rated since 2012", fact, SHOWS, SOURCES)
    assert text.startswith("Highest rated of the 7 shows found (")
    assert "**New Robot** (2012, 8.25 of 10, 1 episode) [1]" in text


def test_a_comparison_is_numbered_and_japanese_questions_get_japanese_answers():
    fact = FactAnswer(kind="compare", ids=("1", "2"), total=2, sort=Sort(field="year", descending=False))
    assert "1. **Old Robot** (1980" in field_answers.render("which came first", fact, SHOWS, SOURCES)
    text = field_answers.render("どちらが先ですか", fact, SHOWS, SOURCES)
    assert text.startswith("古い順：")
    assert "1. **古いロボット** (1980, 全50話)" in text
