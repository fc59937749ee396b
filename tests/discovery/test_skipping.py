"""Whether parts may be skipped or have to be seen, and the total episodes of shows."""

import pytest

from animerag.discovery.answers import answer
from animerag.query.plan import Plan, Predicate
from tests.discovery.shows import collection

ALL = collection()
OVAS = Predicate("type", "=", "ova")


@pytest.mark.parametrize(
    ("plan", "value", "words"),
    [
        (Plan(field="needed", shows=("side",)), "no", "is not part of the main story"),
        (Plan(field="skip", shows=("side",)), "yes", "is not part of the main story"),
        (Plan(field="needed", shows=("two",)), "yes", "is part of the main story"),
        (Plan(field="needed", shows=("one",), condition=OVAS), "no", "**Dawn: At Noon** is not part"),
        (Plan(field="needed", shows=("one", "two")), "yes", "**Dawn** comes before **Dawn Season 2**"),
        (Plan(field="needed", shows=("two", "one")), "no", "**Dawn** comes before **Dawn Season 2**"),
        (Plan(field="needed", shows=("zero", "one")), "yes", "**Before Dawn** comes before **Dawn**"),
        (Plan(field="needed", shows=("side", "two")), "no", "side story"),
        (Plan(field="needed", shows=("one", "film")), "no", "no relation between **Dawn** and **Farewell**"),
    ],
)
def test_needed_parts_are_those_that_cannot_be_skipped(plan, value, words):
    asked = Plan(intent="watch_order", shows=plan.shows, field=plan.field, condition=plan.condition)
    fact = answer(asked, ALL)

    assert fact.value == value
    assert fact.heading.startswith("Yes." if value == "yes" else "No.")
    assert words in fact.heading


@pytest.mark.parametrize(
    ("shows", "value", "heading"),
    [
        (("calm", "dark"), 25, "**Quiet Lake** and **Black Street** have 25 episodes together."),
        (("loose",), 52, "**Comet** has 52 episodes in 2 parts."),
        (("calm",), 12, "**Quiet Lake** has 12 episodes."),
    ],
)
def test_episodes_are_added_up(shows, value, heading):
    fact = answer(Plan(intent="field", shows=shows, field="episodes", measure="sum"), ALL)

    assert (fact.value, fact.heading, fact.complete) == (value, heading, True)
