"""Chooses questions to start with, which the catalogue's own records can answer."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from animerag.text.cleaning import is_japanese

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from animerag.discovery.collection import Collection
    from animerag.models.shows import Show

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_CONSIDERED = 2000  # number of best-known shows from which names and tags are chosen
_NAMED = 60
_LONGEST_TITLE = 24  # maximum characters that fit a button
_TAGS = 12
_SINCE = 2011
_SIMILAR_AMONG = 4  # described shows; with fewer, all shows are about equally similar
_MOODS_AMONG = 20


def starters(collection: Collection, number: int = 6, *, stubs: frozenset[str] = frozenset()) -> list[str]:
    """Return questions that this catalogue can answer, about its own shows and tags; always the same ones.

    `stubs` are the ids of shows without a description. The questions are in Japanese if the titles of most shows are.
    """
    shows = collection.table.best_known(_CONSIDERED)
    japanese = [show.title for show in shows if _CJK.search(show.title)]
    if 2 * len(japanese) > len(shows) and any(map(is_japanese, japanese)):  # kanji alone may be Chinese
        collection = replace(collection, japanese=True)
    return list(islice(_questions(collection, shows, stubs), number))


def _questions(collection: Collection, shows: Sequence[Show], stubs: frozenset[str]) -> Iterator[str]:
    """Yield questions, the most informative first."""
    say, chance = collection.say, random.Random(len(shows))  # noqa: S311 - variety, not secrecy
    names = _names(collection, shows, chance)
    described = [show for show in names if show.id not in stubs]
    series = next((show for show in names if len(collection.franchises.of(show.id).seasons(show.id)) > 1), None)
    used: set[str] = {series.id} if series else set()

    def next_of(candidates: Sequence[Show]) -> Show | None:
        """Return a show that no question has named yet, otherwise any show."""
        show = next((one for one in candidates if one.id not in used), candidates[0] if candidates else None)
        if show:
            used.add(show.id)
        return show

    if show := next_of(described):
        yield say(f"What is {show.title} about?", f"{_native(show)}はどんな話？")
    if any(show.my_status == "watching" for show in shows):
        yield say("What am I watching?", "視聴中のアニメは？")
    if any(show.type == "movie" for show in shows):
        yield say("How many movies do I have?", "映画は何本ある？")
    if question := _of_a_tag(collection, shows, chance):
        yield question
    if series:
        yield say(f"In what order do I watch {series.title}?", f"{_native(series)}の視聴順は？")
    if len(described) >= _SIMILAR_AMONG and (show := next_of(described)):
        yield say(f"Something like {show.title}", f"{_native(show)}に似たアニメ")
    if len(described) >= _MOODS_AMONG:
        yield say("Recommend me something sad", "泣けるアニメを教えて")
    elif len(shows) > 1:
        yield say("Recommend me something to watch", "おすすめのアニメを教えて")
    counted = [show for show in names if (show.episodes or 0) > 1]
    if len(counted) > 1 and counted[0].episodes != counted[1].episodes:
        yield say(f"Which is longer, {counted[0].title} or {counted[1].title}?", "一番長い作品は？")
    if sum(show.rating is not None for show in shows) > 1:
        yield say("What is the highest rated show?", "一番評価が高い作品は？")
    if show := next_of(counted):
        yield say(f"How many episodes does {show.title} have?", f"{_native(show)}は何話？")
    if show := next_of([show for show in names if show.year]):
        yield say(f"When did {show.title} air?", f"{_native(show)}はいつ放送された？")
    if shows:
        yield say("How many shows do I have?", "作品は何本ある？")
    for show in described[1:]:
        if show.id not in used:
            yield say(f"What is {show.title} about?", f"{_native(show)}はどんな話？")


def _of_a_tag(collection: Collection, shows: Sequence[Show], chance: random.Random) -> str | None:
    """Return a question about a tag: the best shows with it if several of them are rated."""
    tags = [tag for tag in collection.table.tags[:_TAGS] if " " not in tag] or list(collection.table.tags[:1])
    chance.shuffle(tags)
    rated: dict[str, list[Show]] = {tag: [] for tag in tags}
    for show in shows:
        if show.rating is not None:
            for tag in show.tags:
                if tag.casefold() in rated:
                    rated[tag.casefold()].append(show)
    for tag in tags:
        if sum((show.year or 0) >= _SINCE for show in rated[tag]) > 1:
            return collection.say(f"Best {tag} anime after {_SINCE - 1}", f"{tag}で評価が高いアニメ")
    for tag in tags:
        if len(rated[tag]) > 1:
            return collection.say(f"Best {tag} anime", f"{tag}で評価が高いアニメ")
    return collection.say(f"Which {tags[0]} shows do I have?", f"{tags[0]}のアニメは？") if tags else None


def _names(collection: Collection, shows: Sequence[Show], chance: random.Random) -> list[Show]:
    """Return shows to name in questions: the first of each franchise, with a short title that is a word."""
    first = (show for show in shows if not collection.franchises.of(show.id).before(show.id))
    short = (show for show in first if len(show.title) <= _LONGEST_TITLE and any(map(str.isalpha, show.title)))
    names = list(islice(short, _NAMED))
    chance.shuffle(names)
    return names


def _native(show: Show) -> str:
    return show.native_title or show.title
