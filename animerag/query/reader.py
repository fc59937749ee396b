"""A question becomes a plan: its intent, then the slots that this intent has. Pure; about a millisecond."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from animerag.query.grammar import (
    SHOW,
    Annotation,
    Question,
    condition_of,
    leftovers,
    read_phrases,
)
from animerag.query.intents import carrying_words, has_cue, is_sure, masked
from animerag.query.lexicon import Mood, Unapplied, lexicon, missing_patterns
from animerag.query.plan import EVERYTHING, Of, Order, Plan, Predicate, both, comparisons, either

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.query.lexicon import Gazetteer
    from animerag.query.plan import Condition, FieldName, Intent, Operator

_LONG = 24  # words; who writes so many describes a plot
_TOPIC_WORDS = 18  # words; in longer questions "the same director" is a remark
_SEASON_MARK = re.compile(r"§(\d+)")
_TOP = re.compile(
    r"\b(?:top|first|best|worst)\s+(?P<n>\d{1,3}|three|five|ten|two|four|six|seven|eight|nine|twenty)\b(?!\s*(?:%|episodes?|eps|seasons?))"
    r"|\b(?P<m>\d{1,3}|three|five|ten|two|four|six|seven|eight|nine|twenty)\s+(?=(?:best|highest|top|longest|shortest|most|newest|oldest|lowest|worst|latest|earliest)\b)"
    r"|(?:トップ|ベスト|上位)(?P<j>\d{1,3})"
)
_ORDINAL_RANK = re.compile(
    r"\b(?P<rank>second|third|fourth|fifth|2nd|3rd|4th|5th)[\s-]+(?=(?:best|highest|longest|shortest|most|newest|oldest|lowest|worst|latest)\b)"
)
_RANKS = {"second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "fifth": 4, "5th": 4}
_PLURAL = re.compile(
    r"\b(?:shows|titles|series|animes?|ones|films|movies|entries|ovas|specials|comedies|dramas|romances|mysteries)\b"
)
_SINGULAR = re.compile(
    r"\b(?:which|what|whats|what's) (?:\w+ )?(?:show|series|title|anime|one|film|movie)? ?(?:is|was|has|s)\b|\bthe (?:\w+ )?(?:longest|shortest|oldest|newest|best|highest|worst|most|lowest|latest)\b|どれ|何ですか"
)
_REFERENCES = (
    (
        "those",
        re.compile(
            r"\b(?:of|only|just|and|but|among|from) (?:those|these|them|the (?:two|three|ones?|list|results?))\b|\bthose\b|\bthese\b|\bthe (?:two|three|results?|list)\b|^(?:only|just|nur|without|no|not|and|but)\b(?! \ue000)|そのうち|その中|それら|^だけ|だけ$"
        ),
    ),
    (
        "it",
        re.compile(
            r"\b(?:its?|it's|that (?:one|show|series|anime|movie)|this (?:one|show|series|anime|movie)|the same (?:one|show))\b|^(?:and )?(?:the |its )?(?:§\d+|sequel|prequel)\b|\btoo\b|それ|その(?!うち|中)|この作品|続編は"
        ),
    ),
)
_NTH = re.compile(
    r"\b(?:the|about the|number|no\.?) (?P<nth>first|second|third|fourth|fifth|last|\d{1,2}(?:st|nd|rd|th)?)(?: (?:one|show|of (?:those|these|them)))?\W*$|^(?P<no>no|nope|i mean|i meant),? the (?P<year>(?:19|20)\d\d) (?:one|version|show|series)"
)
_NTHS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_MORE = re.compile(r"^(?:and|und|what about|how about|now)\b")
_RELATION: tuple[tuple[re.Pattern[str], FieldName, Operator], ...] = (
    (re.compile(rf"\b(?:longer than|more episodes than|mehr folgen als) (?:the )?({SHOW}+)"), "episodes", ">"),
    (re.compile(rf"\b(?:shorter than|fewer episodes than|less episodes than) (?:the )?({SHOW}+)"), "episodes", "<"),
    (
        re.compile(
            rf"\b(?:better than|rated (?:higher|better|above) than|rated above|higher rated than|better rated than|higher than) (?:the )?({SHOW}+)"
        ),
        "rating",
        ">",
    ),
    (
        re.compile(
            rf"\b(?:worse than|rated (?:lower|worse|below) than|rated below|lower rated than) (?:the )?({SHOW}+)"
        ),
        "rating",
        "<",
    ),
    (
        re.compile(
            rf"\b(?:newer than|after|later than|more recent than)(?: the)? ({SHOW}+)(?: (?:aired|started|came out|was released|ended|premiered))?"
        ),
        "year",
        ">",
    ),
    (
        re.compile(
            rf"\b(?:older than|before|earlier than)(?: the)? ({SHOW}+)(?: (?:aired|started|came out|was released|ended|premiered))?"
        ),
        "year",
        "<",
    ),
    (re.compile(rf"\b(?:same year as|from the year of) ({SHOW}+)"), "year", "="),
    (re.compile(rf"\b(?:more popular than|more votes than) ({SHOW}+)"), "votes", ">"),
)
_AIRED_AFTER = re.compile(
    r"\b(?:aired|started|came out|was released|ended|premiered|newer|older|later|earlier|recent|before)\b"
)
_YES_NO = re.compile(r"^(?:is|are|was|were|does|do|did|has|have)\b")
_FRANCHISE = re.compile(r"\b(?:every|all(?: the)?|list|show me(?: all)?|which)\b")


@dataclass(frozen=True, slots=True)
class Named:
    """Where a question names shows; `ids` are those the name fits, the surest first."""

    start: int
    end: int
    ids: tuple[str, ...]


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
    missing = _missing(reading, vocabulary)
    slots = _slots(reading, names, vocabulary)
    relative = _relative_conditions(reading, names, slots)
    mine = _own_list(reading)
    slots.update(_orders(reading, len(names), refers=bool(slots.get("reference"))))
    read_phrases(reading, vocabulary, today)
    condition = both(condition_of(reading), *relative)
    intent, by_rule = _intent(reading, names, condition=condition, slots=slots, missing=missing, mine=mine)
    if intent == "my_list":
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


def _missing(reading: Question, vocabulary: Gazetteer) -> tuple[str, ...]:
    if len(reading.text.split()) > _TOPIC_WORDS:
        return ()
    found = []
    for topic, pattern in missing_patterns():
        if topic not in vocabulary.recorded and reading.take(pattern, "missing"):
            found.append(topic)
    return tuple(found)


def _slots(reading: Question, names: Sequence[Named], vocabulary: Gazetteer) -> dict[str, Any]:
    """Read what is not a condition: a field, a measure, a season's number, how to differ, a reference."""
    slots: dict[str, Any] = {}
    text = reading.rest
    mark = _SEASON_MARK.search(text)
    if mark:
        slots["number"] = int(mark[1])
        reading.claim(mark.start(), mark.end(), "number")
    del vocabulary
    reference: str | int = next((name for name, pattern in _REFERENCES if pattern.search(text)), "")
    nth = _NTH.search(text)
    if nth and nth["nth"] and not names:
        reference = _NTHS.get(nth["nth"]) or int(re.sub(r"\D", "", nth["nth"]) or 1)
    elif nth and nth["no"]:
        reference = "it"
        reading.claim(nth.start("no"), nth.end("no"), "reference")
    if reference or _MORE.search(text):
        slots["reference"] = reference or ("it" if names else "those")
    return slots


