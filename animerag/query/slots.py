"""What a question says beside its conditions: fields, orders, measures, numbers, and what it leans on. Pure."""

# ruff: noqa: E501 - patterns read better whole

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from animerag.query.grammar import SHOW
from animerag.query.intents import has_cue
from animerag.query.lexicon import lexicon, missing_patterns
from animerag.query.plan import EVERYTHING, Of, Order, Predicate, either
from animerag.query.references import differs, read_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.query.grammar import Named, Question, Slots
    from animerag.query.lexicon import Gazetteer
    from animerag.query.plan import Condition, FieldName, Operator

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
_ASKS_ONE = re.compile(r"^(?:which|what|whats)\b(?!.? are\b).{0,60}?(?:\b(?:is|was|has|had)\b|'s\b)|どれ|何ですか")
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
    (re.compile(rf"({SHOW}+)より(?:も)?(?:長い|話数の多い)"), "episodes", ">"),
    (re.compile(rf"({SHOW}+)より(?:も)?(?:短い|話数の少ない)"), "episodes", "<"),
    (re.compile(rf"({SHOW}+)より(?:も)?(?:評価[がの]高い|面白い)"), "rating", ">"),
    (re.compile(rf"({SHOW}+)より(?:も)?評価[がの]低い"), "rating", "<"),
    (re.compile(rf"({SHOW}+)より(?:も)?(?:新しい|後の)"), "year", ">"),
    (re.compile(rf"({SHOW}+)より(?:も)?(?:古い|前の)"), "year", "<"),
    (re.compile(rf"({SHOW}+)より(?:も)?人気(?:の|が)ある?"), "votes", ">"),
)
_AIRED_AFTER = re.compile(
    r"\b(?:aired|started|came out|was released|ended|premiered|newer|older|later|earlier|recent|before)\b"
)
_ASKING = re.compile(
    r"^(?:who|whose|what|which|where|when|how|is|are|was|were|does|do|did|has|can|could|tell|name|list|show|give|find|any|all|every|everything|anything|anime|movies?|films?|series|shows?|titles?|studio|ghibli|good|best|great|popular|new|recommend|something|stuff|works|i want|one|two|three|five|ten|the (?:best|top))\b|[?？]\s*$|[\u3040-\u30ff\u4e00-\u9fff]"
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
_BY_FIELD = re.compile(
    r"\b(?:by|in|of)(?: the)?(?: number of| total| count of)? (?:episodes?|episode counts?|length|ratings?|scores?|votes?|popularity|years?|age)\b"
)
_SORTED_BY = re.compile(
    r"\b(?:order(?:ed)?|sort(?:ed)?|rank(?:ed)?|arranged?|(?:list|show) (?:them|those|these))(?: (?:them|those|these|it))?(?: all)? by (?P<field>ratings?|scores?|years?|age|dates?|episodes?|length|votes?|popularity)\b(?P<up>,? (?:ascending|asc|lowest first|oldest first|shortest first|least first))?"
)
_SORT_FIELDS = {
    "rating": "rating",
    "score": "rating",
    "year": "year",
    "age": "year",
    "date": "year",
    "episode": "episodes",
    "length": "episodes",
    "vote": "votes",
    "popularity": "votes",
}
_FIRST_AT_END = re.compile(
    r"\b(?:best|highest|lowest|worst|newest|oldest|longest|shortest|popular|rated|scored) first\W*$"
)
_OF_FEW = re.compile(r"^(?!.*\bthan (?:in )?\d).*\b(?:which of|of the two|the two)\b")
_WHICH_ONE = re.compile(r"\bwhich(?: one)? (?:is|was|has|had|came|got)\b")
_EACH = re.compile(r"\b(?:each|every|per|by)\b|ごと|別")
_BARE_TOP = re.compile(r"\btop\b|トップ")
YES_NO = re.compile(r"^(?:is|are|was|were|does|do|did|has|have)\b")
_SCORED = re.compile(
    r"\b(?:i(?: have|.ve)?|did i|have i) (?:rated?|scored?|gave|give|given|voted)\b(?: it| them| an?)?\s*(?P<cmp>above|over|more than|at least|below|under|less than|at most|exactly)?\s*(?P<n>\d+(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten)\b(?:\s*(?:or|and) (?P<post>more|higher|above|better|less|lower|below))?"
)


def missing_topics(reading: Question, vocabulary: Gazetteer) -> tuple[str, ...]:
    """Return the topics that a question asks for and no record holds; a plot only mentions them."""
    if len(reading.text.split()) > _TOPIC_WORDS:
        return ()
    found = []
    asks = SHOW in reading.text or bool(_ASKING.search(reading.text))
    for topic, pattern in missing_patterns():
        match = pattern.search(reading.rest)
        if topic in vocabulary.recorded or match is None or not match.group().strip():
            continue
        if not asks or _ABOUT_A.search(reading.text[: match.start()]):
            continue
        reading.claim(match.start(), match.end(), "missing")
        found.append(topic)
    return tuple(found)


def read_slots(reading: Question, names: Sequence[Named], vocabulary: Gazetteer) -> Slots:
    """Read what is not a condition: a field, a measure, a season's number, how to differ, a reference."""
    slots: Slots = {}
    text = reading.rest
    mark = _SEASON_MARK.search(text)
    if mark:
        slots["number"] = int(mark[1])
        reading.claim(mark.start(), mark.end(), "number")
    del vocabulary
    slots |= read_reference(reading, named=bool(names))
    if YES_NO.match(reading.text.strip()):
        slots["yes_no"] = True
    return slots


def time_budget(reading: Question) -> int | None:
    """Read the time that there is: "I have three hours"; a length of episodes is a condition instead."""
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
    """Read bounds that a show gives: "longer than X", "before X aired"; not in a comparison of two shows."""
    if len(names) != 1 or YES_NO.match(reading.text):
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


def own_scores(reading: Question) -> list[Condition]:
    """Read a bound on one's own score: "what did I rate above 8"."""
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
    """Return the conditions on one's own list that a question has; one that holds for all where it only names it."""
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


def read_orders(reading: Question, names: int, reference: str | int = "") -> Slots:
    """Read fields, measures and orders, which one word may mean: "longest", "most episodes", "rating"."""
    slots: Slots = {}
    for measure, patterns in lexicon()["measures"].items():
        if names or not _compiled(tuple(patterns)).search(reading.rest):
            continue
        slots["measure"] = measure
        if group := _first_of(reading, "groups", "group"):
            slots["group"] = group
        measured = _first_of(reading, "fields", "field") or _measured(reading)
        if measure in ("count", "distinct") and not group:
            del slots["measure"]
            break
        slots["field"] = measured
        reading.take(_compiled(tuple(patterns)), "measure")
        return slots
    of_those = reference == "those" and not differs(reading.text)
    if (
        names > 1
        or (of_those and _WHICH_ONE.search(reading.text))
        or (names == 0 and slots == {} and _OF_FEW.search(reading.text))
    ):
        order = _first_of(reading, "comparatives", "order")
        if order:
            field, way = order.split()[:2]
            found = {"order": Order(field=field, descending=way == "desc"), "field": field}  # type: ignore[arg-type]
            return {**slots, **found, **({} if names else {"limit": 1})}
        return slots
    about_one = names or reference == "it" or isinstance(reference, int)
    if about_one and (asked := _first_of(reading, "fields", "field")):
        return {**slots, "field": asked}
    if names or (reference and (has_cue("similar", reading.text) or differs(reading.text))):
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
        named = "n" if top["n"] else "m" if top["m"] else "j"
        first = top.group().startswith("first")
        reading.claim(top.start() if first else top.start(named), top.end(), "limit")
    if rank:
        slots |= {"offset": _RANKS[rank["rank"]], "limit": 1}
        reading.claim(rank.start(), rank.end(), "limit")
    one = bool(_ASKS_ONE.search(reading.text))
    singular = one or (bool(_SINGULAR.search(reading.text)) and not _PLURAL.search(reading.text))
    by = _SORTED_BY.search(reading.rest)
    if by:
        slots["order"] = Order(field=_SORT_FIELDS[by["field"].rstrip("s")], descending=not by["up"])  # type: ignore[arg-type]
        reading.claim(by.start(), by.end(), "order")
        return slots
    order = _first_of(reading, "superlatives", "order")
    if order or top:
        reading.take(_BY_FIELD, "order")
        reading.take(_BARE_TOP, "order")
    if order:
        field, way = order.split()[:2]
        slots["order"] = Order(field=field, descending=way == "desc")  # type: ignore[arg-type]
        if _EACH.search(reading.rest) and (group := _first_of(reading, "groups", "group")):
            slots["group"] = group
            return slots
        # "Best rated first" orders all of them.
        alone = singular or not _PLURAL.search(reading.rest)
        if "limit" not in slots and alone and not _FIRST_AT_END.search(reading.text):
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
