"""Titles that a question excludes are conditions, not what it is about."""

import pytest

from animerag.query.plan import Not, Predicate
from animerag.retrieval.excluded_titles import without_excluded_titles
from tests.retrieval.test_understanding import CATALOGUE, ask, converse


def excluded(question):
    rest, _, condition = without_excluded_titles(question, CATALOGUE.aliases.match(question), CATALOGUE)
    return rest, str(condition)


@pytest.mark.parametrize(
    ("question", "rest", "condition"),
    [
        ("drama other than Dawn", "drama", "not title=dawn"),
        ("drama that isn't dawn", "drama", "not title=dawn"),
        ("drama besides the Dawn series please", "drama please", "not title=dawn"),
        ("drama except Dawn and Quiet Lake", "drama", "not title=dawn and not title=quiet lake"),
        ("dramas, not Dawn", "dramas", "not title=dawn"),
        ("what should I watch if I hated Dawn", "what should I watch", "not title=dawn"),
        ("drama but not Unheard Of", "drama", "not title=unheard of"),
        ("drama apart from zyx wvu", "drama", "not title=zyx wvu"),
        ("anything but Dawn", "anything", "not title=dawn"),
        ("夜明け以外のドラマ", "ドラマ", "not title=dawn"),
    ],
)
def test_titles_after_an_exclusion_are_conditions(question, rest, condition):
    assert excluded(question) == (rest, condition)


@pytest.mark.parametrize(
    "question",
    [
        "isn't Dawn finished?",
        "why isn't Dawn in my list",
        "drama other than comedy",  # a tag, which is a condition anyway
        "drama that isn't boring",
        "a boy without parents",
        "other than Dawn",  # a follow-up, which has nothing else
        "is Dawn not longer than Farewell",
    ],
)
def test_other_negations_stay_as_they_are(question):
    assert excluded(question)[0] == question


@pytest.mark.parametrize(
    ("question", "intent", "outside"),
    [
        ("drama besides Dawn", "list", {"one", "two", "half"}),
        ("how many dramas that aren't Dawn", "count", {"one", "two", "half"}),
        ("best drama other than Dawn", "superlative", {"one", "two", "half"}),
        ("anything but Dawn", "recommend", {"one", "two", "half"}),
    ],
)
def test_an_excluded_show_is_not_in_the_answer(question, intent, outside):
    reading = ask(question)

    assert reading.plan.intent == intent
    assert Not(Predicate("title", "=", "dawn")) in (
        reading.plan.condition,
        *getattr(reading.plan.condition, "parts", ()),
    )
    assert reading.fact.ids
    assert not outside & set(reading.fact.ids)


def test_a_plot_is_searched_for_without_the_excluded_show():
    reading = ask("people who row at night that isn't Dawn")

    assert reading.standalone == "people who row at night"
    assert not {"one", "two"} & {*reading.lead, *reading.allowed}


def test_an_exclusion_lasts_through_a_conversation():
    _, without, count = converse("dramas", "other than Dawn", "how many are there")

    assert without.plan.conditions() == ["tag=drama", "not title=dawn"]
    assert count.plan.conditions() == without.plan.conditions()
    assert not {"one", "two", "half"} & {*without.fact.ids, *count.fact.ids}
