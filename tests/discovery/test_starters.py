"""Questions to begin with: only those that the catalogue's own records can answer."""

import pytest

from animerag.discovery.starters import starters
from animerag.models.shows import Show
from tests.discovery.shows import SHOWS, collection


def show(number, title, **fields):
    return Show(id=str(number), title=title, **fields)


def test_a_full_catalogue_is_asked_about_its_shows_series_and_tags():
    questions = starters(collection())

    assert len(set(questions)) == 6
    assert "How many movies do I have?" in questions
    assert any(question.startswith("In what order do I watch") for question in questions)
    assert any(question.startswith("Best ") for question in questions)
    assert questions == starters(collection(SHOWS)), "the same ones each time"


def test_three_bare_titles_have_questions_as_well():
    bare = [show(number, name) for number, name in enumerate(("Foo", "Bar", "Baz"))]

    assert set(starters(collection(bare), stubs=frozenset("012"))) == {
        "Recommend me something to watch",
        "How many shows do I have?",
    }
    assert sum(one.endswith(" about?") for one in starters(collection(bare))) == 3


def test_questions_about_a_bare_list_need_no_descriptions_and_ratings():
    shows = [
        show(1, "Alpha", type="tv", episodes=26, my_status="completed"),
        show(2, "Beta", type="tv", episodes=50, my_status="watching"),
        show(3, "Gamma", type="movie", my_status="plan_to_watch"),
    ]
    questions = starters(collection(shows), 9, stubs=frozenset("123"))

    assert {"What am I watching?", "How many movies do I have?"} <= set(questions)
    assert "Which is longer, Alpha or Beta?" in questions or "Which is longer, Beta or Alpha?" in questions
    assert not [one for one in questions if "about" in one or "like" in one or "rated" in one or "Best" in one]


@pytest.mark.parametrize(
    ("fields", "question"),
    [
        ([{"rating": 8.0, "year": 2015}, {"rating": 7.0, "year": 2012}], "Best war anime after 2010"),
        ([{"rating": 8.0, "year": 2015}, {"rating": 7.0, "year": 1999}], "Best war anime"),
        ([{"rating": 8.0, "year": 2015}, {"year": 2012}], "Which war shows do I have?"),
    ],
)
def test_the_best_of_a_tag_is_asked_for_where_more_than_one_is_rated(fields, question):
    shows = [show(number, f"Show {number}", tags=("War",), **known) for number, known in enumerate(fields)]
    assert question in starters(collection(shows))


@pytest.mark.parametrize(
    ("titles", "japanese"),
    [
        (("進撃の巨人", "銀河英雄伝説", "日常"), True),
        (("K", "日常", "進撃の巨人"), True),
        (("Shingeki no Kyojin", "Nichijou", "進撃の巨人"), False),
        (("鬼滅之刃", "銀河英雄傳說"), False),  # Chinese
    ],
)
def test_a_japanese_catalogue_is_asked_in_japanese(titles, japanese):
    shows = [show(number, title, rating=8.0) for number, title in enumerate(titles)]
    assert ("一番評価が高い作品は？" in starters(collection(shows), 9)) is japanese


def test_a_title_without_letters_is_not_named():
    shows = [show(1, "?", episodes=12), show(2, "86", episodes=11), show(3, "K", episodes=13)]
    assert not [one for one in starters(collection(shows), 20) if "? " in one or "86" in one]


def test_an_empty_catalogue_has_no_questions():
    assert starters(collection([])) == []
