"""Reads what a question asks about the owner's list: a status, the owner's scores, the episodes watched. Pure."""

# ruff: noqa: E501 - patterns read better whole

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.query.cue_tables import pattern_of
from animerag.query.grammar import SHOW
from animerag.query.lexicon import lexicon
from animerag.query.plan import EVERYTHING, Predicate, comparisons, either

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.query.grammar import Question, Slots
    from animerag.query.plan import Condition, Operator

_SCORED = re.compile(
    r"(?:\b(?:i(?: have|.ve)?|did i|have i)|(?:(?<=dropped)|(?<=watched)|(?<=seen)|(?<=completed)|(?<=finished)) (?:but|and|yet)(?: still)?) (?:rated?|scored?|gave|give|given|voted)\b(?: it| them| an?)?\s*(?P<cmp>above|over|more than|at least|below|under|less than|at most|exactly)?\s*(?P<n>\d+(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten)\b(?:\s*(?:or|and) (?P<post>more|higher|above|better|less|lower|below))?"
)
_OTHERS = r"(?:crowd|others?|(?:other|most) people|everyone|everybody|people|community|public|average|rest|ratings?|scores?|users?|anidb|mal|myanimelist|anilist)"
_AGAINST_OTHERS = re.compile(
    rf"(?:\b(?:i|did i|do i|have i)(?: have|'ve)? (?:rated?|scored?|gave|given?|like[sd]?|love[sd]?|enjoy(?:ed)?)|\bmy (?:own )?(?:scores?|ratings?)(?: is| are| was| were)?)"
    rf"(?: it| them)?(?: much| way| far| a lot)? (?P<cmp>higher|better|more|above|over|lower|less|worse|below|under)(?: ratings?| scores?)?(?: than)?(?: what)?"
    rf" (?:the |most |all |its |their )?{_OTHERS}\b(?:'s)?(?: else)?(?: (?:ratings?|scores?|did|do|does|gave|rated?|scored?|thinks?|of the (?:world|site|people|crowd)))*"
)
_HIGHER = ("higher", "better", "more", "above", "over")
_MY_TENS = re.compile(r"\bmy (?P<n>10|[1-9])(?: ?/ ?10)?(?:s\b|(?= (?:shows?|anime|series|movies?|films?)\b))")
_OWN_SCORE = re.compile(
    r"\bmy (?:own |average |mean |median |overall |usual )*(?:scores?|ratings?)\b|\bmy (?:average|mean|median)\b(?! (?:number|episodes?|length|shows?|anime|running|watch|years?|votes?))|\bmy (?:own |all[- ]time )?favou?rite (?:genre|tag|theme|decade|year|type|format|studio|season)s?\b|\b(?:i|did i|have i|do i)(?: have)? (?:rated?|scored?|gave|give|prefer|like[sd]?|love[sd]?|enjoy(?:ed)?|hate[sd]?)\b|自分の評価"
)
_I_SCORED = re.compile(r"\b(?:did|do|have) i (?:rated?|scored?|give|given|like[sd]?|love[sd]?|enjoy(?:ed)?)\b")
FAVOURITES = re.compile(r"\bmy (?:own |all[- ]time |absolute |personal )?favou?rites?\b|お気に入り")
LIKED_IT = re.compile(rf"\b(?:do|did|have) i (?:ever |really )?(?:liked?|loved?|enjoy(?:ed)?|hated?) (?:the )?{SHOW}")
SCORED_IT = re.compile(rf"\b(?:did|have) i (?:ever |really )?(?:rated?|scored?|give|given) (?:the )?{SHOW}")
_STARTED = re.compile(
    r"\b(?:should|can|could) (?:i|we) finish\b(?: (?:first|next|now|off))?\W*$|\bto finish (?:first|next|off)\b|\b(?:closest to|almost|nearly) (?:being )?(?:finish(?:ed|ing)|done|complet(?:ed?|ing))\b|\bleft off\b"
)
_SEQUELS = r"(?:sequels?|continuations?|(?:next|later|second|following) seasons?|follow[- ]?ups?)"
_AUXILIARY = r"(?:can|could|should|have|haven.?t|did|didn.?t)"
_FOLLOWING = re.compile(
    rf"\b{_SEQUELS}\b.{{0,50}}\b(?:i|we)(?:.ve| have)? (?:already )?(?:finished|completed|watched|seen|liked|loved|enjoyed)\b|\b{_SEQUELS}\b.{{0,20}}\b(?:{_AUXILIARY} (?:i|we)|(?:i|we) {_AUXILIARY})\b.{{0,16}}\b(?:watch(?:ed)?|see|seen|continue|start)\b|\b(?:next|continue) (?:in|of|with) my (?:franchises?|series|shows?|list)\b"
)
_TASTE = re.compile(rf"^(?:do|did) i (?:really |actually |even )?(?:like|love|enjoy|hate|dislike) (?!{SHOW})")
_COMPLETED = re.compile(
    r"\b(?:which|what|how many|list|show|any)\b.{0,30}\bfranchises?\b.{0,12}\b(?:have|did) i\b(?: have)? (?:already |fully |completely )?(?:completed?|finish(?:ed)?|watch(?:ed)?|see|seen)|\b(?:completed|finished|fully watched) franchises\b"
)
_UNSCORED = ("count", "share", "distinct", "absent")  # measures of shows rather than of a field


