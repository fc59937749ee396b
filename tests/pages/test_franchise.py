"""The franchise on a show's page: its parts in order, and a graph that no title can break."""

from animerag.discovery.franchises import Franchises
from animerag.models.shows import Show
from animerag.ui.franchise import graph
from tests.discovery.shows import SHOWS, related


def test_the_graph_has_each_part_and_what_continues_it():
    drawn = graph(Franchises(SHOWS).of("one"), "two")

    assert drawn.count("[label=") == 6
    assert "1 -> 3\n" in drawn
    assert "1 -> 2 [style=dotted]" in drawn
    assert "penwidth" in drawn.split("\n")[6]


def test_a_title_cannot_leave_its_label():
    hostile = Show(id="1", title='"]; evil -> "\\', relations=(related("Sequel", "2"),))
    drawn = graph(Franchises([hostile, Show(id="2", title="B")]).of("1"), "1")

    assert 'label="\\"]; evil -> \\"\\\\"' in drawn
