"""The meaning of a question as a value: the plan that search, answers, pages and evaluation share.

Pure: knows no catalogue, no clock and no I/O. Conditions are an expression of comparisons; `compiled` gives it the
semantics of unknown values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Verdict: TypeAlias = Callable[[T], bool | None]
Intent: TypeAlias = Literal[
    "lookup",
    "field",
    "list",
    "count",
    "superlative",
    "compare",
    "recommend",
    "similar",
    "next",
    "watch_order",
    "seasons",
    "stats",
    "my_list",
    "help",
    "unsupported",
]
LAST = -1  # the number of the last season
FieldName: TypeAlias = Literal[
    "type",
    "year",
    "season",
    "air_date",
    "end_year",
    "status",
    "episodes",
    "rating",
    "votes",
    "duration",
    "tag",
    "restricted",
    "suitable",
    "my_status",
    "my_score",
    "above_rating",
    "my_progress",
    "relation",
    "seasons",
    "title",
    "description",
    "studio",
    "source",
    "owned_episodes",
    "missing_episodes",
    "audio_language",
    "subtitle_language",
    "resolution",
    "file_size",
]
FOLLOWED = "has sequel"  # a field: whether a show has a sequel according to the catalogue's relations
# The field `above_rating` is the owner's score minus the rating: "what did I score lower than everyone else".
Operator: TypeAlias = Literal["=", "<", "<=", ">", ">=", "^=", "unknown"]  # ^= means "begins with"


@dataclass(frozen=True, slots=True)
class Of:
    """The same field of another show in the question: "longer than X"."""

    show: str


Value: TypeAlias = str | int | float | bool | Of


@dataclass(frozen=True, slots=True)
class Predicate:
    """A comparison of a field with a value; `unknown` selects shows without a value or text."""

    field: FieldName
    operator: Operator
    value: Value = ""

    def __str__(self) -> str:
        if self.operator == "unknown":
            return f"{self.field} unknown"
        value = f"of {self.value.show}" if isinstance(self.value, Of) else _text(self.value)
        return f"{self.field}{self.operator}{value}"


@dataclass(frozen=True, slots=True)
class And:
    """A condition that holds if all parts hold; without parts, it holds for every show."""

    parts: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        return " and ".join(_grouped(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """A condition that holds if at least one part holds."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(_grouped(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """A condition that holds if the part does not, as far as its fields are known."""

    part: Condition

    def __str__(self) -> str:
        return f"not {_grouped(self.part)}"


Condition: TypeAlias = Predicate | And | Or | Not
EVERYTHING = And()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order over a field.

    `underrated` orders shows with few votes by rating; ascending, those with many, which are overrated. `difference`
    orders by the distance of the owner's score from the rating.
    """

    field: Literal[
        "year", "end_year", "episodes", "rating", "votes", "duration", "underrated", "my_score", "difference",
        "file_size", "missing_episodes", "owned_episodes", "seasons",
    ]  # fmt: skip
    descending: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a question asks for.

    `shows` are ids of shows that it names. `condition` always filters; `preferred` only ranks, as in a description of a
    plot that mentions a year. `fields` are all requested fields in the order of the question, including `field`.
    `offset` skips ranks ("second best"). `number` is a season's number, LAST for the last one, and `part` the number of
    a part of that season. `moods` are names of the lexicon; `relative` says how a similar show should differ
    ("shorter", "darker"). `reference` points to the conversation: the shows of the last answer ("those"), the one it
    was about ("it"), or the number of one of them; it is `lost` if nothing comes before "it". `text` is left for
    semantic search. `ignored` are words that look like a condition and are not applied, `missing` are requested topics
    that are not recorded. `respelt` are misspelt words, each with its correction. `decided_by` is whether a rule or the
    nearest examples chose the intent, and `overruled` is the choice of the other.
    """

    intent: Intent = "lookup"
    shows: tuple[str, ...] = ()
    condition: Condition = EVERYTHING
    preferred: Condition = EVERYTHING
    order: Order | None = None
    limit: int | None = None
    offset: int = 0
    field: str | None = None
    fields: tuple[str, ...] = ()
    measure: Literal["count", "distinct", "absent", "average", "median", "sum", "share", ""] = ""
    group: str = ""
    number: int | None = None
    part: int | None = None
    moods: tuple[str, ...] = ()
    relative: tuple[str, ...] = ()
    reference: Literal["those", "it", "other", ""] | int = ""
    continues: bool = False
    lost: bool = False
    within: tuple[str, ...] | None = None
    excluded: tuple[str, ...] = ()
    franchise: bool = False
    yes_no: bool = False
    minutes: int | None = None
    text: str = ""
    ignored: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    respelt: tuple[tuple[str, str], ...] = ()
    decided_by: Literal["rule", "examples"] = "rule"
    overruled: Intent | None = None

    def conditions(self) -> list[str]:
        """Return each condition as `result` gives it: "type=movie", "not tag=comedy"."""
        return [str(part) for part in parts_of(self.condition)]


def both(*conditions: Condition) -> Condition:
    """Return a condition that requires all the given ones, flat and without repetitions."""
    parts = tuple(dict.fromkeys(part for condition in conditions for part in parts_of(condition)))
    return parts[0] if len(parts) == 1 else And(parts)


def either(*conditions: Condition) -> Condition:
    """Return a condition that requires any of the given ones, flat and without repetitions."""
    flat = (part for one in conditions for part in (one.parts if isinstance(one, Or) else (one,)))
    parts = tuple(dict.fromkeys(flat))
    return parts[0] if len(parts) == 1 else Or(parts)


def negated(condition: Condition) -> Condition:
    """Return the opposite; each part of an "or" is negated separately, so that each can be removed separately."""
    if isinstance(condition, Not):
        return condition.part
    if isinstance(condition, Or):
        return both(*(negated(part) for part in condition.parts))
    return Not(condition)


def parts_of(condition: Condition) -> tuple[Condition, ...]:
    """Return the conditions that must all hold."""
    return condition.parts if isinstance(condition, And) else (condition,)


def comparisons(condition: Condition) -> Iterator[Predicate]:
    """Yield every comparison of an expression, negated ones too."""
    if isinstance(condition, Predicate):
        yield condition
    else:
        for part in (condition.part,) if isinstance(condition, Not) else condition.parts:
            yield from comparisons(part)


def compiled(condition: Condition, test: Callable[[Predicate], Verdict[T]]) -> Verdict[T]:
    """Return a condition as one function: True, False, or None if it depends on an unknown value.

    `test` returns the function of one comparison. If the value is unknown, a condition and its negation are both None,
    so a show meets neither.
    """
    if isinstance(condition, Predicate):
        return test(condition)
    if isinstance(condition, Not):
        part = compiled(condition.part, test)
        return lambda one: None if (held := part(one)) is None else not held
    parts = [compiled(one, test) for one in condition.parts]
    decisive = isinstance(condition, Or)

    def joined(one: T) -> bool | None:
        unknown = False
        for part in parts:
            held = part(one)
            if held is decisive:
                return decisive
            unknown = unknown or held is None
        return None if unknown else not decisive

    return parts[0] if len(parts) == 1 else joined


def _grouped(condition: Condition) -> str:
    return f"({condition})" if isinstance(condition, And | Or) else str(condition)


def _text(value: str | float) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
