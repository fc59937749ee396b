"""Chooses the shows that a question means among those it may name: none in a plot, the film in "X movie"."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from animerag.query.asked_titles import asked_title, framed_title, title_asked_of
from animerag.query.field_index import folded_titles
from animerag.query.lexicon import carrying
from animerag.query.names import place_of_rival
from animerag.query.plan import EVERYTHING, Predicate
from animerag.query.title_names import SHARED
from animerag.query.title_spellings import folded, title_tokens
from animerag.query.titles import AliasMatch
from animerag.query.whole_titles import words_of_title
from animerag.retrieval.related_words import related_words
from animerag.text.tokens import STOP_WORDS, folded_words, terms

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from animerag.discovery.collection import Collection
    from animerag.models.shows import Show
    from animerag.query.plan import Plan
    from animerag.retrieval.snapshots import CatalogueSnapshot

# How a plot begins, or how a description continues.
_TELLS = re.compile(
    r"^\W*(?:an?|one|two|three|some|someone|somebody|people|boys?|girls?|guys?|kids?|m[ae]n|wom[ae]n|students?)\b"
    r"|\b(?:with|where|who|whose|in which|featuring)\b",
    re.IGNORECASE,
)
_A_NAME = re.compile(r"\b(?:called|named|titled|like|than|similar to)\W+(?:the )?$", re.IGNORECASE)
_BESIDE = 2  # meaningful words besides a title; a question with more may describe a plot
_FEWEST, _MOST = 3, 12  # minimum words of a long title that name it; maximum words of such a question
_LONG_TITLE = 5  # words
_MISSPELT = 6  # words of a title in which a letter may be wrong
_DOMINANT = 10  # times the votes of other franchises
_KINDS = ("movie", "ova", "special")


def meant(question: str, matches: Sequence[AliasMatch], phrases: Container[str] = ()) -> list[AliasMatch]:
    """Return the matches; a common English word in lower case names no show in a description of a plot.

    "A girl with orange hair" is not about *Orange*; "what is orange about" and "a show like orange" are. Nor does a
    part of a title that is one of the `phrases` for conditions: "yuri anime" is not about *Yuri!!! on Ice*.
    """
    text = folded(question)
    tells = _TELLS.search(text)
    if asked_title(question):
        return list(matches)
    matches = [
        replace(match, named=False) if match.named and not match.exact and match.phrase.lower() in phrases else match
        for match in matches
    ]
    if tells is None:
        return matches

    def in_a_plot(match: AliasMatch) -> bool:
        word = match.phrase
        begins_before = tells.start() < match.start
        common = word.isalpha() and word.islower() and word in related_words()
        beside = len(terms(text[: match.start] + " " + text[match.end :]))
        is_name = _A_NAME.search(text[: match.start]) and not text[match.end :].split()[1:]
        return bool(begins_before and common and beside >= _BESIDE and not is_name)

    return [replace(match, named=False) if match.named and in_a_plot(match) else match for match in matches]


def long_title(question: str, collection: Collection) -> list[AliasMatch]:
    """Return the shows of the only franchise with all words of a question, in order, in one long title.

    People leave words out of long titles: "is it wrong to pick up girls in a dungeon". The most known show comes first.
    """
    tokens = title_tokens(question)
    words = [token for token in tokens if token.folded not in STOP_WORDS and token.folded not in carrying()]
    if not _FEWEST <= len(words) <= len(tokens) <= _MOST:
        return []
    shows = collection.shows(collection.table.with_words([word.folded for word in words], longer_than=_LONG_TITLE))
    shows.sort(key=lambda show: (-(show.votes or 0), show.id))
    if not shows or not {show.id for show in shows} <= set(collection.franchises.of(shows[0].id).ids):
        return []
    start, end = words[0].start, words[-1].end
    phrase = folded(question)[start:end]
    return [_match(show, phrase, start, end, len(words)) for show in shows]


def whole_title(question: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot) -> list[AliasMatch]:
    """Return the shows of which the question is the beginning of a title, or a misspelt title; best known first.

    A name that is already the whole question needs none. Common words are the beginning of a title if there are three
    of them and one franchise has them.
    """
    framed = framed_title(question) or title_asked_of(question)
    asked = (len(question.split()) <= _MOST and (framed or question)) or ""
    words, tokens = words_of_title(asked), title_tokens(asked)
    if not words or not tokens or any(match.named and match.tokens >= len(tokens) for match in matches):
        return []
    if " ".join(words) in catalogue.vocabulary.phrases or all(word in carrying() for word in words):
        return []
    titles, collection = catalogue.table.whole_titles, catalogue.collection()
    ordinary = all(catalogue.aliases.is_ordinary(word) for word in words)
    ids, is_whole = titles.begun(words)
    if not ids and len(words) <= _MISSPELT and not all(_is_known(word, catalogue) for word in words):
        ids, is_whole = titles.misspelt(words), True
    shows = sorted(collection.shows(ids), key=lambda show: (-(show.votes or 0), show.id))
    if not shows or (ordinary and (len(words) < _FEWEST or not is_whole)):
        return []
    votes = Counter[str]()
    for show in shows:
        votes[collection.franchises.of(show.id).ids[0]] += (show.votes or 0) + 1
    if len(votes) > 1 and (ordinary or len(votes) > SHARED or not is_whole) and not _leads(votes):
        return []
    text = folded(question)
    start = max(0, text.casefold().find(tokens[0].folded))
    end = start + len(asked) if framed and text[start:].startswith(folded(asked)) else len(text)
    return [_match(show, text[start:end], start, end, len(tokens)) for show in shows]


def rival_title(question: str, named: Sequence[AliasMatch], catalogue: CatalogueSnapshot) -> list[AliasMatch]:
    """Return the shows that a question compares with the named ones by a part of their title: "is eva better than X".

    A part of a franchise is left to `planning`.
    """
    text = folded(question)
    start, end = place_of_rival(text.lower(), [(match.start, match.end) for match in named])
    if start == end:
        return []
    words = f" {folded_words(text[start:end])} "
    entries = catalogue.franchises.of(named[0].id).entries
    if any(words in folded_titles(entry.show) for entry in entries):
        return []
    matches = whole_title(text[start:end], (), catalogue)
    return [replace(match, start=match.start + start, end=match.end + start) for match in matches]


def _is_known(word: str, catalogue: CatalogueSnapshot) -> bool:
    return word in catalogue.aliases.words or catalogue.aliases.is_ordinary(word)


def _leads(votes: Counter[str]) -> bool:
    """Return whether one franchise has ten times as many votes as the others."""
    first = max(votes.values())
    return first >= _DOMINANT * (votes.total() - first)


def with_led(matches: Sequence[AliasMatch], plan: Plan, collection: Collection) -> tuple[AliasMatch, ...]:
    """Return the matches, preceded by the shows that a look-up means without their own title in it.

    A part of a named show is found by that name, the show of "the second one" by its own.
    """
    known = {match.id for match in matches if match.named}
    if plan.intent != "lookup":
        return tuple(matches)
    shows = [show for show in collection.shows(plan.shows) if show.id not in known]
    first = matches[0] if known else None
    phrase, *place = (first.phrase, first.start, first.end) if first else ("", 0, 0)
    return (*(_match(show, phrase or show.title, place[0], place[1], 1) for show in shows), *matches)


def _match(show: Show, phrase: str, start: int, end: int, tokens: int) -> AliasMatch:
    return AliasMatch(
        id=show.id, title=show.title, phrase=phrase, named=True, exact=False, tokens=tokens, start=start, end=end
    )


def of_that_kind(plan: Plan, collection: Collection) -> Plan:
    """Return a look-up of a show and a kind ("X movie") as a look-up of the parts of this kind in its franchise.

    The one with the most votes leads. A plan whose franchise has none stays as it is.
    """
    kind = plan.preferred
    if plan.intent != "lookup" or len(plan.shows) != 1 or plan.text or not isinstance(kind, Predicate):
        return plan
    if kind.field != "type" or kind.operator != "=" or kind.value not in _KINDS:
        return plan
    entries = collection.franchises.of(plan.shows[0]).entries
    shows = [entry.show for entry in entries if entry.show.type == kind.value]
    if not shows or collection.show(plan.shows[0]) in shows:
        return plan
    shows.sort(key=lambda show: (-(show.votes or 0), show.id))
    return replace(plan, shows=tuple(show.id for show in shows), preferred=EVERYTHING)
