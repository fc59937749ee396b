"""Reads the title that a question expects the catalogue to have, so that an answer can say that it is missing."""

# ruff: noqa: E501 - patterns are easier to read on one line

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.text.tokens import terms

if TYPE_CHECKING:
    from collections.abc import Sequence

# Ways to ask about one title. The catalogue must have the title in the group `name`.
_HAVE = re.compile(
    r"^(?:do|have) (?:you|i|we) (?:have|got|own|know|list)(?: the (?:show|anime|series|movie|film))? (?P<name>.+)$",
    re.IGNORECASE,
)
# Names in capitals after the verb: "Is Elfen Lied for children?"
_IS = re.compile(
    r"^(?:[Ii]s|[Ww]as|[Aa]re|[Dd]oes|[Dd]id|[Hh]as) (?P<name>[A-Z][\w'’:!-]*(?: (?:(?:no|of|the|to|wa|ga|and) )?[A-Z0-9][\w'’:!-]*)*)\b.*$"
)
_DESCRIBED, _OWNED = 3, 6  # words; a name of up to this length in lower case may be a title
_FRAMES = (
    re.compile(
        r"^(?:please )?(?:tell me|talk|info|information|details?|explain)(?: more)? (?:about|on) (?P<name>.+)$",
        re.IGNORECASE,
    ),
    re.compile(r"^what(?:['’]?s| is| was| are) (?P<name>.+?)(?: all)? about$", re.IGNORECASE),
    re.compile(
        r"^(?:(?:what|how)(?:['’]s| is| does| are)?|give me|i need|summari[sz]e|describe|recap|explain)?\s*(?:(?:me|a|the|short|brief|full|spoiler-free)\s+)*"
        r"(?:plot|story|synopsis|summary|premise|storyline|anime adaptation|adaptation)s? (?:of|to|for) (?P<name>.+)$",
        re.IGNORECASE,
    ),
    re.compile(r"^(?:summari[sz]e|describe|recap) (?P<name>.+)$", re.IGNORECASE),
    re.compile(r"^what happens in (?P<name>.+)$", re.IGNORECASE),
    re.compile(
        r"^who(?:['’]s| is| are) (?:the )?(?:\w+ ){0,2}"
        r"(?:characters?|hero(?:es|ine)?|protagonists?|leads?|villains?|cast) (?:in|of) (?P<name>.+)$",
        re.IGNORECASE,
    ),
    _HAVE,
    _IS,
    re.compile(r"^(?P<name>.+?) (?:plot|synopsis|summary|story)(?: (?:please|pls|plz))?$", re.IGNORECASE),
    re.compile(
        r"^(?:is there|have you got) (?:an? )?(?:anime|show|series) (?:called|named|titled) (?P<name>.+)$",
        re.IGNORECASE,
    ),
)
# A title here may consist of words that say nothing: "anime like your name".
_LIKE = re.compile(r"^(?:.{1,40} )?(?:like|similar to) (?P<name>[^,]+?)(?: but .*)?$", re.IGNORECASE)
_SOMETHING_LIKE = re.compile(
    r"^.*\b(?:(?:something|anything|anime|shows?|series|movies?|films?|stuff|titles?) (?:like|similar to)|i (?:really |just )?(?:liked|loved|enjoyed)) (?P<name>[^,]+?)(?: but .*)?$",
    re.IGNORECASE,
)
_LIKED_WORDS = 2  # at least; "like mine" names nothing
# Questions that the catalogue could answer if it had the title: about a field, a comparison, a similar show, a kind.
_ASKED_OF = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:when|what (?:year|season)|which (?:year|season)) (?:did|does|was|is|will) (?P<name>.+?) (?:air|start|come out|end|begin|released?|premiere|run|finish)(?: in)?$",
        r"^how (?:long|old|good|popular) (?:is|was) (?P<name>.+)$",
        r"^how many (?:episodes|eps|seasons|movies|films|ovas) (?:does|do|did|has|are in|in|of) (?P<name>.+?)(?: have| has| got)?$",
        r"^how many (?:people|viewers|users) (?:have )?(?:rated|scored|watched|seen|voted for) (?P<name>.+?)$",
        r"^(?P<name>.+?) (?:episodes|eps|rating|score|genres?|watch order|movies?|films?|ovas?)$",
        r"^(?:the )?(?:rating|score|genres?|tags|episodes|year|sequel|prequel|seasons?) (?:of|for|to) (?P<name>.+)$",
        _LIKE.pattern,
        r"^(?:which|who|what)(?: \w+){1,5}[,:] (?P<name>[^,]+?) or .+$",
        r"^compare (?P<name>[^,]+?)(?:,| and | with | to ).+$",
        r"^(?P<name>[^,]+?) (?:vs\.?|versus) .+$",
        r"^(?:is|was) (?P<name>.+?) (?:longer|shorter|better|older|newer|more popular|rated higher) than .+$",
        r"^what(?:['’]?s| is| was) (?P<name>[A-Z][\w'’:!-]*)$",
    )
)
# "a show about robots" and "the one with robots" are descriptions; a title may start with "the" and a capital.
_DESCRIBES = re.compile(
    r"^(?:an?|some|any|anything|something|shows?|anime|series|titles?|movies?|films?|the (?:one|show|anime|series|movie|film)s?|that|those|this|it|them|all|every|more|other)\b",
    re.IGNORECASE,
)
_ASSUMED = re.compile(
    r"\b(?:in|of|from|for|to) (?P<name>(?:the )?[A-Z]\w+(?:['’:]?\s+(?:(?:of|the|no|to|and|in|de|wa|ga)\s+)*[A-Z0-9]\w*)*)"
)
_TELLS = re.compile(r"an? (?!good\b|great\b)", re.IGNORECASE)  # "a girl in Tokyo" begins a plot
_SHORT = 5  # words besides the name; a longer question describes a plot, and a name in it is a place or a person
_YEAR = re.compile(r"\s*\b(?:from|in|of)?\s*\(?(?:19|20)\d\d\)?\s*$")


