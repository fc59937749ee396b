"""The charts of the collection: each mark stands for a filter that gives exactly the shows it counts."""

import pytest

from animerag.catalogue.statistics import ScoreFigure, TagFigure
from animerag.charts import collection
from animerag.query.condition_text import parse

YEARS = {1994: {"tv": 3, "movie": 1}, 2011: {"": 2, "tv": 1}}
DECADES = {1990: {"completed": 2, "none": 2}, 2010: {"watching": 3}}
TAGS = [TagFigure(tag="law and order", shows=4, weight=4.0), TagFigure(tag="drama", shows=3, weight=1.5)]
SCORES = [ScoreFigure(score=10, shows=2, mine=10.0, crowd=8.5), ScoreFigure(score=7, shows=5, mine=7.3, crowd=7.9)]


@pytest.mark.parametrize(
    ("figure", "filters"),
    [
        (
            collection.years(YEARS),
            {
                "1994 · TV series": "year=1994 and type=tv",
                "2011 · TV series": "year=2011 and type=tv",
                "1994 · film": "year=1994 and type=movie",
                "2011 · type not recorded": "year=2011 and type unknown",
            },
        ),
        (collection.tags(TAGS), {"law and order": "tag>=law and order", "drama": "tag>=drama"}),
        (collection.scores(SCORES), {"10": "my_score>=10", "7": "my_score>=7 and my_score<8"}),
        (
            collection.decades(DECADES),
            {
                "1990s · completed": "year>=1990 and year<=1999 and my_status=completed",
                "2010s · watching": "year>=2010 and year<=2019 and my_status=watching",
                "1990s · not in my list": "year>=1990 and year<=1999 and my_status=none",
            },
        ),
    ],
)
def test_marks_stand_for_filters_that_catalogue_reads(figure, filters):
    assert collection.filters_of(figure) == filters
    for where in filters.values():
        assert str(parse(where)) == where


def test_bars_are_as_long_as_their_numbers():
    bars = {trace.name: dict(zip(trace.x, trace.y, strict=True)) for trace in collection.years(YEARS).data}
    assert bars == {
        "TV series": {1994: 3, 2011: 1},
        "film": {1994: 1},
        "type not recorded": {2011: 2},
    }
    (tags,) = collection.tags(TAGS).data
    assert (list(tags.x), list(tags.text)) == ([4.0, 1.5], ["4", "3"])


def test_a_tag_is_drawn_as_text():
    (bars,) = collection.tags([TagFigure(tag="<a href='https://evil.example'>x</a>", shows=1, weight=1.0)]).data
    assert "<a" not in bars.y[0]
    assert "<a" not in bars.hovertext[0]


def test_charts_without_data_are_drawn():
    for figure in (collection.years({}), collection.tags([]), collection.scores([]), collection.decades({})):
        assert figure.layout.title.text
        assert collection.filters_of(figure) == {}


def test_the_longest_label_has_room_without_being_measured_by_the_browser():
    narrow, wide = (
        collection.tags([TagFigure(tag=name, shows=1, weight=1)]) for name in ("ab", "a tag of twenty-four let")
    )
    native = collection.tags([TagFigure(tag="日常系のほのぼの", shows=1, weight=1)])
    assert narrow.layout.margin.l < native.layout.margin.l < wide.layout.margin.l
    assert not any(figure.layout.yaxis.automargin for figure in (narrow, wide, native))
