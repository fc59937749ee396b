"""Turns a question into a plan: its intent, then the slots of this intent. Pure; takes about a millisecond."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from animerag.query.execution import holds
from animerag.query.grammar import SHOW, SUITABLE, Named, Question, condition_of, leftovers, moods_of, read_phrases
from animerag.query.intents import Likely, carrying_words, has_cue
from animerag.query.lexicon import Gazetteer, lexicon
from animerag.query.own_list import own_list, own_scores
from animerag.query.parts import read_season_counts
from animerag.query.plan import (
    EVERYTHING,
    And,
    Not,
    Or,
    Order,
    Plan,
    Predicate,
    both,
    comparisons,
    either,
    negated,
    parts_of,
)
from animerag.query.ranks import read_orders
from animerag.query.recognition import recognise, uses_field
from animerag.query.slots import (
    missing_topics,
    read_slots,
    relative_conditions,
    time_budget,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.query.plan import Condition, Intent

_PLACEHOLDERS = "XYZ"
_NO_DAY = date(1, 1, 1)  # examples name no time relative to today
OF_ALL_WATCHED = ("my_progress", "my_time")  # measures of whatever has been watched, finished or not
_SEARCHING = ("list", "recommend", "lookup")  # intents for which words that are not a condition are searched for
_OF_A_SHOW = ("field", "compare", "similar", "next", "watch_order", "seasons", "unsupported")
_OF_THE_WHOLE = ("list", "count", "superlative", "stats", "help", "my_list", "recommend")
# Slots that a question may take from examples, by intent.
_LENDING: dict[Intent, tuple[str, ...]] = {
    "field": ("field",),
    "compare": ("order", "field"),
    "watch_order": ("field",),
    "next": ("field",),
    "superlative": ("order", "limit"),
    "stats": ("measure", "group", "field"),
    "help": ("field",),
}
_SPARE = 3  # unclaimed words that a question about the whole catalogue may have
_THEN = re.compile(
    r"\b((?:more|less|fewer|better|worse|long|short|high|low|old|new|great|larg|small|earli|lat)\w*) then\b"
)
_NOT_SO = re.compile(
    r"^(?P<verb>is|are|was|were|does|do|did|has|have)n't\b(?= \ue000)"
)  # "isn't X over" asks "is X over"
_BIRTH = re.compile(
    r"\b(?:(?:in |from )?(?:the|my) (?:year i was born|birth ?year)|(?<=before )i was (?:even )?born"
    r"|(?<=after )i was born)(?: in)?\b,?(?= ?\(?\d{4}\b)"
)
_OLDER = re.compile(r"\bolder than (?:me|i am)\b.{0,20}\bborn(?: in)?(?= \d{4}\b)")
_GIVE = re.compile(r"^(?:please )?(?:give|show|find|suggest|recommend|pick|name)\b")
_TELL_ME = re.compile("教えて|選んで|挙げて|見せて")
_SO_MANY = re.compile(
    r"\b(?P<n>[2-8]|two|three|four|five|six|seven|eight) (?=(?:[\w-]+ ){0,3}(?:movies|films|shows|anime|series|titles|things|ones|ovas|comedies|dramas|romances|mysteries|thrillers|classics)\b)"
    r"|(?P<ja>\d{1,2})(?:本|作品|つ|個)(?=.{0,4}(?:教えて|おすすめ|選んで|挙げて|見せて))"
)
_NUMBER_FIRST = re.compile(r"^(?:just )?(?:[2-8]|two|three|four|five|six|seven|eight) ")
_ONE_AT_RANDOM = re.compile(
    r"^(?:just )?one (?:good|nice|great|decent|really good) (?!of\b)|\b(?:an?|one) random\b|\b(?:an?|one) [\w-]+ at random\b"
)
_ON_THE_WAY = re.compile(
    r"\b(?:for|on|during) (?:an?|the|my|our) (?:long |short |daily |\d+[- ]hour )?(?:train|commute|bus|plane|flight|car|metro|subway|road trip|journey|way (?:to|from|home)(?: \w+)?)(?: ride| trip| journey| home)?\b(?=\W*$)"
)
# "A film from 2016 about ..." says when it was made; elsewhere in a plot, a year may be remembered wrongly.
_FROM_A_YEAR = re.compile(
    r"(?:(?:find|show|give)(?: me)? )?(?:what(?: is|.s| was) )?(?:an?|the|that|some|any) (?:[\w-]+ ){0,2}"
    r"(?:movies?|films?|ovas?|series|shows?|anime|specials?) (?:from|of|in|that (?:aired|came out) in|released in)"
    r" (?:the )?(?:(?:early|mid|late)[ -])?(?:\d{4}\b|'?\d0s\b)"
)
_VERSUS = re.compile(r"\b(?:vs|versus|compared (?:to|with))\b")
_RATED_AGAINST = re.compile(
    r"^(?:are|is|do|does) .{2,40}\b(?:better|higher|worse|lower)(?: rated| scored| ratings?| scores?)?\b.{0,12}\bthan\b (?!\d)"
    r"|^compare .{2,60}\b(?:ratings?|scores?)\W*$|^compare (?:the )?(?:average )?(?:ratings?|scores?) of\b"
)
_PERIODS = re.compile(
    r"^(?:compare|how (?:do|does|did)|what(?:'s| is) the difference between)\b.{2,60}$"
    r"|^(?:the )?'?\d{2,4}s? (?:vs|versus|compared (?:to|with)|against) (?:the )?'?\d{2,4}s?\W*$"
)
_RATED_WORDS = re.compile(
    r"\b(?:better|higher|worse|lower|rated|scored|ratings?|scores?|average|compared?|vs|versus|against|difference)\b"
)
_MORE_OF = re.compile(
    r"^compare (?:my |the )?(?:number of )?(?:[\w-]+ ){0,2}[\w-]+ (?:and|with|to|vs\.?) [a-z]|^(?:are|is|do|have|what|which)\b.{0,30}\bmore\b .{2,40}\b(?:or|than)\b (?!\d)[a-z]|(?:どっち|どちら)[がの]多い"
)


# Beside "sequels"; alone, originals are works without a model.
_ORIGINALS = re.compile(r"\b(?:the |their )?(?:originals?|first (?:seasons?|parts?|ones?|entries|instal+ments?))\b")
_ORIGINAL_WORK = Predicate("tag", "=", "original work")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A question as far as rules understand it; `plan_of` makes the plan, using examples where they help.

    `masked` is the text for comparison with examples: the question with its titles replaced by X and Y.
    """

    question: Question
    names: tuple[Named, ...]
    intent: Intent
    by_rule: bool
    condition: Condition
    masked: str
    missing: tuple[str, ...] = ()
    slots: tuple[tuple[str, Any], ...] = ()
    mine: tuple[Condition, ...] = ()  # conditions on the owner's list


