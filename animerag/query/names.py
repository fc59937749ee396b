"""Finds the shows that a question names, with their places: matches of whole titles, and phrases that need a title.

"seasons of spy x family" names a show although all words of the title are ordinary, because "seasons of" needs a title.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from animerag.query.grammar import Named
from animerag.query.lexicon import carrying

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from animerag.query.titles import AliasMatch

_TITLE = r"(?P<a>[^?!,;]+?)"
_END = r"\s*(?:[?!.,;]|$|\b(?:please|pls|plz)\b)"
# Phrases with two titles to be compared.
_PAIRS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:longer|shorter|older|newer|better|first|higher|more popular|episodes),?\s+(?P<a>[^?!,;]+?)\s+or\s+(?P<b>[^?!,;]+?){_END}",
        rf"^(?P<a>[^?!,;]+?)\s+(?:vs\.?|versus|or)\s+(?P<b>[^?!,;]+?)(?=,|{_END})",
        rf"\bdifferences? between\s+(?P<a>[^?!,;]+?)\s+and\s+(?P<b>[^?!,;]+?){_END}",
        rf"\bcompare\s+(?P<a>[^?!,;]+?)\s+(?:and|with|to|vs\.?)\s+(?P<b>[^?!,;]+?){_END}",
        rf"^(?:is|does|was|did|has)\s+(?P<a>[^?!,;]+?)\s+(?:better|longer|shorter|older|newer|higher|rated|have more|have fewer|more|worse)\b.*?\bthan\s+(?P<b>[^?!,;]+?){_END}",
    )
)
_COMPARES = re.compile(
    r"\b(?:longer|shorter|older|newer|better|worse|first|higher|lower|more|fewer|earlier|later|vs|versus|compare|differences?)\b"
)
# What can only be a title here may be an ordinary word ("have I seen Another").
_OWN_SHOW = rf"\b(?:did|have) i (?:already |ever )?(?:rated?|scored?|give|given|finish(?:ed)?|completed?|drop|dropped|start|started|see|seen|watched)\s+{_TITLE}(?= yet\b| already\b| before\b|{_END})"
# Phrases that a title follows or is part of; a second title is in the group `b`.
_FRAMES = (
    *_PAIRS,
    *(
        re.compile(pattern)
        for pattern in (
            rf"\b(?:similar to|in the (?:style|vein|spirit) of|comparable to|reminiscent of)\s+{_TITLE}(?= but\b|{_END})",
            rf"\b(?:anime|shows?|series|something|anything|movies?|films?|more|stuff|titles?|^)\s*like\s+{_TITLE}(?= but\b|{_END})",
            rf"\b(?:mix(?:ture)?|cross(?:over)?|blend|combination|hybrid) (?:of|between)\s+(?P<a>[^?!,;]+?)\s+and\s+(?P<b>[^?!,;]+?){_END}",
            rf"^(?P<a>[^?!,;]+?)\s+(?:meets|crossed with)\s+(?P<b>[^?!,;]+?){_END}",
            rf"\b(?:if|since|because)?\s*i (?:really |just |also )?(?:lik|lov|enjoy)(?:e|ed)\s+{_TITLE}(?:\s+and\s+(?P<b>[^?!,;]+?))?(?= what\b| but\b|{_END})",
            rf"\b(?:seasons?|parts?|sequels?|prequels?|soundtrack|music|openings?|endings?|rating|score|genres?|tags|episodes|eps|studio|director|author|plot|synopsis|summary) (?:of|to|for|in)\s+{_TITLE}(?= do i\b| are there\b| have i\b| is\b|{_END})",
            rf"\b(?:how many|which|what) (?:seasons|parts) (?:does|did|has|of|do)\s+{_TITLE}(?= have\b| got\b| are\b|{_END})",
            rf"\b(?:all|every|list|the)(?: of)?(?: the)?\s+(?P<a>[^?!,;]+?)\s+seasons{_END}",
            rf"\border (?:do|should|can|must) (?:i|we|you|one) (?:watch|see)\s+{_TITLE}(?= in\b|{_END})",
            rf"\border (?:of|for|to watch)\s+(?:the )?{_TITLE}(?= series\b| in\b|{_END})",
            rf"\bhow (?:do|should|can) (?:i|we|you) watch\s+{_TITLE}(?= in\b|{_END})",
            r"^(?:the )?(?P<a>[^?!,;]+?)(?: series| franchise)?(?: with the (?:movies?|films?|ovas?))?,?\s+(?:(?:watch|viewing|chronological|release|right|correct|best|what|which|in) )+order\b",
            r"^(?P<a>[^?!,;]+?)\s+order\b",
            rf"\b(?:where|which) (?:do|should|to|can) (?:i )?(?:start|begin)(?: with)?\s+{_TITLE}{_END}",
            rf"\b(?:after|follows|finished|done with|completed|just watched|seen|caught up with)\s+{_TITLE}(?= §|[,.;?!]| what\b| and\b|$)",
            rf"\b(?:longer|shorter|older|newer|better|higher|worse|later|earlier|popular|episodes|votes) than\s+{_TITLE}{_END}",
            r"^(?:is|was)\s+(?P<a>[^?!,;]+?)\s+(?:an? (?:movie|film|ova|special|tv|series)|finished|still|on (?:netflix|crunchyroll)|(?:any |really |actually |that )?(?:good|great|bad|decent)|worth (?:it|watching|my time|the time|a watch))\b",
            rf"^(?:should|shall|must) (?:i|we) (?:watch|start|see|try|bother with)\s+{_TITLE}{_END}",
            r"^(?P<a>[^?!,;]+?)\s+(?:any good|worth (?:it|watching|a watch))\b",
            rf"^(?:what|how) about\s+{_TITLE}{_END}",
            rf"^(?:what(?:.?s| is| was)?|how(?:.?s| is| was)) {_TITLE} (?:rated|scored){_END}",
            rf"\b(?:name|names|titles?|year|type|format|votes|length|status|source|(?:release|air) date) (?:of|for)\s+{_TITLE}{_END}",
            rf"\b(?:stream|watch|buy|find)\s+(?!(?:right |just )?now\b|to(?:day|night|morrow|gether)\b|next\b|first\b|with\b|this\b|it\b|before\b|alone\b|in\b|on\b|at\b){_TITLE}(?= online\b| in\b| on\b|{_END})",
            _OWN_SHOW,
            rf"\bsame (?:year|season|length) (?:as|that)\s+{_TITLE}(?= (?:aired|started|came out|did)\b|{_END})",
            rf"\b(?:when|(?:what|which) (?:season|year|date|month)) (?:did|does|was|is)\s+{_TITLE}(?= (?:first |originally )?(?:air|start|begin|premiere|end|finish|released|come out|made)\w*\b)",
            rf"\bhow many (?:episodes|eps) (?:does|do|did|has|are in|in)\s+{_TITLE}(?= have\b|{_END})",
            rf"\b(?:who|what|which) (?:directed|made|wrote|animated|composed|produced|studio made|studio animated)\s+{_TITLE}{_END}",
            rf"\b(?:voices?|voiced|plays?)\b.*?\b(?:in|from)\s+{_TITLE}{_END}",
            r"\b(?:is|are) there (?:an?|any) (?P<a>[^?!,;]+?) (?:movie|film|ova|special|sequel|prequel|spin-?off|§\d+)s?\b",
            r"\bwhich (?P<a>[^?!,;]+?) (?:should|do|can|must) (?:i|we|you|one) (?:start|begin|watch first)\b",
            r"\b(?:in|of|from) the (?P<a>[^?!,;]+?) (?:franchise|universe|saga)\b",
            rf"\b(?:before|after)\s+{_TITLE}\s+(?:aired|started|came out|was released|ended|premiered)\b",
        )
    ),
)


_AFTER_VERB = re.compile(
    r"^(?:[Ii]s|[Ww]as|[Aa]re|[Dd]oes|[Dd]id|[Hh]as|[Dd]o|[Cc]an|[Ss]hould) (?P<a>(?!I\b)[A-Z][^\s,?!]*(?: [A-Z0-9][^\s,?!]*)*)"
)


_PRONOUNS = ("i", "we", "you")
_BEHIND = 3
_BEHIND_TITLES = frozenset(
    [
        "rating",
        "ratings",
        "score",
        "scores",
        "episodes",
        "eps",
        "length",
        "votes",
        "popularity",
        "movie",
        "movies",
        "film",
        "films",
        "series",
        "anime",
        "show",
        "shows",
    ]
)


class TitleIndex(Protocol):
    """Finds titles in a text."""

    def match(self, question: str) -> list[AliasMatch]:
        """Return the shows that a text names, the most certain first."""
        ...


def named_in(question: str, matches: Sequence[AliasMatch], titles: TitleIndex) -> list[Named]:
    """Return the places in a folded question that name shows, in order.

    `matches` are those of the whole question. Words that a phrase expects to be a title are looked up separately,
    unless a match covers them.
    """
    text = question.lower() if len(question.lower()) == len(question) else question
    placed = _places(question, matches)
    # "Is Another scary": a capital after the verb makes an ordinary word a name.
    after_verb = _AFTER_VERB.match(question)
    capitals = [after_verb.span("a")] if after_verb else []
    own_show = re.search(_OWN_SHOW, text)
    certain = own_show.span("a") if own_show else None
    for start, end in (*expected(text), *capitals):
        if any(start < name.end and name.start < end for name in placed):
            continue
        phrase = question[start:end]
        ordinary = all(word in carrying() for word in re.findall(r"[\w'’]+", phrase.lower()))
        if ordinary and (start, end) != certain and (phrase.islower() or phrase.lower() in _PRONOUNS):
            continue
        # "AoT vs Demon Slayer rating": the words after a title are not part of it.
        for _ in range(_BEHIND):
            own = [match for match in titles.match(phrase) if match.named]
            ids = tuple(match.id for match in own if match.phrase == own[0].phrase)
            if ids and _covers(own, phrase):
                placed.append(Named(start, start + len(phrase), ids))
                break
            phrase, _, last = phrase.rpartition(" ")
            if not phrase or last.lower() not in _BEHIND_TITLES:
                break
    return sorted(placed, key=lambda name: name.start)


def unnamed_rival(text: str, places: Sequence[tuple[int, int]]) -> str:
    """Return the words that a question in lower case compares with a show, if they are no known title; otherwise ""."""
    start, end = place_of_rival(text, places)
    return text[start:end]


def place_of_rival(text: str, places: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the place of the words of `unnamed_rival`; an empty one without such words."""
    if not _COMPARES.search(text):
        return 0, 0
    for start, end in places:
        text = text[:start] + "x" * (end - start) + text[end:]  # a title may contain the words that end a phrase
    for sides in sides_of_pairs(text):
        named = [any(start < end and begin < stop for start, stop in places) for begin, end in sides]
        if sum(named) == 1:
            begin, end = sides[named.index(False)]
            words = text[begin:end]
            return begin + len(words) - len(words.lstrip()), begin + len(words.rstrip())
    return 0, 0


