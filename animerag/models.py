"""The values that travel between the rooms: frozen, validated once where they enter."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - kept answers are read back by these annotations
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Literal

from animerag.telemetry.tracing import Span  # noqa: TC001 - as above

if TYPE_CHECKING:
    from collections.abc import Iterable

ProviderName = Literal["openai", "local"]
Branch = Literal["alias", "words", "vector", "relation"]
MyStatus = Literal["watching", "completed", "on_hold", "dropped", "plan_to_watch"]
WatchState = Literal["watching", "completed", "on_hold", "dropped", "plan_to_watch", "none"]
ShowType = Literal["movie", "ova", "tv", "special", "web", "other", "music"]
Season = Literal["winter", "spring", "summer", "fall"]
Airing = Literal["finished", "airing", "upcoming"]
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
]


class Priority(IntEnum):
    """Who goes first where requests queue; lower is sooner."""

    LIVE = 0
    BATCH = 1
    INGEST = 2


_JAPANESE_WRITING = re.compile(r"[ぁ-ヿ一-鿿]")

# ── Catalogue ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedShow:
    """A show that another one points to; it need not be in the catalogue."""

    id: str
    title: str
    kind: str
    year: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a show was read: file, line, and in words what of the row was mended or left out."""

    file: str
    line: int
    notes: tuple[str, ...] = ()
    told_as: str = ""  # the id that the file gives, in its world; "" where it is the show's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """One catalogue record; `record` is the source's own object, whole, so that nothing a file said is lost.

    `overlay` marks a row that tells what its owner thinks of a show (`my_status`, `my_score` from 0 to 10,
    `episodes_watched`) and describes it only as far as to know it again. `origin` is known while a file is read.

    Fields that a file does not record are None or empty. `type_inferred` marks a type that follows from titles and
    episodes. `air_date` and `end_date` are ISO dates as far as they are known: "2012-04-07" or "2012-04". `season` is
    the quarter of the year in which the show began to air (winter: January to March) or what a file calls it; its year
    is `year`. `restricted` is true of shows for adults only. `tag_weights` run from 0 to 1 and name tags as `tags` do.
    `source` is the kind of work it was made from ("manga"), `duration` counts minutes an episode.
    """

    id: str
    title: str
    titles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    description: str = ""
    episodes: int | None = None
    year: int | None = None
    end_year: int | None = None
    rating: float | None = None
    votes: int | None = None
    relations: tuple[RelatedShow, ...] = ()
    similar: tuple[RelatedShow, ...] = ()
    type: ShowType | None = None
    type_inferred: bool = False
    air_date: str | None = None
    end_date: str | None = None
    season: Season | None = None
    airing: Airing | None = None
    restricted: bool | None = None
    source: str | None = None
    duration: int | None = None
    studios: tuple[str, ...] = ()
    tag_weights: Mapping[str, float] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    my_status: MyStatus | None = None
    my_score: float | None = None
    episodes_watched: int | None = None
    overlay: bool = False
    origin: Origin | None = field(default=None, compare=False)

    @property
    def native_title(self) -> str | None:
        """Return the first other title in Japanese writing, or None."""
        return next((title for title in self.titles if title != self.title and _JAPANESE_WRITING.search(title)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredShow:
    """As much of a stored show as it takes to know it again."""

    id: str
    title: str
    titles: tuple[str, ...]
    beginning: str  # of its description
    year: int | None
    episodes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A file that told of a show, under the id it gave."""

    file: str
    source_id: str
    overlay: bool
    at: str  # when, in UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """A row that was set aside, with enough to find and mend it; `given` is what stands there, JSON where it parsed."""

    file: str
    line: int
    id: str | None
    stage: Literal["read", "validate", "embed", "store"]
    reason: str
    given: str = ""

    @property
    def excerpt(self) -> str:
        """Return the beginning of what stands there, on one line."""
        return " ".join(self.given.split())[:200]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNote:
    """What was mended or left out of a row that went in."""

    file: str
    line: int
    id: str
    note: str


