"""How near a question comes to two sentences of a show, with the real encoder."""

import pytest

from animerag.adapters.local import LocalEmbedder
from animerag.models import Priority, Show
from animerag.services.passages import Passages

FARM = "A family keeps cows. They rise at dawn. Milk is sold at the market. "
SCENE = "An astronaut collects a screw that circles the Earth. It had killed his wife."
PLAIN = Show(id="farm", title="Farm", description=FARM * 3)
MIXED = Show(id="mixed", title="Mixed", description=FARM + SCENE + " " + FARM)
EMPTY = Show(id="empty", title="Empty")


class Counting:
    """The real encoder, which notes what it is given."""

    def __init__(self, embedder):
        self.embedder = embedder
        self.texts = []

    async def embed(self, texts, *, priority):
        self.texts += texts
        return await self.embedder.embed(texts, priority=priority)


@pytest.fixture
async def embedder():
    local = LocalEmbedder()
    yield Counting(local)
    await local.close()


async def test_a_scene_is_found_inside_a_long_description_and_embedded_once(embedder):
    passages = Passages(embedder)
    question = (await embedder.embedder.embed(["a spaceman picks up a screw in orbit"], priority=Priority.LIVE)).vectors
    near = await passages.likeness(question[0], [PLAIN, MIXED, EMPTY], priority=Priority.LIVE)
    assert near.keys() == {"farm", "mixed"}, "a show without sentences has no passage"
    assert near["mixed"] > near["farm"] + 0.2
    asked = len(embedder.texts)
    assert await passages.likeness(question[0], [MIXED, PLAIN], priority=Priority.LIVE) == near
    assert len(embedder.texts) == asked, "what was embedded is kept"


async def test_a_changed_description_is_looked_into_anew(embedder):
    passages = Passages(embedder)
    await passages.look_into([PLAIN], priority=Priority.INGEST)
    before = len(embedder.texts)
    await passages.look_into([Show(id="farm", title="Farm", description=SCENE)], priority=Priority.INGEST)
    assert embedder.texts[before:] == [SCENE]
