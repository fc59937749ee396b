"""Understands a question from the catalogue in memory, before any search: its plan, and the answer of fields."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from animerag.discovery.answers import answer, needs_likeness, resolved
from animerag.models.filters import Condition, Filters
from animerag.models.retrieval import Ambiguity, FactAnswer
from animerag.models.shows import NamedShow
from animerag.query.execution import meeting, selected
from animerag.query.lexicon import lexicon
from animerag.query.misspellings import Spelling, respelt
from animerag.query.part_numbers import with_season
from animerag.query.plan import EVERYTHING, Plan, parts_of
from animerag.query.rendering import labelled
from animerag.query.title_spellings import folded
from animerag.retrieval.absences import absence_of
from animerag.retrieval.excluded_titles import excluding, without_excluded_titles
from animerag.retrieval.meant_titles import long_title, meant, of_that_kind, rival_title, whole_title, with_led
from animerag.retrieval.planning import (
    Examples,
    in_conversation,
    in_full,
    rare_tags_as_words,
    searchable,
    titled,
    with_titled,
    without,
)
from animerag.retrieval.related_words import related_words
from animerag.text.cleaning import is_japanese
from animerag.text.counting import counted
from animerag.text.enumeration import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.discovery.collection import Collection
    from animerag.models.answers import Turn
    from animerag.query.field_index import FieldIndex
    from animerag.query.intents import Likely
    from animerag.query.plan import Condition as Expression
    from animerag.query.titles import AliasMatch
    from animerag.retrieval.snapshots import CatalogueSnapshot

_OPTIONS = 6  # more choices than this do not help


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionReading:
    """The meaning of a question according to titles, fields and conversation.

    `allowed` are the ids to which a search is restricted; None allows all. The shows in `lead` come first in any case,
    for the reasons in `led_by`. `missing` is a sentence about what is missing or not recorded.
    """

    plan: Plan = field(default_factory=Plan)
    matches: tuple[AliasMatch, ...] = ()
    fact: FactAnswer | None = None
    needs_likeness: bool = False  # the answer depends on the similarity of shows to a text or a show
    filters: Filters = Filters()
    conditions: tuple[Condition, ...] = ()
    preferences: tuple[Condition, ...] = ()
    allowed: tuple[str, ...] | None = None
    preferred: frozenset[str] = frozenset()
    lead: tuple[str, ...] = ()
    led_by: Mapping[str, str] = field(default_factory=dict)
    names: bool = True  # the question contains words of titles
    beyond: bool = False  # the question asks for an unrecorded topic
    ambiguities: tuple[Ambiguity, ...] = ()
    missing: str = ""
    not_recorded: tuple[str, ...] = ()  # topics that no field records
    standalone: str = ""  # the complete question if it is a follow-up
    undecided: tuple[str, ...] = ()  # questions without a cue that must be compared with examples
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Return whether no search could add anything."""
        return self.fact is not None or bool(self.missing)

    @property
    def own_vector(self) -> bool:
        """Return whether the vector search uses something other than the question's own words."""
        if self.needs_likeness:
            return self.plan.intent != "recommend" or self.search_text is not None
        return bool(self.standalone)

    @property
    def search_text(self) -> str | None:
        """Return the text for the vector search if it is not the question itself."""
        if self.plan.intent != "recommend" or not self.plan.moods:
            return None
        moods = lexicon()["moods"]
        return " ".join([*(str(moods[name]["text"]) for name in self.plan.moods), self.plan.text]).strip() or None

    @property
    def one_show(self) -> bool:
        """Return whether the question is about a single show by its exact name, so that other shows add nothing."""
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
    likely: Mapping[str, Likely] | None = None,
) -> QuestionReading:
    """Combine titles, fields and conversation; pure, takes a few milliseconds.

    `ignore` are conditions, as named by `Plan.conditions`, that the user removed. `likely` has the intents by example
    of the questions in `undecided`.
    """
    table, typed = catalogue.table, question
    question, matches, corrected = _rewritten(question, matches, catalogue)
    question, matches, excluded = without_excluded_titles(question, matches, catalogue, follows=bool(history))
    collection = catalogue.collection(japanese=is_japanese(question))
    named_shows = table.shows_of([match.id for match in matches])  # together, because each read takes milliseconds
    suitable = {show.id for show in named_shows if not filters or table.meets(show, filters)}
    matches = _meant(question, [match for match in matches if match.id in suitable], catalogue)
    examples = Examples(likely or {})
    plan, leaned = in_conversation(question, matches, catalogue, history, examples)
    plan = searchable(titled(resolved(without(plan, ignore), collection), question, catalogue))
    named = [match for match in matches if match.named]
    plan = without(excluding(replace(with_titled(plan, named, question, table), respelt=corrected), excluded), ignore)
    if plan.shows and not {match.id for match in named} & set(plan.shows):
        named = []
    plan = rare_tags_as_words(of_that_kind(plan, collection), table, filters)
    missing, not_recorded, beyond = absence_of(question, plan, named, matches, collection)
    answerable = not missing and not beyond
    waits = answerable and needs_likeness(plan, collection)
    fact = _answered(plan, collection, filters) if answerable and not waits else None
    lead = _lead(plan, fact, named)
    if missing and plan.number is not None and plan.shows:
        lead += [entry.show.id for entry in collection.franchises.of(plan.shows[0]).seasons(plan.shows[0])]
    allowed = _allowed(plan, table, filters)
    if allowed is not None:
        lead = [show_id for show_id in lead if fact is not None or show_id in set(allowed)]
    return QuestionReading(
        plan=plan,
        matches=with_led(matches, plan, collection) if answerable else tuple(matches),
        fact=fact,
        needs_likeness=waits,
        filters=filters,
        conditions=_chips(plan.condition, table, japanese=collection.japanese),
        preferences=_chips(plan.preferred, table, japanese=collection.japanese),
        allowed=None if allowed is None else tuple(allowed),
        preferred=_preferred(plan, table),
        lead=tuple(dict.fromkeys(lead)),
        led_by=_led_by(fact),
        names=catalogue.aliases.has_names(question),
        beyond=beyond,
        not_recorded=not_recorded,
        ambiguities=() if leaned else _ambiguities(named, table),
        missing=missing,
        standalone=in_full(question, plan, table) if leaned else question if question != typed else "",
        undecided=tuple(examples.asked),
    )


