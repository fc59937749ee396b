"""Reads references to the conversation: the shows of the last answer, the one it was about, or one by its place."""

# ruff: noqa: E501 - patterns are easier to read on one line

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from animerag.query.grammar import Question, Slots

_COMPARATIVES = r"(?:shorter|longer|newer|older|darker|lighter|funnier|happier|sadder|scarier|better|higher|more recent|more modern|more popular|more serious|more cheerful|less dark|less sad|less violent)"
_LED_IN = re.compile(r"^(?:(?:and|und|but|aber|ok(?:ay)?|so|then|now|hm+|well|cool|nice|great|alright|thanks),?\s+)+")
_MANY = re.compile(
    r"\b(?:of|only|just|and|but|among|from|list|show|sort|order|rank|compare|name) (?:those|these|them|the (?:two|three|ones?|list|results?))\b(?! (?:\w+ ){0,2}(?:that|which|who|whose)\b)|\b(?:those|these)\b(?! (?:\w+ ){0,2}(?:that|which|who|whose)\b)|\bthe (?:two|three|results?|list)\b|\bwhich ones?\b|^which (?:lasted|ran|is|was|has|had|came|started|ended|aired|got) (?:\w+ )?(?:longer|shorter|newer|older|better|first|earlier|later|more|fewer|higher|lower)\b|^(?:sort|order|rank)(?: (?:them|those|these|it))?(?: all)? by\b|^(?:the )?(?:shortest|longest|best|newest|oldest|worst|latest)(?: ones?| rated| of them)*\W*$|^how many(?: (?:are (?:there|they|those|these)|is that|of them|in total|altogether))?\W*$|^(?:some |any |one )?(?:more|another|something else|anything else|what else|others?)(?: ones?)?(?:,? please)?\W*$|^how many (?:are|is|were) (?:that|these|those|they|it)\W*$|そのうち|その中|それら|^だけ|だけ$"
)
_NARROWS = re.compile(r"^(?:only|just|nur|without|no|not|and|but)\b(?! \ue000)")
_DIFFERS = re.compile(
    rf"^(?:(?:do you have |have you got |is there |are there |give me |show me |i want |i.d like )?(?:something|anything|some|any|one|ones|shows|anime|a bit|a little|maybe|rather|even|much|but) )*{_COMPARATIVES}(?: (?:ones?|shows?|anime|movies?|series|stuff|rated|please|though|maybe))*\W*$"
)
_ONE = re.compile(
    r"^(?:and )?how many (?:seasons|episodes|parts|films|movies|sequels)(?: (?:are there|does it have|is it|exist))?\W*$|^(?:is|are|was) there (?:an?|any|another) (?:sequel|prequel|§\d+|movie|film|ova|special)s?(?: too)?\W*$|^any (?:sequel|prequel|movie|film|ova|special)s?\W*$|\b(?:its?|it's|that (?:one|show|series|anime|movie)|this (?:one|show|series|anime|movie)|the same (?:one|show))\b|^(?:the |its )?(?:§\d+|sequel|prequel)\b|\btoo\b|\b(?:after|like|than|about|before) (?:that|this)\W*$|^tell me more\W*$|^(?:more|any) details?\W*$|^(?:what|who) (?:is|are|was|were) (?:it|that|this|they)\b|\b(?:something|anything|anime|shows?|some|ones?) (?:more |very )?similar\b(?! to)|^similar (?:ones?|shows?|anime|titles?)(?: please)?\W*$|それ|その(?!うち|中)|この作品|続編は"
)
_PLACE = r"(?P<nth>first|second|third|fourth|fifth|last|\d{1,2}(?:st|nd|rd|th)?)"
_NTH = re.compile(rf"\b(?:the|about the|number|no\.?) {_PLACE}(?: (?:one|show|of (?:those|these|them)))?\W*$")
_NTH_ONE = re.compile(rf"\bthe {_PLACE} (?:one|of (?:those|these|them))\b")
_SHORT = 9  # words; a question with more describes a plot
_OTHER = re.compile(
    r"^(?:no|nope|i mean|i meant|sorry|rather)?,? ?(?:i mean |i meant )?the (?:(?:19|20)\d\d|old(?:er)?|new(?:er)?|original|first|movie|film|tv|ova|other)(?: (?:one|version|show|series|anime|movie))\W*$|^(?:no|nope|i mean|i meant),? (?:the )?(?:19|20)\d\d\b"
)
_NO = re.compile(r"^(?:no|nope|i mean|i meant|sorry|rather)\b")
_NTHS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_GOES_ON = re.compile(r"^(?:and|und|what about|how about|now)\b")
_WHY = re.compile(
    r"^why\b(?: (?:is |are )?(?:this|these|those|that|it|them)(?: ones?)?)?\W*$|^(?:なぜ|どうして)[？?]?$"
)


def read_reference(reading: Question, *, named: bool) -> Slots:
    """Read the `reference` of a question, and whether it `continues` the last one.

    `named` is whether it names a show itself.
    """
    slots: Slots = {}
    whole = reading.text.strip()
    text = _LED_IN.sub("", reading.rest.lstrip())
    reference: str | int = ""
    if _MANY.search(text) or _DIFFERS.match(text):
        reference = "those"
    elif _ONE.search(text):
        reference = "it"
    elif _NARROWS.search(reading.rest):
        reference = "those"
    nth = _NTH.search(reading.rest) or (_NTH_ONE.search(reading.rest) if len(whole.split()) <= _SHORT else None)
    if nth and not named:
        reference = _NTHS.get(nth["nth"]) or int(re.sub(r"\D", "", nth["nth"]) or 1)
    elif not named and _OTHER.search(reading.rest):
        reference = "other"
        reading.take(_NO, "reference")
    if reference:
        slots["reference"] = reference
    if _GOES_ON.search(reading.rest):
        slots["continues"] = True
    if _WHY.match(whole):
        slots |= {"reference": "those", "field": "why"}
        reading.take(_WHY, "reference")
    return slots


def differs(text: str) -> bool:
    """Return whether a question asks for the same with a difference: "something shorter", "any newer ones?"."""
    return bool(_DIFFERS.match(_LED_IN.sub("", text.strip())))
