"""Fields that stay in the database give the same answers as fields in memory: conditions, orders, franchises, lists."""

import random
from dataclasses import replace

import pytest
from sqlalchemy import select

from animerag.discovery.recommendations import recommend
from animerag.discovery.starters import starters
from animerag.models.filters import Filters, Sort
from animerag.models.imports import ImportKind
from animerag.models.shows import RelatedShow, Show
from animerag.query.execution import meeting
from animerag.query.plan import FOLLOWED, And, Not, Of, Or, Order, Plan, Predicate
from animerag.query.statistics import best_of_each, measure
from animerag.retrieval.snapshots import Snapshots
from animerag.storage.catalogue_words import CatalogueWords
from animerag.storage.field_reads import FieldReader
from animerag.storage.field_tables import FIELDS, FRANCHISES
from animerag.storage.library import show_rows
from animerag.storage.schema import my_list, shows
from animerag.text.documents import Document

pytestmark = pytest.mark.both_databases

TYPES = ("tv", "movie", "ova", None)
TAGS = ("Comedy", "mecha", "Space 100%", "nudity", "戦争")
WORDS = ("journey 1", "long way", "旅", "lone_wolf", "%")
LANGUAGES = ("Japanese", "English", "French")
STUDIOS = ("Ghibli", "MAPPA", "A-1 Pictures")
KINDS = ("Sequel", "Prequel", "Side Story", "Same Setting")


def made(number, seed=7):
    """Return shows with every combination of known and unknown fields, in franchises and outside."""
    chance = random.Random(seed)

    def maybe(*values):
        return chance.choice((None, *values))

    def some(values):
        return tuple(chance.sample(values, chance.randrange(len(values) + 1)))

    return [
        Show(
            id=f"s{n}",
            title=f"Journey {n // 3}" + ("", " 2nd Season", ": The Movie")[n % 3] if n % 2 else f"Lone_Wolf {n}",
            titles=some((f"旅 {n}", f"Long Way Home {n}", f"Journey {n // 3} Gaiden")),
            tags=(tags := some(TAGS)),
            tag_weights={tag: chance.choice((0.2, 0.5, 1.0)) for tag in tags[:2]},
            description=chance.choice(("", "A journey.")),
            episodes=maybe(0, 1, 12, 26),
            year=maybe(0, 1988, 2001, 2019),
            end_year=maybe(2002, 2020),
            rating=maybe(0.0, 6.5, 7.25, 8.0, 8.01),
            votes=maybe(0, 5, 5000, 2**40),
            type=chance.choice(TYPES),
            air_date=maybe("2001", "2001-04", "2001-04-07", "2019-10-05"),
            season=maybe("spring", "fall"),
            airing=maybe("finished", "airing"),
            restricted=maybe(True, False),
            source=maybe("manga", "novel"),
            duration=maybe(0, 24, 90),
            studios=some(STUDIOS),
            relations=tuple(
                RelatedShow(id=f"s{other}", title=f"Show {other}", kind=chance.choice(KINDS))
                for other in chance.sample(range(number + 5), 1)
                if n % 4 == 0
            ),
            similar=tuple(
                RelatedShow(id=f"s{other}", title="", kind="similar") for other in chance.sample(range(number), 2)
            ),
            owned_episodes=maybe(0, 3),
            missing_episodes=maybe(0, 2),
            file_size=maybe(0, 10**10),
            resolution=maybe("1080p", "720p"),
            audio_languages=some(LANGUAGES),
            subtitle_languages=some(LANGUAGES),
        )
        for n in range(number)
    ]


