"""A small catalogue with franchises, for tests of what to watch."""

from animerag.discovery.collection import Collection
from animerag.discovery.franchises import Franchises
from animerag.models.shows import RelatedShow, Show
from animerag.query.fields_in_memory import FieldsInMemory
from animerag.query.lexicon import vocabulary
from animerag.query.titles import AliasIndex
from animerag.retrieval.snapshots import CatalogueSnapshot
from animerag.retrieval.word_coverage import WordStatistics


def related(kind, show_id, title="Elsewhere", year=None):
    return RelatedShow(id=show_id, title=title, kind=kind, year=year)


SHOWS = [
    Show(
        id="one",
        title="Dawn",
        titles=("Dawn", "夜明け"),
        type="tv",
        year=2010,
        air_date="2010-04-01",
        episodes=24,
        rating=8.5,
        votes=9000,
        tags=("drama", "tragedy"),
        relations=(related("Sequel", "two"), related("Side Story", "side")),
        similar=(related("", "calm"), related("", "dark")),
    ),
    Show(
        id="two",
        title="Dawn Season 2",
        type="tv",
        year=2012,
        air_date="2012-04-01",
        episodes=12,
        rating=8.0,
        votes=7000,
        tags=("drama",),
        relations=(related("Prequel", "one"), related("Sequel", "four", "Dawn: The Final", 2016)),
    ),
    Show(
        id="half",
        title="Dawn Season 2 Part 2",
        type="tv",
        year=2013,
        air_date="2013-01-05",
        episodes=12,
        rating=8.1,
        votes=6000,
        tags=("drama",),
        relations=(related("Prequel", "two"),),
    ),
    Show(
        id="zero",
        title="Before Dawn",
        type="movie",
        year=2014,
        air_date="2014-07-01",
        episodes=1,
        rating=7.9,
        votes=3000,
        tags=("drama",),
        relations=(related("Sequel", "one"),),
    ),
    Show(
        id="side",
        title="Dawn: At Noon",
        type="ova",
        year=2011,
        air_date="2011-05-01",
        episodes=2,
        rating=7.0,
        votes=900,
        tags=("comedy",),
        relations=(related("Parent Story", "one"),),
    ),
    Show(
        id="recap",
        title="Dawn Recap",
        type="movie",
        year=2015,
        episodes=1,
        rating=6.0,
        votes=300,
        relations=(related("Full Story", "one"),),
    ),
    Show(
        id="calm",
        title="Quiet Lake",
        type="tv",
        year=2018,
        episodes=12,
        rating=8.2,
        votes=5000,
        tags=("iyashikei", "slice of life"),
    ),
    Show(
        id="dark",
        title="Black Street",
        type="tv",
        year=2019,
        episodes=13,
        rating=7.8,
        votes=4000,
        tags=("psychological", "gore", "drama"),
    ),
    Show(
        id="film",
        title="Farewell",
        type="movie",
        year=2001,
        episodes=1,
        rating=8.7,
        votes=8000,
        tags=("drama", "romance"),
    ),
    Show(id="adult", title="After Hours", type="ova", year=2005, episodes=2, rating=9.5, votes=50, restricted=True),
    Show(id="loose", title="Comet", type="tv", year=2000, episodes=26, rating=7.0, votes=100),
    Show(id="loose2", title="Comet 2nd Season", type="tv", year=2003, episodes=26, rating=7.1, votes=90),
]


def collection(shows=SHOWS, **options):
    franchises = Franchises(shows)
    return Collection(table=FieldsInMemory(shows, franchises.facts), franchises=franchises, **options)


def snapshot(shows):
    """Return the catalogue in memory that questions are understood from."""
    table = FieldsInMemory(shows)
    return CatalogueSnapshot(
        revision=1,
        aliases=AliasIndex(shows),
        table=table,
        franchises=Franchises(shows),
        vocabulary=vocabulary(table.tags),
        statistics=WordStatistics(shows),
    )