def read(question: str, names: Sequence[Named], vocabulary: Gazetteer, today: date) -> Reading:
    """Read a question with folded accents and widths. `names` do not overlap; `today` is the current date."""
    text = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in question).replace("’", "'")
    masked = question
    for place, name in reversed(list(enumerate(names))):
        masked = masked[: name.start] + _PLACEHOLDERS[place % len(_PLACEHOLDERS)] + masked[name.end :]
        text = text[: name.start] + SHOW * (name.end - name.start) + text[name.end :]
    reading = Question(_plain(text))
    missing = missing_topics(reading, vocabulary)
    seasons = EVERYTHING if names else read_season_counts(reading)
    slots = read_slots(reading, names, vocabulary)
    relative = relative_conditions(reading, names, slots)
    scored = own_scores(reading)
    mine = own_list(reading) or ([EVERYTHING] if scored else [])
    slots.update(read_orders(reading, len(names), slots.get("reference", "")))
    if any(test.field == "above_rating" for one in scored for test in comparisons(one)):
        slots.setdefault("order", Order(field="difference"))
    if not names and _asks_for_some(reading.text) and "limit" not in slots:
        many = reading.take(_SO_MANY, "limit")
        if many:
            figure = many["n"] or many["ja"]
            slots["limit"] = int(figure) if figure.isdigit() else lexicon()["numbers"][figure]
    if not names and has_cue("recommend", reading.text) and (minutes := time_budget(reading)):
        slots["minutes"] = minutes
    if _ONE_AT_RANDOM.search(reading.text):
        slots.setdefault("limit", 1)
    reading.take(_ON_THE_WAY, "occasion")
    more = _MORE_OF.search(reading.text)
    read_phrases(reading, vocabulary, today)
    condition = both(_without_implied(condition_of(reading)), seasons, *relative)
    intent, by_rule = recognise(reading, names, condition=condition, slots=slots, missing=missing, mine=mine)
    # "Can I skip the OVAs" asks about the OVAs, and "years without horror" about horror.
    if slots.get("measure") == "absent" or (intent == "watch_order" and slots.get("field") in ("skip", "needed")):
        condition = both(*(negated(part) if isinstance(part, Not) else part for part in parts_of(condition)))
    condition = _with_originals(both(condition, *scored), reading.text)
    kinds = [*(condition.parts if isinstance(condition, And | Or) else ())]
    if more and not names and len(kinds) > 1 and not scored:
        condition, intent, by_rule = either(*kinds), "stats", True
        slots |= {"measure": "count", "group": "each"}
    condition = _with_its_opposite(condition) if _VERSUS.search(reading.text) else condition
    if not names and len(kinds) > 1 and not scored and _compares_ratings(reading, kinds):
        condition, intent, by_rule = either(*kinds), "stats", True
        slots = {"measure": "average", "field": "rating", "group": "each"}
    if intent in ("stats", "count") and isinstance(condition, Or) and _VERSUS.search(reading.text):
        slots.setdefault("measure", "count")
        slots["group"] = slots.get("group") or "each"
        intent = "stats"
    if _narrows(mine, intent) and slots.get("field") not in OF_ALL_WATCHED:
        condition = both(condition, *mine)
    return Reading(
        question=reading,
        names=tuple(names),
        intent=intent,
        by_rule=by_rule,
        condition=condition,
        masked=masked,
        missing=missing,
        slots=tuple(slots.items()),
        mine=tuple(mine),
    )


