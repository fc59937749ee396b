"""Recognises the intent of a question by its cues and its subject. Pure."""

# ruff: noqa: E501 - patterns are easier to read on one line

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from animerag.query.grammar import SHOW, SUITABLE, leftovers
from animerag.query.intents import carrying_words, has_cue
from animerag.query.lexicon import Mood
from animerag.query.own_list import (
    FAVOURITES,
    LIKED_IT,
    SCORED_IT,
    asks_for_next,
    asks_for_own_scores,
    asks_for_taste,
    measured_of_list,
)
from animerag.query.parts import asks_whether_first
from animerag.query.plan import EVERYTHING, Order, comparisons, parts_of
from animerag.query.slots import YES_NO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.query.grammar import Named, Question, Slots
    from animerag.query.plan import Condition, FieldName, Intent

_LONG = 24  # words; a question with more describes a plot
_SHORT = 6  # words
_MOST_BESIDE = 1  # words besides a title in a question about that title only
_ORDERLY = re.compile(
    r"\b(?:watch(?:ing)?|viewing|chronological|release|correct|right|best|what|which) order\b|\border (?:do|should|to watch|of watching)\b|\bwhere (?:do|should|to) (?:i )?(?:start|begin)\b|見る順|視聴順|どれから"
)
_WHICH_PARTS = re.compile(r"^(?:and )?(?:what|which|how many|how much|list|show|everything|anything)\b|どれ|何が")
_SKIP = re.compile(r"\bskip(?:pable)?\b|飛ばし")
_NEEDED = re.compile(r"\b(?:need|have) to (?:watch|see)\b|^do (?:i|we) (?:really )?need\b")
_STORY = re.compile(r"\b(?:chronological(?:ly)?|story|timeline|in-universe)\b|時系列|物語の順")
_BEFORE = re.compile(r"\b(?:before|prequels?|precedes?)\b|前作|前日譚")
_EXISTS = re.compile(
    r"^(?:is|are|was|were) there\b|\b(?:any|all|every|list|which|what|how many)\b|^(?:show|give)\b|ある|全"
)
_HAS = re.compile(
    rf"^(?:does|do|did|has|have) (?:i have |you have )?(?:the |an? |any )?{SHOW}+\W* (?:have|got|get)\b|{SHOW}\W*\s(?:movies|films|ovas|specials)\b|\b(?:movies|films|ovas|specials) (?:of|from|in|for) (?:the )?{SHOW}|{SHOW}+の(?:映画|劇場版|OVA|ova|スペシャル)"
)
_RELATED = re.compile(
    rf"\b(?:related|connected) to {SHOW}|\brelations? of {SHOW}|\b(?:whole|entire|full) {SHOW}+|{SHOW}\W* (?:franchise|universe)|\b(?:every|all)(?: of)?(?: the)?(?: shows?| anime| titles?)?(?: (?:of|in|from))?(?: the)? {SHOW}+(?: (?:shows?|series|titles?|anime|entries))?\W*$|関連"
)
_PARTS_OF = re.compile(
    rf"\b(?:how many|number of) (?:different )?{SHOW}+\W* (?:entries|shows?|titles|anime|series|instal?lments|parts|things)\b"
)
_SIDE = re.compile(r"\bspin[- ]?offs?\b|\bside[- ]?stor(?:y|ies)\b|\bgaiden\b|外伝|スピンオフ")
_SEASONS_OF = re.compile(
    r"\bseasons? of (?!(?:the|this|last|a|my)\b)|\bhow many (?:seasons|parts) (?:does|did|do|has) (?!(?:the|this|it|they|i|we|you|my|each|every|a|an|most)\b)|\b(?:all|every) [\w ]{2,30} seasons?\W*$|^(?:do|have) (?:i|we) (?:have|own|got|miss\w*) (?:all|every)(?: of)?(?: the)? (?:parts?|entr(?:y|ies)|instal?lments?|seasons?) (?:of|in|from) (?!(?:the|this|it|that|those|these|my|any|shows?|all)\b)|全シーズン"
)
_SEQUEL_OF = re.compile(
    r"\b(?:sequels?|prequels?) (?:to|of|for) (?!(?:the|this|it|that|those|these|my|any|shows?|all)\b)"
)
_IS_A_SEQUEL = re.compile(
    rf"^(?:is|was) {SHOW}+(?: +§\d+)* +(?:just |really )?an? (?:sequel|continuation|follow-?up)\b"
)
_LACKING = re.compile(
    r"\b(?:missing|lacking|(?:i|we) (?:don.?t|do not) (?:have|own)|lack|without (?:their|its|the)|not (?:in|own))\b.{0,40}\b(?:sequels?|prequels?|parts)\b|\b(?:sequels?|prequels?)\b.{0,40}\b(?:missing|lack|don.?t (?:have|own)|do not (?:have|own)|am i without)\b|(?:§\d+|\b(?:seasons?|parts)\b).{0,20}\b(?:that )?(?:i|we) (?:don.?t|do not|am missing|are missing|lack)\b|\bseasons? (?:do|don.?t) (?:i|we) (?:not )?(?:have|own)\b|\bincomplete (?:franchises?|series)\b|\bwhat am i missing\b|足りない続編"
)
_ASKS_FOR_SHOWS = re.compile(
    r"^(?:please |can you |could you )?(?:show|list|give|display|find|name|print|enumerate|zeig)\b|^(?:what|which)\b(?!.?s\b)(?! (?:happens|is|was|are)\b)|^(?:all|every|everything|any|anything)\b|^(?:have you|do you|do i|do we|are there|is there)\b"
)
_LISTING = re.compile(r"\b(?:list|listing|overview) of\b")
_ALL_OF = re.compile(r"\b(?:all|every|everything|list|how many|which|complete)\b|全")
_IN_MINE = (
    r"(?:in|part of) (?:my|the|our|your|this) (?:anime )?(?:collection|library|catalogu?e|database|shelf|shelves)"
)
_OWNED = re.compile(
    rf"^(?:do|have) (?:i|we|you) (?:already )?(?:have|own|got|possess)(?: both)?(?: the)?(?: (?:anime|show|series))? {SHOW}+(?: +§\d+)?(?:(?: *,| +and| +or| +&) +(?:the )?{SHOW}+(?: +§\d+)?)*(?: (?:anime|series))?\W*(?:(?:{_IN_MINE}|on disk|here|already|yet)\W*)?$|^(?:is|are)(?: the)? {SHOW}+\W* {_IN_MINE}|^{SHOW}+[はがを]?(?:持って|あります|ある[？?])"
)
_OWNED_TITLE = re.compile(
    rf"^(?:is|are) (?!there\b|any\b|some|every|all|it\b|this|that|my\b|the \w+est\b)(?P<is>[^?]{{2,60}}?) {_IN_MINE}\W*$|^(?:do|have) (?:i|we) (?:have|own|got) (?!any|some|every|all\b|an?\b|the\b|more|enough|many|much|no\b|shows?\b|anime\b|stuff|titles?\b|to\b|time\b|\d|§)(?P<have>[^?]{{2,60}}?)(?: already| yet)?(?: {_IN_MINE})?\W*$"
)
_SEASON_EXISTS = re.compile(
    r"^(?:is|are|was|were) there(?: an?| any)?\s+§\d+|^(?:does|do|did|has|have|is) .{1,60}\s§\d+\W*$|^(?:do|have) (?:i|we) (?:have|own|got)\b.*§\d+|§\d+.{0,30}\b(?:exists?|available|out yet)\b|§\d+[はが]?(?:ある|あります|出て)"
)
_THAN_A_SEASON = re.compile(r"\bthan\s+§\d")
_OCCASION = re.compile(
    r"\bfor (?:an? |our |my |the )?(?:first |cosy |cozy |rainy |lazy |quiet )*(?:date|weekend|tonight|halloween|christmas|party|(?:movie|family|date|girls|boys) night|evening|beginners?|newcomers?|girlfriend|boyfriend|wife|husband|mom|mum|dad|parents)\b"
)
_IS_IT = re.compile(
    r"^(?:is|was|are|does|did|has|have|would) (?:it|that|this|they|the \w+ (?:one|of (?:those|these|them)))\b"
)
_AFTER_IT = re.compile(r"\bafter (?:it|that|this)\b")
_WHAT_IT_IS = re.compile(
    r"\b(?:about|plot|story|synopsis|summary|premise|happens|tell me|details?|describe)\b|^(?:what|who) (?:is|was) (?:it|that|this)\W*$"
)
_TIED = re.compile(
    rf"\b(?:related|connected|linked|relation(?:ship)?|connection|anything to do with|same (?:universe|franchise|series|story|world))\b|{SHOW}.*関係|{SHOW}.*つなが"
)
_DESCRIBES = re.compile(r"^(?:an?|that|the one)\b")
_TELLS = re.compile(r"\b(?:about|where|who|whose|in which)\b")  # a description of a plot follows
_LEFT_OF_A_LIST = 3  # words besides the conditions in a long list
_FEW, _MANY = 3, 6  # words besides the conditions of a list; a plot has more
# A short list within bounds ("cyberpunk from the 90s") is not half-remembered ("I think it was around 2010").
_IN_A_SPAN, _SHORT_LIST = 2, 8
_BOUNDS: tuple[FieldName, ...] = ("year", "season", "episodes", "rating", "votes")
_HEDGES = re.compile(r"\b(?:i think|maybe|around|about|probably|or so|not sure|remember|called|some)\b")
_OF_TWO = re.compile(
    r"^(?:and )?which (?:one )?(?:lasted|ran|is|was|has|had|came|started|ended|aired|got) (?:\w+ )?(?:longer|shorter|newer|older|better|earlier|later|more|fewer|higher|lower)\b|\bof the (?:two|both)\b|どちら|どっち"
)
# "What was that anime with the kid in a well" recalls a show rather than listing those that have a tag.
_RECALLS = re.compile(
    r"(?:what|which)(?: is|.s| was|.?re| were) (?:the name of )?(?:that|the) (?:old |one )?(?:anime|show|series|movie|film|one)"
    r"(?: called| again)? (?:with|where|about|in which|that had) (?:an?|the|this|that|some) "
)
_HELP_TO_CHOOSE = re.compile(r"\bhelp (?:me|us) (?:to )?(?:pick|choose|find|decide|select)\b|^what(?: is|.?s) good\b")
_LIKED_AND_NEXT = re.compile(
    rf"\b(?:i|we)(?: really| just)? (?:liked?|loved?|enjoyed) (?:the )?{SHOW}(?!.*\b(?:sequels?|seasons?|continu\w+)\b).*\bnext\b"
)
_SMALL_TALK = {
    "hello": re.compile(r"^(?:hi|hello|hey|hiya|howdy|yo|good |greetings|hallo|moin|servus|こん|おはよう|やあ|はじめ)"),
    "thanks": re.compile(
        r"thank|thx|\bty\b|cheers|danke|ありがとう|^(?:ok|okay|cool|nice|great|awesome|perfect|lol|wow)\b"
    ),
    "bye": re.compile(r"bye|see you|good night|cya|さようなら"),
}


