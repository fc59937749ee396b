"""Saved filters: a link restores what was saved."""

import pytest

from animerag.errors import InvalidInputError

pytestmark = pytest.mark.both_databases


async def test_a_saved_filter_comes_back_as_it_was(services):
    wanted = {"q": ["é & 巨人"], "tag": ["mecha", "law and order"], "where": ["year>=1990"]}
    present = {**wanted, "page": ["3"], "show": ["7"]}

    await services.saved_filters.save("  Old   robots ", present)
    (saved,) = await services.saved_filters.all()

    assert saved.name == "Old robots"
    assert saved.parameters == wanted


async def test_a_name_is_used_once_and_can_be_deleted(services):
    await services.saved_filters.save("films", {"type": ["movie"]})
    await services.saved_filters.save("films", {"type": ["ova"]})
    await services.saved_filters.save("Best: 100%_x", {"min_rating": ["8"]})

    assert [(one.name, one.query) for one in await services.saved_filters.all()] == [
        ("Best: 100%_x", "min_rating=8"),
        ("films", "type=ova"),
    ]
    await services.saved_filters.delete("films")
    await services.saved_filters.delete("never there")
    assert [one.name for one in await services.saved_filters.all()] == ["Best: 100%_x"]


@pytest.mark.parametrize(
    ("name", "present"),
    [
        pytest.param(" ", {"type": ["ova"]}, id="no name"),
        pytest.param("n" * 61, {"type": ["ova"]}, id="long name"),
        pytest.param("all", {}, id="nothing to save"),
        pytest.param("page two", {"page": ["2"], "show": ["1"]}, id="only a place"),
        pytest.param("long", {"q": ["x" * 4000]}, id="too long"),
    ],
)
async def test_an_invalid_filter_gets_an_error_sentence(services, name, present):
    with pytest.raises(InvalidInputError):
        await services.saved_filters.save(name, present)
    assert await services.saved_filters.all() == []


async def test_at_most_fifty_filters_are_saved(services):
    for number in range(50):
        await services.saved_filters.save(f"n{number}", {"q": [str(number)]})
    with pytest.raises(InvalidInputError, match="delete one"):
        await services.saved_filters.save("one more", {"q": ["x"]})
    await services.saved_filters.save("n0", {"q": ["changed"]})