def sides_of_pairs(text: str) -> Iterator[list[tuple[int, int]]]:
    """Yield the places of two titles that a phrase of a lower-case question compares."""
    for match in filter(None, (pair.search(text) for pair in _PAIRS)):
        yield [match.span(group) for group in ("a", "b")]


def expected(text: str) -> Iterator[tuple[int, int]]:
    """Yield the places in a lower-case question where phrases expect a title."""
    for frame in _FRAMES:
        for match in frame.finditer(text):
            for group in ("a", "b"):
                if match.groupdict().get(group) and match[group].strip():
                    words = re.search(r"^(?:the (?:anime|show|series) )?(?P<title>.*?)\s*$", match[group])
                    if words and words["title"]:
                        yield match.start(group) + words.start("title"), match.start(group) + words.end("title")


def _places(question: str, matches: Sequence[AliasMatch]) -> list[Named]:
    """Return the places of matches, without overlaps: longer ones win. Ordinary words alone are not a title."""
    text = question.lower() if len(question.lower()) == len(question) else question
    spans: dict[tuple[int, int], list[str]] = {}
    for match in matches:
        if not match.named:
            continue
        start, end = match.start, match.end
        at = text.find(match.phrase.lower(), start, end)
        if at >= 0 and end - start > len(match.phrase):  # text without spaces counts as one word
            start, end = at, at + len(match.phrase)
        words = re.findall(r"\w+", text[start:end])
        written = start > 0 and question[start : start + 1].isupper()
        if not written and len(words) < len(text.split()) and all(word in carrying() for word in words):
            continue
        spans.setdefault((start, end), []).append(match.id)
    placed: list[Named] = []
    for (start, end), ids in sorted(spans.items(), key=lambda item: item[0][0] - item[0][1]):
        if all(end <= other.start or start >= other.end for other in placed):
            placed.append(Named(start, end, tuple(ids)))
    return placed


def _covers(matches: Sequence[AliasMatch], phrase: str) -> bool:
    """Return whether a title covers most of a phrase, rather than one word of it."""
    return bool(matches) and 2 * (matches[0].end - matches[0].start) >= len(phrase.strip())