def comparison_of(chance):
    """Return a random comparison."""
    numbers = ("year", "end_year", "episodes", "rating", "votes", "duration", "my_score", "my_progress")
    files = ("owned_episodes", "missing_episodes", "resolution", "file_size", "seasons")
    signs = ("=", "<", "<=", ">", ">=")
    number = (1, 2, 7.25, 8, 24, 720, 2001, 5000, 10**10, 2**70)
    return chance.choice(
        (
            Predicate(chance.choice(numbers), chance.choice(signs), chance.choice(number)),
            Predicate(chance.choice(files), chance.choice(signs), chance.choice(number)),
            Predicate(chance.choice(numbers[:6]), chance.choice(signs), Of(f"s{chance.randrange(40)}")),
            Predicate(chance.choice((*numbers[:7], "type", "tag", "studio", "relation", "title")), "unknown"),
            Predicate(chance.choice(("description", "season", "air_date", "resolution", "restricted")), "unknown"),
            Predicate("tag", chance.choice(("=", ">=")), chance.choice(TAGS).casefold()),
            Predicate(
                "title", chance.choice(("=", "^=")), chance.choice(("journey 1", "long way", "旅", "lone_wolf", "%"))
            ),
            Predicate("relation", "=", chance.choice(("sequel", FOLLOWED, "side story"))),
            Predicate("type", "=", chance.choice(("movie", "tv"))),
            Predicate("season", "=", "fall"),
            Predicate("status", "=", "finished"),
            Predicate("source", "=", "manga"),
            Predicate("above_rating", chance.choice(signs), chance.choice((0, 1))),
            Predicate("restricted", "=", chance.choice((True, False))),
            Predicate("suitable", "=", True),
            Predicate("my_status", "=", chance.choice(("completed", "none"))),
            Predicate("studio", "=", chance.choice(("ghibli", "mappa", "none\x00"))),
            Predicate("audio_language", "=", chance.choice((*LANGUAGES, "any", "dubbed"))),
            Predicate("subtitle_language", "=", chance.choice((*LANGUAGES, "any", "dubbed"))),
            Predicate("air_date", chance.choice(signs), chance.choice(("2001", "2001-04", "2001-04-07", "2010-01"))),
        )
    )


def condition_of(chance, depth=2):
    """Return a random condition."""
    if not depth or chance.random() < 0.3:
        return comparison_of(chance)
    parts = tuple(condition_of(chance, depth - 1) for _ in range(chance.randrange(1, 4)))
    return chance.choice((And, Or))(parts) if chance.random() < 0.7 else Not(parts[0])


def filters_of(chance):
    """Return random filters."""
    every = {
        "year_from": 2001,
        "episodes_to": 12,
        "rating_from": 7.25,
        "votes_to": 5000,
        "tags": ("MECHA",),
        "without_tags": ("comedy", "space 100%"),
        "statuses": ("none", "completed"),
        "types": ("tv", "ova"),
        "seasons": ("fall",),
        "title": "journey",
        "aired_from": "2001-04",
        "aired_to": "2001",
        "restricted": False,
    }
    return Filters(**{name: every[name] for name in chance.sample(sorted(every), chance.randrange(3))})


async def snapshots(library):
    """Return the catalogue in memory and in the database."""
    in_memory = await Snapshots(library).current()
    stored = await Snapshots(library, titles_in_memory=0).current()
    assert (in_memory.large, stored.large is None) == (None, False)
    return in_memory, stored


async def put(library, *some):
    number = await library.begin_import(ImportKind.OWN, "file", "hash")
    await library.store(show_rows([Document.of(show) for show in some], number), collection=None)


async def own(library, *rows):
    async with library.changing() as connection:
        await connection.execute(my_list.insert(), rows)


@pytest.fixture
async def filled(library):
    await put(library, *made(80))
    await own(
        library,
        *(
            {"show_id": f"s{n}", "status": "completed", "score": 5 + n % 5, "episodes_watched": n % 13}
            for n in range(0, 80, 7)
        ),
        {"show_id": "s1", "status": None, "score": 9.0, "episodes_watched": None},
    )
    return library


async def test_random_conditions_select_the_same_shows(filled):
    chance = random.Random(5)
    in_memory, stored = await snapshots(filled)

    def compare():
        for _ in range(60):
            condition, filters = condition_of(chance), filters_of(chance)
            expected, selected = (meeting(condition, one.table, filters) for one in (in_memory, stored))
            assert list(selected.met) == list(expected.met), (condition, filters)
            assert list(selected.undecided) == list(expected.undecided), (condition, filters)

    await stored.run(compare)


