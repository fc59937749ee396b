"""What a catalogue of titles, synopses and numbers cannot answer, and which title a question takes for granted.

General classes only: who made or voiced a show, its music, where to see or buy it, what it earned, single episodes,
what is yet to come, measures of characters.
"""

from __future__ import annotations

import re

from animerag.text.tokens import terms

_MAKERS = (
    r"voice (?:actors?|actress(?:es)?|cast)|voices|seiyuu|seiyu|director|author|writer|composer|producer|animators?|mangaka|"
    r"character designer|dub|dubbing cast|studio"
)
_MUSIC = r"(?:opening|ending|theme|insert|title) (?:songs?|themes?|tracks?|music|tune)|soundtrack|ost"
_SHOPS = (
    r"netflix|crunchyroll|hulu|disney(?: plus|\+)?|amazon(?: prime)?|prime video|youtube|hidive|funimation|blu-?rays?|dvds?|"
    r"streaming(?: services?)?|tv tonight"
)
_MEASURES = r"price|budget|sales|birthday|blood type|height|weight|zodiac sign|real name"
# Where a question begins: "a girl who sings" and "the weight of the past" are plots.
_HEAD = r"(?:^|[.;:?!]\s*|\b(?:know|me|and|but|wonder|say)\s+)"
_NOT_KEPT = re.compile(
    "|".join(
        (
            _HEAD
            + r"who (?:voices|voiced|plays|played|sings|sang|directs|directed|wrote|composed|animated|produced|made|drew|created|performs)\b",
            rf"\b(?:who (?:is|are|was|were)|what (?:is|are)|which|name) (?:the )?(?:\w+ )?(?:{_MAKERS})\b(?: (?:of|for|in|behind|made|did|animated|produced)\b|.{{0,60}}\?*$)",
            r"\b(?:voiced|directed|animated|produced|sung|performed|composed) by (?:whom|who|which)\b",
            rf"\b(?:what|which|who).{{0,30}}\b(?:{_MUSIC})\b",
            r"\bwhere (?:can|could|do|should|might) (?:i|you|we|one) (?:\w+ )?(?:stream|watch|see|buy|find|get|read|download|rent)\b",
            rf"\b(?:is|are|was)\b.{{0,80}}\b(?:available )?on (?:{_SHOPS})\b",
            r"\b(?:stream|streamed|streaming|watch)\b.{0,60}\b(?:online|for free|legally)\?*$|\bwatch in [a-z]+\?*$",
            _HEAD + r"how much (?:money|does|did|is|are|was|do)\b|\bbox[- ]office\b|\bwhat (?:does|did) .{0,60} cost\b",
            rf"(?:^|\b(?:what|tell me|know)(?:['’]?s| is| was| are| were)? )(?:the )?(?:{_MEASURES}) (?:of|for)\b",
            r"\b(?:which|what) (?:episode|chapter|volume)\b|\bin (?:episode|chapter|volume) \d|\bhow many (?:copies|volumes|chapters|pages)\b",
            r"\bwhen (?:will|does|is) (?:the )?(?:next )?(?:season|part|movie|film|sequel|§)\b.{0,60}\b(?:come|air|start|release|premiere|out|begin)",
            r"\bwhen (?:will|is) .{0,80}\b(?:come out|air|be released|premiere|return)\b",
            r"\bhow (?:tall|heavy)\b|\bwhat (?:is|was) \w+(?: \w+)?['’]s (?:birthday|blood type|height|weight|zodiac sign)",
            r"声優|主題歌|オープニング曲?|エンディング曲?|配信|監督は|作者は|原作者|制作会社|アニメーション制作|興行収入|値段|いくらで|身長|誕生日|血液型|何巻",
        )
    ),
    re.IGNORECASE,
)

# Ways to ask about one title. What stands in for it is what the catalogue must have.
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
    re.compile(r"^(?:do|have) you (?:have|got|know|list)(?: the (?:show|anime|series))? (?P<name>.+)$", re.IGNORECASE),
    re.compile(r"^(?P<name>.+?) (?:plot|synopsis|summary|story)(?: (?:please|pls|plz))?$", re.IGNORECASE),
    re.compile(
        r"^(?:is there|have you got) (?:an? )?(?:anime|show|series) (?:called|named|titled) (?P<name>.+)$",
        re.IGNORECASE,
    ),
)
# "a show about robots" describes, "the one with robots" too; a title may start with "the" and a capital.
_DESCRIBES = re.compile(
    r"^(?:an?|some|any|anything|something|shows?|anime|series|titles?|movies?|films?|the (?:one|show|anime|series|movie|film)s?|that|those|this|it|them|all|every|more|other)\b",
    re.IGNORECASE,
)
_TAKEN_FOR_GRANTED = re.compile(
    r"\b(?:in|of|from|for|to) (?P<name>(?:the )?[A-Z]\w+(?:['’:]?\s+(?:(?:of|the|no|to|and|in|de|wa|ga)\s+)*[A-Z0-9]\w*)*)"
)
_SHORT = 5  # words beside the name: a longer question describes a plot, and a name in it is a place or a person
_YEAR = re.compile(r"\s*\b(?:from|in|of)?\s*\(?(?:19|20)\d\d\)?\s*$")


def asks_for_what_is_not_kept(question: str) -> bool:
    """Tell whether a question, its titles blanked out, asks for a kind of fact that no catalogue record has."""
    return bool(_NOT_KEPT.search(question))


def asked_title(question: str) -> str | None:
    """Return the words that a question uses as the title of a show, or None where it asks about no single title."""
    plain = question.strip().rstrip("?!. ")
    for frame in _FRAMES:
        match = frame.match(plain)
        if match:
            name = _YEAR.sub("", match["name"]).strip(" \"'“”")
            # Lower case throughout and many words describe; so does what starts like a description.
            describes = _DESCRIBES.match(name) or (name == name.lower() and len(name.split()) > 3)
            return None if describes or not terms(name) else name
    match = _TAKEN_FOR_GRANTED.search(plain)
    if match:
        rest = plain[: match.start()] + plain[match.end() :]
        if len(terms(rest)) <= _SHORT:
            return match["name"]
    return None