# ── Ingestion ────────────────────────────────────────────────────────────────────────────────────────────────────────


class ImportKind(StrEnum):
    """Where shows came from; the first import by an owner replaces the sample."""

    SAMPLE = "sample"
    OWN = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that a provider counted; `cost_usd` is None where no price is known, never 0."""

    input_tokens: int = 0
    output_tokens: int = 0
    embedding_tokens: int = 0
    cost_usd: float | None = None
    estimated: bool = False  # a part of it: the provider counted nothing

    @property
    def tokens(self) -> int:
        """Count all tokens."""
        return self.input_tokens + self.output_tokens + self.embedding_tokens

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        if any(one.cost_usd is None and one.tokens for one in (self, other)):
            costs = []  # with one unknown part the sum is unknown
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            embedding_tokens=self.embedding_tokens + other.embedding_tokens,
            cost_usd=sum(costs) if costs else None,
            estimated=self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job is: `done` of `total` items, `stage` in words a user reads."""

    done: int = 0
    total: int = 0
    stage: str = ""
    elapsed_s: float = 0.0

    @property
    def fraction(self) -> float:
        """Return 0 to 1; 0 while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """Requests in flight: what was set, the most at once, and the mean over the run."""

    set: int | Literal["auto"] = 1
    peak: int = 0
    mean: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What was understood of a file and what is in it; `ids` says in words what its ids were taken for."""

    name: str
    format: str
    encoding: str | None
    reasons: tuple[str, ...]
    columns: Mapping[str, str | None]  # the field of each heading
    ids: str
    id_prefix: str
    shows: int
    years: tuple[int, int] | None  # the first and the last
    without_year: int
    episodes: tuple[int, float, int] | None  # fewest, median, most
    titles: tuple[str, ...]  # a few


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What became of every row: read = ingested + unchanged + duplicate + quarantined + cancelled."""

    read: int = 0
    ingested: int = 0
    changed: int = 0  # of those ingested, how many were in the catalogue before
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0
    cancelled: int = 0
    rows: tuple[RowError, ...] = ()
    notes: tuple[RowNote, ...] = ()
    files: tuple[FileReport, ...] = ()
    batches: int = 0
    embedding_requests: int = 0
    seconds: float = 0.0  # until everything that could be stored was stored and acknowledged
    checked_s: float = 0.0  # after that, for letting vectors look for themselves
    concurrency: Concurrency = Concurrency()
    rate_limited: int = 0
    retries: int = 0
    usage: Usage = Usage()
    catalogue: int = 0
    stopped_by: str | None = None

    @property
    def throughput(self) -> float:
        """Shows stored a second."""
        return self.ingested / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as the journal knows it."""

    id: str
    owner: str
    kind: str
    title: str
    state: str
    lease: str
    report: dict[str, Any] | None
    error: str | None
    created_at: str
    finished_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelServer:
    """A server of models on this machine: its maker's name, its address, and what it can answer with."""

    name: str
    url: str
    models: tuple[str, ...]