async def test_orders_measures_and_lists_are_the_same(filled):
    in_memory, stored = await snapshots(filled)
    one, other = in_memory.table, stored.table

    def compare():
        ids = list(one.ids())
        assert list(other.ids()) == ids
        for field in ("year", "air_date", "rating", "difference", "my_score", "seasons", "file_size", "end_date"):
            for descending in (True, False):
                ranked = one.ordered(ids[::-1], Sort(field=field, descending=descending))
                assert other.ordered(ids[::-1], Sort(field=field, descending=descending)) == ranked, field
                assert other.first(ranked, 3, field) == one.first(ranked, 3, field), field
        no_films = Not(Predicate("type", "=", "movie"))
        plans = [
            Plan(intent="stats", measure=name, group=group, condition=no_films)
            for group in (
                "",
                "tag",
                "genre",
                "studio",
                "decade",
                "season",
                "franchise",
                "rating",
                "type",
                "year",
                "source",
            )
            for name in ("count", "average", "median", "sum", "share", "distinct")
        ]
        plans += [
            Plan(intent="stats", measure="absent", group=group, condition=no_films) for group in ("year", "decade")
        ]
        either = Or((Predicate("type", "=", "tv"), Predicate("tag", "=", "mecha")))
        plans.append(Plan(intent="stats", measure="average", group="each", condition=either))
        for plan in plans:
            expected = measure(plan, one, Filters(), japanese=False)
            assert measure(plan, other, Filters(), japanese=False) == expected, plan
        best = Plan(intent="superlative", group="decade", order=Order(field="rating"))
        assert best_of_each(best, other, Filters(), japanese=False) == best_of_each(
            best, one, Filters(), japanese=False
        )
        for words in ("journey", "旅", "long way home 3", "%", "ney 1", ""):
            assert other.search_titles(words) == one.search_titles(words)
            assert other.with_title(words) == one.with_title(words)
            assert other.titled(words) == one.titled(words)
        assert other.with_words(["long", "home"], longer_than=3) == one.with_words(["long", "home"], longer_than=3)
        assert [other.called_similar(show_id) for show_id in ids[:9]] == [
            list(one.called_similar(show_id)) for show_id in ids[:9]
        ]
        assert (other.tags, dict(other.tag_counts), other.completed) == (one.tags, dict(one.tag_counts), one.completed)
        assert [show.id for show in other.listed()] == [show.id for show in one.listed()]
        assert other.filter_ids(ids, Filters(types=("tv",))) == one.filter_ids(ids, Filters(types=("tv",)))
        assert [other.span(name) for name in ("year", "votes")] == [one.span(name) for name in ("year", "votes")]
        assert starters(stored.collection()) == starters(in_memory.collection())
        wish = Plan(intent="recommend", limit=8)
        assert recommend(wish, stored.collection()) == recommend(wish, in_memory.collection())

    await stored.run(compare)


async def test_franchises_are_the_same_and_follow_changed_and_deleted_shows(library):
    async def compare():
        in_memory, stored = await snapshots(library)

        def both():
            for show_id in in_memory.table.ids():
                expected = in_memory.franchises.of(show_id)
                assert stored.franchises.of(show_id) == _without_descriptions(expected), show_id
                assert stored.franchises.to_see_before(show_id) == in_memory.franchises.to_see_before(show_id)
                assert stored.table.seasons_of(show_id) == in_memory.table.seasons_of(show_id)
                assert stored.table.franchise_of(show_id) == in_memory.table.franchise_of(show_id)
            every = [one.ids for one in stored.franchises.all()]
            assert every == [one.ids for one in in_memory.franchises.all()]
            with pytest.raises(KeyError):
                stored.franchises.of("none")

        await stored.run(both)
        return in_memory

    await put(library, *made(60))
    await compare()
    await put(library, Show(id="s3", title="Elsewhere", relations=(RelatedShow(id="s7", title="", kind="Sequel"),)))
    async with library.changing() as connection:
        await connection.execute(shows.delete().where(shows.c.id.in_(("s5", "s8"))))
    catalogue = await compare()
    assert "s3" in catalogue.franchises.of("s7").ids
    numbers = {row.number for row in await library.rows(select(shows.c.number))}
    for table in (FIELDS, FRANCHISES):
        assert {row.number for row in await library.rows(select(table.c.number))} == numbers


