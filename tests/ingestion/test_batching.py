"""Sizes of requests: few rounds, all documents, and a last round as small as possible."""

from itertools import count, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animerag.ingestion.batching import LEAST, MOST, Cutter, cut, sizes
from animerag.models.shows import Show
from animerag.rate_limits.concurrency import AutoLevel
from animerag.text.documents import Document


def document(number, words=3):
    return Document.of(Show(id=str(number), title=f"Show {number}", description="word " * words))


@pytest.mark.parametrize(
    ("documents", "rounds", "expected"),
    [
        (1458, repeat(10), [146] * 10),  # one round where two requests of a hundred would need two
        (1458, repeat(5), [200] * 5 + [92] * 5),
        (1458, AutoLevel(5).rounds(), [200] * 5 + [64] * 8),
        (100, repeat(5), [64] * 2),
        (3, repeat(64), [64]),
        (0, repeat(5), []),
    ],
)
def test_early_rounds_are_full_and_the_last_one_is_split_evenly(documents, rounds, expected):
    assert sizes(documents, rounds) == expected


@given(st.integers(1, 20_000), st.integers(1, 64), st.booleans())
def test_the_sizes_cover_every_document_and_stay_within_bounds(documents, level, grows):
    found = sizes(documents, count(level) if grows else repeat(level))
    assert sum(found[:-1]) < documents <= sum(found)
    assert all(LEAST <= size <= MOST for size in found)


def test_auto_predicts_doubling_until_its_level_is_known():
    level = AutoLevel(5, maximum=30)
    rounds = level.rounds()
    assert [next(rounds) for _ in range(4)] == [5, 10, 20, 30]
    level.refuse()
    rounds = level.rounds()
    assert [next(rounds) for _ in range(3)] == [2, 3, 4]


def test_documents_are_cut_by_size_and_the_last_size_applies_to_the_rest():
    batches = list(cut(map(document, range(10)), [4, 2]))
    assert [len(batch) for batch in batches] == [4, 2, 2, 2]
    assert [document.show.id for batch in batches for document in batch] == [str(number) for number in range(10)]


def test_a_full_batch_does_not_wait_for_the_next_document():
    cutter = Cutter([2, 3])
    assert [len(batch) for batch in cutter.add(map(document, range(5)))] == [2, 3]
    assert cutter.rest() == []


def test_a_batch_is_cut_where_its_tokens_would_be_too_many():
    long = [document(number, words=1500) for number in range(400)]
    batches = list(cut(long, [400]))
    assert len(batches) > 1
    assert sum(map(len, batches)) == 400
