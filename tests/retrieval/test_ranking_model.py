"""The learnt weights, and the script that learns them."""

import importlib.util
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from animerag.retrieval.ranking_model import Features, RankingModel, ranking_model

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "train_ranking.py"


@pytest.fixture(scope="module")
def training():
    spec = importlib.util.spec_from_file_location("train_ranking", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_score_is_the_weighted_sum_of_the_features():
    model = RankingModel((1.0, 0.5, 0.25, 0.0, 2.0, 0.5))
    assert model.score(
        Features(similarity=0.4, words=2.0, coverage=0.4, passage=9.0, tags=0.1, premise=0.2)
    ) == pytest.approx(1.8)


def test_the_packages_weights_are_in_units_of_similarity_and_positive():
    weights = ranking_model().weights
    assert weights[0] == 1.0
    assert len(weights) == len(fields(Features))
    assert min(weights) > 0


def choices(training, wanted, number=60):
    """Return questions whose right candidate is the one with the highest feature `wanted`."""
    chance = np.random.default_rng(1)
    for n in range(number):
        rows = chance.random((20, len(training.NAMES)))
        right = np.zeros(20, bool)
        right[np.argmax(rows @ wanted)] = True
        yield training.Choice(f"catalogue {n % 3}", "sheet", "plot", rows, right, n, stored=True)


def test_a_decisive_feature_gets_the_highest_weight(training):
    weights = training.learn(list(choices(training, np.array([1.0, 0.0, 2.0, 0.0, 0.0, 0.0]))))
    assert weights[0] == 1.0
    assert 1.4 < weights[2] < 2.6
    assert np.abs(weights[[1, 3, 4, 5]]).max() < 0.4


def test_questions_are_ranked_with_weights_that_were_learnt_without_them(training):
    easy = list(choices(training, np.array([1.0, 0.0, 2.0, 0.0, 0.0, 0.0])))
    _, found = training.places(easy)
    first = {name: sum(place == 1 for place in places) for name, places in found.items()}
    assert first["similarity"] < first["other catalogues"] <= len(easy)
    assert first["other questions"] > 0.8 * len(easy)
    # In this catalogue the right answers are the worst candidates: only weights learnt from it rank them higher.
    odd = [
        training.Choice("odd", "sheet", "plot", one.features, one.features[:, 1] < 0.05, one.number, stored=True)
        for one in easy
    ]
    _, found = training.places(easy + odd)
    assert sum(found["other catalogues"][len(easy) :]) > sum(found["same questions"][len(easy) :])


def test_a_right_candidate_that_no_search_found_ranks_last(training):
    rows = np.zeros((4, len(training.NAMES)))
    assert training.place(training.Choice("c", "s", "plot", rows, np.zeros(4, bool), 0, stored=True), np.ones(5)) == 5
