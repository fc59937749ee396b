"""Follow-ups: the plans of questions that refer to the conversation."""

import pytest

from animerag.models.shows import Show
from animerag.query.conversation import Context, advance, differing, resolve
from animerag.query.plan import EVERYTHING, And, Not, Order, Plan, Predicate, parts_of

HORROR, FILMS = Predicate("tag", "=", "horror"), Predicate("type", "=", "movie")
IN_2016, IN_2017 = Predicate("year", "=", 2016), Predicate("year", "=", 2017)


def after(*turns):
    """Return the context after plans that were answered with these ids."""
    context = Context()
    for plan, ids in turns:
        context = advance(context, plan, ids, leaned=False)
    return context


def resolved(plan, context, words=4):
    return resolve(plan, context, words=words, alike=lambda show: (show, "namesake"))


LISTED = after((Plan(intent="list", condition=And((HORROR, IN_2016))), ["a", "b", "c"]))
TALKED = after((Plan(intent="lookup", shows=("x",)), ["x", "y"]))


@pytest.mark.parametrize(
    ("plan", "condition"),
    [
        (Plan(intent="list", condition=FILMS, reference="those"), {HORROR, IN_2016, FILMS}),
        (Plan(intent="list", condition=Not(HORROR), reference="those"), {IN_2016, Not(HORROR)}),
        (Plan(intent="list", condition=IN_2017, reference="those", continues=True), {HORROR, IN_2017}),
        (Plan(intent="count", condition=FILMS, reference="those"), {HORROR, IN_2016, FILMS}),
    ],
)
def test_a_list_continues_with_new_conditions(plan, condition):
    result = resolved(plan, LISTED)

    assert set(result.condition.parts) == condition
    assert result.intent == plan.intent
    assert result.reference == ""


def test_those_means_the_same_shows_after_a_question_about_one_of_them():
    shortest = resolved(Plan(intent="superlative", order=Order(field="episodes"), reference="those"), LISTED)
    context = advance(LISTED, shortest, ["b"], leaned=True)

    assert set(resolved(Plan(intent="list", condition=FILMS, reference="those"), context).condition.parts) == {
        HORROR,
        IN_2016,
        FILMS,
    }


@pytest.mark.parametrize(
    ("plan", "intent", "shows"),
    [
        (Plan(intent="field", field="episodes", reference="it"), "field", ("x",)),
        (Plan(intent="similar", relative=("darker",), reference="it"), "similar", ("x",)),
        (Plan(intent="lookup", number=2, reference="those"), "lookup", ("x",)),
        (Plan(intent="lookup", reference=2), "lookup", ("y",)),
        (Plan(intent="recommend", reference="it"), "similar", ("x",)),
    ],
)
def test_it_means_the_last_show_of_the_conversation(plan, intent, shows):
    result = resolved(plan, TALKED)

    assert (result.intent, result.shows) == (intent, shows)


def test_a_film_of_it_is_looked_up_in_its_franchise():
    result = resolved(Plan(intent="list", condition=FILMS, reference="it"), TALKED)

    assert (result.shows, result.franchise, result.condition) == (("x",), True, FILMS)


def test_another_of_that_name_is_one_of_its_namesakes():
    result = resolved(Plan(intent="list", condition=IN_2016, reference="other"), TALKED)

    assert result.within == ("x", "y", "namesake")
    assert result.condition == IN_2016


def test_and_another_show_repeats_the_question():
    context = after((Plan(intent="field", field="episodes", shows=("x",)), ["x"]))
    result = resolved(Plan(intent="lookup", shows=("y",), continues=True), context)

    assert (result.intent, result.field, result.shows) == ("field", "episodes", ("y",))


def test_the_two_are_the_last_two_shows():
    context = after((Plan(intent="lookup", shows=("x",)), ["x"]), (Plan(intent="lookup", shows=("y",)), ["y"]))

    assert resolved(Plan(intent="compare", reference="those"), context).shows == ("x", "y")


def test_an_unanswerable_question_still_sets_the_show():
    context = after((Plan(intent="unsupported", shows=("x",), missing=("director",)), []))

    assert resolved(Plan(intent="field", field="year", reference="it"), context).shows == ("x",)