def _meant(question: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot) -> list[AliasMatch]:
    """Return the matches, preceded by the shows that the question names by a part of their title."""
    matches = meant(question, matches, catalogue.vocabulary.phrases)
    if whole := whole_title(question, matches, catalogue):
        return [*whole, *(replace(match, named=False) for match in matches)]
    if named := [match for match in matches if match.named]:
        return [*matches, *rival_title(question, named, catalogue)]
    return [*long_title(question, catalogue.collection()), *matches]


def _rewritten(
    question: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot
) -> tuple[str, Sequence[AliasMatch], tuple[tuple[str, str], ...]]:
    """Return the question with its spelling corrected and its season written out, its matches, and the corrections."""
    question, corrected = spelt(question, matches, catalogue)
    numbered = with_season(question, catalogue.aliases, catalogue.table.titled, catalogue.vocabulary.phrases)
    if corrected or numbered:
        matches = catalogue.aliases.match(numbered or question)
    return numbered or question, matches, corrected


def finished(
    reading: QuestionReading, question: str, catalogue: CatalogueSnapshot, likeness: Mapping[str, float]
) -> QuestionReading:
    """Return the result with the answer that needed the similarities of a search."""
    collection = catalogue.collection(likeness, japanese=is_japanese(question))
    fact = _answered(reading.plan, collection, reading.filters)
    if fact is None:
        return reading
    return replace(
        reading, fact=fact, needs_likeness=False, lead=tuple(_sources_of(reading.plan, fact)), led_by=_led_by(fact)
    )