def recognise(
    reading: Question,
    names: Sequence[Named],
    *,
    condition: Condition,
    slots: Slots,
    missing: tuple[str, ...],
    mine: list[Condition],
) -> tuple[Intent, bool]:
    """Return the intent according to the rules, and whether a cue decided it."""
    text, named = reading.text.strip(), bool(names)
    left, _ = leftovers(reading)
    words = len(text.split())
    if words > _LONG and (condition == EVERYTHING or len(left) > _LEFT_OF_A_LIST):
        return "lookup", True
    if has_cue("help", text) and not named and condition == EVERYTHING and not _HELP_TO_CHOOSE.search(text):
        slots["field"] = next((name for name, pattern in _SMALL_TALK.items() if pattern.search(text)), None)
        return "help", True
    if slots.get("field") == "why":
        return "recommend", True
    if missing:
        return "unsupported", True
    if condition == EVERYTHING and _asks_for_presence(reading, slots, named=named):
        return "field", True
    if _LACKING.search(text) and not uses_field(condition, "missing_episodes"):
        slots["field"] = "missing"
        return "seasons", True
    own = _of_own_entry(slots, text, mine, named=named)
    if own is not None:
        return own, True
    franchise = _of_franchise(names, condition, slots, text)
    if franchise is not None:
        return franchise, True
    listed = _of_own_list(slots, text, mine, named=named)
    if listed is not None:
        return listed, True
    return _of_shows(names, condition, slots, text) or _of_catalogue(reading, condition, slots, text, left)


