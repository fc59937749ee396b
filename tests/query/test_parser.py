"""What a question asks of fields: conditions, orders and shows that it compares with, and what is left unexplained."""

import pytest

from animerag.models import Sort
from animerag.query.parser import understand

TAGS = {tag: tag for tag in ("mecha", "comedy", "school", "sports", "romance", "horror", "no")}
TAGS |= {"robot": "mecha", "ロボット": "mecha"}


def read(question, **names):
    return understand(question, TAGS, **names)


@pytest.mark.parametrize(
    ("question", "conditions"),
    [
        ("mecha shows before 1990", ["until 1989", "mecha"]),
        ("shows from the early 90s", ["1990 to 1994"]),
        ("anime of the sixties", ["1960 to 1969"]),
        ("between 1995 and 1999", ["1995 to 1999"]),
        ("since 2015", ["from 2015"]),
        ("rated above 8.5", ["rated at least 8.51"]),
        ("rated 8", ["rated 8.0 to 8.99"]),
        ("up to thirteen episodes, scored 7 or more", ["at most 13 episodes", "rated at least 7.0"]),
        ("exactly two dozen episodes", ["24 episodes"]),
        ("12 to 26 episodes", ["12 to 26 episodes"]),
        ("more than 100k votes", ["at least 100,001 votes"]),
        ("fewer than 2 million votes", ["at most 1,999,999 votes"]),
        ("a one-shot", ["1 episodes"]),
        ("comedy without romance", ["comedy", "not romance"]),
        ("unwatched mecha", ["mecha", "not in my list or plan to watch"]),
        ("on my watchlist", ["plan to watch"]),
        ("2010年以降のロボットアニメ", ["from 2010", "mecha"]),
        ("12話以下", ["at most 12 episodes"]),
        ("評価8以上", ["rated at least 8.0"]),
        ("1990年代の作品", ["1990 to 1999"]),
    ],
)
def test_conditions_are_read_whole(question, conditions):
    understood = read(question)
    assert [condition.label for condition in understood.filters.conditions()] == conditions
    assert (understood.ask, understood.left) == ("list", ())


@pytest.mark.parametrize(
    ("question", "sort", "limit", "ask"),
    [
        ("highest rated of 2012", Sort(field="rating"), 1, "order"),
        ("the best mecha shows", Sort(field="rating"), None, "list"),
        ("top 5 longest", Sort(field="episodes"), 5, "order"),
        ("three newest comedies", Sort(field="year"), 3, "order"),
        ("which show is the shortest?", Sort(field="episodes", descending=False), 1, "order"),
        ("最新のロボットアニメ", Sort(field="year"), 1, "order"),
        ("how many sports anime are there", None, None, "count"),
    ],
)
def test_an_order_says_how_many_are_wanted(question, sort, limit, ask):
    understood = read(question)
    assert (understood.sort, understood.limit, understood.ask) == (sort, limit, ask)


@pytest.mark.parametrize(
    ("question", "ask", "field", "more"),
    [
        ("How many episodes does X have?", "value", "episodes", {}),
        ("When did X air?", "value", "year", {}),
        ("Xは何話", "value", "episodes", {}),
        ("Which came first, X or Y?", "compare", "year", {"sort": Sort(field="year", descending=False)}),
        ("Which is longer, X or Y?", "compare", "episodes", {"sort": Sort(field="episodes")}),
        ("What comes after X?", "related", "relations", {"direction": "after"}),
        ("a prequel to X", "related", "relations", {"direction": "before"}),
        ("spin-offs of X", "related", "relations", {"direction": "any"}),
        ("something like X but shorter", "similar", None, {"relative": ("shorter",)}),
        ("Xみたいなアニメ", "similar", None, {}),
    ],
)
def test_what_is_asked_of_named_shows_is_told_apart(question, ask, field, more):
    places = [(at, at + 1) for at, letter in enumerate(question) if letter in "XY"]
    understood = read(question, named=places, names=len(places))
    assert (understood.ask, understood.field, understood.left) == (ask, field, ())
    assert {name: getattr(understood, name) for name in more} == more


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("a boy who pilots a robot", ("boy", "pilots")),
        ("mecha where everybody dies", ("everybody", "dies")),
        ("宇宙を旅するロボット", ("宇宙", "旅する")),
    ],
)
def test_what_nothing_explains_is_left_and_says_so(question, left):
    understood = read(question)
    assert understood.left == left
    assert not understood.whole
    assert understood.filters.tags == ("mecha",)


def test_the_name_of_a_show_is_not_read_as_a_condition():
    question = "episodes of Cyborg 009 from 2001"
    start = question.index("Cyborg")
    assert read(question, named=[(start, start + len("Cyborg 009"))], names=1).filters.year_from == 2001
    assert read("School 1999", named=[(0, 11)], names=1).filters == read("").filters


def test_a_tag_that_every_sentence_has_counts_only_where_it_is_called_one():
    assert read("no comedy").filters.without_tags == ("comedy",)
    assert "no" not in read("no idea").filters.tags
    assert read("tagged no").filters.tags == ("no",)
