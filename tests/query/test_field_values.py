"""Fields of named shows, verdicts, comparisons and measures, in sentences."""

import pytest

from animerag.models.filters import Filters
from animerag.models.shows import Show
from animerag.query.field_values import comparison_answer, value_answer, verdict_answer
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.plan import Order, Plan, Predicate
from animerag.query.statistics import measure

SHOWS = (
    Show(
        id="1",
        title="Akira",
        titles=("Akira", "アキラ"),
        type="movie",
        year=1988,
        episodes=1,
        rating=8.2,
        votes=900,
        tags=("action", "sci-fi"),
    ),
    Show(
        id="2",
        title="Mushishi",
        type="tv",
        year=2005,
        end_year=2006,
        episodes=26,
        rating=8.7,
        votes=500,
        tags=("mystery",),
    ),
    Show(id="3", title="Endless", type="tv", year=1999, tags=("action",)),
)
TABLE = FieldsInMemory(SHOWS)


@pytest.mark.parametrize(
    ("show", "field", "value", "words"),
    [
        ("2", "episodes", 26, "**Mushishi** has 26 episodes."),
        ("1", "episodes", 1, "**Akira** has 1 episode."),
        ("2", "year", 2005, "**Mushishi** aired from 2005 to 2006."),
        ("2", "rating", 8.7, "**Mushishi** is rated 8.70 of 10."),
        ("1", "tag", "action, sci-fi", "**Akira** is tagged action, sci-fi."),
        ("1", "title", "アキラ", "**Akira** is also called アキラ."),
        ("3", "episodes", None, "The catalogue does not say how many episodes **Endless** has."),
        ("3", "source", None, "The catalogue does not say what **Endless** is based on."),
    ],
)
def test_a_field_is_given_or_reported_as_unknown(show, field, value, words):
    fact = value_answer(Plan(intent="field", shows=(show,), field=field), TABLE, japanese=False)

    assert (fact.value, fact.heading, fact.ids) == (value, words, (show,))


def test_fields_are_answered_together_and_unknown_ones_named():
    plan = Plan(intent="field", shows=("3",), field="year", fields=("year", "episodes"))
    fact = value_answer(plan, TABLE, japanese=False)

    assert (fact.value, fact.field) == ("1999; unknown", "year")
    assert fact.heading == "**Endless** aired in 1999. The catalogue does not say how many episodes **Endless** has."


@pytest.mark.parametrize(
    ("show", "condition", "value", "words"),
    [
        ("1", Predicate("type", "=", "movie"), "yes", "Yes. **Akira** is a film."),
        ("2", Predicate("type", "=", "movie"), "no", "No. **Mushishi** is a TV series."),
        ("3", Predicate("episodes", ">", 20), None, "The catalogue does not say how many episodes **Endless** has."),
    ],
)
def test_yes_or_no_questions_are_answered(show, condition, value, words):
    fact = verdict_answer(Plan(intent="field", shows=(show,), condition=condition), TABLE, japanese=False)

    assert (fact.value, fact.heading) == (value, words)


@pytest.mark.parametrize(
    ("shows", "order", "yes_no", "value"),
    [
        (("1", "2"), Order(field="rating"), False, "Mushishi"),
        (("1", "2"), Order(field="year", descending=False), False, "Akira"),
        (("1", "2"), Order(field="episodes"), True, "no"),
        (("2", "1"), Order(field="episodes"), True, "yes"),
        (("1", "3"), Order(field="rating"), False, None),
        (("1", "1"), Order(field="rating"), False, "both"),
    ],
)
def test_a_comparison_names_the_winner(shows, order, yes_no, value):
    plan = Plan(intent="compare", shows=shows, order=order, field=order.field, yes_no=yes_no)
    fact = comparison_answer(plan, TABLE, japanese=False)

    assert fact.value == value


def test_a_comparison_has_both_values():
    plan = Plan(intent="compare", shows=("1", "2"), order=Order(field="episodes"))

    assert comparison_answer(plan, TABLE, japanese=False).heading == (
        "**Mushishi** is longer. **Mushishi** has 26 episodes. **Akira** has 1 episode."
    )
    asked = Plan(intent="compare", shows=("2", "1"), order=Order(field="episodes"), yes_no=True)
    assert comparison_answer(asked, TABLE, japanese=False).heading.startswith("Yes. **Mushishi** is longer.")
    assert comparison_answer(Plan(intent="compare", shows=("1", "2")), TABLE, japanese=True).heading.count("アキラ") > 1


@pytest.mark.parametrize(
    ("plan", "value", "rows"),
    [
        (Plan(measure="average", field="rating"), 8.45, ()),
        (Plan(measure="sum", field="episodes"), 27, ()),
        (Plan(measure="count", group="type"), "TV series", ("TV series: 2 shows", "film: 1 show")),
        (Plan(measure="count", group="tag"), "action", ("action: 2 shows", "mystery: 1 show", "sci-fi: 1 show")),
        (
            Plan(measure="median", field="episodes", group="decade"),
            "2000s",
            ("1980s: 1 episodes (1 show)", "2000s: 26 episodes (1 show)"),
        ),
        (Plan(measure="average", field="duration"), None, ()),
    ],
)
def test_the_whole_catalogue_is_measured(plan, value, rows):
    fact = measure(plan, TABLE, Filters(), japanese=False)

    assert (fact.value, fact.remarks) == (value, rows)
    assert fact.missing == (("duration",) if value is None else ())