def _narrows(mine: Sequence[Condition], intent: Intent) -> bool:
    """Return whether the shows must be in the owner's list in this way; recommendations only for "from my watch list"."""
    if intent == "recommend":
        return any(test.value == "plan_to_watch" for one in mine for test in comparisons(one))
    return bool(mine) and intent in ("my_list", "field", "stats", "list")


def _plain(text: str) -> str:
    """Return a question of the same length without what only its writer needs to say."""
    text = _NOT_SO.sub(lambda verb: verb["verb"].ljust(len(verb.group())), text)
    text = _BIRTH.sub(lambda match: " " * len(match.group()), text)
    text = _OLDER.sub(lambda match: "before".rjust(len(match.group())), text)
    return _THEN.sub(r"\1 than", text)


def _compares_ratings(reading: Question, kinds: Sequence[Condition]) -> bool:
    """Return whether a question compares the ratings of kinds of shows, and claim the words that ask it.

    Years and decades are compared by their ratings if the question names nothing else: "how do the 80s compare to the 90s".
    """
    rated = _RATED_AGAINST.search(reading.text)
    if rated is None and all(test.field == "year" for kind in kinds for test in comparisons(kind)):
        rated = _PERIODS.search(reading.text)
    for word in _RATED_WORDS.finditer(reading.text, *rated.span()) if rated else ():
        reading.claim(*word.span(), "measure")
    return rated is not None


def _with_its_opposite(condition: Condition) -> Condition:
    """Return "isekai vs non-isekai" as two groups; other conditions as they are."""
    parts = parts_of(condition)
    opposed = [part for part in parts if isinstance(part, Not) and part.part in parts]
    return either(*(side for part in opposed for side in (part.part, part))) if opposed else condition


def _with_originals(condition: Condition, text: str) -> Condition:
    """Return a comparison of sequels with originals, which are the shows that continue no other, as these groups."""
    sequels = Predicate("relation", "=", "sequel")
    kinds = set(condition.parts if isinstance(condition, And | Or) else (condition,))
    compared = _RATED_AGAINST.search(text) and _ORIGINALS.search(text)
    return either(sequels, Not(sequels)) if compared and kinds - {_ORIGINAL_WORK} == {sequels} else condition


def _asks_for_some(text: str) -> bool:
    """Return whether a question may ask for a number of shows: "three sports anime", "give me two films"."""
    begins = _GIVE.match(text) or _NUMBER_FIRST.match(text)
    return bool(begins or _TELL_ME.search(text)) or has_cue("recommend", text)


def _without_implied(condition: Condition) -> Condition:
    """Leave out bounds that a year already implies: "new" together with 2024."""
    tests = [part for part in parts_of(condition) if isinstance(part, Predicate) and part.field == "year"]
    years = [test.value for test in tests if test.operator == "=" and isinstance(test.value, int)]
    if len(years) != 1:
        return condition
    implied = [test for test in tests if test.operator != "=" and isinstance(test.value, int) and holds(years[0], test)]
    return both(*(part for part in parts_of(condition) if part not in implied))


