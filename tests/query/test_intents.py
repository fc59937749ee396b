"""The examples of intents and their vectors."""

import asyncio
from typing import get_args

import numpy as np
import pytest

from animerag.query import intents
from animerag.query.plan import Intent
from benchmarks.intents import outcomes
from tests.write_intent_vectors import example_vectors, examples_hash


def test_every_intent_has_examples_in_both_languages():
    assert set(intents.table()) == set(get_args(Intent))
    for entry in intents.table().values():
        assert 15 <= len(set(entry["examples"])) <= 30
        assert any(not example.isascii() for example in entry["examples"])


def test_the_vectors_are_of_these_examples():
    stored, vectors = intents._vectors()

    assert stored == examples_hash(), "run `python -m tests.write_intent_vectors`"
    assert len(vectors) == len(intents.examples())


@pytest.fixture(scope="module")
def vectors():
    return example_vectors()


def test_the_encoder_still_gives_these_vectors(vectors):
    assert np.abs(vectors - intents._vectors()[1]).max() < 2e-3


def test_examples_recognise_utterances_that_no_rule_knows():
    """Utterances written independently of the examples; docs/quality.md has the figures."""
    found = asyncio.run(outcomes())
    by_rules = [meant == rule for meant, rule, _ in found]
    with_examples = [meant == both for meant, _, both in found]

    assert sum(with_examples) >= sum(by_rules) + 20
    assert sum(rule and not both for rule, both in zip(by_rules, with_examples, strict=True)) <= 3


def test_the_likeliest_intent_comes_with_its_nearest_examples(vectors):
    result = intents.likely(vectors[[text for _, text in intents.examples()].index("something wholesome")])

    assert (result.intent, result.nearest[0], result.is_sure) == ("recommend", "something wholesome", True)