def _relative_conditions(reading: Question, names: Sequence[Named], slots: dict[str, Any]) -> list[Condition]:
    """Read bounds that a show gives: "longer than X", "before X aired"; not in a comparison of two shows."""
    if len(names) != 1 or _YES_NO.match(reading.text):
        return []
    found: list[Condition] = []
    for pattern, field, operator in _RELATION:
        match = pattern.search(reading.rest)
        if match is None or (
            match.group().startswith(("after", "before")) and not _AIRED_AFTER.search(match.group(), 6)
        ):
            continue
        reading.claim(match.start(), match.end(), "relative")
        found.append(Predicate(field, operator, Of(names[0].ids[0])))
    if found:
        slots["relative_shows"] = True
    return found


def _own_list(reading: Question) -> list[Condition]:
    for statuses, patterns in lexicon()["my_status"].items():
        if reading.take(_compiled(tuple(patterns)), "my list"):
            return (
                [either(*(Predicate("my_status", "=", one) for one in statuses.split("|")))]
                if statuses
                else [EVERYTHING]
            )
    return []


@cache
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


def _first_of(reading: Question, table: str, claim: str = "") -> str | None:
    """Return the key of the first entry whose words the question has, and claim them under that name."""
    for key, patterns in lexicon()[table].items():
        pattern = _compiled(tuple(patterns))
        match = pattern.search(reading.rest)
        if match:
            if claim:
                _claim_words(reading, match)
            return str(key)
    return None


def _claim_words(reading: Question, match: re.Match[str]) -> None:
    """Annotation a cue, but for a title within it."""
    for part in re.finditer(rf"[^{SHOW}\x00]+", match.group()):
        if part.group().strip():
            reading.claim(match.start() + part.start(), match.start() + part.end(), "cue")