def _of_own_entry(slots: Slots, text: str, mine: Sequence[Condition], *, named: bool) -> Intent | None:
    """Recognise questions about the owner's entry of a named show, or about what the owner may go on with."""
    if not named:
        if field := asks_for_next(text):
            slots["field"] = field
        return "next" if field else None
    if (mine and LIKED_IT.search(text)) or SCORED_IT.search(text):
        slots["field"] = "my_score"
        slots.pop("fields", None)
    return "field" if str(slots.get("field") or "").startswith("my_") else None


def _of_own_list(slots: Slots, text: str, mine: Sequence[Condition], *, named: bool) -> Intent | None:
    """Recognise questions about the owner's list: what is on it, and its scores, statuses and measures."""
    if named and mine and not slots.get("relative_shows") and not slots.get("measure"):
        if slots.get("field") == "episodes":
            slots["field"] = "my_progress"
            return "field"
        if _WHICH_PARTS.search(text):
            slots["franchise"] = True
            return "list"
        slots["yes_no"] = True
        if mine == [EVERYTHING]:
            slots["field"] = "my_status"
        return "field"
    if mine and FAVOURITES.search(text):
        slots.setdefault("order", Order(field="my_score"))
    order = slots.get("order")
    if order is not None and order.field == "rating" and mine and asks_for_own_scores(text):
        order = slots["order"] = replace(order, field="my_score")
    own_order = order is not None and order.field in ("my_score", "difference")
    if mine and not named and not slots.get("measure") and asks_for_taste(text):
        slots |= {"measure": "average", "field": "my_score"}
        return "stats"
    if slots.get("measure") and mine:
        if named:
            return "field"
        slots["field"] = measured_of_list(text, slots, mine)
        return "stats"
    if own_order:
        return "my_list"
    if mine and not slots.get("relative_shows"):
        return "recommend" if has_cue("recommend", text) and not named else "my_list"
    return None


