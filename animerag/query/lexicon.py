"""The vocabulary of questions from `lexicon.toml`, matched with the tags of one catalogue."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from animerag.query.plan import Predicate, either
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from animerag.models.json_types import JsonObject
    from animerag.query.plan import Condition

CJK = r"\u3005\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_CJK_RUN = re.compile(rf"[{CJK}]")
_SHORT_ALIAS = 2


@dataclass(frozen=True, slots=True)
class Mood:
    """The name of a mood in the lexicon."""

    name: str


@dataclass(frozen=True, slots=True)
class Unapplied:
    """Words that look like a condition, but for which there is no field."""

    words: str


Meaning: TypeAlias = "Condition | Mood | Unapplied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gazetteer:
    """The meaning of phrases in one catalogue; `recorded` are the topics of `missing` that its files do record."""

    phrases: Mapping[str, Meaning] = field(default_factory=dict)  # words with single spaces between them
    unspaced: tuple[str, ...] = ()  # phrases in scripts without spaces, longest first
    plain: frozenset[str] = frozenset()  # tags that are ordinary words, which count only after "tag"
    recorded: frozenset[str] = frozenset()


@cache
def lexicon() -> JsonObject:
    """Return the tables of the lexicon."""
    return tomllib.loads(files("animerag.query").joinpath("lexicon.toml").read_text(encoding="utf-8"))


class MoodEntry(TypedDict, total=False):
    """A mood of the lexicon: its words, tags that match, contradict or cause it, and the text to search for."""

    words: list[str]
    tags: list[str]
    without: list[str]
    brings: list[str]
    text: str


def mood_entries(names: Iterable[str]) -> list[MoodEntry]:
    """Return the lexicon's entries of these moods."""
    return [lexicon()["moods"][name] for name in names]


@cache
def unsuitable_tags() -> frozenset[str]:
    """Return the tags of shows that are not for children."""
    return frozenset(lexicon()["age"]["unsuitable"])


@cache
def source_tags() -> frozenset[str]:
    """Return the tags that are no genres, because they say what a show is made from."""
    return frozenset(tag for tags in lexicon()["sources"] for tag in tags.split("|"))


@cache
def carrying() -> frozenset[str]:
    """Return words without a meaning of their own."""
    return frozenset(lexicon()["carrying"]["words"].split())


@cache
def carrying_japanese() -> re.Pattern[str]:
    """Return a pattern for particles and phrases without content in a Japanese question."""
    words = sorted(lexicon()["carrying"]["japanese"].split(), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, words)))


@cache
def missing_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return each topic that no field records, with the pattern of questions about it."""
    return tuple((topic, re.compile("|".join(patterns))) for topic, patterns in lexicon()["missing"].items())


def vocabulary(tags: Iterable[str], recorded: Iterable[str] = ()) -> Gazetteer:
    """Return the vocabulary of a catalogue with these tags."""
    known = {tag.casefold() for tag in tags}
    phrases: dict[str, Meaning] = {}
    for table, field_name in (("types", "type"), ("sources", "tag"), ("tags", "tag")):
        for names, spellings in lexicon()[table].items():
            meaning = _meaning(names.split("|"), field_name, known)
            if meaning is not None:
                for spelling in (*(names.split("|") if field_name == "tag" else ()), *spellings):
                    phrases.setdefault(folded_words(spelling), meaning)
            elif table == "sources":  # otherwise a "light novel" would be something light
                for spelling in (one for one in (*names.split("|"), *spellings) if " " in one):
                    phrases.setdefault(folded_words(spelling), Unapplied(spelling))
    for tag in sorted(known):
        own = Predicate("tag", "=", tag)
        for form in _forms(folded_words(tag)):
            other = phrases.get(form)
            if other is None:
                phrases[form] = own
            elif form == folded_words(tag) and not isinstance(other, Mood | Unapplied):
                phrases[form] = either(other, own) if "type=" not in str(other) else other
    for name, mood in lexicon()["moods"].items():
        for spelling in mood["words"]:
            phrases.setdefault(folded_words(spelling), Mood(name))
    for spelling in lexicon()["unapplied"]["words"]:
        phrases.setdefault(folded_words(spelling), Unapplied(spelling))
    phrases.pop("", None)
    ordinary = carrying() | set(lexicon()["plain"]["words"])
    plain = frozenset(form for form in phrases if form in ordinary or form.isdigit() or len(form) < _SHORT_ALIAS)
    unspaced = sorted((form for form in phrases if _CJK_RUN.search(form)), key=len, reverse=True)
    return Gazetteer(phrases=phrases, unspaced=tuple(unspaced), plain=plain, recorded=frozenset(recorded))


def _meaning(names: list[str], field_name: str, known: set[str]) -> Condition | None:
    if field_name == "type":
        return Predicate("type", "=", names[0])
    there = [Predicate("tag", "=", name) for name in names if name in known]
    return either(*there) if there else None


def _forms(word: str) -> tuple[str, ...]:
    """Return the singular and the plural of a tag's name."""
    if _CJK_RUN.search(word):
        return (word,)
    plural = word.removesuffix("y") + "ies" if word.endswith("y") else word + "s"
    return tuple(dict.fromkeys((word, plural, word.removesuffix("s"))))
