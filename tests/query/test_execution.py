"""Plans executed on fields: sets, counts and orders, unknown values, and questions that are left to the search."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animerag.models.filters import Filters
from animerag.models.shows import Show
from animerag.query.execution import carry_out, is_whole
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.grammar import Named
from animerag.query.lexicon import vocabulary
from animerag.query.plan import And, Not, Of, Or, Plan, Predicate, compiled
from animerag.query.reader import plan_of, read
from animerag.query.statistics import measure

TODAY = date(2026, 11, 30)
SHOWS = (
    Show(id="1", title="A", type="movie", year=1988, episodes=1, rating=8.1, tags=("Action",), season="summer"),
    Show(id="2", title="B", type="tv", year=2019, episodes=12, rating=7.5, tags=("Comedy", "Isekai"), season="fall"),
    Show(id="3", title="C", type="tv", year=2019, episodes=None, rating=9.0, tags=("Horror",), season="fall"),
    Show(id="4", title="D", type=None, year=None, episodes=24, rating=6.0, tags=("Mystery",)),
    Show(id="5", title="E", type="movie", year=2016, episodes=1, rating=8.9, tags=("Romance",), restricted=True),
)
TABLE = FieldsInMemory(SHOWS)
WORDS = vocabulary(TABLE.tags)


def asked(question):
    return carry_out(plan_of(read(question, [], WORDS, TODAY)), TABLE, Filters())


@pytest.mark.parametrize(
    ("question", "ids"),
    [
        ("how many movies do I have", {"1", "5"}),
        ("anime that is not a comedy", {"1", "3", "4", "5"}),
        ("anything but isekai", {"1", "3", "4", "5"}),
        ("horror or mystery", {"3", "4"}),
        ("fall 2019 anime", {"2", "3"}),
        ("movies after 2000", {"5"}),
        ("tv series with at least 12 episodes", {"2"}),
    ],
)
def test_a_question_about_fields_gets_the_complete_set(question, ids):
    assert set(asked(question).ids) == ids


def test_overrated_shows_have_many_votes_and_underrated_ones_few():
    votes = {"1": 10, "2": 20, "3": 30, "4": 40, "5": 50}
    table = FieldsInMemory(replace(show, votes=votes[show.id]) for show in SHOWS)
    overrated, underrated = (
        carry_out(plan_of(read(question, [], WORDS, TODAY)), table, Filters()).ids
        for question in ("overrated shows", "underrated shows")
    )

    assert overrated == ("4", "5", "3")  # the lowest rated first
    assert set(underrated) <= {"1", "2", "3"}


def test_an_order_counts_the_shows_without_a_value():
    fact = asked("which show has the most episodes")

    assert (fact.kind, fact.ids, fact.unknown) == ("order", ("4",), 1)


def test_own_scores_are_compared_with_the_rating_where_both_are_known():
    scores = {"1": 9.0, "2": 5.0, "3": 9.0, "4": None, "5": 4.0}
    table = FieldsInMemory(replace(show, my_score=scores[show.id]) for show in SHOWS)
    fact = carry_out(plan_of(read("what did I score lower than the crowd", [], WORDS, TODAY)), table, Filters())

    assert fact.ids == ("5", "2")  # the largest difference first; 3 has the score that it is rated


@pytest.mark.parametrize(
    ("title", "question", "value", "ids"),
    [
        ("C", "is C the best show", "yes", ("3",)),
        ("E", "is E the best show", "no", ("3",)),
        ("E", "is E the best movie", "yes", ("5",)),
    ],
)
def test_a_question_whether_a_show_comes_first_names_the_one_that_does(title, question, value, ids):
    show_id = next(show.id for show in SHOWS if show.title == title)
    place = question.index(f" {title} ") + 1
    plan = plan_of(read(question, [Named(place, place + 1, (show_id,))], WORDS, TODAY))
    fact = carry_out(plan, TABLE, Filters())

    assert (fact.kind, fact.value, fact.ids) == ("order", value, ids)


@pytest.mark.parametrize("question", ["a boy who finds a notebook", "something sad", "only those", "who directed A"])
def test_questions_that_fields_cannot_answer_are_searched(question):
    assert asked(question) is None


def test_a_word_that_is_only_part_of_a_tag_is_no_condition():
    words = vocabulary(("sports", "team sports"))

    plan = plan_of(read("sports but not baseball", [], words, TODAY))

    assert not is_whole(plan)
    assert plan.ignored == ("not baseball",)


def test_a_bound_is_taken_from_another_show():
    plan = Plan(intent="list", condition=Predicate("rating", ">", Of("1")))

    assert set(carry_out(plan, TABLE, Filters()).ids) == {"3", "5"}


def test_filters_of_the_user_apply_in_addition():
    plan = Plan(intent="count", condition=Predicate("type", "=", "movie"))

    assert carry_out(plan, TABLE, Filters(year_from=2000)).ids == ("5",)


TESTS = st.one_of(
    st.builds(Predicate, st.just("tag"), st.just("="), st.sampled_from(("comedy", "horror", "isekai"))),
    st.builds(Predicate, st.just("year"), st.sampled_from(("<", "<=", ">", ">=", "=")), st.integers(1980, 2025)),
    st.builds(Predicate, st.just("type"), st.just("="), st.sampled_from(("movie", "tv"))),
    st.builds(Predicate, st.just("episodes"), st.sampled_from(("<", ">")), st.integers(0, 30)),
)


def ids_of(condition):
    plan = Plan(intent="count", condition=condition)
    assert is_whole(plan)
    return set(carry_out(plan, TABLE, Filters()).ids)


@given(TESTS, TESTS)
def test_or_is_a_union_and_another_condition_never_adds_a_show(one, other):
    assert ids_of(Or((one, other))) == ids_of(one) | ids_of(other)
    assert ids_of(And((one, other))) == ids_of(one) & ids_of(other)


@given(TESTS)
def test_a_negation_is_the_rest_of_the_shows_whose_value_is_known(test):
    known = {show.id for show in SHOWS if test.field == "tag" or getattr(show, test.field) is not None}

    assert ids_of(Not(test)) == known - ids_of(test)
    assert compiled(Not(And(())), lambda _: lambda _: None)(None) is False


def measured(question, shows):
    table = FieldsInMemory(shows)
    return measure(plan_of(read(question, [], WORDS, TODAY)), table, Filters(), japanese=False)


def test_an_average_leaves_out_groups_of_few_shows():
    shows = [Show(id=f"a{n}", title=f"A {n}", year=2001, rating=7.0 + n) for n in range(3)]
    fact = measured("best year", [*shows, Show(id="b", title="B", year=1980, rating=9.9)])
    assert (fact.value, fact.remarks) == ("2001", ("2001: 8 (3 shows)",))


def test_your_average_is_compared_with_the_ratings_of_the_same_shows():
    shows = [
        Show(id="a", title="A", rating=7.0, my_score=9.0),
        Show(id="b", title="B", rating=8.0, my_score=8.0),
        Show(id="c", title="C", rating=2.0),
    ]
    [remark] = measured("how does my average compare to the public rating", shows).remarks
    assert remark == "The average rating of these shows is 7.50: your scores are 1 higher than the ratings."


def test_seasons_of_the_year_are_counted_in_their_order_and_top_lists_end_at_their_number():
    shows = [Show(id=str(n), title=f"T {n}", season=season) for n, season in enumerate(("fall", "winter", "fall"))]
    fact = measured("which season of the year has the most shows", shows)
    assert (fact.value, fact.remarks) == ("fall", ("winter: 1 show", "fall: 2 shows"))
    assert len(measured("top 2 genres", SHOWS).remarks) == 2


def test_an_order_of_overrated_shows_says_which_half_it_contains():
    shows = [Show(id=str(n), title=f"T {n}", votes=n, rating=6.0) for n in range(1, 5)]
    fact = carry_out(plan_of(read("overrated shows", [], WORDS, TODAY)), FieldsInMemory(shows), Filters())
    assert (set(fact.ids), fact.labels) == ({"3", "4"}, ("the half with more votes",))
