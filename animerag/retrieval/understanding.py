"""What a question asks of the catalogue in memory, before anything is searched: its plan, and what fields answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from animerag.discovery.answers import answer, needs_likeness, resolved
from animerag.discovery.collection import Collection, listed
from animerag.discovery.franchises import Franchises
from animerag.models.filters import Condition, Filters
from animerag.models.retrieval import Ambiguity, FactAnswer
from animerag.models.shows import NamedShow
from animerag.query import local_files
from animerag.query.conversation import Context, advance, resolve
from animerag.query.execution import labels_of, matcher, selected
from animerag.query.field_index import FieldIndex
from animerag.query.lexicon import lexicon, vocabulary
from animerag.query.names import named_in
from animerag.query.plan import EVERYTHING, Plan, Predicate, both, parts_of
from animerag.query.reader import plan_of, read
from animerag.query.rendering import labelled
from animerag.query.title_spellings import folded
from animerag.query.titles import AliasIndex
from animerag.retrieval.absences import OF_FRANCHISES, absence_of
from animerag.retrieval.word_coverage import WordStatistics
from animerag.storage import show_fields
from animerag.text.cleaning import is_japanese

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from typing import Any

    from animerag.models.answers import Turn
    from animerag.query.lexicon import Gazetteer
    from animerag.query.plan import Condition as Expression
    from animerag.query.titles import AliasMatch

_OPTIONS = 6  # more choices than this are no help
_TURNS = 12  # of a conversation that a follow-up may lean on
_ALL_OF = r"\b(?:all|every|list|any|which)(?: the| of the)? {} (?:shows?|series|movies?|films?|anime|titles?|ovas?)\b"
_TITLE_WORDS = 3
_DESCRIBES = re.compile(r"\b(?:with|about|where|who|that|featuring|in which)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueSnapshot:
    """What is kept in memory of the shows, as of one revision."""

    revision: int
    aliases: AliasIndex
    table: FieldIndex
    franchises: Franchises
    vocabulary: Gazetteer
    statistics: WordStatistics

    @classmethod
    def of(cls, revision: int, rows: Sequence[Mapping[str, Any]]) -> CatalogueSnapshot:
        """Make one from the rows of the shows' fields; takes some tenths of a second for thousands."""
        shows = show_fields.shows_of(rows)
        table = FieldIndex(shows)
        recorded = local_files.recorded(shows)
        recorded += ("studio",) if any(show.studios for show in shows) else ()
        return cls(
            revision=revision,
            aliases=AliasIndex(shows),
            table=table,
            franchises=Franchises(shows),
            vocabulary=vocabulary(table.tags, recorded),
            statistics=WordStatistics(shows),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionReading:
    """What titles, fields and the conversation say about a question.

    `allowed` are the ids that a search is restricted to; None allows all. `lead` comes first whatever searches say,
    `led_by` how each of it got there. `missing` is a sentence about what is not there or not recorded.
    """

    plan: Plan = field(default_factory=Plan)
    matches: tuple[AliasMatch, ...] = ()
    fact: FactAnswer | None = None
    needs_likeness: bool = False  # its answer weighs how near shows are to a text or a show
    filters: Filters = Filters()
    conditions: tuple[Condition, ...] = ()
    preferences: tuple[Condition, ...] = ()
    allowed: tuple[str, ...] | None = None
    preferred: frozenset[str] = frozenset()
    lead: tuple[str, ...] = ()
    led_by: Mapping[str, str] = field(default_factory=dict)
    votes: Mapping[str, int] = field(default_factory=dict)  # of every show
    names: bool = True  # words of titles stand in the question
    beyond: bool = False  # it asks for what no record holds
    ambiguities: tuple[Ambiguity, ...] = ()
    missing: str = ""
    not_recorded: tuple[str, ...] = ()  # topics that no record holds
    standalone: str = ""  # the question in full, where it leans on the conversation
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Tell whether no search could add anything."""
        return self.fact is not None or bool(self.missing)

    @property
    def own_vector(self) -> bool:
        """Tell whether a search by meaning looks around something else than the question's own words."""
        if self.needs_likeness:
            return self.plan.intent != "recommend" or self.search_text is not None
        return bool(self.standalone)

    @property
    def search_text(self) -> str | None:
        """Return what stands for the question in a search by meaning, where that is not the question itself."""
        if self.plan.intent != "recommend" or not self.plan.moods:
            return None
        moods = lexicon()["moods"]
        return " ".join([*(str(moods[name]["text"]) for name in self.plan.moods), self.plan.text]).strip() or None

    @property
    def one_show(self) -> bool:
        """Tell whether it is about a single show by its exact name, and about nothing that others could add to."""
        named = [match for match in self.matches if match.named]
        return (
            self.plan.intent == "lookup"
            and self.fact is None
            and len(self.lead) == 1
            and len(named) == 1
            and named[0].exact
            and not self.beyond
            and not self.missing
        )


def understand(
    question: str,
    matches: Sequence[AliasMatch],
    catalogue: CatalogueSnapshot,
    *,
    filters: Filters = Filters(),
    ignore: AbstractSet[str] = frozenset(),
    history: Sequence[Turn] = (),
) -> QuestionReading:
    """Put together what titles, fields and the conversation say; pure, a few milliseconds.

    `ignore` are conditions, as `Plan.conditions` names them, that somebody took away.
    """
    table = catalogue.table
    matches = [match for match in matches if table.allows(match.id, filters)]
    collection = Collection(table=table, franchises=catalogue.franchises, japanese=is_japanese(question))
    plan, leaned = _in_conversation(question, matches, catalogue, history)
    plan = _searchable(_titled(resolved(_less(plan, ignore), collection), question, catalogue))
    named = [match for match in matches if match.named]
    plan = _with_titled(plan, named, question, table)
    if plan.shows and not {match.id for match in named} & set(plan.shows):
        named = []
    missing, not_recorded, beyond = absence_of(question, plan, named, table)
    answerable = not missing and not beyond
    waits = answerable and needs_likeness(plan, collection)
    fact = answer(plan, collection, filters) if answerable and not waits else None
    lead = _lead(plan, fact, named)
    allowed = _allowed(plan, table, filters)
    if allowed is not None:
        lead = [show_id for show_id in lead if fact is not None or show_id in set(allowed)]
    return QuestionReading(
        plan=plan,
        matches=tuple(matches),
        fact=fact,
        needs_likeness=waits,
        filters=filters,
        conditions=_chips(plan.condition, table),
        preferences=_chips(plan.preferred, table),
        allowed=None if allowed is None else tuple(allowed),
        preferred=_preferred(plan, table),
        lead=tuple(dict.fromkeys(lead)),
        led_by=_led_by(fact),
        votes=table.votes,
        names=catalogue.aliases.has_names(question),
        beyond=beyond,
        not_recorded=not_recorded,
        ambiguities=() if leaned else _ambiguities(named, table),
        missing=missing,
        standalone=_in_full(question, plan, table) if leaned else "",
    )


def finished(
    reading: QuestionReading, question: str, catalogue: CatalogueSnapshot, likeness: Mapping[str, float]
) -> QuestionReading:
    """Return the reading with the answer that had to wait for what a search measured."""
    collection = Collection(
        table=catalogue.table, franchises=catalogue.franchises, likeness=likeness, japanese=is_japanese(question)
    )
    fact = answer(reading.plan, collection, reading.filters)
    if fact is None:
        return reading
    return replace(
        reading, fact=fact, needs_likeness=False, lead=tuple(_sources_of(reading.plan, fact)), led_by=_led_by(fact)
    )


def best_matches(reading: QuestionReading, question: str, ids: Sequence[str]) -> FactAnswer | None:
    """Return what a search found for a list of which not every word is a condition; None for other plans."""
    plan, japanese = reading.plan, is_japanese(question)
    if reading.fact is not None or plan.intent not in ("list", "count", "superlative") or reading.missing:
        return None
    beside = [*plan.ignored, *([plan.text] if plan.text else [])]
    labels = tuple(one.label for one in reading.conditions)
    if not beside or not ids:
        return None
    words = listed([f"“{one}”" for one in beside])
    number = len(reading.allowed) if reading.allowed is not None else None
    among = f" among {number:,} shows ({', '.join(labels)})" if number is not None and labels else ""
    heading = f"{words}に近い作品：" if japanese else f"The best matches for {words}{among}:"
    remark = (
        "条件として数えられない言葉があるため、これは完全な一覧ではありません。"
        if japanese
        else f"This is no complete list: {words} {'is' if len(beside) == 1 else 'are'} not recorded as such."
    )
    return FactAnswer(
        kind="list",
        intent=plan.intent,
        ids=tuple(ids),
        total=len(ids),
        conditions=tuple(plan.conditions()),
        labels=labels,
        ignored=tuple(beside),
        heading=heading,
        remarks=(remark,),
    )


def _sources_of(plan: Plan, fact: FactAnswer) -> list[str]:
    """Return the shows that stand behind an answer: those that the question starts from come first."""
    before = plan.shows if fact.intent in ("similar", "next") else ()
    return list(dict.fromkeys((*before, *fact.ids, *plan.shows)))


def _in_conversation(
    question: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot, history: Sequence[Turn]
) -> tuple[Plan, bool]:
    """Return the question's plan as it stands by itself, and whether it leaned on what was said before."""
    context = Context()
    for turn in history[-_TURNS:]:
        own = catalogue.aliases.match(turn.question)
        plan, leaned = _plan(turn.question, own, catalogue, context)
        context = advance(context, plan, turn.ids or turn.cited, leaned=leaned)
    return _plan(question, matches, catalogue, context)


def _in_full(question: str, plan: Plan, table: FieldIndex) -> str:
    """Return a follow-up with the shows or conditions that it leans on."""
    names = [table.title_of(one) for one in plan.shows]
    labels = labels_of(plan.condition, table)
    about = ", ".join((*names, *labels)) or ", ".join(table.title_of(one) for one in (plan.among or ())[:8])
    return f"{question} ({about})" if about else question


def _plan(
    question: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot, context: Context
) -> tuple[Plan, bool]:
    text = folded(question)
    names = named_in(text, matches, catalogue.aliases)
    plan = plan_of(read(text, names, catalogue.vocabulary, datetime.now(UTC).year))
    leaned = context.plan is not None and (plan.reference != "" or plan.continues)

    def alike(show_id: str) -> Sequence[str]:
        show = catalogue.table.show(show_id)
        if show is None:
            return ()
        same = [match.id for match in catalogue.aliases.match(show.title)]
        return (*catalogue.franchises.of(show_id).ids, *same)

    plan = resolve(plan, context, words=len(question.split()), alike=alike)
    return _picked(plan, catalogue.table) if plan.among is not None else _with_show(plan, catalogue), leaned


def _picked(plan: Plan, table: FieldIndex) -> Plan:
    """Return a look-up among shows of one name as a look-up of the one that its condition leaves: the best known."""
    if plan.intent not in ("lookup", "field", "seasons", "watch_order", "similar", "next") or plan.shows:
        return plan
    condition = both(plan.condition, plan.preferred)
    meets = matcher(condition, table)
    shows = [show for one in plan.among or () if (show := table.show(one)) and meets(show)]
    if not shows:
        return plan
    best = max(shows, key=lambda show: (show.votes or 0, show.id)) if parts_of(condition) else shows[-1]
    return replace(plan, shows=(best.id,), condition=EVERYTHING, preferred=EVERYTHING, among=None)


def _with_show(plan: Plan, catalogue: CatalogueSnapshot) -> Plan:
    """Find the show that words mean which are only part of titles: "monogatari watch order"."""
    if plan.shows or plan.intent not in OF_FRANCHISES or not plan.text or plan.field == "missing":
        return plan
    words = plan.text
    ids = catalogue.table.search_titles(words)
    if not ids:
        return plan
    shows = [show for one in ids if (show := catalogue.table.show(one)) is not None]
    begins = [show for show in shows if any(title.casefold().startswith(words) for title in (show.title, *show.titles))]
    best = max(begins or shows, key=lambda show: (show.votes or 0, show.id))
    return replace(plan, shows=(best.id,), text="")


def _titled(plan: Plan, question: str, catalogue: CatalogueSnapshot) -> Plan:
    """Read words that a list leaves over as words of titles, where titles have them: "every Gundam series"."""
    if plan.intent not in ("list", "count", "superlative") or not plan.text or plan.among is not None:
        return plan
    words = plan.text.split()
    if len(words) > _TITLE_WORDS or _DESCRIBES.search(question) or not catalogue.table.titled(plan.text):
        return plan
    between = re.search(_ALL_OF.format(re.escape(plan.text)), question, re.IGNORECASE)
    if not between and all(catalogue.aliases.is_ordinary(word) for word in words):
        return plan
    return replace(plan, text="", condition=both(plan.condition, Predicate("title", "=", plan.text)))


def _with_titled(plan: Plan, named: Sequence[AliasMatch], question: str, table: FieldIndex) -> Plan:
    """Let "all X series" have every show of that title, and not only those that relations tie to one of them."""
    phrase = next((match.phrase for match in named if match.id in plan.shows), "")
    if not plan.franchise or not phrase or not re.search(_ALL_OF.format(re.escape(phrase)), question, re.IGNORECASE):
        return plan
    return replace(plan, among=tuple(show.id for show in table.shows() if table.has_title(show.id, phrase)))


def _searchable(plan: Plan) -> Plan:
    """Return a list of nothing but words that no field has as a look-up of those words."""
    if plan.intent != "list" or parts_of(plan.condition) or plan.among is not None or not plan.text:
        return plan
    return replace(plan, intent="lookup")


def _less(plan: Plan, ignore: AbstractSet[str]) -> Plan:
    """Return the plan without the conditions that somebody took away."""
    if not ignore:
        return plan
    gone = {key for keys in ignore for key in keys.split(" and ")} | set(ignore)
    condition, preferred = (
        both(*(part for part in parts_of(one) if str(part) not in gone)) for one in (plan.condition, plan.preferred)
    )
    return replace(plan, condition=condition, preferred=preferred)


def _chips(condition: Expression, table: FieldIndex) -> tuple[Condition, ...]:
    return tuple(Condition(key=" and ".join(keys), label=label) for keys, label in labelled(condition, table.title_of))


def _lead(plan: Plan, fact: FactAnswer | None, named: Sequence[AliasMatch]) -> list[str]:
    if fact is not None:
        namesakes = [match.id for match in named] if fact.kind == "value" else []
        return [*_sources_of(plan, fact), *namesakes]
    if plan.intent in ("list", "count", "superlative", "recommend"):
        return []
    return [*plan.shows, *(match.id for match in named)]


def _allowed(plan: Plan, table: FieldIndex, filters: Filters) -> list[str] | None:
    """Return the ids that a search is restricted to: conditions of the question hold, preferences do not restrict."""
    binding = plan.condition if plan.intent != "field" else EVERYTHING
    if not filters and not parts_of(binding) and plan.among is None:
        return None
    return [show.id for show in selected(replace(plan, condition=binding), table, filters)[0]]


def _preferred(plan: Plan, table: FieldIndex) -> frozenset[str]:
    if not parts_of(plan.preferred):
        return frozenset()
    return frozenset(show.id for show in filter(matcher(plan.preferred, table), table.shows()))


def _led_by(fact: FactAnswer | None) -> dict[str, str]:
    if fact is None or not any(fact.reasons):
        return {}
    return {show_id: why for show_id, why in zip(fact.ids, fact.reasons, strict=False) if why}


def _ambiguities(named: Sequence[AliasMatch], table: FieldIndex) -> tuple[Ambiguity, ...]:
    """Offer the shows that one phrase names equally well."""
    by_phrase: dict[str, list[NamedShow]] = {}
    for match in named:
        show = table.show(match.id)
        if match.exact and show:
            by_phrase.setdefault(match.phrase, []).append(NamedShow(id=show.id, title=show.title, year=show.year))
    return tuple(
        Ambiguity(phrase=phrase, options=tuple(options))
        for phrase, options in by_phrase.items()
        if 1 < len(options) <= _OPTIONS
    )