def spelt(
    question: str, matches: Sequence[AliasMatch], catalogue: CatalogueSnapshot
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the corrected question, and the corrections."""
    aliases, english = catalogue.aliases, related_words()
    covered = {word for match in matches for word in folded(match.phrase).casefold().split()}

    spelling = Spelling(
        phrases=catalogue.vocabulary.phrases,
        covered=covered,
        is_used=lambda word: word in aliases.words or aliases.is_ordinary(word),
        is_word=english.__contains__,
    )
    text, words = respelt(question, spelling)
    return text, tuple((one.typed, one.read) for one in words)


def _answered(plan: Plan, collection: Collection, filters: Filters) -> FactAnswer | None:
    """Return the catalogue's answer, with a remark on corrected words."""
    fact = answer(plan, collection, filters)
    if fact is None or not plan.respelt:
        return fact
    corrections = ", ".join(f"“{typed}” as “{read}”" for typed, read in plan.respelt)
    return replace(fact, remarks=(*fact.remarks, collection.say(f"Read {corrections}.", f"読み替え：{corrections}")))


def best_matches(reading: QuestionReading, question: str, ids: Sequence[str]) -> FactAnswer | None:
    """Return the results of a search for a list in which not all words are conditions; None for other plans."""
    plan, japanese = reading.plan, is_japanese(question)
    if reading.fact is not None or plan.intent not in ("list", "count", "superlative") or reading.missing:
        return None
    beside = [*plan.ignored, *([plan.text] if plan.text else [])]
    labels = tuple(one.label for one in reading.conditions)
    if not beside or not ids:
        return None
    words = listed([f"“{one}”" for one in beside])
    number = len(reading.allowed) if reading.allowed is not None else None
    condition_text = f" among {counted(number, 'show')} ({', '.join(labels)})" if number is not None and labels else ""
    heading = f"{words}に近い作品：" if japanese else f"The best matches for {words}{condition_text}:"
    remark = (
        "条件として数えられない言葉があるため、これは完全な一覧ではありません。"
        if japanese
        else f"This list may be incomplete: it is a search for {words} in descriptions."
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
    """Return the shows of an answer; those that are named in the question come first."""
    before = plan.shows if fact.intent in ("similar", "next") else ()
    return list(dict.fromkeys((*before, *fact.ids, *plan.shows)))


def _chips(condition: Expression, table: FieldIndex, *, japanese: bool) -> tuple[Condition, ...]:
    chips = labelled(condition, table.title_of, japanese=japanese)
    return tuple(Condition(key=" and ".join(keys), label=label) for keys, label in chips)


def _lead(plan: Plan, fact: FactAnswer | None, named: Sequence[AliasMatch]) -> list[str]:
    if fact is not None:
        namesakes = [match.id for match in named] if fact.kind == "value" else []
        return [*_sources_of(plan, fact), *namesakes]
    if plan.intent in ("list", "count", "superlative", "recommend"):
        return []
    return [*plan.shows, *(match.id for match in named)]


def _allowed(plan: Plan, table: FieldIndex, filters: Filters) -> list[str] | None:
    """Return the ids to which a search is restricted, by conditions of the question but not by preferences."""
    binding = plan.condition if plan.intent != "field" else EVERYTHING
    if not filters and not parts_of(binding) and plan.within is None:
        return None
    return list(selected(replace(plan, condition=binding), table, filters).met)


def _preferred(plan: Plan, table: FieldIndex) -> frozenset[str]:
    if not parts_of(plan.preferred):
        return frozenset()
    return frozenset(meeting(plan.preferred, table, Filters()).met)


def _led_by(fact: FactAnswer | None) -> dict[str, str]:
    if fact is None or not any(fact.reasons):
        return {}
    return {show_id: why for show_id, why in zip(fact.ids, fact.reasons, strict=False) if why}


def _ambiguities(named: Sequence[AliasMatch], table: FieldIndex) -> tuple[Ambiguity, ...]:
    """Return the choices for phrases that name several shows equally well."""
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
