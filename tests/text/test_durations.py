"""Expected times in words."""

import pytest

from animerag.text.durations import TimeEstimate


@pytest.mark.parametrize(
    ("least_s", "most_s", "words"),
    [
        (12.3, 12.3, "about 12 s"),
        (0.0, 0.0, "less than a second"),
        (0.42, 0.42, "less than a second"),
        (15.2, 49.8, "15 to 50 s"),
        (0.2, 0.6, "less than a second"),
        (0.6, 1.3, "about 1 s"),
        (0.2, 4.4, "1 to 4 s"),
        (70, 240, "70 s to 4 min"),
        (180, 600, "3 to 10 min"),
        (1800, 5400, "30 min to 1 h 30 min"),
    ],
)
def test_a_range_has_one_unit_and_rounded_ends(least_s, most_s, words):
    assert TimeEstimate(least_s=least_s, most_s=most_s).words() == words
