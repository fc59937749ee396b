"""Reads the conditions in a question: phrases become comparisons, which "not", "or" and "but" combine.

Phrases claim the words that they explain; words that nothing claims are left for semantic search.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from animerag.query import local_files
from animerag.query.clauses import Annotation, is_condition, joined
from animerag.query.lexicon import CJK, Mood, Unapplied, carrying, carrying_japanese
from animerag.query.plan import And, Not, Or, Predicate, both, comparisons
from animerag.query.quantities import BOUND_BEFORE, PATTERNS, bound_of, inherited

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from animerag.query.lexicon import Gazetteer, Meaning
    from animerag.query.plan import Condition

SHOW = "\ue000"  # replaces every letter of a title in the question
_WORD = re.compile(rf"[{CJK}]+|[^\W_{CJK}{SHOW}]+(?:['’][^\W_{CJK}{SHOW}]+)*")
_LONGEST_PHRASE = 6  # words
_NOT = re.compile(
    r"\b(?:nothing (?:with|about|from|in)|anything but|everything but|all but|all except|other than|apart from|aside from|excluding|exclude|except(?: for)?|leav(?:e|ing) out|skip(?:ping)?|ignor(?:e|ing)|außer|ausser"
    r"|without(?: any)?|w/o|minus|isn['’]?t(?: about)?|is not(?: about)?|aren['’]?t|are not|don['’]?t (?:want|like|have|need)|do(?:es)? not (?:have|contain|include|involve)|doesn['’]?t (?:have|contain|include|involve)"
    r"|wasn['’]?t|weren['’]?t|not (?:about|in|an?|the|any|for|too|so|tagged|from)|not|none(?: from| of| in)?|no|non|never|neither|nor|ohne|nicht|keine?n?|avoid|hate|sick of|tired of|no more|less(?! than\b| dark| sad| violent)|keinen?)(?=[\s,\x00-]|$)"
)
_EXCLUDES = re.compile(
    r"(?:anything|everything|all) but|all except|other than|apart from|aside from|exclud|except|leav|skip|ignor|without|w/o|minus|ohne|außer|ausser|avoid"
)
_NOT_BOTH = re.compile(r"\b(?:but )?not (?:both|all of them|together)\b")
_NOT_AFTER = re.compile(
    r"-(?:less|free)\b|\s(?:less|free)\b(?=\s*(?:$|[,.;?!]|(?:anime|shows?|movies?|series|films?)\b))|(?:では|じゃ)ない|以外|[がはの](?:出|出てこ|登場し|入ってい?)?ない|なし|抜き|を除く|を除いて"
)
_OR = re.compile(r"\b(?:or|oder|either|vs|versus|compared (?:to|with))\b|/|または|もしくは|か(?=\s*[^\s。？?])")
_AND = re.compile(r"\b(?:and|und|plus|as well as|also|both)\b|&|,|、")
_BUT = re.compile(r"\b(?:but|aber|though|yet)\b|;|\.\s")
_SERIES = re.compile(r"(?<!the )(?<!this )(?<!that )(?<!of )\bseries\b")
_SHORT_SERIES = re.compile(r"\bshort(?:est)? (?:[\w-]+ ){0,2}?series\b")
_TELEVISED = Or((Predicate("type", "=", "tv"), Predicate("type", "=", "web")))
_SOME = re.compile(
    r"\b(?:with|has|have|having|contain(?:s|ing)?) (?:at least )?(?:some|a (?:bit|little|touch|hint) of|elements of|traces of)\s+$"
)
_TAGGED = re.compile(r"\b(?:tags?|tagged|genres?)\W*$")
_JOINS = re.compile(r"\s*(?:,\s*)?(?:and|or|but|oder|und)\b(?: also)?(?= )")
_COUNTED = {"episodes", "rating", "votes", "duration"}
_CHILD = re.compile(
    r"\b(?:(?:ok(?:ay)?|fine|safe|suitable|appropriate|good|fit|great|nice)? ?"
    r"(?:for (?:an? |my |our |the |all )?|with (?:my |our |the (?=\w+ ?(?:kids|children|family|ones)\b|kids|children|family|little ones)|(?=family\b)))(?:little |small |young |whole )*"
    r"(?:(?P<age>\d{1,2})[\s-]?(?:years?|yr)s?[\s-]?olds?|kids?|child(?:ren)?|toddlers?|family|daughter|son|little (?:ones|brother|sister)|nephew|niece)\b"
    r"|\b(?:can|could|may|should) (?:my |our |the )?(?:kids?|children|daughter|son|(?P<years>\d{1,2})[\s-]?year[\s-]?olds?) (?:watch|see)\b"
    r"|family (?:movie|film)(?: night)?|(?:family|child|kid)s?[\s-]friendly|(?:suitable|safe) for (?:kids|children)|kinder)|子供(?:向け|と)|家族で"
)
_FOR_ADULTS = re.compile(r"\bfor (?:adults|grown[- ]?ups|mature (?:audiences?|viewers?))\b|大人向け")
_GROWN = 16
# "for children": not restricted, and none of the lexicon's tags for adults.
SUITABLE = Predicate("suitable", "=", "children")
# The values that a question has besides its conditions, by the names of a plan.
Slots: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """A place in a question that names shows; `ids` are the possible shows, the most certain first."""

    start: int
    end: int
    ids: tuple[str, ...]


@dataclass(slots=True)
class Question:
    """A question in lower case without its titles, and the claims on its words."""

    text: str
    claims: list[Annotation] = field(default_factory=list)
    rest: str = ""

    def __post_init__(self) -> None:
        self.rest = self.text

    def claim(self, start: int, end: int, value: Meaning | str) -> None:
        """Claim a span for a meaning, so that nothing else reads it."""
        self.claims.append(Annotation(start, end, value))
        self.rest = self.rest[:start] + "\x00" * (end - start) + self.rest[end:]

    def take(self, pattern: re.Pattern[str], value: Meaning | str) -> re.Match[str] | None:
        """Claim the first match of a pattern, if there is one."""
        match = pattern.search(self.rest)
        if match is None or not match.group().strip():
            return None
        self.claim(match.start(), match.end(), value)
        return match

    def words(self) -> Iterator[re.Match[str]]:
        """Yield the unclaimed words."""
        return _WORD.finditer(self.rest)


def read_phrases(question: Question, vocabulary: Gazetteer, today: date) -> None:
    """Claim every phrase that is a condition, a mood or an operator; `today` is the current date."""
    _read_ages(question)
    question.take(_NOT_BOTH, "not both")
    for start, end, on_files in local_files.read(question.rest, vocabulary.recorded):
        question.claim(start, end, on_files)
    for pattern, read in PATTERNS:
        for match in list(pattern.finditer(question.rest)):
            condition = read(match, today) if match.group().strip() else None
            if condition is not None:
                start = match.start() + len(match.group()) - len(match.group().lstrip())
                question.claim(start, match.end(), condition)
    _read_inherited(question)
    _read_vocabulary(question, vocabulary)
    _read_amounts(question)
    _read_series(question)
    for name, pattern in (("not-after", _NOT_AFTER), ("not", _NOT), ("but", _BUT), ("or", _OR), ("and", _AND)):
        for match in list(pattern.finditer(question.rest)):
            question.claim(match.start(), match.end(), name)
    question.claims.sort(key=lambda claim: claim.start)


def _read_amounts(question: Question) -> None:
    """Read "with some romance" as having the tag with any weight; "romance" alone requires it as a main tag."""
    for claim in list(question.claims):
        before = _SOME.search(question.rest[: claim.start])
        if (
            before is not None
            and isinstance(claim.value, Predicate | Or)
            and claim.value != (some := _some(claim.value))
        ):
            question.claims[question.claims.index(claim)] = Annotation(claim.start, claim.end, some)
            question.claim(before.start(), before.end(), "amount")


def _some(condition: Condition) -> Condition:
    if isinstance(condition, Or):
        return Or(tuple(_some(part) for part in condition.parts))
    if isinstance(condition, Predicate) and (condition.field, condition.operator) == ("tag", "="):
        return Predicate("tag", ">=", condition.value)
    return condition


def _read_inherited(question: Question) -> None:
    """Read bounds whose field is in the neighbouring bound: "over 12 and under 30 episodes"."""
    for claim in list(question.claims):
        names = {test.field for test in comparisons(claim.value)} if is_condition(claim.value) else set()  # type: ignore[arg-type]
        joint = _JOINS.match(question.rest, claim.end) if len(names) == 1 and names <= _COUNTED else None
        bound = inherited(question.rest, joint.end(), next(iter(names))) if joint else None
        if joint and bound:
            question.claim(joint.end(), bound[0], bound[1])
        before = BOUND_BEFORE.search(question.rest, 0, claim.start) if len(names) == 1 and names <= _COUNTED else None
        if before:
            question.claim(before.start(), before.end("n"), bound_of(before, next(iter(names))))


def _read_series(question: Question) -> None:
    """Read "series" as a type if the question has another type: "films from 1995 and series from 2005".

    A "short series" is no film either, though a film has a single episode.
    """
    types = [claim for claim in question.claims if isinstance(claim.value, Predicate) and claim.value.field == "type"]
    for match in list(_SERIES.finditer(question.rest)):
        beside = [claim for claim in types if claim.end < match.start() - 1 or claim.start > match.end() + 1]
        is_short = any(match.end() == short.end() for short in _SHORT_SERIES.finditer(question.text))
        if (beside and beside == types) or (is_short and not types):
            question.claim(match.start(), match.end(), _TELEVISED)


def condition_of(question: Question) -> Condition:
    """Combine the claimed conditions according to the words between them."""
    conditions = joined(_negations(question))
    if any(claim.value == "not both" for claim in question.claims):
        conditions += [Not(And(one.parts)) for one in conditions if isinstance(one, Or)]
    return both(*conditions)


def moods_of(question: Question) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the wanted and the unwanted moods of a question."""
    wanted: dict[str, None] = {}
    refused: dict[str, None] = {}
    for claim, negative in _negations(question):
        if isinstance(claim.value, Mood):
            (refused if negative else wanted)[claim.value.name] = None
    return tuple(wanted), tuple(refused)