def own_scores(reading: Question) -> list[Condition]:
    """Read a bound on the owner's score: "what did I rate above 8", "which shows did I score lower than the crowd"."""
    if against := reading.take(_AGAINST_OTHERS, "my list"):
        return [Predicate("above_rating", ">" if against["cmp"] in _HIGHER else "<", 0)]
    if tens := reading.take(_MY_TENS, "my list"):
        return [Predicate("my_score", "=", int(tens["n"]))]
    match = reading.take(_SCORED, "my list")
    if match is None:
        return []
    number = float(lexicon()["numbers"].get(match["n"], 0) or match["n"])
    after = ">=" if match["post"] in ("more", "higher", "above", "better") else "<=" if match["post"] else ""
    before = {"above": ">", "over": ">", "more than": ">", "at least": ">=", "at most": "<="}
    before |= {"below": "<", "under": "<", "less than": "<"}
    operator: Operator = after or before.get(match["cmp"] or "", "=")  # type: ignore[assignment]
    return [Predicate("my_score", operator, int(number) if number.is_integer() else number)]


def own_list(reading: Question) -> list[Condition]:
    """Return a question's conditions on the owner's list; if it only names the list, one that every show meets."""
    for statuses, patterns in lexicon()["my_status"].items():
        if reading.take(pattern_of(tuple(patterns)), "my list"):
            reading.take(_I_SCORED, "my list")
            return (
                [either(*(Predicate("my_status", "=", one) for one in statuses.split("|")))]
                if statuses
                else [EVERYTHING]
            )
    return []


def measured_of_list(text: str, slots: Slots, mine: Sequence[Condition]) -> str:
    """Return the field that a measure of the owner's list is about; "" if shows are counted.

    What the owner has watched is measured in episodes and in the time that they took.
    """
    if slots["measure"] in _UNSCORED:
        return ""
    if _OWN_SCORE.search(text):
        return "my_score"
    field = str(slots.get("field") or "")
    watched = all(test.field == "my_status" and test.value == "completed" for one in mine for test in comparisons(one))
    return {"episodes": "my_progress", "duration": "my_time"}.get(field, field) if watched else field


def asks_for_next(text: str) -> str:
    """Return the field of a question on what its owner may finish or continue, or has seen all of; otherwise ""."""
    if _COMPLETED.search(text):
        return "my_franchises"
    return "my_started" if _STARTED.search(text) else "my_following" if _FOLLOWING.search(text) else ""


def asks_for_taste(text: str) -> bool:
    """Return whether a question asks how its owner likes a kind of shows: "do I like romance"."""
    return bool(_TASTE.match(text))


def asks_for_own_scores(text: str) -> bool:
    """Return whether a question is about the scores that its owner gave: "what did I rate highest"."""
    return bool(_OWN_SCORE.search(text))
