"""Reads the rest of a question besides its conditions: fields, orders, measures, numbers, references. Pure."""

# ruff: noqa: E501 - patterns are easier to read on one line

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.query.grammar import SHOW
from animerag.query.lexicon import lexicon, missing_patterns
from animerag.query.plan import LAST, Of, Predicate
from animerag.query.references import read_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.query.grammar import Named, Question, Slots
    from animerag.query.lexicon import Gazetteer
    from animerag.query.plan import Condition, FieldName, Operator

_TOPIC_WORDS = 18  # words; in longer questions "the same director" is a remark
_SEASON_MARK = re.compile(r"§(?P<season>\d+)(?:\W*§(?P<part>\d+))?")
_LAST_SEASON = re.compile(r"\bfinal season\b(?:\W*§(?P<part>\d+))?|最終(?:期|シーズン)")
_RELATION: tuple[tuple[re.Pattern[str], FieldName, Operator], ...] = (
    (re.compile(rf"\b(?:longer than|more episodes than|mehr folgen als) (?:the )?({SHOW}+)"), "episodes", ">"),
    (re.compile(rf"\b(?:shorter than|fewer episodes than|less episodes than) (?:the )?({SHOW}+)"), "episodes", "<"),
    (
        re.compile(
            rf"\b(?:better than|(?:rated|an? (?:rating|score)|rating|score) (?:higher|better|above) than|rated above|higher rated than|better rated than|(?:higher|better) (?:rating|score) than|higher than) (?:the )?({SHOW}+)"
        ),
        "rating",
        ">",
    ),
    (
        re.compile(
            rf"\b(?:worse than|(?:rated|rating|score) (?:lower|worse|below) than|rated below|lower rated than|(?:lower|worse) (?:rating|score) than|lower than) (?:the )?({SHOW}+)"
        ),
        "rating",
        "<",
    ),
    (
        re.compile(
            rf"\b(?:(?:in|from|of) )?(?:the )?same year (?:as|that) (?:the )?({SHOW}+)(?: (?:aired|started|came out|did))?"
        ),
        "year",
        "=",
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
    (
        re.compile(
            rf"\b(?:same year as|(?:from|in|of|during|out|released|aired|premiered|started|else) (?:the )?(?:same )?year(?: (?:of|as|that|when|in which))?) ({SHOW}+)(?: (?:did|was|aired|came out|started|was released|premiered|began))?"
        ),
        "year",
        "=",
    ),
    (re.compile(rf"\b(?:the )?same (?:length|number of episodes) as ({SHOW}+)"), "episodes", "="),
    (re.compile(rf"\b(?:the )?same (?:rating|score) as ({SHOW}+)"), "rating", "="),
    (re.compile(rf"\b(?:more popular than|more votes than) ({SHOW}+)"), "votes", ">"),
    (re.compile(rf"\b(?:less popular than|(?:fewer|less) votes than) ({SHOW}+)"), "votes", "<"),
    (re.compile(rf"({SHOW}+)より(?:も)?(?:長い|話数の多い)"), "episodes", ">"),
    (re.compile(rf"({SHOW}+)より(?:も)?(?:短い|話数の少ない)"), "episodes", "<"),
    (re.compile(rf"({SHOW}+)より(?:も)?(?:評価[がの]高い|面白い)"), "rating", ">"),
    (re.compile(rf"({SHOW}+)より(?:も)?評価[がの]低い"), "rating", "<"),
    (re.compile(rf"({SHOW}+)より(?:も)?(?:新しい|後の)"), "year", ">"),
    (re.compile(rf"({SHOW}+)より(?:も)?(?:古い|前の)"), "year", "<"),
    (re.compile(rf"({SHOW}+)より(?:も)?人気(?:の|が)ある?"), "votes", ">"),
)
_GOES_ON = r"\b(?:and|but|or)(?: also)?(?: with| has| have| are| is)?(?: an?)? (?:{})\b(?! than)"
# Further bounds after one that names the show: "rated lower than X and with more votes".
_MORE_OF_IT: tuple[tuple[re.Pattern[str], FieldName, Operator], ...] = tuple(
    (re.compile(_GOES_ON.format(words)), field, operator)  # type: ignore[misc]
    for words, field, operator in (
        ("more (?:votes|popular)", "votes", ">"),
        ("(?:fewer|less) (?:votes|popular)", "votes", "<"),
        ("(?:more episodes|longer)", "episodes", ">"),
        ("(?:fewer|less) episodes|shorter", "episodes", "<"),
        ("(?:higher|better) (?:rated|ratings?|scores?)|rated (?:higher|better)", "rating", ">"),
        ("(?:lower|worse) (?:rated|ratings?|scores?)|rated (?:lower|worse)", "rating", "<"),
        ("newer|more recent", "year", ">"),
        ("older", "year", "<"),
    )
)  # fmt: skip
_AIRED_AFTER = re.compile(
    r"\b(?:aired|started|came out|was released|ended|premiered|newer|older|later|earlier|recent|before)\b"
)
_ASKING = re.compile(
    r"^(?:who|whose|what|which|where|when|how|is|are|was|were|does|do|did|has|can|could|tell|name|list|show|give|find|any|all|every|everything|anything|anime|movies?|films?|series|shows?|titles?|studio|ghibli|good|best|great|popular|new|recommend|something|stuff|works|i want|one|two|three|five|ten|(?:the )?(?:best|top|most|worst|least))\b|[?？]\s*$|[\u3040-\u30ff\u4e00-\u9fff]"
)
_WHAT_HAS = re.compile(
    r"^(?:what|which)(?: (?:ones?|shows?|anime|series|movies?|of (?:my|the) \w+))? (?:has|have)(?: an?| the)? $"
)
_ABOUT_A = re.compile(
    r"\b(?:about|with|where|at|becomes?|as|has)\b(?: (?:an?|the|some|his|her|their|of))?(?: [\w-]+){0,2} $"
)
_SPANS = {"weekend": 960, "day": 600, "evening": 240, "night": 240, "afternoon": 240, "lunch break": 45}  # minutes
_SPAN = re.compile(
    rf"\b(?:in|over|within|for|during) (?:just )?(?:an?|one|a single|this|the|my) (?P<span>{'|'.join(_SPANS)})\b"
)
_MINUTES = re.compile(
    r"\b(?P<n>\d+(?:\.\d+)?|an?|one|two|three|four|five|six|eight|ten|half an)\s*-?\s*(?P<unit>hours?|h|minutes|mins?)\b"
)
_FINISHES = re.compile(r"\b(?:finish|binge|complete|watch all|get through|whole|through)\b")
_IS_THERE = re.compile(r"^(?:is|are) there\b")
YES_NO = re.compile(r"^(?:is|are|was|were|does|do|did|has|have)\b")


def missing_topics(reading: Question, vocabulary: Gazetteer) -> tuple[str, ...]:
    """Return the topics that a question asks for and no field records; a plot only mentions them."""
    if len(reading.text.split()) > _TOPIC_WORDS:
        return ()
    topics = []
    asks = SHOW in reading.text or bool(_ASKING.search(reading.text))
    for topic, pattern in missing_patterns():
        match = pattern.search(reading.rest)
        if topic in vocabulary.recorded or match is None or not match.group().strip():
            continue
        if not asks or (
            _ABOUT_A.search(reading.text[: match.start()]) and not _WHAT_HAS.match(reading.text[: match.start()])
        ):
            continue
        reading.claim(match.start(), match.end(), "missing")
        topics.append(topic)
    return tuple(topic for topic in topics if not any(other != topic and other in topic for other in topics))


def read_slots(reading: Question, names: Sequence[Named], vocabulary: Gazetteer) -> Slots:
    """Read slots that are not conditions: a field, a measure, a season's number, a wish to differ, a reference."""
    slots: Slots = {}
    text = reading.rest
    mark = _SEASON_MARK.search(text)
    last = _LAST_SEASON.search(text) if names else None
    if asked := last or mark:
        slots["number"] = LAST if last or mark is None else int(mark["season"])
        if asked["part"]:
            slots["part"] = int(asked["part"])
        reading.claim(asked.start(), asked.end(), "number")
    del vocabulary
    slots |= read_reference(reading, named=bool(names))
    if YES_NO.match(reading.text.strip()):
        slots["yes_no"] = True
    return slots


def time_budget(reading: Question) -> int | None:
    """Read the available time: "I have three hours"; a length of episodes is a condition instead."""
    span = _SPAN.search(reading.rest)
    if span and _FINISHES.search(reading.text):
        reading.claim(span.start(), span.end(), "minutes")
        return _SPANS[span["span"]]
    match = _MINUTES.search(reading.rest)
    if match is None or not re.search(
        r"\b(?:i|we)(?: only|.ve| have)? (?:have|got|ha)|\b(?:in )?(?:under|less than|at most|up to|within|no more than)\b|\bfor (?:the next )?",
        reading.text[: match.start()] + " for ",
    ):
        return None
    number = match["n"]
    words = lexicon()["numbers"]
    value = 0.5 if number == "half an" else 1.0 if number in ("a", "an") else float(words.get(number, 0) or number)
    reading.claim(match.start(), match.end(), "minutes")
    return int(value * 60) if match["unit"].startswith("h") else int(value)


def relative_conditions(reading: Question, names: Sequence[Named], slots: Slots) -> list[Condition]:
    """Read comparisons with a show: "longer than X", "before X aired"; not in a comparison of two shows."""
    if len(names) != 1 or (YES_NO.match(reading.text) and not _IS_THERE.match(reading.text)):
        return []
    conditions: list[Condition] = []
    for pattern, field, operator in _RELATION:
        match = pattern.search(reading.rest)
        if match is None or (
            match.group().startswith(("after", "before")) and not _AIRED_AFTER.search(match.group(), 6)
        ):
            continue
        reading.claim(match.start(), match.end(), "relative")
        conditions.append(Predicate(field, operator, Of(names[0].ids[0])))
    for pattern, field, operator in _MORE_OF_IT if conditions else ():
        if reading.take(pattern, "relative"):
            conditions.append(Predicate(field, operator, Of(names[0].ids[0])))
    if conditions:
        slots["relative_shows"] = True
    return conditions
