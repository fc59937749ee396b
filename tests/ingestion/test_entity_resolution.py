"""Ids of different sites, and shows that several files describe."""

from dataclasses import replace

import pytest

from animerag.errors import InvalidInputError
from animerag.ingestion.entity_resolution import Identity
from animerag.ingestion.fingerprints import FileIds, fingerprint, names_something
from animerag.models.imports import ImportKind, RowError
from animerag.models.shows import Origin, RelatedShow, Show
from animerag.storage import provenance
from animerag.storage.library import Library, show_rows
from animerag.text.documents import Document


@pytest.fixture
async def library(tmp_path):
    """An empty library."""
    opened = await Library.open(tmp_path / "library.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
def keep(library):
    """Store shows as an import of a file would."""

    async def store(*shows, file="a.json", kind=ImportKind.OWN):
        import_id = await library.begin_import(kind, file, "")
        await library.store(show_rows([Document.of(show) for show in shows], import_id), collection=None)

    return store


def show(show_id, title, *, file="a.json", line=1, **fields):
    fields.setdefault("titles", (title,))
    return Show(id=show_id, title=title, origin=Origin(file=file, line=line), **fields)


def seen(*shows, file="b.csv", site=""):
    gathered = FileIds(file=file, site=site)
    for item in shows:
        gathered.add(item)
    return gathered


async def named(library, *shows, prefix=None, **about):
    plan = await Identity(library).plan(seen(*shows, **about), prefix=prefix)
    return plan, [plan.name(item) for item in shows]


async def test_ids_are_the_catalogues_if_four_in_five_titles_agree(library, keep):
    await keep(*(show(str(n), f"Show number {n} of the catalogue") for n in range(1, 11)))
    mine = [show(str(n), f"Show number {n} of the catalogue") for n in range(1, 9)]
    strangers = [show("9", "Quite another"), show("10", "Unheard of")]

    plan, found = await named(library, *mine, *strangers, show("11", "New"))

    assert (plan.prefix, "8 of the 10 IDs already in your catalogue match" in plan.explanation) == ("", True)
    assert [item.id for item in found if isinstance(item, Show)] == [*map(str, range(1, 9)), "11"]
    assert [item.id for item in found if isinstance(item, RowError)] == ["9", "10"]
    assert "is already “Show number 9 of the catalogue”, and this row is “Quite another”" in found[8].reason


async def test_ids_of_another_site_get_a_prefix_and_so_do_relations(library, keep):
    await keep(show("1", "Alpha"), show("2", "Beta"))
    other = show("1", "Gamma", relations=(RelatedShow(id="2", title="Delta", kind="Sequel"),))

    plan, (gamma, delta) = await named(library, other, show("2", "Delta"), site="mal")

    assert (plan.prefix, gamma.id, delta.id) == ("mal", "mal:1", "mal:2")
    assert gamma.relations[0].id == "mal:2"
    assert "0 of 2 match by title" in plan.explanation


async def test_the_same_file_gets_the_same_prefix_again_even_under_another_name(library, keep):
    await keep(show("1", "Alpha"), show("2", "Beta"))
    plan, first = await named(library, show("1", "Gamma"), show("2", "Delta"), file="My dump!.csv")
    assert plan.prefix == "my-dump"
    await keep(*first, file="My dump!.csv")

    again, found = await named(library, show("1", "Gamma"), show("2", "Delta"), file="renamed.csv")

    assert (again.prefix, [item.id for item in found]) == ("my-dump", ["my-dump:1", "my-dump:2"])
    assert "All 2 IDs already in your catalogue with the prefix" in again.explanation


async def test_a_prefix_is_dropped_if_the_catalogue_knows_the_ids_without_it(library, keep):
    await keep(show("21", "One Piece"), show("30", "Neon Genesis Evangelion"))
    _, found = await named(library, show("mal:21", "One Piece"), show("mal:99", "New"), show("title:abc", "Made"))
    assert [item.id for item in found] == ["21", "99", "title:abc"]


async def test_a_chosen_prefix_is_used_and_an_invalid_one_refused(library, keep):
    await keep(show("1", "Alpha"))
    _, found = await named(library, show("1", "Alpha"), prefix="mine")
    assert found[0].id == "mine:1"
    _, found = await named(library, show("1", "Gamma"), prefix="")
    assert isinstance(found[0], RowError)
    for bad in ("Mine", "a b", "title", "x:y"):
        with pytest.raises(InvalidInputError, match="is not a valid prefix"):
            await named(library, show("1", "Alpha"), prefix=bad)


async def test_the_sample_does_not_decide_what_ids_mean(library, keep):
    await keep(show("1", "Alpha"), show("2", "Beta"), kind=ImportKind.SAMPLE)
    plan, _ = await named(library, show("1", "Gamma"), show("2", "Delta"))
    assert plan.prefix == ""


async def test_a_later_file_of_an_import_is_compared_with_the_earlier_ones(library):
    identity = Identity(library)
    await identity.plan(seen(show("1", "Alpha"), show("2", "Beta"), file="a.json"))
    plan = await identity.plan(seen(show("1", "Gamma"), show("2", "Delta"), file="b.csv"))
    assert plan.prefix == "b"


async def test_a_corrected_title_is_still_the_same_show(library, keep):
    text = "A boy finds a robot in the woods behind his school and hides it from everybody."
    await keep(show("1", "Alfa", description=text), show("2", "The Long Road Home"), show("3", "Gamma"))
    _, found = await named(library, show("1", "Alpha", description=text), show("2", "A Long Road Home"))
    assert [item.id for item in found] == ["1", "2"]


async def test_a_file_may_rename_its_own_shows(library, keep):
    await keep(show("1", "Alfa"), show("2", "Beta"))
    plan, found = await named(library, show("1", "Omega"), show("2", "Beta"), file="a.json")
    assert (plan.prefix, [item.id for item in found]) == ("", ["1", "2"])

    await keep(*(show(str(n), f"Title {n} of many") for n in range(11, 21)))
    many = [show(str(n), f"Title {n} of many") for n in range(11, 20)]
    _, found = await named(library, *many, show("20", "Renamed"), file="a.json")
    assert found[9].id == "20"
    plan, found = await named(
        library, *(show(str(n), f"Stranger number {n * n}") for n in range(11, 21)), file="a.json"
    )
    assert plan.prefix == "a"


def test_junk_synonyms_do_not_make_shows_equal():
    one, two = fingerprint("Alpha", ["Alpha", "and...", "I"], ""), fingerprint("Beta", ["Beta", "and...", "I"], "")
    assert not one.is_like(two)
    assert fingerprint("I", ["I"], "").is_like(fingerprint("I", ["I"], ""))
    assert not names_something("and")


async def test_the_newest_file_wins_and_fields_that_it_lacks_stay(library, keep):
    await keep(show("1", "Alpha", titles=("Alpha", "A"), description="Old.", year=1999, tags=("drama",)))
    new = show("1", "Alpha!", titles=("Alpha!", "Alpha"), description="New.", file="b.csv", record={"b": 1})

    (found,) = await Identity(library).complete([new])

    assert (found.titles, found.description, found.year) == (("Alpha!", "Alpha", "A"), "New.", 1999)
    assert (found.tags, found.record) == (("drama",), {"b": 1})


async def test_the_only_file_that_described_a_show_can_remove_values(library, keep):
    await keep(show("1", "Alpha", titles=("Alpha", "Wrong"), year=1999))
    (found,) = await Identity(library).complete([show("1", "Alpha")])
    assert (found.titles, found.year) == (("Alpha",), None)


async def test_a_user_list_changes_status_score_and_progress_only(library, keep):
    await keep(show("21", "One Piece", description="Pirates.", record={"x": 1}), show("5", "Five"))
    entry = show("mal:21", "One Piece", file="list.xml", overlay=True, my_status="watching", my_score=9.0)
    _, (overlay,) = await named(library, entry, file="list.xml", site="mal")

    (found,) = await Identity(library).complete([overlay])

    assert (found.id, found.description, found.record) == ("21", "Pirates.", {"x": 1})
    assert (found.my_status, found.my_score) == ("watching", 9.0)
    await keep(found, file="list.xml")
    stored = await library.show("21")
    assert (stored.my_status, stored.my_score, stored.episodes_watched) == ("watching", 9.0, None)
    assert [file.file for file in await provenance.origins_of(library, "21")] == ["list.xml", "a.json"]
    # The file itself, read again, keeps the overlay and is still free to correct the rest.
    (again,) = await Identity(library).complete([show("21", "One Piece", description="Pirates!")])
    assert (again.my_status, again.description) == ("watching", "Pirates!")


async def test_an_entry_of_a_list_is_matched_by_its_title_in_a_catalogue_of_other_ids(library, keep):
    await keep(show("1", "Seikai no Monshou"), show("2", "Cowboy Bebop"), show("69", "One Piece"))
    entries = [
        show("mal:1", "Cowboy Bebop", overlay=True),
        show("mal:21", "One Piece", overlay=True),
        show("mal:2", "Unknown here", overlay=True),
    ]
    _, found = await named(library, *entries, file="list.xml", site="mal")
    assert [item.id for item in found] == ["2", "69", "mal:2"]


async def test_merged_ids_stand_for_the_remaining_show(library, keep):
    await keep(show("1", "Alpha"), show("2", "Beta"))
    await keep(show("mal:7", "Alpha", file="b.csv"), file="b.csv")
    before = await library.revision()

    async with library.changing() as connection:
        await provenance.merge(connection, keep="1", other="mal:7")

    assert await library.show("mal:7") is None
    assert await library.revision() > before
    assert [file.source_id for file in await provenance.origins_of(library, "1")] == ["mal:7", "1"]
    _, (found,) = await named(library, show("mal:7", "Alpha"), file="b.csv")
    assert (found.id, found.origin.source_id) == ("1", "mal:7")


def test_your_status_and_score_change_the_content_but_not_the_embedded_text():
    plain = show("1", "Alpha", description="Text.")
    watched = Document.of(replace(plain, my_status="completed"))
    assert watched.text_hash == Document.of(plain).text_hash
    assert watched.content_hash != Document.of(plain).content_hash


@pytest.mark.parametrize("titles", [["Alpha"], ["Alpha", "Beta", "二つ目"], []])
def test_the_stored_fingerprint_of_a_row_is_the_one_that_was_added(titles):
    shows = [
        Show(id="1", title="First", titles=("First", *titles), description="It begins."),
        Show(id="2", title="Zweites ÄÖ", titles=tuple(titles)),
        Show(id="1", title="First again", titles=("First",)),
    ]
    gathered = FileIds(file="x.csv")
    for show in shows:
        gathered.add(show)
    assert gathered.of("1") == fingerprint("First again", ["First"], "")
    assert [gathered.at(n) for n in range(3)] == [fingerprint(s.title, s.titles, s.description) for s in shows]