def plan_of(reading: Reading, likely: Likely | None = None) -> Plan:
    """Return the plan; `likely` is the result of the examples, which decide if no cue does."""
    intent, slots = reading.intent, dict(reading.slots)
    condition, missing, text = reading.condition, reading.missing, True
    decided: Literal["rule", "examples"] = "rule"
    overruled: Intent | None = None
    if likely is not None and likely.intent != intent and likely.is_sure:
        if reading.by_rule:
            overruled = likely.intent
        elif (lent := _lent(likely, reading)) is not None:
            decided, overruled, intent = "examples", intent, likely.intent
            slots = {**dict(lent.slots), **slots}
            condition, missing = both(condition, *lent.mine), missing or lent.missing
            text = intent in _SEARCHING
    left, ignored = leftovers(reading.question, carrying_words(intent))
    moods, avoided = moods_of(reading.question)
    for name in avoided:
        unwanted = _unwanted(name)
        condition = both(condition, unwanted)
        ignored = ignored if parts_of(unwanted) else [*ignored, f"not {name}"]
    if intent == "recommend" and SUITABLE in parts_of(condition):
        moods = (*moods, "for children")
    preferred: Condition = EVERYTHING
    if intent == "stats" or (decided == "examples" and not text):
        ignored, text = [*ignored, *left], False
    if intent == "lookup" and not _FROM_A_YEAR.match(reading.question.text.strip()):
        condition, preferred = EVERYTHING, condition
    if intent == "lookup":
        ignored = []
    shows = tuple(name.ids[0] for name in reading.names)
    if slots.pop("relative_shows", False):
        shows = ()
    return Plan(
        intent=intent,
        shows=shows,
        condition=condition,
        preferred=preferred,
        moods=moods,
        text=slots.pop("text", None) or (" ".join(left) if text else ""),
        ignored=tuple(ignored),
        missing=missing,
        decided_by=decided,
        overruled=overruled,
        **slots,
    )


def _unwanted(mood: str) -> Condition:
    """Return the tags that an unwanted mood excludes."""
    return both(*(Not(Predicate("tag", "=", tag)) for tag in lexicon()["moods"][mood].get("brings", ())))


@dataclass(frozen=True, slots=True)
class _Lent:
    """The values that a question takes from similar examples: slots, unrecorded topics, and the owner's list."""

    slots: tuple[tuple[str, Any], ...] = ()
    missing: tuple[str, ...] = ()
    mine: tuple[Condition, ...] = ()


def _lent(likely: Likely, reading: Reading) -> _Lent | None:
    """Return the values from the nearest examples; None if the question lacks what the intent needs."""
    intent, names = likely.intent, len({name.ids[0] for name in reading.names})
    needs_shows = 2 if intent == "compare" else int(intent in _OF_A_SHOW)
    if names < needs_shows or (names and intent in _OF_THE_WHOLE):
        return None
    lent = _agreed([_lendable(_example(text)) for text in likely.nearest], intent)
    slots = dict(lent.slots) if lent else {}
    everything = reading.condition == EVERYTHING
    left = len(leftovers(reading.question, carrying_words(intent))[0])
    needed = {
        "field": "field" in slots and everything,
        "unsupported": lent is not None and bool(lent.missing),
        "superlative": "order" in slots
        and left < _SPARE - 1
        and not uses_field(reading.condition, slots["order"].field),
        "stats": "measure" in slots and left <= _SPARE,
        "help": everything and len(reading.question.text.split()) > 1,  # a single word may be a title
        "my_list": lent is not None and bool(lent.mine),
        "list": not everything and left <= _SPARE,
        "recommend": left < _SPARE or not everything,
    }
    return (lent or _Lent()) if needed.get(intent, True) else None


def _agreed(lent: Sequence[_Lent], intent: Intent) -> _Lent | None:
    """Return the values that two of the nearest examples share, as far as the intent uses them."""
    names = _LENDING.get(intent, ())
    useful = [replace(one, slots=tuple((name, value) for name, value in one.slots if name in names)) for one in lent]
    return next((one for place, one in enumerate(useful) if one in useful[place + 1 :]), None)


def _lendable(example: Reading) -> _Lent:
    return _Lent(slots=example.slots, missing=example.missing, mine=example.mine)


@cache
def _example(text: str) -> Reading:
    """Read an example, in which X and Y are titles."""
    names = [Named(match.start(), match.end(), (match.group(),)) for match in re.finditer(r"\b[XY](?![a-z])", text)]
    return read(text, names, Gazetteer(), _NO_DAY)