# ── Retrieval and answers ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How one search found a show: its rank there (1 is best) and, for vectors, Chroma's raw cosine distance."""

    branch: Branch
    rank: int
    detail: str = ""
    distance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A show that may answer the question, with all evidence for it; `score` only orders, it is no probability."""

    show: Show
    evidence: tuple[Evidence, ...]
    score: float

    @property
    def found_by(self) -> tuple[Branch, ...]:
        """Name the searches that found it, strongest evidence first."""
        return tuple(item.branch for item in self.evidence)

    @property
    def distance(self) -> float | None:
        """Return the cosine distance; None where the vector search did not find it."""
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
        """Return how much sooner the sources were there because the searches ran at the same time."""
        return max(0.0, self.alias_s + self.words_s + self.embed_s + self.vector_s - self.retrieve_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One part of `Filters`, as a chip shows it; `key` is what `Filters.without` and `search(ignore=…)` take."""

    key: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Conditions on a show's fields, all of which must hold; None or empty asks for nothing.

    Bounds are inclusive; ratings go from 0 to 10. `tags` and `without_tags` are compared without case. `statuses`
    allows any of those named; "none" stands for a show its owner has said nothing about. `title` is a word or words
    that one of a show's titles must contain. `types` and `seasons` allow any of those named. `aired_from` and
    `aired_to` are ISO dates, whole or in part: "2012-04" as an upper bound allows all of April. `restricted` asks for
    shows for adults only, or for others. A show whose field is unknown meets no bound on it.
    """

    year_from: int | None = None
    year_to: int | None = None
    episodes_from: int | None = None
    episodes_to: int | None = None
    rating_from: float | None = None
    rating_to: float | None = None
    votes_from: int | None = None
    votes_to: int | None = None
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    statuses: tuple[WatchState, ...] = ()
    title: str = ""
    types: tuple[ShowType, ...] = ()
    seasons: tuple[Season, ...] = ()
    aired_from: str | None = None
    aired_to: str | None = None
    restricted: bool | None = None

    def __bool__(self) -> bool:
        """Tell whether anything is asked for."""
        return self != Filters()

    def conditions(self) -> tuple[Condition, ...]:
        """Return each condition with a short label: "2012", "before 1990", "under 13 episodes", "mecha"."""
        found = [
            Condition(key=name, label=label)
            for name in _RANGES
            if (label := _range_label(name, getattr(self, f"{name}_from"), getattr(self, f"{name}_to")))
        ]
        if self.types:
            found.append(Condition(key="types", label=" or ".join(TYPE_LABELS[one] for one in self.types)))
        if self.seasons:
            found.append(Condition(key="seasons", label=" or ".join(self.seasons)))
        if label := _range_label("aired", self.aired_from, self.aired_to):
            found.append(Condition(key="aired", label=label))
        if self.restricted is not None:
            found.append(Condition(key="restricted", label=RESTRICTED_LABELS[self.restricted]))
        found += [Condition(key=f"tags:{tag}", label=tag) for tag in self.tags]
        found += [Condition(key=f"without_tags:{tag}", label=f"not {tag}") for tag in self.without_tags]
        if self.statuses:
            label = " or ".join(STATUS_LABELS[status] for status in self.statuses)
            found.append(Condition(key="statuses", label=label))
        if self.title:
            found.append(Condition(key="title", label=f"title has {self.title}"))
        return tuple(found)

    def without(self, keys: Iterable[str]) -> Filters:
        """Return these filters less the conditions with those keys."""
        dropped = set(keys)
        changes: dict[str, Any] = {}
        for name in (*_RANGES, "aired"):
            if name in dropped:
                changes |= {f"{name}_from": None, f"{name}_to": None}
        changes["tags"] = tuple(tag for tag in self.tags if f"tags:{tag}" not in dropped)
        changes["without_tags"] = tuple(tag for tag in self.without_tags if f"without_tags:{tag}" not in dropped)
        changes |= {"statuses": ()} if "statuses" in dropped else {}
        changes |= {"title": ""} if "title" in dropped else {}
        changes |= {name: () for name in ("types", "seasons") if name in dropped}
        changes |= {"restricted": None} if "restricted" in dropped else {}
        return replace(self, **changes)

    def joined(self, other: Filters) -> Filters:
        """Return what both allow, as far as one value says it: the tighter bound, the tags of both."""
        changes: dict[str, Any] = {}
        for name in (*_RANGES, "aired"):
            low, high = f"{name}_from", f"{name}_to"
            changes[low] = max((v for v in (getattr(self, low), getattr(other, low)) if v is not None), default=None)
            highs = (v for v in (getattr(self, high), getattr(other, high)) if v is not None)
            changes[high] = min(highs, key=_last_day, default=None)
        changes["tags"] = tuple(dict.fromkeys((*self.tags, *other.tags)))
        changes["without_tags"] = tuple(dict.fromkeys((*self.without_tags, *other.without_tags)))
        for name in ("statuses", "types", "seasons"):
            own, others = getattr(self, name), getattr(other, name)
            changes[name] = tuple(one for one in own if one in others) or own or others
        changes["restricted"] = other.restricted if self.restricted is None else self.restricted
        changes["title"] = self.title or other.title
        return Filters(**changes)


_RANGES = ("year", "episodes", "rating", "votes")
TYPE_LABELS: dict[ShowType, str] = {
    "movie": "film",
    "ova": "OVA",
    "tv": "TV series",
    "special": "TV special",
    "web": "web series",
    "other": "other",
    "music": "music video",
}
RESTRICTED_LABELS = {True: "for adults only", False: "not for adults only"}
STATUS_LABELS: dict[WatchState, str] = {
    "watching": "watching",
    "completed": "completed",
    "on_hold": "on hold",
    "dropped": "dropped",
    "plan_to_watch": "plan to watch",
    "none": "not in my list",
}


def _last_day(bound: Any) -> Any:
    """Return what an upper bound sorts by: a date in part means its last day, so "2012" is later than "2012-04"."""
    return f"{bound}-99" if isinstance(bound, str) else bound


def _range_label(name: str, low: float | str | None, high: float | str | None) -> str:
    """Say a range as one would: "2012", "1990 to 1999", "at most 12 episodes", "aired from 2012-04"."""
    if name == "aired":
        bounds = [f"{word} {value}" for word, value in (("from", low), ("to", high)) if value]
        return " ".join(["aired", *bounds]) if bounds else ""
    known = [f"{value}" if name == "year" else f"{value:,}" for value in (low, high) if value is not None]
    if not known:
        return ""
    if name == "year" and len(known) == 1:
        return f"from {known[0]}" if high is None else f"until {known[0]}"
    bound = "" if low == high else "at least " if high is None else "at most " if low is None else ""
    shown = bound + " to ".join(dict.fromkeys(known))
    return {"year": shown, "rating": f"rated {shown}"}.get(name, f"{shown} {name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """An order over a field; shows that lack the field come last."""

    field: Literal[
        "year", "end_year", "episodes", "rating", "votes", "air_date", "end_date", "duration", "my_score", "difference"
    ]
    descending: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FactAnswer:
    """What the catalogue's own fields answer, as `kind` says; `intent` is the plan's.

    - `list`: every show that meets the conditions. "Mecha shows before 1990"
    - `count`: the same, asked how many. "How many shows are from 2012?"
    - `order`: the first by `sort` of those that meet the conditions, ties included. "Highest rated of 2012"
    - `value`: `field` of the shows that are named. "How many episodes has X?"
    - `compare`: shows that are named, in the order of `sort`. "Which came first, X or Y?"
    - `picks`: a few shows, each with its reason. "Something like X"
    - `sequence`: shows of a franchise in an order that matters. "Watch order of X"
    - `text`: an answer without shows. "Average rating per decade", "What can you do?"

    `ids` are all shows of the answer, in order; `complete` tells that no other show belongs to it. `total` counts what
    meets the conditions (for `order`: what was ranked). `values` and `reasons` run beside `ids` where they are not
    empty: the value of `field` (for tags and relations as text), None where the catalogue does not say; and why a show
    is there. `heading` and `remarks` are sentences before and after the shows. `value` is what the answer comes to.
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
    unknown: int = 0  # shows that meet the conditions and have no value to be ordered by
    undecided: tuple[str, ...] = ()  # ids of shows that lack a field which a condition needs
    conditions: tuple[str, ...] = ()  # of the plan, as JSON gives them: "type=movie", "not tag=comedy"
    labels: tuple[str, ...] = ()  # the same in words: "movies", "not comedy"
    complete: bool = False
    ignored: tuple[str, ...] = ()  # words that read like a condition and were not applied
    missing: tuple[str, ...] = ()  # what is asked for and not recorded
    heading: str = ""
    reasons: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedShow:
    """A show as a choice offers it."""

    id: str
    title: str
    year: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguity:
    """Words of the question that name several shows ("Berserk": 1997 or 2016?); all are among the sources."""

    phrase: str
    options: tuple[NamedShow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """What the searches found for one question, best first; `no_match` when the catalogue has nothing on it.

    `conditions` are read from the question and restrict what is found; `preferences` only rank it. `filters` were set
    beside the question and always restrict. `intent` is the plan's. `missing` says which season of a show is asked for
    and not there, or what is asked for and not recorded; `not_recorded` names the latter.
    """

    question: str
    sources: tuple[Source, ...] = ()
    no_match: bool = False
    fact: FactAnswer | None = None
    filters: Filters = Filters()
    intent: str = "lookup"
    conditions: tuple[Condition, ...] = ()
    preferences: tuple[Condition, ...] = ()
    ignored: tuple[str, ...] = ()  # words that read like a condition and were not applied
    standalone: str | None = None  # a follow-up in full
    missing: str = ""
    not_recorded: tuple[str, ...] = ()
    ambiguities: tuple[Ambiguity, ...] = ()
    notes: tuple[str, ...] = ()
    timings: Timings = Timings()
    usage: Usage = Usage()


class AnswerStatus(StrEnum):
    """How a question ended."""

    OK = "ok"
    NO_MATCH = "no_match"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """All a chat model gets: the question, its sources in citation order, and the text that carries both.

    `sent` runs beside `sources`: how many characters of each one's cleaned description the text has, the rest is cut.
    """

    question: str
    sources: tuple[Source, ...]
    system: str
    user: str
    sent: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an answer says, as data: None of it is guessed from likeness.

    `ids` are all shows the answer is about, in its order; `complete` tells that they are the whole set that meets every
    condition of the question. `value` is the count or the field asked for. `ignored` are words that read like a
    condition and were not applied, `missing` what is asked for and no record holds.
    """

    intent: str
    ids: tuple[str, ...] = ()
    complete: bool = False
    value: int | float | str | None = None
    conditions: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question's outcome; `citations` are ids of shows that `text` cites by the number of their source.

    `wrong_citations` are numbers in it that no source has. `standalone` is the question as it was asked of the
    catalogue, where a follow-up leaned on what came before. `spans` count from the question's beginning. A `cached`
    answer was written earlier and cost nothing now. After an error with `nobody_served` other questions end alike.
    """

    question: str
    status: AnswerStatus
    text: str | None = None
    error: str | None = None
    citations: tuple[str, ...] = ()
    wrong_citations: tuple[int, ...] = ()
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()
    timings: Timings = Timings()
    usage: Usage = Usage()
    model: str = ""
    provider: ProviderName = "local"
    standalone: str | None = None
    prompt: Prompt | None = None
    spans: tuple[Span, ...] = ()
    cached: bool = False
    nobody_served: bool = False
    result: Result | None = None

    @property
    def uncited(self) -> bool:
        """Tell whether a model answered and named no source for it."""
        return self.prompt is not None and self.status is AnswerStatus.OK and not self.citations


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One earlier exchange of a conversation; `ids` are the shows that its answer was about, in its order."""

    question: str
    answer: str
    cited: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


@dataclass(slots=True)
class Exchange:
    """A question of a conversation and what has come back so far; `answer` stays None when it was stopped."""

    question: str
    filters: Filters = Filters()
    ignored: tuple[str, ...] = ()  # keys of conditions that were understood and taken away
    found: Retrieval | None = None
    text: str = ""
    answer: Answer | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The last event of an answer's stream: how it ended and what it used."""

    status: AnswerStatus
    usage: Usage = Usage()