def _of_franchise(names: Sequence[Named], condition: Condition, slots: Slots, text: str) -> Intent | None:
    """Recognise questions about a franchise: its order, what comes next, its seasons, its parts of a kind."""
    named, refers = bool(names), bool(slots.get("reference"))
    words = len(text.split())
    if slots.get("measure"):
        return None
    if slots.get("franchise") and slots.get("order"):
        return "superlative"
    sorts = slots.get("order") and not named  # "comedies in order of rating"
    if has_cue("watch_order", text) and not sorts and (named or refers or words <= _SHORT or _ORDERLY.search(text)):
        slots["field"] = (
            "needed"
            if _NEEDED.search(text)
            else "skip"
            if _SKIP.search(text)
            else "story"
            if _STORY.search(text)
            else None
        )
        return "watch_order"
    if named or refers:
        if _LIKED_AND_NEXT.search(text):
            return "similar"
        if (has_cue("next", text) or (refers and _AFTER_IT.search(text))) and not slots.get("relative_shows"):
            slots["field"] = "before" if _BEFORE.search(text) or _IS_A_SEQUEL.match(text) else None
            return "next"
        if has_cue("similar", text) and not slots.get("relative_shows"):
            return "similar"
    if named and "number" in slots and _SEASON_EXISTS.search(text) and not _THAN_A_SEASON.search(text):
        slots.pop("field", None)
        return "seasons"
    if not named and not refers and words <= _SHORT + 2 and _SEASONS_OF.search(text):
        return "seasons"
    if not named and not refers and words <= _SHORT + 2 and _SEQUEL_OF.search(text):
        return "next"
    if (
        (named or refers)
        and slots.get("field") != "season"
        and has_cue("seasons", text)
        and ("number" not in slots or _EXISTS.search(text))
    ):
        return "seasons"
    one = len({name.ids[0] for name in names}) == 1
    aside = one and _SIDE.search(text)
    if aside or (one and (_RELATED.search(text) or _PARTS_OF.search(text))):
        slots["franchise"] = True
        if aside:
            slots["field"] = "side"
        return "count" if has_cue("count", text) else "list"
    of_a_kind = one and uses_field(condition, "type") and not slots.get("relative_shows")
    if of_a_kind and (_EXISTS.search(text) or _HAS.search(text)):
        slots["franchise"] = True
        return "count" if has_cue("count", text) else "list"
    return None


