"""Answers from fields: complete filters over all shows, in an order that does not depend on storage."""

import itertools

import pytest

from animerag.models.filters import Filters
from animerag.models.shows import Show
from animerag.query.execution import meeting
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.plan import EVERYTHING

SHOWS = [
    Show(id="1", title="Akira", tags=("Sci-Fi", "action"), year=1988, episodes=1, rating=8.2, votes=900),
    Show(id="2", title="Patlabor", tags=("mecha", "sci-fi"), year=1989, episodes=47, rating=7.5),
    Show(id="3", title="Macross", titles=("Macross", "超時空要塞"), tags=("mecha", "romance"), year=1982, episodes=36),
    Show(
        id="4", title="Mushishi", tags=("mystery",), year=2005, episodes=26, rating=8.7, votes=500, my_status="watched"
    ),
    Show(id="5", title="Unknown", tags=("mecha",), year=0, episodes=0, rating=0),
    Show(id="6", title="Zeta", tags=("mecha",), year=1985, episodes=50, rating=8.2, votes=900),
]


def matching(table, filters):
    return meeting(EVERYTHING, table, filters).met


TABLE = FieldsInMemory(SHOWS)


@pytest.mark.parametrize(
    ("filters", "met"),
    [
        (Filters(), ["4", "1", "6", "2", "3", "5"]),
        (Filters(tags=("mecha",)), ["6", "2", "3", "5"]),
        (Filters(tags=("MECHA", "sci-fi")), ["2"]),
        (Filters(tags=("mecha", "no such tag")), []),
        (Filters(tags=("mecha",), year_to=1985), ["6", "3"]),
        (Filters(without_tags=("Mecha",)), ["4", "1"]),
        (Filters(episodes_to=36), ["4", "1", "3"]),
        (Filters(rating_from=8.2), ["4", "1", "6"]),
        (Filters(votes_from=600), ["1", "6"]),
        (Filters(statuses=("watched",)), ["4"]),
        (Filters(statuses=("none",), rating_from=8), ["1", "6"]),
        (Filters(title="超時空要塞"), ["3"]),
        (Filters(title="macr"), []),
    ],
)
def test_filters_return_exactly_the_matching_shows_best_rated_first(filters, met):
    assert matching(TABLE, filters) == met
    assert [show.id for show in SHOWS if TABLE.allows(show.id, filters)] == [s.id for s in SHOWS if s.id in met]
    assert TABLE.filter_ids(["3", "6", "1"], filters) == [one for one in ("3", "6", "1") if one in met]


def test_the_order_of_rows_makes_no_difference():
    every = {
        tuple(matching(FieldsInMemory(order), Filters(tags=("mecha",)))) for order in itertools.permutations(SHOWS[1:])
    }
    assert every == {("6", "2", "3", "5")}


def test_letters_are_found_in_any_title_but_for_case_and_punctuation():
    assert TABLE.search_titles("MACR") == TABLE.search_titles("空要") == ["3"]
    assert len(TABLE.search_titles("")) == len(SHOWS)
    assert TABLE.titled("macross")
    assert not TABLE.titled("macr"), "words, not letters"
    assert not TABLE.titled("?!")


AIRED = FieldsInMemory(
    [
        Show(id="film", title="Film", type="movie", air_date="2019-10-05", season="fall", restricted=False),
        Show(id="series", title="Series", type="tv", air_date="2019-10", season="fall", restricted=True),
        Show(id="spring", title="Spring", type="tv", air_date="2020-04-01", season="spring", type_inferred=True),
        Show(id="bare", title="Bare"),
    ]
)


@pytest.mark.parametrize(
    ("filters", "met"),
    [
        (Filters(types=("tv",)), {"series", "spring"}),
        (Filters(types=("tv", "movie")), {"film", "series", "spring"}),
        (Filters(seasons=("fall",)), {"film", "series"}),
        (Filters(restricted=True), {"series"}),
        (Filters(restricted=False), {"film"}),
        (Filters(aired_from="2019-10"), {"film", "series", "spring"}),
        (Filters(aired_from="2019-10-02"), {"film", "spring"}),  # the series may have begun on the first
        (Filters(aired_to="2019"), {"film", "series"}),
        (Filters(aired_to="2019-10"), {"film", "series"}),
        (Filters(aired_to="2019-10-05"), {"film"}),
        (Filters(aired_from="2020-04-01", aired_to="2020-04-01"), {"spring"}),
    ],
)
def test_an_unknown_type_date_or_restriction_meets_no_condition(filters, met):
    assert set(matching(AIRED, filters)) == met


def test_conditions_on_types_seasons_and_dates_have_chips_and_can_be_taken_away():
    filters = Filters(types=("movie", "ova"), seasons=("fall",), aired_from="2012-04", restricted=False)
    chips = {condition.key: condition.label for condition in filters.conditions()}
    assert chips == {
        "types": "film or OVA",
        "seasons": "fall",
        "aired": "aired from 2012-04",
        "restricted": "not for adults only",
    }
    assert not filters.without(chips)
    tighter = Filters(aired_to="2012").joined(Filters(types=("ova", "tv"), aired_to="2012-04"))
    assert tighter.aired_to == "2012-04"
    assert filters.joined(tighter).types == ("ova",)
