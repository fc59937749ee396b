"""Reads measures, comparisons, fields and ranks, which may share a word: "longest", "most episodes"."""

# ruff: noqa: E501 - patterns are easier to read on one line

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.query.asked_fields import read_fields
from animerag.query.cue_tables import first_of, pattern_of
from animerag.query.intents import has_cue
from animerag.query.lexicon import lexicon
from animerag.query.parts import asks_for_best_part, asks_for_seasons_only, asks_whether_first
from animerag.query.plan import Order
from animerag.query.references import differs

if TYPE_CHECKING:
    from animerag.query.grammar import Question, Slots

_TOP = re.compile(
    r"\b(?:top|first|best|worst|newest|latest|oldest|longest|shortest|(?:highest|lowest|best|worst)[ -]rated|most popular)\s+(?P<n>\d{1,3}|three|five|ten|two|four|six|seven|eight|nine|twenty)\b(?!\s*(?:%|episodes?|eps|seasons?))"
    r"|\b(?P<m>\d{1,3}|three|five|ten|two|four|six|seven|eight|nine|twenty)\s+(?=(?:best|highest|top|longest|shortest|most|newest|oldest|lowest|worst|latest|earliest)\b)"
    r"|(?:トップ|ベスト|上位)(?P<j>\d{1,3})"
)
_NUMBER_FIRST = re.compile(
    r"^(?:(?:give|show|list|name|tell|find)(?: me)? )?(?:the |my )?(?P<n>\d{1,3}|two|three|four|five|six|seven|eight|nine|ten|twenty) (?=(?:anime|shows?|movies?|films?|series|titles|ovas?|ones)\b)"
)
_ORDINAL_RANK = re.compile(
    r"\b(?P<rank>second|third|fourth|fifth|2nd|3rd|4th|5th)[\s-]+(?=(?:best|highest|longest|shortest|most|newest|oldest|lowest|worst|latest)\b)"
)
_RANKS = {"second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3, "fifth": 4, "5th": 4}
_PLURAL = re.compile(
    r"\b(?:shows|titles|series|animes?|ones|films|movies|entries|ovas|specials|comedies|dramas|romances|mysteries|gems)\b"
)
_SINGULAR = re.compile(
    r"\b(?:which|what|whats|what's) (?:\w+ )?(?:show|series|title|anime|one|film|movie)? ?(?:is|was|has|s)\b|\bthe (?:\w+ )?(?:longest|shortest|oldest|newest|best|highest|worst|most|lowest|latest)\b|どれ|何ですか"
)
_ASKS_ONE = re.compile(r"^(?:which|what|whats)\b(?!.? are\b).{0,60}?(?:\b(?:is|was|has|had)\b|'s\b)|どれ|何ですか")
_BY_FIELD = re.compile(
    r"\b(?:by|in|of)(?: the)?(?: number of| total| count of)? (?:episodes?|episode counts?|length|ratings?|scores?|votes?|popularity|years?|age)\b"
)
_SORTED_BY = re.compile(
    r"\b(?:in (?:the )?order of|(?:order(?:ed)?|sort(?:ed)?|rank(?:ed)?|arranged?|(?:list|show) (?:them|those|these))(?: (?:them|those|these|it))?(?: all)? by) (?P<field>ratings?|scores?|years?|age|dates?|episodes?|length|votes?|popularity)\b(?P<up>,? (?:ascending|asc|lowest first|oldest first|shortest first|least first))?"
)
_RANKED_BY = re.compile(
    r"\bby(?: the)?(?: number of| total)? (?P<field>ratings?|scores?|episodes?|length|votes?|popularity)\b"
)
_LISTED_BY = re.compile(
    r"^(?:(?:list|show|display|give me)\b.{3,60}?|[\w' -]{3,40}?)(?P<by>\bby (?P<field>ratings?|scores?|years?|dates?|episodes?|length|votes?|popularity))\W*$"
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
_BEST = re.compile(r"\b(?:best|top|highest rated|greatest)\b")
_WHICH_ONE = re.compile(r"\bwhich(?: one)? (?:is|was|has|had|came|got|lasted|ran|started|ended|aired)\b")
_OF_FEW = re.compile(r"^(?!.*\bthan (?:in )?\d).*\b(?:which of (?!my\b|our\b|all\b)|of the two\b|the two\b)")
_LEAST = re.compile(r"\b(?:least(?: of)?|fewest|rarest|lowest|worst)\b")
_EACH = re.compile(r"\b(?:each|every|per|by)\b|ごと|別")
_TOGETHER = re.compile(
    r"\b(?:in total|altogether|together|combined|in all|total|all (?:the )?(?:seasons|parts))\b|全部で|合計"
)
_WATCH_TIME = re.compile(
    r"\bhow (?:long|much time|many (?:hours|days))\b.{0,90}\b(?:take|need(?:ed)?|spend)\b|\bhow (?:long|much time)\b.{0,20}\bto (?:watch|finish|binge|see|get through|complete)\b|\bhow many (?:hours|days)\b|\b(?:total|whole|full|overall) (?:run ?time|running time|length)\b|\bwatch(?:ing)? time\b|\btime to (?:watch|finish|binge|get through)\b|何時間|どのくらいで見"
)
_TIME_SPENT = re.compile(
    r"\bhow (?:much time|many hours|many days|long) (?:have|did) i (?:\w+ )?(?:spent|spend|watch|watched|put)\b"
)
_ASKS_FOR_TIME = r"\b(?:how|long|much|time|many|hours|days|takes?|needed|binge|spend|spent|total|whole|full|overall|run ?time|running time|length)\b|何時間"
_REMAINING = re.compile(r"\b(?:left|remaining)\b")
_WHOLE = re.compile(r"\b(?:all|everything|whole|entire|franchise|every)\b|全部|すべて|全シリーズ")
_MEASURES = re.compile(
    r"averages?|avg|means?|typical|durchschnitt\w*|medians?|totals?|sum|altogether|combined|together|percent\w*|share|fraction"
    r"|proportion|distribution|breakdown|statistics|stats|histogram|split|most|least|often|common|frequent|fewest|rarest"
    r"|best|worst|top|highest|lowest|biggest|largest|longest|rated|scored|different|distinct|unique|various|per|each|every"
    r"|number|counts?|franchises?|tags?|genres?|years?|decades?|months?"
    r"|seasons?|types?|formats?|studios?|sources?|shows?|series|anime|entries|titles|majority|half|many|take|parts|occur"
)
_MEASURED = re.compile(r"episodes?|eps|votes?|hours|minutes|ratings?|scores?")
_COUNTS = ("count", "distinct", "absent", "share")  # measures of shows rather than of a field
_BARE_TOP = re.compile(r"\btop\b|トップ")


def read_orders(reading: Question, names: int, reference: str | int = "") -> Slots:
    """Read a measure, a comparison, a field or a rank; `names` is the number of shows that the question names."""
    of_one = reference == "it" or isinstance(reference, int)
    if not names and not of_one and _times_shows(reading):
        return {"measure": "sum", "field": "duration"}
    if not names and (measured := _read_measure(reading)):
        return measured
    if (names or of_one) and reading.take(_WATCH_TIME, "measure"):
        return {"measure": "sum", "field": "duration", **({"franchise": True} if _WHOLE.search(reading.text) else {})}
    of_those = reference == "those" and not differs(reading.text)
    of_few = (of_those and _WHICH_ONE.search(reading.text)) or (names == 0 and _OF_FEW.search(reading.text))
    if names == 1 and asks_for_best_part(reading) and (ranked := _read_rank(reading)).get("order"):
        return {**ranked, "franchise": True, "field": "seasons" if asks_for_seasons_only(reading.text) else None}
    if names == 1 and asks_whether_first(reading.text) and (ranked := _read_rank(reading)).get("order"):
        return {**ranked, "limit": 1, "yes_no": True}
    if names > 1 or of_few:
        compared = _read_comparison(reading, names)
        if compared or not names:
            return compared
        fields = read_fields(reading)
        return _asked(fields) | _summed(reading, fields)
    about_one = names or of_one
    if about_one and (fields := read_fields(reading)):
        return _asked(fields) | _summed(reading, fields)
    if names or (reference and (has_cue("similar", reading.text) or differs(reading.text))):
        relative = tuple(
            name
            for name, patterns in lexicon()["relative"].items()
            if reading.take(pattern_of(tuple(patterns)), "relative")
        )
        return {"relative": relative} if relative else {}
    return _read_rank(reading)


def _times_shows(reading: Question) -> bool:
    """Return whether a question asks how long a set of shows takes, and claim the words that ask it."""
    match = _WATCH_TIME.search(reading.text) or _TIME_SPENT.search(reading.text)
    if match is None or _EACH.search(reading.text):
        return False
    for word in re.finditer(_ASKS_FOR_TIME, match.group()):
        start, end = match.start() + word.start(), match.start() + word.end()
        if reading.rest[start:end] == word.group():
            reading.claim(start, end, "measure")
    reading.take(_REMAINING, "measure")
    return True


def _summed(reading: Question, fields: tuple[str, ...]) -> Slots:
    """Read "how many episodes in total" as the sum over all named shows."""
    return {"measure": "sum"} if fields == ("episodes",) and reading.take(_TOGETHER, "measure") else {}


def _asked(fields: tuple[str, ...]) -> Slots:
    if not fields:
        return {}
    return {"field": fields[0], **({"fields": fields} if len(fields) > 1 else {})}


def _read_measure(reading: Question) -> Slots:
    for measure, patterns in lexicon()["measures"].items():
        asked = pattern_of(tuple(patterns)).search(reading.rest)
        if asked is None:
            continue
        group = first_of(reading, "groups", "group")
        field = "" if measure in _COUNTS else first_of(reading, "fields", "field") or _measured(reading)
        if measure in ("count", "distinct", "absent") and not group:
            return {}
        top = _TOP.search(asked.group()) if group else None
        _claim_measure(reading, asked, counts=measure in _COUNTS)
        slots: Slots = {"measure": measure, "field": field, **({"group": group} if group else {})}
        if top is not None:
            slots["limit"] = _number(top["n"] or top["m"] or top["j"])
        reading.take(_LEAST, "order")
        if _LEAST.search(reading.text):
            slots["order"] = Order(field="votes", descending=False)  # groups with the lowest value come first
        return slots
    return {}


def _claim_measure(reading: Question, asked: re.Match[str], *, counts: bool) -> None:
    """Claim the words of the measure; "comedies" in "how many comedies per year" is a condition.

    If shows are counted, a rating is part of a condition, too.
    """
    for word in re.finditer(r"[^\W_]+", asked.group()):
        phrase = word.group()
        measures = _MEASURES.fullmatch(phrase) or (not counts and _MEASURED.fullmatch(phrase))
        if measures or not phrase.isascii():
            reading.claim(asked.start() + word.start(), asked.start() + word.end(), "cue")


def _read_comparison(reading: Question, names: int) -> Slots:
    order = first_of(reading, "comparatives", "order")
    if not order:
        return {}
    field, way = order.split()[:2]
    slots: Slots = {"order": Order(field=field, descending=way == "desc"), "field": field}  # type: ignore[arg-type]
    return slots if names else {**slots, "limit": 1}


def _read_rank(reading: Question) -> Slots:
    """Read an order over the catalogue: its field, direction, number of shows, and first rank."""
    slots = _read_numbers(reading)
    sorted_by = _SORTED_BY.search(reading.rest)
    if sorted_by:
        field = _SORT_FIELDS[sorted_by["field"].rstrip("s")]
        slots["order"] = Order(field=field, descending=not sorted_by["up"])  # type: ignore[arg-type]
        reading.claim(sorted_by.start(), sorted_by.end(), "order")
        return slots
    if listed_by := _LISTED_BY.search(reading.rest):
        slots["order"] = Order(field=_SORT_FIELDS[listed_by["field"].rstrip("s")])  # type: ignore[arg-type]
        reading.claim(*listed_by.span("by"), "order")
        return slots
    is_top, one = "limit" in slots and "offset" not in slots, bool(_ASKS_ONE.search(reading.text))
    singular = one or (bool(_SINGULAR.search(reading.text)) and not _PLURAL.search(reading.text))
    order = first_of(reading, "superlatives", "order")
    if order and order.startswith("underrated"):
        reading.take(_BEST, "order")
    general = order.endswith("general") if order else is_top
    if general and (ranked := _RANKED_BY.search(reading.rest)):
        order = f"{_SORT_FIELDS[ranked['field'].rstrip('s')]} desc"
    if order or is_top:
        reading.take(_BY_FIELD, "order")
        reading.take(_BARE_TOP, "order")
    if order is None:
        return {**slots, "order": Order(field="rating")} if is_top else slots
    if "limit" not in slots and (first := reading.take(_NUMBER_FIRST, "limit")):
        slots["limit"] = _number(first["n"])
    field, way = order.split()[:2]
    slots["order"] = Order(field=field, descending=way == "desc")  # type: ignore[arg-type]
    if _EACH.search(reading.rest) and (group := first_of(reading, "groups", "group")):
        return {**slots, "group": group}
    # "Best rated first" orders all shows.
    several = _PLURAL.search(reading.text if order.startswith("underrated") else reading.rest)
    single = singular or not several
    if "limit" not in slots and single and not _FIRST_AT_END.search(reading.text):
        slots["limit"] = 1
    return slots


def _read_numbers(reading: Question) -> Slots:
    slots: Slots = {}
    top, rank = _TOP.search(reading.rest), _ORDINAL_RANK.search(reading.rest)
    if top:
        slots["limit"] = _number(top["n"] or top["m"] or top["j"])
        named = "n" if top["n"] else "m" if top["m"] else "j"
        start = top.start() if top.group().startswith("first") else top.start(named)
        reading.claim(start, top.end(), "limit")
    if rank:
        slots |= {"offset": _RANKS[rank["rank"]], "limit": 1}
        reading.claim(rank.start(), rank.end(), "limit")
    return slots


def _number(word: str) -> int:
    return int(word) if word.isdigit() else int(lexicon()["numbers"][word])


def _measured(reading: Question) -> str:
    for field, words in (
        ("rating", r"\b(?:ratings?|scores?|rated)\b|評価"),
        ("episodes", r"\b(?:episodes?|eps|length|long)\b|話数"),
        ("votes", r"\bvotes?\b"),
        ("duration", r"\b(?:minutes|hours|running time|run ?time)\b"),
        ("year", r"\b(?:years?|age)\b"),
    ):
        if reading.take(re.compile(words), "field"):
            return field
    return ""