async def test_franchises_and_words_follow_random_changes_by_either_process(library):
    chance = random.Random(3)
    here, there = Snapshots(library, titles_in_memory=0), Snapshots(library, titles_in_memory=0)
    present = {show.id: show for show in made(40)}
    await put(library, *present.values())
    for change in range(4):
        in_memory = await Snapshots(library).current()
        await _same_franchises(await here.current(), in_memory)
        await _same_words((here, there)[change % 2], in_memory)
        gone = chance.sample(sorted(present), 2)
        async with library.changing() as connection:
            await connection.execute(shows.delete().where(shows.c.id.in_(gone)))
        present = {one: show for one, show in present.items() if one not in gone}
        changed = chance.sample(sorted(present), 2)
        others = {show.id: show for show in made(40, seed=change)}
        fresh = [replace(others[one], id=one) for one in changed if one in others]
        fresh.append(replace(others[f"s{change}"], id=f"t{change}", title=f"Journey {change} Part 2"))
        await put(library, *fresh)
        present |= {show.id: show for show in fresh}


async def _same_franchises(stored, in_memory):
    def of(one):
        ids = list(in_memory.table.ids())
        facts = {i: (one.franchises.to_see_before(i), one.table.seasons_of(i), one.table.franchise_of(i)) for i in ids}
        return {show_id: one.franchises.of(show_id).ids for show_id in ids}, facts

    assert await stored.run(lambda: of(stored)) == of(in_memory)


async def _same_words(process, in_memory):
    stored = await process.current()
    assert stored.aliases.words == in_memory.aliases.words
    assert stored.aliases._vocabulary.stored() == in_memory.aliases._vocabulary.stored()
    assert dict(stored.table.tag_counts) == dict(in_memory.table.tag_counts)


async def test_a_change_of_one_show_reads_only_shows_that_it_can_affect(library, monkeypatch):
    await put(library, *(Show(id=f"m{n}", title=f"Mountain {n}") for n in range(50)))
    await put(library, Show(id="1", title="Harbour"), Show(id="2", title="Harbour 2nd Season"), Show(id="3", title="K"))
    catalogue = Snapshots(library, titles_in_memory=0)
    await catalogue.current()
    read = []
    reading, counting = FieldReader.titles_and_relations, CatalogueWords._words
    monkeypatch.setattr(
        FieldReader, "titles_and_relations", lambda self, ids=None: map(_noted(read), reading(self, ids))
    )
    monkeypatch.setattr(
        CatalogueWords,
        "_words",
        lambda self, rows: (read.append(tuple(row["id"] for row in rows)), counting(self, rows))[1],
    )
    await put(library, Show(id="1", title="Haven"))
    changed = await catalogue.current()
    assert await changed.run(lambda: changed.franchises.of("2").ids) == ("2",)
    assert set(read) == {"1", "2", ("1",)}


def _noted(read):
    def note(show):
        read.append(show.id)
        return show

    return note


def _without_descriptions(franchise):
    """Return a franchise with as much of the descriptions as the database's shows have."""
    entries = tuple(
        replace(entry, show=replace(entry.show, description=entry.show.description[:1])) for entry in franchise.entries
    )
    return replace(franchise, entries=entries)


async def test_a_change_of_only_the_list_derives_nothing_again(library):
    await put(library, *made(30))
    catalogue = Snapshots(library, titles_in_memory=0)
    before = await catalogue.current()
    await own(library, {"show_id": "s2", "status": "completed", "score": 8.0, "episodes_watched": 1})
    after = await catalogue.current()
    assert after.large is before.large
    assert after.table.completed == {"s2"}
    await put(library, Show(id="s2", title="Another"))
    changed = await catalogue.current()
    assert changed.large is not before.large
    assert await changed.run(lambda: changed.table.title_of("s2")) == "Another"


async def test_few_shows_stay_in_memory(library, monkeypatch):
    monkeypatch.setattr("animerag.retrieval.stored_fields._REMEMBERED", 10)
    monkeypatch.setattr("animerag.retrieval.stored_fields._PAGE", 7)
    await put(library, *made(40))
    in_memory, stored = await snapshots(library)

    def compare():
        assert [show.id for show in stored.table.shows()] == list(in_memory.table.ids())
        for show_id in in_memory.table.ids():
            assert stored.table.title_of(show_id) == in_memory.table.title_of(show_id)
        plan = Plan(intent="stats", measure="count", group="franchise")
        assert measure(plan, stored.table, Filters(), japanese=False) == measure(
            plan, in_memory.table, Filters(), japanese=False
        )

    await stored.run(compare)
    assert len(stored.table._lately) <= 10
