"""A question becomes a plan: its intent, then the slots that this intent has. Pure; about a millisecond."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from animerag.query.grammar import (
    SHOW,
    SUITABLE,
    Annotation,
    Question,
    condition_of,
    leftovers,
    read_phrases,
)
from animerag.query.intents import carrying_words, has_cue, is_sure, masked
from animerag.query.lexicon import Mood, Unapplied, lexicon, missing_patterns
from animerag.query.plan import EVERYTHING, And, Of, Or, Order, Plan, Predicate, both, comparisons, either, parts_of

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
_ASKS_ONE = re.compile(r"^(?:which|what|whats)\b(?!.? are\b).{0,60}?(?:\b(?:is|was|has|had)\b|'s\b)|どれ|何ですか")
_REFERENCES = (
    (
        "those",
        re.compile(
            r"\b(?:of|only|just|and|but|among|from) (?:those|these|them|the (?:two|three|ones?|list|results?))\b|\bthose\b|\bthese\b|\bthe (?:two|three|results?|list)\b|^(?:only|just|nur|without|no|not|and|but)\b(?! \ue000)|\bwhich ones?\b|^(?:the )?(?:shortest|longest|best|newest|oldest|worst|latest)(?: ones?| rated| of them)*\W*$|^(?:and )?how many(?: (?:are (?:there|they|those|these)|is that|of them|in total|altogether))?\W*$|^(?:more|another|something else|anything else|what else|others?)\W*$|そのうち|その中|それら|^だけ|だけ$"
        ),
    ),
    (
        "it",
        re.compile(
            r"^(?:is|are|was) there (?:an?|any|another) (?:sequel|prequel|§\d+|movie|film|ova|special)s?(?: too)?\W*$|^any (?:sequel|prequel|movie|film|ova|special)s?\W*$|\b(?:its?|it's|that (?:one|show|series|anime|movie)|this (?:one|show|series|anime|movie)|the same (?:one|show))\b|^(?:and )?(?:the |its )?(?:§\d+|sequel|prequel)\b|\btoo\b|それ|その(?!うち|中)|この作品|続編は"
        ),
    ),
)
_NTH = re.compile(
    r"\b(?:the|about the|number|no\.?) (?P<nth>first|second|third|fourth|fifth|last|\d{1,2}(?:st|nd|rd|th)?)(?: (?:one|show|of (?:those|these|them)))?\W*$"
)
_OTHER = re.compile(
    r"^(?:no|nope|i mean|i meant|sorry|rather)?,? ?(?:i mean |i meant )?the (?:(?:19|20)\d\d|old(?:er)?|new(?:er)?|original|first|movie|film|tv|ova|other)(?: (?:one|version|show|series|anime|movie))\W*$|^(?:no|nope|i mean|i meant),? (?:the )?(?:19|20)\d\d\b"
)
_NO = re.compile(r"^(?:no|nope|i mean|i meant|sorry|rather)\b")
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
_SHORT = 6  # words
_ORDERLY = re.compile(
    r"\b(?:watch(?:ing)?|viewing|chronological|release|correct|right|best|what|which) order\b|\border (?:do|should|to watch|of watching)\b|\bwhere (?:do|should|to) (?:i )?(?:start|begin)\b|見る順|視聴順|どれから"
)
_SKIP = re.compile(r"\bskip(?:pable)?\b|\b(?:need|have) to watch\b|飛ばし")
_STORY = re.compile(r"\b(?:chronological(?:ly)?|story|timeline|in-universe)\b|時系列|物語の順")
_BEFORE = re.compile(r"\b(?:before|prequels?|precedes?)\b|前作|前日譚")
_EXISTS = re.compile(
    r"^(?:is|are|was|were) there\b|\b(?:any|all|every|list|which|what|how many)\b|^(?:show|give)\b|ある|全"
)
_HAS = re.compile(
    rf"^(?:does|do|did|has|have) (?:i have |you have )?(?:the |an? |any )?{SHOW}+\W* (?:have|got|get)\b|{SHOW}\W*\s(?:movies|films|ovas|specials)\b|\b(?:movies|films|ovas|specials) (?:of|from|in|for) (?:the )?{SHOW}"
)
_RELATED = re.compile(
    rf"\b(?:related|connected) to {SHOW}|\brelations? of {SHOW}|\bspin[- ]?offs? (?:of|from|to) {SHOW}|\b(?:whole|entire|full) {SHOW}+|{SHOW}\W* (?:franchise|universe)|\b(?:every|all)(?: of)?(?: the)?(?: shows?| anime| titles?)?(?: (?:of|in|from))?(?: the)? {SHOW}+(?: (?:shows?|series|titles?|anime|entries))?\W*$|関連"
)
_SEASONS_OF = re.compile(
    r"\bseasons? of (?!(?:the|this|last|a|my)\b)|\b(?:all|every) [\w ]{2,30} seasons?\W*$|全シーズン"
)
_LACKING = re.compile(
    r"\b(?:missing|lacking|don.?t (?:have|own)|do not (?:have|own)|lack|without|not (?:in|own))\b.{0,40}\b(?:sequels?|prequels?|parts)\b|\b(?:sequels?|prequels?)\b.{0,40}\b(?:missing|lack|don.?t (?:have|own)|do not (?:have|own)|am i without)\b|\bincomplete (?:franchises?|series)\b|\bwhat am i missing\b|足りない続編"
)
_ASKS_FOR_SHOWS = re.compile(
    r"^(?:please |can you |could you )?(?:show|list|give|display|find|name|print|enumerate|zeig)\b|^(?:what|which)\b(?!.?s\b)(?! (?:happens|is|was|are)\b)|^(?:all|every|everything|any|anything)\b|^(?:have you|do you|do i|do we|are there|is there)\b"
)
_ASKING = re.compile(
    r"^(?:who|whose|what|which|where|when|how|is|are|was|were|does|do|did|has|can|could|tell|name|list|show|give|find|any|all|every|everything|anything|anime|movies?|films?|series|shows?|titles?|studio|ghibli|good|best|great|popular|new|recommend|something|stuff|works|i want|one|two|three|five|ten|the (?:best|top))\b|[?？]\s*$|[\u3040-\u30ff\u4e00-\u9fff]"
)
_ABOUT_A = re.compile(
    r"\b(?:about|with|where|at|becomes?|as|has)\b(?: (?:an?|the|some|his|her|their|of))?(?: [\w-]+){0,2} $"
)
_ALL_OF = re.compile(r"\b(?:all|every|everything|list|how many|which|complete)\b|全")
_GIVE = re.compile(r"^(?:please )?(?:give|show|find|suggest|recommend|pick|name)\b")
_SO_MANY = re.compile(
    r"\b(?P<n>[2-8]|two|three|four|five|six|seven|eight) (?=(?:[\w-]+ ){0,3}(?:movies|films|shows|anime|series|titles|things|ones|ovas)\b)"
)
_FEW, _MANY = 3, 6  # words beside the conditions of a list; a plot has more
_DESCRIBES = re.compile(r"^(?:an?|that|the one)\b")
_TELLS = re.compile(r"\b(?:about|where|who|whose|in which)\b")  # a plot follows
_OF_TWO = re.compile(r"\bof the (?:two|both)\b|どちら|どっち")
_SMALL_TALK = {
    "hello": re.compile(r"^(?:hi|hello|hey|hiya|howdy|yo|good |greetings|hallo|moin|servus|こん|おはよう|やあ|はじめ)"),
    "thanks": re.compile(
        r"thank|thx|\bty\b|cheers|danke|ありがとう|^(?:ok|okay|cool|nice|great|awesome|perfect|lol|wow)\b"
    ),
    "bye": re.compile(r"bye|see you|good night|cya|さようなら"),
}
_MINUTES = re.compile(
    r"\b(?P<n>\d+(?:\.\d+)?|an?|one|two|three|four|five|six|eight|ten|half an)\s*-?\s*(?P<unit>hours?|h|minutes|mins?)\b"
)
_BY_FIELD = re.compile(
    r"\b(?:by|in|of)(?: the)?(?: number of| total| count of)? (?:episodes?|episode counts?|length|ratings?|scores?|votes?|popularity|years?|age)\b"
)
_SORTED_BY = re.compile(
    r"\b(?:order(?:ed)?|sort(?:ed)?|rank(?:ed)?|arranged?) by (?P<field>ratings?|scores?|years?|age|dates?|episodes?|length|votes?|popularity)\b(?P<up>,? (?:ascending|asc|lowest first|oldest first|shortest first|least first))?"
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
_BARE_TOP = re.compile(r"\btop\b|トップ")
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
    scored = _own_scores(reading)
    mine = _own_list(reading) or ([EVERYTHING] if scored else [])
    slots.update(_orders(reading, len(names), slots.get("reference", "")))
    if not names and (has_cue("recommend", reading.text) or _GIVE.match(reading.text)) and "limit" not in slots:
        many = reading.take(_SO_MANY, "limit")
        if many:
            slots["limit"] = int(many["n"]) if many["n"].isdigit() else lexicon()["numbers"][many["n"]]
    if not names and has_cue("recommend", reading.text) and (minutes := _time_budget(reading)):
        slots["minutes"] = minutes
    more = _MORE_OF.search(reading.text)
    read_phrases(reading, vocabulary, today)
    condition = both(condition_of(reading), *relative)
    intent, by_rule = _intent(reading, names, condition=condition, slots=slots, missing=missing, mine=mine)
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


def _missing(reading: Question, vocabulary: Gazetteer) -> tuple[str, ...]:
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
    if nth and not names:
        reference = _NTHS.get(nth["nth"]) or int(re.sub(r"\D", "", nth["nth"]) or 1)
    elif not names and _OTHER.search(text):
        reference = "other"
        reading.take(_NO, "reference")
    if reference:
        slots["reference"] = reference
    if _MORE.search(text):
        slots["continues"] = True
    if _YES_NO.match(reading.text.strip()):
        slots["yes_no"] = True
    return slots


def _time_budget(reading: Question) -> int | None:
    """Read the time that there is: "I have three hours"; a length of episodes is a condition instead."""
    match = _MINUTES.search(reading.rest)
    if match is None or not re.search(
        r"\b(?:i|we)(?: only|.ve| have)? (?:have|got|ha)|\bin (?:under|less than)\b|\bfor (?:the next )?",
        reading.text[: match.start()] + " for ",
    ):
        return None
    number = match["n"]
    words = lexicon()["numbers"]
    value = 0.5 if number == "half an" else 1.0 if number in ("a", "an") else float(words.get(number, 0) or number)
    reading.claim(match.start(), match.end(), "minutes")
    return int(value * 60) if match["unit"].startswith("h") else int(value)


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


_MORE_OF = re.compile(r"^(?:are|is|do|have|what|which)\b.{0,30}\bmore\b .{2,40}\b(?:or|than)\b (?!\d)[a-z]")
_SCORED = re.compile(
    r"\b(?:i(?: have|.ve)?|did i|have i) (?:rated?|scored?|gave|give|given|voted)\b(?: it| them| an?)?\s*(?P<cmp>above|over|more than|at least|below|under|less than|at most|exactly)?\s*(?P<n>\d+(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten)\b(?:\s*(?:or|and) (?P<post>more|higher|above|better|less|lower|below))?"
)


def _own_scores(reading: Question) -> list[Condition]:
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


def _orders(reading: Question, names: int, reference: str | int = "") -> dict[str, Any]:
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
            found = {"order": Order(field=field, descending=way == "desc"), "field": field}  # type: ignore[arg-type]
            return {**slots, **found, **({} if names else {"limit": 1})}
        return slots
    about_one = names or reference == "it" or isinstance(reference, int)
    if about_one and (asked := _first_of(reading, "fields", "field")):
        return {**slots, "field": asked}
    if names or (reference and has_cue("similar", reading.text)):
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
        slots["field"] = next((name for name, pattern in _SMALL_TALK.items() if pattern.search(text)), None)
        return "help", True
    if missing:
        return "unsupported", True
    if _LACKING.search(text):
        slots["field"] = "missing"
        return "seasons", True
    franchise = _of_franchise(names, condition, slots, text)
    if franchise is not None:
        return franchise, True
    if named and str(slots.get("field") or "").startswith("my_"):
        return "field", True
    if named and mine and not slots.get("relative_shows"):
        slots["yes_no"] = True
        return "field", True
    own_order = slots.get("order") is not None and slots["order"].field in ("my_score", "difference")
    if slots.get("measure") and mine:
        slots["field"] = "my_score"
        return "stats", True
    if own_order:
        return "my_list", True
    if mine and not slots.get("relative_shows"):
        return ("recommend", True) if has_cue("recommend", text) and not named else ("my_list", True)
    return _of_shows(reading, names, condition, slots, text) or _of_catalogue(reading, condition, slots, text, left)


def _of_franchise(names: Sequence[Named], condition: Condition, slots: dict[str, Any], text: str) -> Intent | None:
    """Recognise what is asked of a franchise: its order, what comes next, its seasons, its parts of a kind."""
    named, refers = bool(names), bool(slots.get("reference"))
    words = len(text.split())
    if has_cue("watch_order", text) and (named or refers or words <= _SHORT or _ORDERLY.search(text)):
        slots["field"] = "skip" if _SKIP.search(text) else "story" if _STORY.search(text) else None
        return "watch_order"
    if named or refers:
        if has_cue("next", text) and not slots.get("relative_shows"):
            slots["field"] = "before" if _BEFORE.search(text) else None
            return "next"
        if has_cue("similar", text) and not slots.get("relative_shows"):
            return "similar"
    if not named and not refers and words <= _SHORT + 2 and _SEASONS_OF.search(text):
        return "seasons"
    if (
        named
        and slots.get("field") != "season"
        and has_cue("seasons", text)
        and ("number" not in slots or _EXISTS.search(text))
    ):
        return "seasons"
    one = len({name.ids[0] for name in names}) == 1
    if one and _RELATED.search(text):
        slots["franchise"] = True
        return "list"
    of_a_kind = one and uses_field(condition, "type") and not slots.get("relative_shows")
    if of_a_kind and (_EXISTS.search(text) or _HAS.search(text)):
        slots["franchise"] = True
        return "count" if has_cue("count", text) else "list"
    return None


def _of_shows(
    reading: Question, names: Sequence[Named], condition: Condition, slots: dict[str, Any], text: str
) -> tuple[Intent, bool] | None:
    """Recognise what is asked of the shows that are named."""
    named = bool(names)
    if len({name.ids[0] for name in names}) > 1 and ("order" in slots or has_cue("compare", text)):
        return "compare", True
    if slots.get("relative_shows"):
        return "count" if has_cue("count", text) else "list", True
    if named and (slots.get("field") or (_YES_NO.match(text) and condition != EVERYTHING)):
        return "field", True
    refers = slots.get("reference") == "it" or isinstance(slots.get("reference"), int)
    if refers and slots.get("field") and not slots.get("measure"):
        return "field", True
    if slots.get("measure"):
        return "stats", True
    if named:
        return ("lookup", True) if has_cue("lookup", text) or not leftovers(reading)[0] else ("lookup", False)
    if slots.get("reference") and slots.get("order") and _OF_TWO.search(text):
        return "compare", True
    return None


def _of_catalogue(
    reading: Question, condition: Condition, slots: dict[str, Any], text: str, left: Sequence[str]
) -> tuple[Intent, bool]:
    """Recognise what is asked of the catalogue as a whole."""
    if slots.get("order") is not None and (slots.get("limit") or not left or slots["order"].field == "underrated"):
        return "superlative", True
    if has_cue("count", text):
        return "count", not left
    moods = any(isinstance(claim.value, Mood) for claim in reading.claims)
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
    if condition != EVERYTHING and not left:
        return "list", True
    asks = bool(_ASKS_FOR_SHOWS.match(text))
    short = len(left) <= (_MANY if asks else _FEW)
    if has_cue("list", text) and short and (condition != EVERYTHING or (asks and left)):
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
