"""Reads numbers, dates and ranges in a question: patterns, and the comparison that each of them means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.query.absent_values import PATTERNS as ABSENT
from animerag.query.air_times import PATTERNS as AIR_TIMES
from animerag.query.number_words import NUMBER, WORDS, number_of
from animerag.query.plan import FOLLOWED, And, Not, Predicate
from animerag.query.title_conditions import PATTERNS as TITLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from animerag.query.plan import Condition, FieldName, Operator

_COMPARE: dict[Operator, str] = {
    ">=": r"at least|no fewer than|no less than|not less than|not (?:under|below)|minimum(?: of)?|min|mindestens|>=|≥",
    "<=": r"at most|no more than|not more than|not (?:over|above)|up to|maximum(?: of)?|max|within|hochstens|maximal|<=|≤",
    ">": r"more than|over|above|greater than|longer than|higher than|better than|exceeding|beyond|upwards of|mehr als|uber|>",
    "<": r"fewer than|less than|under|below|shorter than|lower than|worse than|weniger als|unter|<",
    "=": r"exactly|precisely|just|only|of|is|are|at|genau|around|about|roughly|=",
}
_AFTER: dict[Operator, str] = {
    ">=": r"\+|(?:or|and) (?:more|higher|above|better|longer|over|greater|up|upwards?)\b|minimum\b|oder mehr\b|plus\b",
    "<=": r"(?:or|and) (?:less|fewer|lower|below|under|shorter|worse)\b|max(?:imum)?\b|tops\b|at most\b|oder weniger\b",
}
_PRE = r"(?:(?P<cmp>" + "|".join(f"(?:{words})" for words in _COMPARE.values()) + r")\s*)"
_POST = r"(?:\s*(?P<post{0}>" + "|".join(f"(?:{words})" for words in _AFTER.values()) + r")(?!\s*\d))?"
_UNITS: dict[FieldName, str] = {
    "episodes": r"(?:episodes?|eps?|folgen|episoden)\b",
    "votes": r"(?:votes?|voters?|people|users?|viewers?|ratings)\b",
    "rating": r"(?:points?|stars?|out of (?:10|ten))\b|/\s*10\b",
    "duration": r"(?:minutes?|mins?)\b",
    "seasons": r"(?:seasons?|staffeln?)\b",
}
_BY = re.compile(r"\bby\s+$")
_VOTED = re.compile(r"\s+(?:(?:have|who|that)\s+)*(?:rated|voted|scored)\b")
_UNIT = r"(?:\s*-?\s*(?:" + "|".join(f"(?P<{name}>{unit})" for name, unit in _UNITS.items()) + r"))"
_LEADS: dict[FieldName, str] = {
    "episodes": r"(?:number of )?(?:episodes?|eps)|episode counts?",
    "votes": r"(?:number of )?votes?",
    "duration": r"running times?|minutes",
}
_LED = rf"\b(?P<lead>{'|'.join(_LEADS.values())})\s+(?:is |are |of )?{_PRE}{NUMBER.format('n')}(?![\d.])(?!\s*-?\s*(?:episodes?|eps|minutes?|mins?|votes?)\b)"
_GOES_ON = re.compile(
    rf"\s*{_PRE}{NUMBER.format('n')}(?![\w.])(?!\s*-?\s*(?:episodes?|eps|minutes?|mins?|votes?|stars?|points?)\b)"
)
BOUND_BEFORE = re.compile(rf"{_PRE}{NUMBER.format('n')}\s+(?:and|but|or|oder|und)\s+$")
_RATED = r"(?P<rated>\b(?:my |(?:an? )?(?:average|mean) )?(?:rat(?:ed|ing|ings)|scor(?:ed|es|e|ing)|bewertung|marks?)(?:\s+(?:of|is|are|at|that is|was))?\s*)"


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _unit(match: re.Match[str]) -> FieldName | None:
    groups = match.groupdict()
    unit = next((name for name in _UNITS if groups.get(name)), None)
    return unit or ("rating" if groups.get("rated") else None)


def _operator(comparison: str, table: dict[Operator, str]) -> Operator | None:
    return next((operator for operator, words in table.items() if re.fullmatch(words, comparison)), None)


def _quantity(match: re.Match[str], _today: date) -> Condition | None:
    comparison, after = (match["cmp"] or "").strip(), match["post1"] or match["post2"] or ""
    operator: Operator = _operator(after, _AFTER) or _operator(comparison, _COMPARE) or "="
    number, name = _plain(number_of(match, "n")), _unit(match)
    if name is None and comparison and operator != "=" and number <= 10 and "." in match["n"]:
        name = "rating"  # a decimal such as "over 8.5" can only be a rating
    if name is None and after and operator != "=" and number < 10:
        name = "rating" if after == "+" else None
    if name is None or (name == "votes" and not comparison and not after and not _are_voters(match)):
        return None
    if name == "rating" and match["rated"] and match["rated"].startswith("my "):
        name = "my_score"
    exactly = "exact" in comparison or "precise" in comparison or "." in match["n"]
    if name == "rating" and operator == "=" and not exactly and number < 10:
        return And((Predicate(name, ">=", number), Predicate(name, "<", number + 1)))  # "rated 8" means 8 to 8.99
    if comparison in ("around", "about", "roughly") and name == "episodes":
        return And((Predicate(name, ">=", round(number * 0.75)), Predicate(name, "<=", round(number * 1.25))))
    return Predicate(name, operator, number)


def _are_voters(match: re.Match[str]) -> bool:
    """Return whether a number of people is one of votes: "rated by 100 people", but not "100 people in a death game"."""
    votes = match["votes"] not in ("people", "users", "viewers")
    return votes or bool(_BY.search(match.string, 0, match.start()) or _VOTED.match(match.string, match.end()))


def _hours(match: re.Match[str], _today: date) -> Condition:
    hours = number_of(match, "n") if match["n"] else 1
    return Predicate("duration", _operator(match["cmp"].strip(), _COMPARE) or "=", _plain(60 * hours))


def _led(match: re.Match[str], _today: date) -> Condition | None:
    """Read a bound after its field: "episodes over 20"."""
    name = next(name for name, words in _LEADS.items() if re.fullmatch(words, match["lead"]))
    return bound_of(match, name)


def bound_of(match: re.Match[str], name: FieldName) -> Condition:
    """Return the bound on a field from a match of a comparison and a number."""
    return Predicate(name, _operator(match["cmp"].strip(), _COMPARE) or "=", _plain(number_of(match, "n")))


def inherited(text: str, start: int, name: FieldName) -> tuple[int, Condition] | None:
    """Return the end and the condition of a second bound on the same field: "... and under 30"."""
    match = _GOES_ON.match(text, start)
    return (match.end(), bound_of(match, name)) if match else None


def _between(match: re.Match[str], _today: date) -> Condition | None:
    name = _unit(match)
    low, high = _plain(number_of(match, "low")), _plain(number_of(match, "high"))
    if name is None and high <= 10:
        name = "rating"
    return None if name is None else And((Predicate(name, ">=", low), Predicate(name, "<=", high)))


def _fixed(condition: Condition) -> Callable[[re.Match[str], date], Condition]:
    return lambda _match, _today: condition


_JAPANESE_AFTER: dict[str, Operator] = {
    "以上": ">=",
    "以下": "<=",
    "未満": "<",
    "より多い": ">",
    "を超える": ">",
    "より少ない": "<",
}
_JAPANESE_UNITS: dict[str, FieldName] = {"話": "episodes", "票": "votes", "点": "rating", "分": "duration"}


def _japanese_quantity(match: re.Match[str], _today: date) -> Condition | None:
    name: FieldName | None = "rating" if match["rated"] else _JAPANESE_UNITS.get(match["unit"] or "")
    if name is None:
        return None
    number = _plain(float(match["n"].replace(",", "")) * (10_000 if match["times"] else 1))
    return Predicate(name, _JAPANESE_AFTER.get(match["post"] or "", "="), number)


_SHORT_FILM_MIN, _LONG_FILM_MIN = 60, 120  # minutes

# In the order in which they are tried; words that one pattern explains are not read again.
PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], Condition | None]], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        *ABSENT,
        *TITLES,
        (
            r"\bafter (?:only |just )?(?P<n>\d+|one|two|three|four|five|six) (?:episodes?|eps)\b",
            lambda match, _: Predicate("my_progress", "<=", int(WORDS.get(match["n"], 0) or match["n"])),
        ),
        *AIR_TIMES,
        (
            rf"{_RATED}?\b(?:between|from|with)?\s*{NUMBER.format('low')}\s*(?:and|to|-|–|—|~|〜)\s*{NUMBER.format('high')}{_UNIT}?",
            _between,
        ),
        (rf"{_PRE}(?:{NUMBER.format('n')}|an)\s*-?\s*(?:hours?|hrs?)\b(?: long)?", _hours),
        (_LED, _led),
        (rf"{_RATED}?{_PRE}?(?<![\w.]){NUMBER.format('n')}{_POST.format(1)}{_UNIT}?{_POST.format(2)}", _quantity),
        (
            r"(?P<rated>評価[がはの]?|スコア[がは]?)?(?:全)?(?P<n>\d[\d,]*(?:\.\d+)?)\s*(?P<times>万)?(?P<unit>話|票|点|分)?(?P<post>以上|以下|未満|より多い|を超える|より少ない)?",
            _japanese_quantity,
        ),
        (
            r"\b(?:rom[\s-]?coms?|romantic comed(?:y|ies))\b",
            _fixed(And((Predicate("tag", "=", "romance"), Predicate("tag", "=", "comedy")))),
        ),
        (r"\b(?:single|one)[\s-]episode\b|\bone[- ]shots?\b", _fixed(Predicate("episodes", "=", 1))),
        (
            r"\b(?:one|single|1)[\s-]cour\b",
            _fixed(And((Predicate("episodes", ">=", 10), Predicate("episodes", "<=", 14)))),
        ),
        (
            r"\b(?:two|double|2)[\s-]cours?\b",
            _fixed(And((Predicate("episodes", ">=", 20), Predicate("episodes", "<=", 28)))),
        ),
        (
            (
                r"\b(?:still|currently|not finished) (?:airing|running|ongoing)\b|\b(?:airing|running|on air) (?:right )?now\b|\bongoing\b|放送中"
                r"|^what(?:.?s| is) airing\b|\bairing(?= (?:shows?|anime|series)\b)|\b(?:(?:that|which) )?(?:are|is)n.?t finished(?: airing| yet)?\b"
            ),
            _fixed(Predicate("status", "=", "airing")),
        ),
        (
            r"\b(?:finished|completed|complete) (?:airing|series|shows?)\b|\balready (?:ended|over)\b|完結",
            _fixed(Predicate("status", "=", "finished")),
        ),
        (
            r"\b(?:that|which) (?:has |have |is |are )?(?:finished|ended|over|completed?)\b",
            _fixed(Predicate("status", "=", "finished")),
        ),
        (
            r"\b(?:recent|new|modern)(?= (?:anime|shows?|movies?|films?|series|titles?|stuff|releases?|ones)\b|\W*$)",
            lambda _, today: Predicate("year", ">=", today.year - 3),
        ),
        (
            r"\b(?:old|retro|vintage)(?= (?:anime|shows?|movies?|films?|series|titles?|stuff|ones|mecha)\b| but good|\W*$)",
            _fixed(Predicate("year", "<=", 1999)),
        ),
        (
            r"\b(?:without|with no|have no|has no|(?:don.?t|doesn.?t|do not|does not) have|never got|got no) (?:an? |any )?sequels?\b|続編(?:が|の)ない",
            _fixed(Not(Predicate("relation", "=", FOLLOWED))),
        ),
        (
            r"\bsequel-?(?:less|free)\b|\b(?:stand-?alone|self-contained)\b",
            _fixed(Not(Predicate("relation", "=", FOLLOWED))),
        ),
        (
            r"\b(?:with|have|has|having|got) (?:an? )?sequels?\b|続編(?:が|の)ある",
            _fixed(Predicate("relation", "=", FOLLOWED)),
        ),
        (
            (
                r"(?:(?<=\bno )|(?<=\bnot )|(?<=\bnot a )|(?<=n't )|(?<=n't a )|(?<=\bare )|(?<=\bdo )|(?<=\bis a )|(?<=\ball )|(?<=\bonly )"
                r"|(?<=\bevery )|(?<=\blist )|(?<=\x00 ))sequels?\b(?: (?:to|of) (?:anything|another|other)\b(?: show| shows| anime)?)?"
                r"(?! (?:of|to|for|exist|i|am|do|does|did)\b)"
                r"|(?:(?<=\bmany )|(?<=\bwhich ))sequels(?= (?:do (?:i|we|you) (?:have|own)|are (?:there|in)\b))"
            ),
            _fixed(Predicate("relation", "=", "sequel")),
        ),
        (
            r"\b(?:not|isn.?t|aren.?t|nicht)(?: (?:too|so|very|that|all that|overly|zu))? (?:long|lang)\b|\bnot? long\b",
            _fixed(Predicate("episodes", "<=", 26)),
        ),
        (
            r"\bshort(?:er)?(?= (?:[\w-]+ ){0,2}?(?:films?|movies?)\b)",
            _fixed(Predicate("duration", "<=", _SHORT_FILM_MIN)),
        ),
        (
            r"\blong(?= (?:[\w-]+ ){0,2}?(?:films?|movies?)\b)",
            _fixed(Predicate("duration", ">=", _LONG_FILM_MIN)),
        ),
        (
            r"\bshort(?:er)?(?= |$|,|\.|\?)(?! (?:than|guy|girl|boy|man|woman|kid|hair|stor))|\bkurze?\b|短(?:い|くて|め)",
            _fixed(Predicate("episodes", "<=", 13)),
        ),
        (
            r"\b(?:long|long-running|long running|lengthy|lange?)(?= |\W*$)(?! (?:hair|time|lost|ago|as|dead))|長い",
            _fixed(Predicate("episodes", ">=", 40)),
        ),
        (
            r"\b(?:nsfw|18\+|r-?18|adults? only|restricted|age[- ]restricted|adult content|adult(?= (?:anime|shows|titles)))\b",
            _fixed(Predicate("restricted", "=", True)),
        ),
        (r"\b(?:sfw|safe for work|not restricted|unrestricted)\b", _fixed(Predicate("restricted", "=", False))),
        (
            r"\b(?:bad(?:ly)?|low(?:ly)?|poor(?:ly)?)[- ](?:rat(?:ed|ings?)|scores?|scored|reviewed)\b|低評価",
            _fixed(Predicate("rating", "<", 6)),
        ),
        (
            r"\b(?:well[- ]rated|highly rated|high[- ]rated|good ratings?|high scores?|acclaimed)\b|高評価",
            _fixed(Predicate("rating", ">=", 8)),
        ),
    )
)
