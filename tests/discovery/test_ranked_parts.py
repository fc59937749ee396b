"""The first part of a franchise by an order, and franchises in questions about all shows."""

import pytest

from animerag.discovery.answers import answer
from animerag.discovery.franchises import Franchises
from animerag.models.shows import Show
from animerag.query.plan import Order, Plan, Predicate
from tests.discovery.shows import collection

ALL = collection()


@pytest.mark.parametrize(
    ("plan", "ids", "heading"),
    [
        (
            Plan(order=Order(field="rating"), field="seasons", limit=1),
            ("one",),
            "Highest rated of 3 seasons of **Dawn**:",
        ),
        (Plan(order=Order(field="episodes", descending=False), field="seasons", limit=1), ("two", "half"), "Shortest"),
        (Plan(order=Order(field="rating"), limit=1, offset=1), ("half",), "Highest rated of 6 parts of **Dawn**:"),
        (
            Plan(order=Order(field="rating"), limit=1, condition=Predicate("type", "=", "ova")),
            ("side",),
            "Your catalogue has only one part of **Dawn** (OVAs):",
        ),
    ],
)
def test_the_first_part_by_an_order_is_named(plan, ids, heading):
    fact = answer(_of_dawn(plan), ALL)

    assert (fact.kind, fact.ids, fact.complete) == ("order", ids, True)
    assert fact.heading.startswith(heading)


def test_a_kind_that_a_franchise_lacks_is_named():
    fact = answer(_of_dawn(Plan(order=Order(field="rating"), condition=Predicate("type", "=", "web"))), ALL)

    assert (fact.kind, fact.ids) == ("text", ())
    assert "no part of **Dawn** (web series)" in fact.heading


def _of_dawn(plan):
    slots = {"order": plan.order, "field": plan.field, "limit": plan.limit, "offset": plan.offset}
    return Plan(intent="superlative", shows=("two",), franchise=True, condition=plan.condition, **slots)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (Predicate("seasons", ">=", 2), {"one", "loose"}),
        (Predicate("seasons", "=", 1), {"calm", "dark"}),
        (Predicate("seasons", ">", 2), set()),
    ],
)
def test_a_series_stands_for_its_seasons(condition, ids):
    assert set(answer(Plan(intent="list", condition=condition), ALL).ids) == ids


def test_a_question_about_a_number_of_seasons_is_answered():
    plan = Plan(intent="seasons", shows=("two",), yes_no=True, condition=Predicate("seasons", "=", 3))
    fact = answer(plan, ALL)

    assert (fact.value, fact.heading.split(":")[0]) == (
        "no",
        "No. Your catalogue has 2 seasons of **Dawn**, in 3 parts",
    )


@pytest.mark.parametrize(
    ("plan", "value", "row"),
    [
        (Plan(measure="count", group="franchise"), "Dawn", "Dawn: 6 shows"),
        (Plan(measure="sum", field="episodes", group="franchise"), "Dawn", "Comet: 52 episodes (2 shows)"),
        (Plan(measure="distinct", group="franchise"), 2, "Comet: 2 shows"),
    ],
)
def test_franchises_are_counted_and_compared(plan, value, row):
    fact = answer(Plan(intent="stats", measure=plan.measure, field=plan.field, group=plan.group), ALL)

    assert fact.value == value
    assert row in fact.remarks


def test_numbered_seasons_belong_together_without_the_first_season():
    shows = [
        Show(id="2", title="Realm 2nd Season", type="tv", year=2013, episodes=39),
        Show(id="3", title="Realm 3rd Season", type="tv", year=2020, episodes=26),
        Show(id="x", title="Realms of Dust 2nd Season", type="tv", year=2021, episodes=12),
    ]
    franchises = Franchises(shows)

    assert [entry.season for entry in franchises.of("3").entries] == [2, 3]
    assert franchises.of("x").ids == ("x",)
    assert franchises.facts().seasons == {"2": 2, "x": 1}


def test_an_order_by_missing_values_is_reported():
    shows = [Show(id="1", title="Loud Hill", year=2001), Show(id="2", title="Still Pond", year=2002)]
    fact = answer(Plan(intent="superlative", order=Order(field="votes")), collection(shows))

    assert (fact.ids, fact.unknown, fact.remarks) == ((), 2, ())