def leftovers(question: Question, besides: frozenset[str] = frozenset()) -> tuple[list[str], list[str]]:
    """Return the words that are left for search, and unapplied words that look like a condition.

    `besides` are words without content in this question.
    """
    left: list[str] = []
    refused: list[str] = []
    for match in question.words():
        word = match.group().replace("’", "'")
        if re.match(rf"[{CJK}]", word):
            left += [part for part in carrying_japanese().sub(" ", word).split() if part]
        elif not {word.removesuffix("'s"), word.replace("'", "")} & (carrying() | besides):
            # A search for unwanted words would find exactly those shows.
            (refused if _is_refused(question, match.start()) else left).append(word.removesuffix("'s"))
    ignored = [f"not {word}" for word in refused]
    ignored += [claim.value.words for claim in question.claims if isinstance(claim.value, Unapplied)]
    return left, ignored


def _is_refused(question: Question, at: int) -> bool:
    """Return whether a negation precedes a word without meaningful words in between."""
    before = [claim for claim in question.claims if claim.end <= at]
    if not before or before[-1].value != "not":
        return False
    between = question.text[before[-1].end : at]
    return not re.search(r"[,;.]", between) and all(word in carrying() for word in re.findall(r"[\w']+", between))


def _read_ages(question: Question) -> None:
    question.take(_FOR_ADULTS, Not(SUITABLE))
    match = _CHILD.search(question.rest)
    age = match and (match["age"] or match["years"])
    if match is None or (age and int(age) >= _GROWN):
        return
    before = question.rest[: match.start()]
    # "not for kids" asks for shows that are not made for children, not for harmful ones.
    refused = re.search(r"(?:\bnot|n't)(?: \w+)?\s*$", before)
    start = match.start() + len(match.group()) - len(match.group().lstrip())
    question.claim(start, match.end(), Predicate("tag", "=", "kids") if refused else SUITABLE)


