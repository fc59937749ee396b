"""The small pictures of a distribution."""

from xml.etree import ElementTree as ET

from animerag.charts import sparkline


def bars_of(*values):
    picture = ET.fromstring(sparkline.bars(values))
    return [(float(bar.get("x")), float(bar.get("height"))) for bar in picture]


def test_bars_stand_side_by_side_and_the_highest_fills_the_picture():
    assert bars_of(1, 0, 4, 2) == [(0, 8), (50, 0), (100, 32), (150, 16)]


def test_nothing_counted_is_an_empty_picture():
    assert bars_of(0, 0) == [(0, 0), (100, 0)]
    assert bars_of() == []
