"""Conditions in links: written conditions are read back, and anything else is refused with a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animerag.errors import InvalidInputError
from animerag.query.condition_text import parse
from animerag.query.plan import And, Not, Of, Or, Predicate


def predicates():
    return st.one_of(
        st.builds(
            Predicate, st.just("tag"), st.just("="), st.sampled_from(["slice of life", "law and order", "4-koma manga"])
        ),
        st.builds(Predicate, st.just("year"), st.sampled_from(["<", "<=", "=", ">"]), st.integers(1900, 2100)),
        st.builds(Predicate, st.just("rating"), st.just(">="), st.sampled_from([7, 8.5])),
        st.builds(Predicate, st.just("episodes"), st.just(">"), st.builds(Of, st.sampled_from(["19", "x-1"]))),
        st.just(Predicate("restricted", "=", value=True)),
        st.just(Predicate("episodes", "unknown")),
    )


def conditions():
    def joined(inner):
        some = st.lists(inner, min_size=2, max_size=3, unique=True).map(tuple)
        return st.one_of(inner.map(Not), some.map(Or), some.map(And))

    return st.recursive(predicates(), joined, max_leaves=6)


@given(conditions())
def test_written_conditions_are_read_back(condition):
    assert str(parse(str(condition))) == str(parse(str(parse(str(condition)))))
    assert _same(parse(str(condition)), condition)


def _same(one, other):
    """Compare conditions whose "and"s within "and"s are one."""
    return _flat(one) == _flat(other)


def _flat(condition):
    if isinstance(condition, And):
        parts = []
        for part in map(_flat, condition.parts):
            parts += part[1:] if part[0] == "and" else [part]
        unique = list(dict.fromkeys(parts))
        return ("and", *unique) if len(unique) != 1 else unique[0]
    if isinstance(condition, Or):
        return ("or", *map(_flat, condition.parts))
    return ("not", _flat(condition.part)) if isinstance(condition, Not) else ("is", str(condition))


@pytest.mark.parametrize(
    "text", ["", "year", "colour=red", "year>=soon", "(year=2010", "(" * 30 + ")" * 30, "x" * 3000]
)
def test_text_without_a_condition_is_refused(text):
    with pytest.raises(InvalidInputError):
        parse(text)
