"""The examples of intents and their vectors."""

import asyncio

import numpy as np
import pytest

from animerag.query import intents
from animerag.query.plan import INTENTS
from tests.write_intent_vectors import encoded, examples_hash


def test_every_intent_has_examples_in_both_languages():
    assert set(intents.table()) == set(INTENTS)
    for entry in intents.table().values():
        assert 15 <= len(set(entry["examples"])) <= 30
        assert any(not example.isascii() for example in entry["examples"])


def test_the_vectors_are_of_these_examples():
    stored, vectors = intents._vectors()

    assert stored == examples_hash(), "run `python tests/write_intent_vectors.py`"
    assert len(vectors) == len(intents.examples())


@pytest.fixture(scope="module")
def vectors():
    return asyncio.run(encoded())


def test_the_encoder_still_gives_these_vectors(vectors):
    assert np.abs(vectors - intents._vectors()[1]).max() < 2e-3


def test_an_example_is_mostly_recognised_by_the_others(vectors):
    """Each example asked against all others: far more often right than the 1 in 15 of chance."""
    labels = np.array([intent for intent, _ in intents.examples()])
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1)
    nearest = labels[likeness.argmax(axis=1)]

    assert (nearest == labels).mean() > 0.5
