"""The result of a search: sources with their evidence, and answers from fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from animerag.models.filters import Condition, Filters, Sort
from animerag.models.providers import Usage
from animerag.models.shows import NamedShow, Show

Branch = Literal["alias", "words", "vector", "relation", "premise"]
# The names of searches for people; JSON has the branches.
_BRANCH_NAMES = {"alias": "title", "vector": "plot", "premise": "what it is known for"}
FactKind = Literal["list", "count", "order", "value", "compare", "picks", "sequence", "text", "related"]
FactField = Literal[
    "year",
    "end_year",
    "episodes",
    "rating",
    "votes",
    "tags",
    "relations",
    "type",
    "air_date",
    "end_date",
    "season",
    "airing",
    "restricted",
    "source",
    "duration",
    "studios",
    "titles",
    "my_status",
    "my_score",
    "episodes_watched",
    "difference",
    "owned_episodes",
    "missing_episodes",
    "audio_languages",
    "subtitle_languages",
    "resolution",
    "file_size",
    "seasons",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How one search found a show: its rank there (1 is best) and, for vectors, Chroma's raw cosine distance."""

    branch: Branch
    rank: int
    detail: str = ""
    distance: float | None = None

    @property
    def text(self) -> str:
        """Describe the evidence: the title that matched, the relation, or the rank in a search."""
        if self.branch == "relation" and self.detail:
            return self.detail
        name = _BRANCH_NAMES.get(self.branch, self.branch)
        return f'{name} "{self.detail}"' if self.detail else f"{name} #{self.rank}"


def how_found(evidence: Iterable[Evidence], distance: float | None) -> list[str]:
    """Describe how a show was found: `title "AoT"`, `plot #1`, `distance 0.31`."""
    parts = [item.text for item in evidence]
    return parts if distance is None else [*parts, f"distance {distance:.2f}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A show that may answer the question, with all evidence for it; `score` only ranks and is not a probability."""

    show: Show
    evidence: tuple[Evidence, ...]
    score: float

    @property
    def found_by(self) -> tuple[Branch, ...]:
        """Name the searches that found it, strongest evidence first."""
        return tuple(item.branch for item in self.evidence)

    @property
    def distance(self) -> float | None:
        """Return the cosine distance; None if the vector search did not find the show."""
        return next((item.distance for item in self.evidence if item.distance is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds by stage; branches overlap, so their sum exceeds `retrieve_s`."""

    queue_s: float = 0.0
    throttle_s: float = 0.0
    alias_s: float = 0.0
    words_s: float = 0.0
    embed_s: float = 0.0
    vector_s: float = 0.0
    retrieve_s: float = 0.0
    first_token_s: float = 0.0
    chat_s: float = 0.0
    total_s: float = 0.0

    @property
    def saved_s(self) -> float:
        """Return the time saved by running the searches at the same time."""
        return max(0.0, self.alias_s + self.words_s + self.embed_s + self.vector_s - self.retrieve_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactAnswer:
    """An answer from the catalogue's own fields, of a certain `kind`; `intent` is the plan's.

    - `list`: every show that meets the conditions. "Mecha shows before 1990"
    - `count`: the same, asked how many. "How many shows are from 2012?"
    - `order`: the top shows by `sort` that meet the conditions, ties included. "Highest rated of 2012"
    - `value`: `field` of the shows that are named. "How many episodes has X?"
    - `compare`: shows that are named, in the order of `sort`. "Which came first, X or Y?"
    - `picks`: a few shows, each with its reason. "Something like X"
    - `sequence`: shows of a franchise in an order that matters. "Watch order of X"
    - `text`: an answer without shows. "Average rating per decade", "What can you do?"

    `ids` are all shows of the answer, in order; `complete` means that no other show belongs to it. `total` counts the
    shows that meet the conditions (for `order`: those that were ranked). `values` and `reasons` are empty or parallel
    to `ids`: the value of `field` (tags and relations as text), None where it is not recorded, and the reason for the
    show. `heading` and `remarks` are sentences before and after the shows. `value` is the result, such as a count.
    """

    kind: FactKind
    intent: str = ""
    ids: tuple[str, ...] = ()
    total: int = 0
    field: FactField | None = None
    values: tuple[int | float | str | None, ...] = ()
    value: int | float | str | None = None
    filters: Filters = Filters()
    sort: Sort | None = None
    unknown: int = 0  # shows that meet the conditions but lack the sort field
    undecided: tuple[str, ...] = ()  # ids of shows that lack a field which a condition needs
    conditions: tuple[str, ...] = ()  # conditions of the plan, as in JSON: "type=movie", "not tag=comedy"
    labels: tuple[str, ...] = ()  # the same as labels: "movies", "not comedy"
    complete: bool = False
    ignored: tuple[str, ...] = ()  # words that look like a condition and were not applied
    missing: tuple[str, ...] = ()  # fields that the question asks for and the catalogue does not record
    heading: str = ""
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguity:
    """Words of the question that name several shows ("Berserk": 1997 or 2016?); all of them are sources."""

    phrase: str
    options: tuple[NamedShow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """The result of all searches for one question, best first; `no_match` if the catalogue has nothing on it.

    `conditions` come from the question and restrict the result; `preferences` only rank it. `filters` were set beside
    the question and always restrict. `intent` is the plan's. `missing` is a message about a season that does not exist
    or a field that is not recorded; `not_recorded` lists such fields.
    """

    question: str
    sources: tuple[Source, ...] = ()
    no_match: bool = False
    fact: FactAnswer | None = None
    filters: Filters = Filters()
    intent: str = "lookup"
    conditions: tuple[Condition, ...] = ()
    preferences: tuple[Condition, ...] = ()
    ignored: tuple[str, ...] = ()  # words that look like a condition and were not applied
    standalone: str | None = None  # a follow-up, rewritten as a complete question
    missing: str = ""
    not_recorded: tuple[str, ...] = ()
    ambiguities: tuple[Ambiguity, ...] = ()
    notes: tuple[str, ...] = ()
    timings: Timings = Timings()
    usage: Usage = Usage()