def _read_vocabulary(question: Question, vocabulary: Gazetteer) -> None:
    words = [match for match in question.words() if not re.match(rf"[{CJK}]", match.group())]
    at = 0
    while at < len(words):
        size = next(
            (
                n
                for n in range(min(_LONGEST_PHRASE, len(words) - at), 0, -1)
                if _is_phrase(question, vocabulary, words[at : at + n])
            ),
            0,
        )
        if size:
            phrase = _phrase(words[at : at + size])
            question.claim(words[at].start(), words[at + size - 1].end(), vocabulary.phrases[phrase])
        at += size or 1
    for name in vocabulary.unspaced:
        for match in list(re.finditer(re.escape(name), question.rest)):
            question.claim(match.start(), match.end(), vocabulary.phrases[name])


def _phrase(words: Sequence[re.Match[str]]) -> str:
    return " ".join(match.group().replace("’", "'").replace("'", " ") for match in words)


def _is_phrase(question: Question, vocabulary: Gazetteer, words: Sequence[re.Match[str]]) -> bool:
    phrase = _phrase(words)
    if phrase not in vocabulary.phrases:
        return False
    between = question.rest[words[0].start() : words[-1].end()]
    if re.search(rf"[\x00{SHOW},;.]", between):
        return False
    tagged = _TAGGED.search(question.rest[: words[0].start()])
    return phrase not in vocabulary.plain or bool(tagged)


