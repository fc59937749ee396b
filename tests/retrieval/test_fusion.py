"""One list from three searches: named shows, weighted evidence, and "no match"."""

from animerag.models.shows import Show
from animerag.ports import Neighbour
from animerag.query.titles import AliasMatch
from animerag.retrieval.fusion import Candidates, Likeness, lacks_matches, sources
from animerag.storage.word_hits import WordHit

NEAR = [Neighbour(id="a", distance=0.40), Neighbour(id="b", distance=0.42), Neighbour(id="c", distance=0.60)]


def match(show_id, title="Monster"):
    return AliasMatch(id=show_id, title=title, phrase=title, named=True, exact=True, tokens=1, start=0, end=7)


def test_similarity_orders_shows_that_are_not_named():
    assert Candidates(neighbours=NEAR).ranked() == ["a", "b", "c"]


def test_a_named_show_comes_first_and_only_once():
    found = Candidates(neighbours=NEAR, matches=[match("c")], hits=[WordHit(id="c", score=2.0)], lead=["c"])
    assert found.ranked() == ["c", "a", "b"]
    assert [one.branch for one in found.evidence()["c"]] == ["alias", "words", "vector"]


def test_words_separate_similar_shows_and_do_not_overrule_meaning():
    assert Candidates(neighbours=NEAR, hits=[WordHit(id="b", score=8.0)], length=4).ranked() == ["b", "a", "c"]
    assert Candidates(neighbours=NEAR, hits=[WordHit(id="c", score=9.0)], length=4).ranked()[-1] == "c"


def test_bm25_counts_less_for_long_questions():
    hits = [WordHit(id="c", score=40.0)]
    assert Candidates(neighbours=NEAR, hits=hits, length=1).ranked()[0] == "c"
    assert Candidates(neighbours=NEAR, hits=hits, length=40).ranked()[-1] == "c"


def test_a_show_that_has_more_of_the_questions_words_comes_first():
    assert Candidates(neighbours=NEAR, coverage={"a": 0.2, "b": 0.6, "c": 0.2}).ranked() == ["b", "a", "c"]


def test_a_show_that_only_words_found_counts_as_the_farthest_that_vectors_found():
    found = Candidates(neighbours=NEAR, hits=[WordHit(id="d", score=2.0)], length=4)
    assert found.ranked() == ["a", "b", "d", "c"]
    assert Candidates(hits=[WordHit(id="d", score=2.0)], length=4).ranked() == ["d"]


def test_the_best_known_part_of_a_franchise_comes_before_parts_that_score_a_little_more():
    parts = {"franchise": {"a": "saga", "b": "saga", "c": "saga"}, "votes": {"a": 1, "b": 9, "c": 5}}
    far = [*NEAR, Neighbour(id="d", distance=0.65)]

    assert Candidates(neighbours=far, **parts).ranked() == ["b", "a", "c", "d"]
    assert Candidates(neighbours=far, **{**parts, "votes": {"c": 9}}).ranked() == ["c", "a", "b", "d"]
    assert Candidates(neighbours=far, **{**parts, "votes": {"d": 9}}).ranked() == ["a", "b", "c", "d"]
    distant = [NEAR[0], Neighbour(id="b", distance=0.70)]
    assert Candidates(neighbours=distant, **parts).ranked() == ["a", "b"]


def test_a_preference_moves_a_show_up():
    assert Candidates(neighbours=NEAR, preferred={"b"}).ranked() == ["b", "a", "c"]


def test_the_nearest_passage_counts_for_long_questions_only():
    near = {"a": Likeness(passage=0.3), "b": Likeness(passage=0.9), "c": Likeness(passage=0.3)}
    assert Candidates(neighbours=NEAR, likeness=near, length=12).ranked()[0] == "b"
    assert Candidates(neighbours=NEAR, likeness=near, length=0).ranked()[0] == "a"


def test_tags_count_for_short_questions_only():
    near = {"a": Likeness(passage=0.5, tags=0.1), "b": Likeness(passage=0.5, tags=0.5)}
    assert Candidates(neighbours=NEAR, likeness=near, length=2).ranked()[0] == "b"
    assert Candidates(neighbours=NEAR, likeness=near, length=12).ranked()[0] == "a"


def test_a_show_that_was_not_compared_gets_the_lowest_similarity_of_those_that_were():
    compared = {"a": Likeness(passage=0.6, tags=0.5), "b": Likeness(passage=0.5, tags=0.2)}
    features = Candidates(neighbours=NEAR, likeness=compared, length=6).features()
    assert (features["c"].passage, features["c"].tags) == (features["b"].passage, features["b"].tags)
    assert features["a"].passage > features["b"].passage > 0
    assert features["a"].tags > features["b"].tags > 0


def test_low_scores_are_no_match():
    far = [Neighbour(id="a", distance=0.8)]
    assert lacks_matches(Candidates(neighbours=far))
    assert not lacks_matches(Candidates(neighbours=far, lead=["a"])), "a name is sure"
    assert not lacks_matches(Candidates(neighbours=NEAR))
    assert lacks_matches(Candidates())


def test_shared_words_alone_do_not_make_a_match():
    far = [Neighbour(id="a", distance=0.8)]
    found = Candidates(neighbours=far, coverage={"a": 0.9})
    assert lacks_matches(found)
    assert found.scores()["a"] > 0.25


def test_a_show_that_has_left_the_catalogue_is_left_out():
    found = Candidates(neighbours=NEAR)
    shows = {one: Show(id=one, title=one) for one in ("a", "c")}
    left = sources(found, shows, found.ranked())
    assert [source.show.id for source in left] == ["a", "c"]
    assert left[0].evidence[0].rank == 1
    assert left[0].score > left[1].score


def test_equal_scores_are_ordered_by_votes_and_then_by_id():
    near = [Neighbour(id=one, distance=0.4 + n * 1e-7) for n, one in enumerate("cbda")]
    assert Candidates(neighbours=near, votes={"d": 7}).ranked() == ["d", "a", "b", "c"]