def test_why_gives_the_answer_with_its_reasons_again():
    sad = Plan(intent="recommend", moods=("sad",))

    assert resolved(Plan(intent="recommend", field="why", reference="those"), after((sad, ["a"]))) == sad
    assert resolved(Plan(intent="recommend", field="why", reference="those"), Context()).intent == "help"


def test_further_recommendations_leave_out_earlier_ones():
    context = after((Plan(intent="recommend", moods=("sad",)), ["a", "b"]))
    more = resolved(Plan(intent="recommend", reference="those"), context)

    assert (more.moods, more.excluded) == (("sad",), ("a", "b"))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(intent="lookup", text="hero loses memory robot", reference="it"), 9),
        (Plan(intent="list", condition=FILMS, reference="it"), 20),
    ],
)
def test_a_plot_does_not_refer_to_the_conversation(plan, words):
    result = resolved(plan, TALKED, words)

    assert (result.shows, result.within, result.reference) == ((), None, "")


def test_without_a_conversation_nothing_is_referred_to():
    assert resolved(Plan(intent="list", condition=FILMS, reference="those"), Context()).condition == FILMS
    assert resolved(Plan(intent="lookup", reference=2), Context()).shows == ()
    assert Context().show is None
    assert advance(TALKED, Plan(intent="help"), [], leaned=False) == TALKED
    assert TALKED.scope == EVERYTHING


SHORT, LONG = (
    Show(id="s", title="S", episodes=6, year=2001, rating=7.0),
    Show(id="l", title="L", episodes=40, year=2020),
)
PICKED = after((Plan(intent="recommend", condition=HORROR), ["s", "l"]))


@pytest.mark.parametrize(
    ("wish", "condition"),
    [
        ("shorter", Predicate("episodes", "<", 6)),
        ("newer", Predicate("year", ">", 2001)),
        ("better", Predicate("rating", ">", 7.0)),
    ],
)
def test_a_request_for_different_shows_is_relative_to_the_last_ones(wish, condition):
    result = differing(Plan(intent="recommend", condition=HORROR), (wish,), [SHORT, LONG], PICKED.plan)

    assert set(parts_of(result.condition)) == {HORROR, condition}


def test_after_a_comparison_it_asks_which_of_the_two():
    last = Plan(intent="compare", shows=("s", "l"))
    result = differing(Plan(intent="list"), ("longer",), [SHORT, LONG], last)

    assert (result.intent, result.order, result.limit) == ("superlative", Order(field="episodes"), 1)


def test_a_count_of_one_kind_is_repeated_for_another():
    counted = after((Plan(intent="count", condition=HORROR), ["a", "b"]))
    comedies = Predicate("tag", "=", "comedy")

    assert resolved(Plan(intent="list", condition=comedies, continues=True), counted).condition == comedies
    assert resolved(Plan(intent="list", condition=comedies, continues=True), counted).intent == "count"


def test_a_question_about_a_franchise_that_names_none_is_about_the_last():
    assert resolved(Plan(intent="watch_order", field="skip", condition=FILMS), TALKED).shows == ("x",)
    assert resolved(Plan(intent="watch_order", text="zeta"), TALKED).shows == ()


def test_what_about_another_title_asks_the_same_of_it():
    ordered = after((Plan(intent="watch_order", shows=("x",)), ["x", "y"]))
    result = resolved(Plan(intent="lookup", text="zeta", continues=True), ordered)

    assert (result.intent, result.shows, result.text) == ("watch_order", (), "zeta")


def test_what_it_is_about_refers_to_the_first_show_of_a_list():
    assert resolved(Plan(intent="lookup", reference="it"), LISTED).shows == ("a",)


def test_after_a_question_about_one_of_a_list_the_others_keep_their_places():
    second = resolved(Plan(intent="lookup", reference=2), LISTED)
    context = advance(LISTED, second, ["b"], leaned=True)

    assert second.shows == ("b",)
    assert context.show == "b"
    assert resolved(Plan(intent="field", field="episodes", reference=3), context).shows == ("c",)
