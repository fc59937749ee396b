"""The share of a question's words in a description, with the package's table of related words."""

from animerag.models.shows import Show
from animerag.retrieval.related_words import RelatedWords, related_words
from animerag.retrieval.word_coverage import WordStatistics, coverage, words_of

QUAKE = Show(id="quake", title="T", description="An earthquake ruins the city of Tokyo.", tags=("disaster",))
FARM = Show(id="farm", title="F", description="A family keeps cows in a village and sells milk.")
SHOWS = [QUAKE, FARM, *(Show(id=str(n), title="S", description="A school in the city.") for n in range(8))]
STATISTICS = WordStatistics(SHOWS)


def test_a_related_word_counts_in_part_and_the_word_itself_wholly():
    retold = coverage("a quake", SHOWS, STATISTICS)
    verbatim = coverage("an earthquake", SHOWS, STATISTICS)
    assert 0.3 < retold["quake"] < verbatim["quake"] == 1.0
    assert retold["farm"] == 0.0


def test_tags_count_as_words_of_the_show():
    assert coverage("disaster", SHOWS, STATISTICS)["quake"] == 1.0


def test_rare_words_count_more_than_common_ones():
    found = coverage("cows in the city", SHOWS, STATISTICS)
    assert found["farm"] > 0.5 > found["0"] > 0


def test_a_question_without_words_covers_nothing():
    assert coverage("what is it about?", SHOWS, STATISTICS) == {}
    assert coverage("蟲師はどんな話ですか", SHOWS, STATISTICS) == {}


def test_a_word_that_no_table_has_is_compared_as_it_is():
    isekai = Show(id="i", title="I", description="Zyxwel is brave.")
    assert coverage("zyxwel", [isekai, FARM], WordStatistics([isekai, FARM])) == {"i": 1.0, "farm": 0.0}


def test_markup_and_stop_words_are_no_words_of_a_show():
    assert words_of(Show(id="1", title="T", description="<i>The Moon</i> (Source: Somewhere)")) == {"moon"}


def test_a_large_catalogue_is_counted_by_a_sample_spread_over_it():
    shows = [Show(id=str(n), title="S", description="early" if n < 1500 else "late") for n in range(3000)]
    statistics = WordStatistics(shows)
    assert statistics._shows == 1000
    assert statistics._counts == {"early": 500, "late": 500}


def test_neighbours_come_with_their_nearness_and_plurals_are_looked_up_as_singulars():
    table = RelatedWords(["moon", "lunar", "sun"], [2, 3, 3], [1, 2, 0], [204, 51, 204])
    assert table.of("moon") == {"moon": 1.0, "lunar": 0.8, "sun": 0.2}
    assert table.of("moons") == {"moons": 1.0, "moon": 1.0, "lunar": 0.8, "sun": 0.2}
    assert table.of("lunar") == {"lunar": 1.0, "moon": 0.8}
    assert table.of("sun") == {"sun": 1.0}


def test_the_packages_table_relates_words_that_mean_the_same():
    assert related_words().of("grandad")["grandpa"] > related_words().of("grandad").get("grand", 0)
    assert "prison" in related_words().of("jail")
    assert "moon" in related_words().of("lunar")
