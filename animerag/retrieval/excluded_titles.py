"""Reads titles that a question excludes: "ninja anime other than Naruto", "mecha that isn't Gundam"."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from animerag.query.lexicon import carrying
from animerag.query.plan import EVERYTHING, Not, Predicate, both, parts_of
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.query.plan import Condition, Plan
    from animerag.query.titles import AliasMatch
    from animerag.retrieval.snapshots import CatalogueSnapshot

_CUE = re.compile(
    r"(?:[,;]? but)?[,;]?\s*(?:\b(?:other than|besides|apart from|aside from|except(?: for)?|excluding|outside(?: of)?"
    r"|not counting|not including|without|minus|(?:that|which|who)(?:['’]?s|['’]re| is| are| was| were)? (?:not|n['’]t)"
    r"|(?:(?:that|which) )?(?:isn['’]?t|aren['’]?t|wasn['’]?t|weren['’]?t|is not|are not))"
    r"|\b(?:if|since|because|and|but)? ?i(?: really| also)? (?:hated?|disliked?|did(?:n['’]?t| not) (?:like|enjoy)"
    r"|could(?:n['’]?t| not) stand)"
    r"|(?<=but )not|(?<=, )not|(?<=anything )but|(?<=everything )but)"
    r"(?: (?:the|any|from|about|in))*\s+",
    re.IGNORECASE,
)
_JAPANESE = re.compile(r"(?:シリーズ)?(?:以外|を除[くい])(?:の|で|て|に)?")
_JAPANESE_WORDS = re.compile(rf"(?P<words>[\u30a0-\u30ff\u4e00-\u9fffA-Za-z0-9]{{2,20}}?){_JAPANESE.pattern}")
_CONTINUES = "but"  # a question that refines the last answer, without further words
_BARE = re.compile(r"\s*(?:is|are|was|were)", re.IGNORECASE)
_ASKS = re.compile(r"^(?:\W*(?:why|how come|when|where|what|who|and|but|so))?\W*$", re.IGNORECASE)  # "why isn't X ..."
_CAPITALS = re.compile(r"[A-Z0-9][\w'’:!-]*(?: (?:[A-Z0-9][\w'’:!-]*|of|the|and|no|to|wo|ni|in|a|x))*")
_ONLY_SHOWS = re.compile(
    r"\W*(?:but )?(?:other than|besides|apart from|aside from|except|excluding|not counting)", re.IGNORECASE
)
_KIND = re.compile(r" (?:series|franchise|shows?|anime|movies?|films?|ones?|stuff|universe)\b", re.IGNORECASE)
_NEXT = re.compile(r"(?:\s*,)?(?:\s+(?:and|or|nor))?\s+(?:the )?", re.IGNORECASE)
_WORDS = re.compile(
    rf"{_CUE.pattern}(?P<words>\w[\w'’:!-]*(?:,? [\w'’:!-]+){{0,6}}?)(?:{_KIND.pattern})?(?:,? (?:please|pls))?\W*$",
    re.IGNORECASE,
)
_JOINED = re.compile(r",? (?:and|or|nor) |, ", re.IGNORECASE)


def without_excluded_titles(
    question: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot, *, follows: bool = False
) -> tuple[str, Sequence[AliasMatch], Condition]:
    """Return the question without the titles that it excludes, its matches, and the condition that excludes them.

    Words after "besides" are a title if the catalogue has them in one, or if they are written like one. A question that
    `follows` another may have nothing else: "other than X" refers to the last answer.
    """
    rest, place, titles = question, *_excluded(question, matches, catalogue)
    if titles:
        rest = " ".join(f"{question[: place[0]]} {question[place[1] :]}".split())
        rest = rest if rest.strip("?.! ") else _CONTINUES if follows else question
    if rest == question:
        return question, matches, EVERYTHING
    excluded = both(*(Not(_titled(title, matches, catalogue)) for title in titles))
    return rest, catalogue.aliases.match(rest), excluded


def _excluded(
    question: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot
) -> tuple[tuple[int, int], list[str]]:
    """Return the place of an exclusion in a question, and the titles that it excludes, if there are any."""
    for match in sorted(matches, key=lambda match: -len(match.phrase)):
        start = question.find(match.phrase)
        after = _JAPANESE.match(question, start + len(match.phrase))
        if start >= 0 and after and match.phrase.lower() not in catalogue.vocabulary.phrases:
            return (start, after.end()), [match.phrase]
    japanese = _JAPANESE_WORDS.search(question)
    words = japanese["words"] if japanese else ""
    if japanese and words not in catalogue.vocabulary.phrases and catalogue.table.titled(words):
        return japanese.span(), [words]
    for cue in _CUE.finditer(question):
        if _asks_whether(cue, question):
            continue
        titles, end = _titles_at(cue.end(), question, matches, catalogue)
        if titles:
            return (cue.start(), end), titles
    last = _WORDS.search(question)
    titles = _JOINED.split(last["words"]) if last else []
    if last and not _asks_whether(last, question) and all(_is_title(words, last, catalogue) for words in titles):
        return last.span(), titles
    return (0, 0), []


def excluding(plan: Plan, excluded: Condition) -> Plan:
    """Return the plan without the excluded shows; if nothing else is asked for, as in "anything but X", recommend."""
    if not parts_of(excluded):
        return plan
    anything = plan.intent == "lookup" and not plan.shows and not plan.text and not parts_of(plan.preferred)
    return replace(plan, condition=both(plan.condition, excluded), intent="recommend" if anything else plan.intent)


def _titles_at(
    start: int, question: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot
) -> tuple[list[str], int]:
    """Return the titles from a place on, as in "One Piece and Bleach", and where they end."""
    titles: list[str] = []
    end = start
    while True:
        here = [match for match in matches if match.start == start and _may_be_excluded(match, catalogue)]
        if not here:
            return titles, end
        longest = max(here, key=lambda match: match.end)
        titles.append(longest.phrase)
        kind = _KIND.match(question, longest.end)
        end = kind.end() if kind else longest.end
        following = _NEXT.match(question, end)
        if following is None:
            return titles, end
        start = following.end()


def _may_be_excluded(match: AliasMatch, catalogue: CatalogueSnapshot) -> bool:
    phrase = match.phrase.lower()
    return phrase not in catalogue.vocabulary.phrases and (match.named or (match.exact and " " in phrase))


def _asks_whether(cue: re.Match[str], question: str) -> bool:
    """Return whether a negation begins a question: "why isn't X in my list"."""
    return bool(_ASKS.search(question[: cue.start()]) and _BARE.match(cue.group()))


def _is_title(words: str, excluded: re.Match[str], catalogue: CatalogueSnapshot) -> bool:
    phrases = catalogue.vocabulary.phrases
    if words.lower() in phrases:
        return False
    if _CAPITALS.fullmatch(words):
        return True
    each = words.lower().split()
    if catalogue.table.titled(words):
        return not all(map(catalogue.aliases.is_ordinary, each))
    named = len(each) > 1 and _ONLY_SHOWS.match(excluded.group())
    return bool(named) and not any(word in phrases or word in carrying() for word in each)


def _titled(title: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot) -> Predicate:
    """Return what all shows of a title have in common: its words if the main title has them, else the main title."""
    words = title.casefold()
    show = next((catalogue.table.show(match.id) for match in matches if match.phrase.casefold() == words), None)
    if show is not None and f" {folded_words(words)} " not in f" {folded_words(show.title)} ":
        words = show.title.casefold()
    single = len(words.split()) == 1 and catalogue.aliases.is_ordinary(words)
    return Predicate("title", "^=" if single else "=", words)