def _of_shows(names: Sequence[Named], condition: Condition, slots: Slots, text: str) -> tuple[Intent, bool] | None:
    """Recognise questions about the named shows."""
    named = bool(names)
    if slots.get("order") is not None and len(names) == 1 and asks_whether_first(text):
        return "superlative", True
    if len({name.ids[0] for name in names}) == 2 and _TIED.search(text):
        slots["field"] = "relation"
        return "compare", True
    if len({name.ids[0] for name in names}) > 1 and ("order" in slots or has_cue("compare", text)):
        return "compare", True
    if slots.get("relative_shows"):
        return "count" if has_cue("count", text) else "list", True
    if named and (slots.get("field") or (YES_NO.match(text) and condition != EVERYTHING)):
        return "field", True
    refers = slots.get("reference") == "it" or isinstance(slots.get("reference"), int)
    if refers and not named and _WHAT_IT_IS.search(text):
        return "lookup", True
    if refers and condition != EVERYTHING and _IS_IT.search(text):
        return "field", True
    if refers and slots.get("field") and not slots.get("measure"):
        return "field", True
    if slots.get("measure"):
        return "stats", True
    if named:
        beside = re.sub(rf"{SHOW}+", " ", text).split()
        return "lookup", has_cue("lookup", text) or len(beside) <= _MOST_BESIDE
    if slots.get("reference") and slots.get("order") and _OF_TWO.search(text):
        return "compare", True
    return None


def _of_catalogue(
    reading: Question, condition: Condition, slots: Slots, text: str, left: Sequence[str]
) -> tuple[Intent, bool]:
    """Recognise questions about the whole catalogue."""
    order = slots.get("order")
    if order is not None and order.field == "rating" and order.descending and _OCCASION.search(text):
        # "The best film for a date" is a request for recommendations, not for an order by rating.
        del slots["order"]
        slots.pop("limit", None)
        return "recommend", True
    if slots.get("order") is not None and slots.get("group"):
        return "superlative", True
    if slots.get("order") is not None and (slots.get("limit") or not left or slots["order"].field == "underrated"):
        return "superlative", True
    if has_cue("count", text):
        return "count", not left
    if _LISTING.search(text) and condition != EVERYTHING and not left:
        return "list", True
    if slots.get("limit") and order is None and condition != EVERYTHING and not left:
        return "recommend", True
    moods = _moods(reading)
    if has_cue("recommend", text) and (
        moods
        or condition != EVERYTHING
        or slots.get("minutes")
        or not leftovers(reading, carrying_words("recommend"))[0]
    ):
        return "recommend", True
    if moods and len(left) <= 1 and not _TELLS.search(text):
        return "recommend", True
    if moods and _DESCRIBES.match(text) and _TELLS.search(text):
        return "lookup", True
    leans = slots.get("reference") in ("those", "other") and "number" not in slots
    if leans and condition == EVERYTHING and not left:
        return "recommend" if slots["reference"] == "those" else "lookup", True
    if SUITABLE in parts_of(condition) and not left and not _ALL_OF.search(text):
        return "recommend", True
    if _RECALLS.match(text) and order is None:
        return "lookup", True
    if condition != EVERYTHING and not left:
        return "list", True
    asks = bool(_ASKS_FOR_SHOWS.match(text))
    short = len(left) <= (_MANY if asks else _FEW)
    if has_cue("list", text) and short and (condition != EVERYTHING or (asks and left)):
        return "list", False
    if condition != EVERYTHING and len(left) <= _IN_A_SPAN and len(text.split()) <= _SHORT_LIST:
        plain = not _TELLS.search(text) and not _HEDGES.search(text)
        if plain and any(uses_field(condition, name) for name in _BOUNDS):
            return "list", False
    return "lookup", False


def _asks_for_presence(reading: Question, slots: Slots, *, named: bool) -> bool:
    """Recognise "do I have X", also for a title that the catalogue lacks, which becomes `text`."""
    text = reading.text.strip()
    if named:
        asks = bool(_OWNED.search(text))
    else:
        title = _OWNED_TITLE.search(text)
        asks = title is not None and not slots.keys() - {"yes_no"} and not _moods(reading)
        if title and asks:
            slots["text"] = (title["is"] or title["have"]).strip()
    if asks:
        slots["field"] = "owned"
    return asks


def _moods(reading: Question) -> bool:
    return any(isinstance(claim.value, Mood) for claim in reading.claims)


def uses_field(condition: Condition, field: FieldName) -> bool:
    """Return whether an expression compares this field."""
    return any(one.field == field for one in comparisons(condition))
