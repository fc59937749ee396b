"""A question becomes a plan: its intent, then the slots that this intent has. Pure; about a millisecond."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from animerag.query.grammar import SHOW, SUITABLE, Annotation, Question, condition_of, leftovers, read_phrases
from animerag.query.intents import carrying_words, has_cue, is_sure, masked
from animerag.query.lexicon import Mood, Unapplied, lexicon
from animerag.query.plan import EVERYTHING, And, Or, Plan, both, either, parts_of
from animerag.query.recognition import recognise
from animerag.query.slots import (
    missing_topics,
    own_list,
    own_scores,
    read_orders,
    read_slots,
    relative_conditions,
    time_budget,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.query.grammar import Named
    from animerag.query.lexicon import Gazetteer
    from animerag.query.plan import Condition, Intent

_GIVE = re.compile(r"^(?:please )?(?:give|show|find|suggest|recommend|pick|name)\b")
_SO_MANY = re.compile(
    r"\b(?P<n>[2-8]|two|three|four|five|six|seven|eight) (?=(?:[\w-]+ ){0,3}(?:movies|films|shows|anime|series|titles|things|ones|ovas)\b)"
)
_MORE_OF = re.compile(r"^(?:are|is|do|have|what|which)\b.{0,30}\bmore\b .{2,40}\b(?:or|than)\b (?!\d)[a-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A question as far as rules understand it; `plan_of` makes the plan, with the nearest examples where they help."""

    question: Question
    names: tuple[Named, ...]
    intent: Intent
    by_rule: bool
    condition: Condition
    masked: str
    missing: tuple[str, ...] = ()
    slots: tuple[tuple[str, Any], ...] = ()


def read(question: str, names: Sequence[Named], vocabulary: Gazetteer, today: int) -> Reading:
    """Read a question, its accents and widths folded. `names` do not overlap; `today` is the year it is."""
    text = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in question).replace("’", "'")
    for name in names:
        text = text[: name.start] + SHOW * (name.end - name.start) + text[name.end :]
    reading = Question(text)
    missing = missing_topics(reading, vocabulary)
    slots = read_slots(reading, names, vocabulary)
    relative = relative_conditions(reading, names, slots)
    scored = own_scores(reading)
    mine = own_list(reading) or ([EVERYTHING] if scored else [])
    slots.update(read_orders(reading, len(names), slots.get("reference", "")))
    if not names and (has_cue("recommend", reading.text) or _GIVE.match(reading.text)) and "limit" not in slots:
        many = reading.take(_SO_MANY, "limit")
        if many:
            slots["limit"] = int(many["n"]) if many["n"].isdigit() else lexicon()["numbers"][many["n"]]
    if not names and has_cue("recommend", reading.text) and (minutes := time_budget(reading)):
        slots["minutes"] = minutes
    more = _MORE_OF.search(reading.text)
    read_phrases(reading, vocabulary, today)
    condition = both(condition_of(reading), *relative)
    intent, by_rule = recognise(reading, names, condition=condition, slots=slots, missing=missing, mine=mine)
    condition = both(condition, *scored)
    kinds = [*(condition.parts if isinstance(condition, And | Or) else ())]
    if more and not names and len(kinds) > 1 and not scored:
        condition = either(*kinds)
        slots |= {"measure": "count", "group": "each"}
        intent, by_rule = "stats", True
    if intent in ("my_list", "field") and mine:
        condition = both(condition, *mine)
    return Reading(
        question=reading,
        names=tuple(names),
        intent=intent,
        by_rule=by_rule,
        condition=condition,
        masked=masked(text),
        missing=missing,
        slots=tuple(slots.items()),
    )


def plan_of(reading: Reading, likely: tuple[Intent, float] | None = None) -> Plan:
    """Return the plan; `likely` is what the nearest examples say and how near they are."""
    intent, decided, overruled = reading.intent, "rule", None
    if likely is not None and likely[0] != intent and is_sure(likely[1]) and _possible(likely[0], reading):
        if reading.by_rule:
            overruled = likely[0]
        else:
            decided, overruled, intent = "examples", intent, likely[0]
    slots = dict(reading.slots)
    left, ignored = leftovers(reading.question, carrying_words(intent))
    moods = tuple(dict.fromkeys(claim.value.name for claim in reading.question.claims if isinstance(claim.value, Mood)))
    if intent == "recommend" and SUITABLE in parts_of(reading.condition):
        moods = (*moods, "for children")
    condition, preferred = reading.condition, EVERYTHING
    if intent == "lookup":
        condition, preferred = EVERYTHING, condition
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
        text=" ".join(left),
        ignored=tuple(ignored),
        missing=reading.missing,
        decided_by=decided,  # type: ignore[arg-type]
        overruled=overruled,
        **slots,
    )


def placed_words(reading: Reading) -> list[tuple[str, str]]:
    """Return every word that carries meaning, with the place it ended in: a slot, `text`, `ignored` or `missing`."""
    taken = [claim for claim in reading.question.claims if not isinstance(claim.value, str) or claim.value]
    places: list[tuple[str, str]] = []
    for claim in taken:
        place = "ignored" if isinstance(claim.value, Unapplied) else "missing" if claim.value == "missing" else "slot"
        places += [(word, place) for word in re.findall(r"[^\W_]+", reading.question.text[claim.start : claim.end])]
    return places + [(word, "text") for word in leftovers(reading.question, carrying_words(reading.intent))[0]]


def _possible(intent: Intent, reading: Reading) -> bool:
    """Tell whether a question has what an intent needs; examples alone do not know."""
    names = len({name.ids[0] for name in reading.names})
    slots = dict(reading.slots)
    if intent == "compare":
        return names > 1
    if intent in ("similar", "next", "watch_order", "seasons"):
        return names > 0
    if intent == "field":
        return names > 0 and bool(slots.get("field"))
    if intent in ("count", "list"):
        return names == 0 and (reading.condition != EVERYTHING)
    if intent == "superlative":
        return slots.get("order") is not None
    if intent in ("my_list", "unsupported", "help", "stats"):
        return False
    if intent == "recommend":
        return names == 0
    return True


__all__ = ["Annotation", "Reading", "placed_words", "plan_of", "read"]