def asked_title(question: str) -> str | None:
    """Return the words that a question uses as a show's title; None if it does not ask about a single title."""
    plain = question.strip().rstrip("?!. ")
    framed = framed_title(question)
    if framed or any(frame.match(plain) for frame in _FRAMES):
        return framed
    if asked_of := _asked_of(plain):
        return asked_of
    match = _ASSUMED.search(plain)
    if match and not _TELLS.match(plain):
        rest = plain[: match.start()] + plain[match.end() :]
        if len(terms(rest)) <= _SHORT:
            return match["name"]
    return None


def stands_for_a_title(question: str) -> bool:
    """Return whether the form of a question shows that its words are a title, not only their capitals."""
    return framed_title(question) is not None or title_asked_of(question) is not None


def title_asked_of(question: str) -> str | None:
    """Return the words that take the place of a title in a question about a field: "when did X end"."""
    return _asked_of(question.strip().rstrip("?!. "))


def _asked_of(plain: str) -> str | None:
    name = _named_by(_ASKED_OF, plain)
    return name if name and len(name.split()) <= _OWNED and not re.search(r"[,.;?!]\s", name) else None


def liked_title(question: str) -> str | None:
    """Return the words that take the place of a title in "something like X" and "if I liked X"."""
    return _named_by((_SOMETHING_LIKE,), question.strip().rstrip("?!. "))


def framed_title(question: str) -> str | None:
    """Return the words that take the place of a title: "what is X about", "do I have X"."""
    return _named_by(_FRAMES, question.strip().rstrip("?!. "))


def _named_by(frames: Sequence[re.Pattern[str]], plain: str) -> str | None:
    for frame in frames:
        match = frame.match(plain)
        if match:
            name = _YEAR.sub("", match["name"]).strip(" \"'“”")
            # Many words, all in lower case, are a description; so are words that start like one.
            most = _OWNED if frame is _HAVE else _DESCRIBED
            describes = _DESCRIBES.match(name) or (name == name.lower() and len(name.split()) > most)
            says_nothing = not terms(name) and not (
                frame.pattern in (_LIKE.pattern, _SOMETHING_LIKE.pattern) and len(name.split()) >= _LIKED_WORDS
            )
            return None if describes or says_nothing else name
    return None