def _negations(question: Question) -> list[tuple[Annotation, bool]]:
    """Return the claims, each with whether it is negated.

    A negation applies to the next condition, and to those that follow it directly or after "or" or a comma: "no harem
    or ecchi".
    """
    annotated: list[tuple[Annotation, bool]] = []
    negative, fresh, excludes, list_end = False, False, False, 0
    for place, claim in enumerate(question.claims):
        gap = question.rest[list_end : claim.start].replace("\x00", " ")
        content = [m.group() for m in _WORD.finditer(gap) if m.group() not in carrying()]
        if claim.value == "not":
            negative, fresh = True, True
            excludes = bool(_EXCLUDES.match(question.text[claim.start : claim.end]))
        elif claim.value == "not-after":
            for last in range(len(annotated) - 1, -1, -1):
                if not isinstance(annotated[last][0].value, str):
                    annotated[last] = (annotated[last][0], True)
                    break
        elif claim.value == "but" or (negative and not fresh and _ends_list(question, place, excludes=excludes)):
            negative = False
        elif is_condition(claim.value) or isinstance(claim.value, Mood):
            if negative and not fresh and content:
                negative = False
            if negative and not fresh and not _same_kind(annotated, claim):
                negative = False
            annotated.append((claim, negative))
            fresh = False
            list_end = claim.end
            continue
        list_end = claim.end
        annotated.append((claim, False))
    return annotated


def _ends_list(question: Question, place: int, *, excludes: bool) -> bool:
    """Return whether an "and" or a comma ends a negation; with `excludes`, as in "except X and Y", it does not.

    After a comma, the negation continues only if an "or" follows: "no harem, ecchi or gore" negates three tags, "no
    harem, romance" one.
    """
    claim = question.claims[place]
    if claim.value != "and":
        return False
    if _is_word(question, claim):
        return not excludes
    for later in question.claims[place + 1 :]:
        if later.value == "or" or (excludes and later.value == "and" and _is_word(question, later)):
            return False
        if isinstance(later.value, str) and question.text[later.start : later.end] != ",":
            return True
    return True


def _is_word(question: Question, claim: Annotation) -> bool:
    return question.text[claim.start : claim.end] not in (",", "、")


def _same_kind(annotated: list[tuple[Annotation, bool]], claim: Annotation) -> bool:
    """Return whether a condition continues a negated list: the last claims are a condition and an "or" or a comma."""
    values = [one.value for one, _ in annotated[-2:]]
    if len(values) < 2 or values[1] not in ("or", "and"):
        return False
    last, this = values[0], claim.value
    fields = [one.field if isinstance(one, Predicate) else "tag" for one in (last, this)]
    return fields[0] == fields[1]
