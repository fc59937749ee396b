"""How long shows take to watch, with recorded running times and with usual ones."""

from dataclasses import replace

import pytest

from animerag.discovery.answers import answer
from animerag.discovery.watch_time import spelt
from animerag.models.shows import Show
from animerag.query.plan import EVERYTHING, Plan, Predicate
from tests.discovery.shows import SHOWS, collection

TIMED = Show(id="timed", title="Timed", type="tv", episodes=10, duration=50)
FILM = Show(id="film", title="Film", type="movie")
BARE = Show(id="bare", title="Bare", type="tv")
ALL = collection([TIMED, FILM, BARE])


def asked(*shows, whole=False, shows_of=ALL):
    plan = Plan(intent="field", shows=shows, field="duration", measure="sum", franchise=whole)
    return answer(plan, shows_of)


@pytest.mark.parametrize(
    ("shows", "minutes", "complete", "heading", "remark"),
    [
        (["timed"], 500, True, "**Timed** takes about 8 hours: 10 episodes.", ""),
        (
            ["film"],
            100,
            False,
            "**Film** takes 100 minutes: film.",
            "This assumes 100 minutes for a film, because the running time is not recorded.",
        ),
        (
            ["timed", "film"],
            600,
            False,
            "**Timed** and **Film** take about 10 hours together.",
            "because the running time of 1 of them is not recorded.",
        ),
        (["bare"], None, False, "The catalogue does not say how many episodes **Bare** has.", ""),
        (["timed", "bare"], 500, False, "**Timed** and **Bare** take", "1 show without an episode count"),
    ],
)
def test_the_watch_time_of_shows(shows, minutes, complete, heading, remark):
    fact = asked(*shows)

    assert (fact.value, fact.complete) == (minutes, complete)
    assert fact.heading.startswith(heading)
    assert remark in " ".join(fact.remarks)


def test_the_watch_times_of_a_franchise_add_up():
    one, whole = asked("one", shows_of=collection()), asked("one", whole=True, shows_of=collection())

    assert one.value == 24 * 24
    assert whole.total > 1
    assert whole.value > one.value
    assert whole.heading.startswith(f"All {whole.total} parts of **Dawn** take")


def test_parts_without_an_episode_count_are_not_said_to_be_counted():
    parts = [replace(show, episodes=None) if show.id == "two" else show for show in SHOWS]
    whole = asked("one", whole=True, shows_of=collection(parts))

    assert whole.heading.startswith(f"{whole.total - 1} of {whole.total} parts of **Dawn** take")
    assert "1 show without an episode count is not included." in whole.remarks


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(90, "90 minutes"), (120, "about 2 hours"), (2880, "about 48 hours"), (24412, "about 407 hours (17 days)")],
)
def test_a_time_is_spelt_as_people_say_it(minutes, words):
    assert spelt(minutes) == words


LISTED = collection(
    [
        Show(id="seen", title="Seen", type="tv", episodes=10, duration=30, my_status="completed"),
        Show(id="begun", title="Begun", type="tv", episodes=20, duration=30, my_status="watching", episodes_watched=4),
        Show(id="new", title="New", type="movie", duration=90),
    ]
)


@pytest.mark.parametrize(
    ("field", "condition", "minutes", "heading"),
    [
        ("my_time", EVERYTHING, 420, "You have spent about 7 hours on 2 shows."),
        ("duration", EVERYTHING, 990, "3 shows take about 16 hours."),
        ("duration", Predicate("type", "=", "movie"), 90, "1 show (movies) takes 90 minutes."),
    ],
)
def test_the_watch_time_of_a_set_of_shows(field, condition, minutes, heading):
    fact = answer(Plan(intent="stats", measure="sum", field=field, condition=condition), LISTED)

    assert (fact.value, fact.heading, fact.complete) == (minutes, heading, True)