def _orders(reading: Question, names: int, *, refers: bool = False) -> dict[str, Any]:
    """Read fields, measures and orders, which one word may mean: "longest", "most episodes", "rating"."""
    slots: dict[str, Any] = {}
    for measure, patterns in lexicon()["measures"].items():
        if names or not _compiled(tuple(patterns)).search(reading.rest):
            continue
        slots["measure"] = measure
        if group := _first_of(reading, "groups", "group"):
            slots["group"] = group
        measured = _first_of(reading, "fields", "field") or _measured(reading)
        if measure == "count" and not group:
            del slots["measure"]
            break
        slots["field"] = measured
        reading.take(_compiled(tuple(patterns)), "measure")
        return slots
    if names > 1 or (names == 0 and slots == {} and re.search(r"\b(?:which of|of the two|the two)\b", reading.text)):
        order = _first_of(reading, "comparatives", "order")
        if order:
            field, way = order.split()[:2]
            return {**slots, "order": Order(field=field, descending=way == "desc"), "field": field}  # type: ignore[arg-type]
        return slots
    if names and (asked := _first_of(reading, "fields", "field")):
        return {**slots, "field": asked}
    if names or (refers and has_cue("similar", reading.text)):
        relative = [
            name
            for name, patterns in lexicon()["relative"].items()
            if reading.take(_compiled(tuple(patterns)), "relative")
        ]
        return {**slots, "relative": tuple(relative)} if relative else slots
    top, rank = _TOP.search(reading.rest), _ORDINAL_RANK.search(reading.rest)
    if top:
        number = top["n"] or top["m"] or top["j"]
        slots["limit"] = int(number) if number.isdigit() else lexicon()["numbers"][number]
        word = re.match(r"\D*", top.group()) if top["n"] or top["j"] else None
        start = top.start() + (len(word.group()) if word and word.group().strip() != "first" else 0)
        reading.claim(start, top.end(), "limit")
    if rank:
        slots |= {"offset": _RANKS[rank["rank"]], "limit": 1}
        reading.claim(rank.start(), rank.end(), "limit")
    singular = bool(_SINGULAR.search(reading.text))
    order = _first_of(reading, "superlatives", "order")
    if order:
        field, way = order.split()[:2]
        slots["order"] = Order(field=field, descending=way == "desc")  # type: ignore[arg-type]
        if "limit" not in slots and (singular or not _PLURAL.search(reading.rest)):
            slots["limit"] = 1
    elif top:
        slots["order"] = Order(field="rating")
    return slots


def _measured(reading: Question) -> str:
    for field, words in (
        ("rating", r"\b(?:ratings?|scores?|rated)\b|評価"),
        ("episodes", r"\b(?:episodes?|eps|length|long)\b|話数"),
        ("votes", r"\bvotes?\b"),
        ("duration", r"\b(?:minutes|hours|running time)\b"),
        ("year", r"\b(?:years?|age)\b"),
    ):
        if reading.take(re.compile(words), "field"):
            return field
    return ""


def _intent(
    reading: Question,
    names: Sequence[Named],
    *,
    condition: Condition,
    slots: dict[str, Any],
    missing: tuple[str, ...],
    mine: list[Condition],
) -> tuple[Intent, bool]:
    """Return the intent that rules see and whether a cue says so, rather than what is left over."""
    text, named = reading.text.strip(), bool(names)
    left, _ = leftovers(reading)
    words = len(text.split())
    if words > _LONG:
        return "lookup", True
    if has_cue("help", text) and not named and condition == EVERYTHING:
        return "help", True
    if missing:
        return "unsupported", True
    refers = bool(slots.get("reference"))
    if named or refers:
        for intent in ("watch_order", "next", "similar"):
            if has_cue(intent, text) and not slots.get("relative_shows"):
                return intent, True
    if mine:
        return "my_list", True
    if has_cue("watch_order", text) and words <= 6:
        return "watch_order", True
    if named and "number" not in slots and has_cue("seasons", text):
        return "seasons", True
    if len({name.ids[0] for name in names}) > 1 and ("order" in slots or has_cue("compare", text)):
        return "compare", True
    if slots.get("relative_shows"):
        return "count" if has_cue("count", text) else "list", True
    if named and (slots.get("field") or (_YES_NO.match(text) and condition != EVERYTHING)):
        return "field", True
    if slots.get("measure"):
        return "stats", True
    if named:
        return ("lookup", True) if has_cue("lookup", text) or not left else ("lookup", False)
    if refers and slots.get("order") and re.search(r"\bof the two\b|\bof them\b", text):
        return "compare", True
    if slots.get("order") is not None and (slots.get("limit") or not left or slots["order"].field == "underrated"):
        return "superlative", True
    if has_cue("count", text):
        return "count", not left
    moods = any(isinstance(claim.value, Mood) for claim in reading.claims)
    if has_cue("recommend", text) and (
        moods or condition != EVERYTHING or not leftovers(reading, carrying_words("recommend"))[0]
    ):
        return "recommend", True
    if moods and len(left) <= 1:
        return "recommend", True
    if condition != EVERYTHING and not left:
        return "list", True
    if condition != EVERYTHING and has_cue("list", text):
        return "list", False
    return "lookup", False


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


def uses_field(condition: Condition, field: FieldName) -> bool:
    """Tell whether an expression compares this field."""
    return any(one.field == field for one in comparisons(condition))


__all__ = ["Annotation", "Named", "Reading", "placed_words", "plan_of", "read", "uses_field"]
