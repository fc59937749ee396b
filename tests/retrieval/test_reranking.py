"""The similarity of a question to passages and tags of a show, with the real encoder."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from animerag.models.providers import Priority
from animerag.models.shows import Show
from animerag.providers.local import LocalEmbedder
from animerag.retrieval.reranking import Passages
from animerag.retrieval.word_coverage import WordStatistics, weighed_words
from animerag.text.passages import texts_of

FARM = "A family keeps cows. They rise at dawn. Milk is sold at the market. "
SCENE = "An astronaut collects a screw that circles the Earth. It had killed his wife."
PLAIN = Show(id="farm", title="Farm", description=FARM * 3)
MIXED = Show(id="mixed", title="Mixed", description=FARM + SCENE + " " + FARM)
EMPTY = Show(id="empty", title="Empty")


class Counting:
    """The real encoder, which records its texts."""

    def __init__(self, embedder):
        self.embedder = embedder
        self.texts = []

    async def embed(self, texts, *, priority):
        self.texts += texts
        return await self.embedder.embed(texts, priority=priority)


class Stored(dict):
    """Vectors of shows by their texts, as the library has them."""

    async def load(self, shows):
        return {texts: self[texts] for texts in shows if texts in self}


@pytest.fixture
async def embedder():
    local = LocalEmbedder()
    yield Counting(local)
    await local.close()


QUESTION = "a spaceman picks up a screw in orbit"
WORDS = weighed_words(QUESTION, WordStatistics([PLAIN, MIXED]))


async def asked(passages, embedder, shows):
    vector = (await embedder.embedder.embed([QUESTION], priority=Priority.LIVE)).vectors[0]
    return await passages.likeness(WORDS, vector, shows, priority=Priority.LIVE)


async def test_a_scene_is_found_inside_a_long_description_and_embedded_once(embedder):
    passages = Passages(embedder, Stored())
    near = await asked(passages, embedder, [PLAIN, MIXED, EMPTY])
    assert near["mixed"].passage > near["farm"].passage + 0.2
    assert near["empty"].passage == near["empty"].tags == 0.0
    embedded = len(embedder.texts)
    assert await asked(passages, embedder, [MIXED, PLAIN, EMPTY]) == near
    assert len(embedder.texts) == embedded, "what was embedded stays in memory"


async def test_only_the_two_passages_that_cover_most_words_are_embedded(embedder):
    await asked(Passages(embedder, Stored()), embedder, [MIXED])
    assert len(embedder.texts) == 2
    assert all("screw" in text for text in embedder.texts)


async def test_a_rare_word_makes_a_passage_more_promising_than_a_frequent_one(embedder):
    farms = [replace(EMPTY, id=str(n), description="A farm keeps cows.") for n in range(9)]
    words = weighed_words("a farm with a volcano", WordStatistics([*farms, MIXED]))
    lava = replace(EMPTY, description="A farm keeps cows. Rain falls. Snow falls. A volcano erupts. Ash falls.")
    vector = (await embedder.embedder.embed([QUESTION], priority=Priority.LIVE)).vectors[0]

    await Passages(embedder, Stored()).likeness(words, vector, [lava], priority=Priority.LIVE)

    assert all("volcano" in text for text in embedder.texts)


async def test_tags_that_do_not_count_are_not_embedded(embedder):
    tagged = replace(MIXED, tags=("space", "drama"))
    vector = (await embedder.embedder.embed([QUESTION], priority=Priority.LIVE)).vectors[0]
    passages = Passages(embedder, Stored())
    near = await passages.likeness(WORDS, vector, [tagged], priority=Priority.LIVE, tags=False)
    assert near["mixed"].tags == 0.0
    assert near["mixed"].passage > 0
    assert "space, drama" not in embedder.texts


async def test_tags_match_the_kind_of_show(embedder):
    tagged = [replace(EMPTY, id="space", tags=("space", "science fiction")), replace(EMPTY, tags=("cooking", "food"))]
    near = await asked(Passages(embedder, Stored()), embedder, tagged)
    assert near["space"].tags > near["empty"].tags


async def test_a_changed_description_is_compared_again(embedder):
    passages = Passages(embedder, Stored())
    before = await asked(passages, embedder, [PLAIN])
    after = await asked(passages, embedder, [replace(PLAIN, description=SCENE)])
    assert after["farm"].passage > before["farm"].passage + 0.2


async def test_questions_at_once_work_where_memory_holds_only_one_text(embedder, monkeypatch):
    monkeypatch.setattr("animerag.retrieval.reranking._MOST_CACHED", 1)
    passages = Passages(embedder, Stored())
    single = await asked(passages, embedder, [PLAIN, MIXED])
    together = await asyncio.gather(*(asked(passages, embedder, shows) for shows in ([PLAIN, MIXED], [MIXED], [PLAIN])))
    assert together[0] == single
    assert len(passages._encoded) == 1


async def stored_of(embedder, *shows):
    local = embedder.embedder
    return Stored(
        {texts_of(show): (await local.embed(texts_of(show), priority=Priority.LIVE)).vectors for show in shows}
    )


async def test_stored_passages_are_compared_without_the_encoder_and_as_near_as_embedded_ones(embedder):
    tagged = replace(MIXED, tags=("space", "drama"))
    embedded = await asked(Passages(embedder, Stored()), embedder, [tagged])
    embedder.texts.clear()
    near = await asked(Passages(embedder, await stored_of(embedder, tagged)), embedder, [tagged])
    assert embedder.texts == []
    assert near["mixed"].passage == pytest.approx(embedded["mixed"].passage, abs=1e-4)
    assert near["mixed"].tags == pytest.approx(embedded["mixed"].tags, abs=1e-4)


async def test_beyond_the_best_eight_only_stored_shows_are_compared(embedder):
    shows = [replace(EMPTY, id=str(n), tags=(f"tag {n}",)) for n in range(12)]
    near = await asked(Passages(embedder, await stored_of(embedder, *shows[10:])), embedder, shows)
    assert set(near) == {*(str(n) for n in range(8)), "10", "11"}


async def test_a_show_without_text_has_no_similarity(embedder):
    near = await asked(Passages(embedder, Stored({(): np.zeros((0, 512), np.float32)})), embedder, [EMPTY])
    assert near["empty"].passage == near["empty"].tags == 0.0
