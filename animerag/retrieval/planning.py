"""Completes a question's plan with its conversation, and with the shows that words of titles refer to."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from animerag.discovery.asked_parts import season_of
from animerag.query.asked_titles import framed_title
from animerag.query.conversation import Context, advance, differing, resolve
from animerag.query.execution import labels_of, matcher, meeting
from animerag.query.grammar import Named
from animerag.query.names import named_in, place_of_rival, sides_of_pairs
from animerag.query.part_numbers import SEASON_MARK, title_beside_season
from animerag.query.parts import with_seasons_named
from animerag.query.plan import EVERYTHING, Predicate, both, parts_of
from animerag.query.reader import plan_of, read
from animerag.query.title_spellings import folded
from animerag.retrieval.absences import OF_FRANCHISES
from animerag.retrieval.excluded_titles import without_excluded_titles
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from animerag.models.answers import Turn
    from animerag.models.filters import Filters
    from animerag.models.shows import Show
    from animerag.query.field_index import FieldIndex
    from animerag.query.intents import Likely
    from animerag.query.plan import Plan
    from animerag.query.reader import Reading
    from animerag.query.titles import AliasMatch
    from animerag.retrieval.snapshots import CatalogueSnapshot

_LONGEST_UTTERANCE = 80  # characters; a longer question describes a plot
_TURNS = 12  # turns of a conversation that a follow-up may refer to
_ALL_OF = r"\b(?:all|every|list|any|which)(?: the| of the)? {} (?:shows?|series|movies?|films?|anime|titles?|ovas?)\b"
_OF_MANY = ("list", "count", "superlative", "recommend", "my_list")
_IN_THE_TITLE = (
    r"\b(?:with|has|have|having|contain(?:s|ing)?) (?:the words? )?[\"'“]?{}[\"'”]?"
    r" in (?:the|its|their|a) (?:titles?|names?)\b"
)
_IT = re.compile(
    r"\b(?:(?P<own>its)|it|(?:this|that) (?:one|show|series|anime|movie|film))\b(?!['’])", re.IGNORECASE
)  # what stands for the one show of a follow-up
_COUNTS = re.compile(r"(?:and )?how many\b", re.IGNORECASE)
_ARE_THERE = re.compile(r"\bare there\W*$")
_ANOTHER = re.compile(r"\W*(?:(?:give|show) me )?another(?: one)?(?:,? please)?\W*", re.IGNORECASE)
_TITLE_WORDS = 3
_RARE = 5  # shows with a tag; as a word, it may describe more
_DESCRIBES = re.compile(r"\b(?:with|about|where|who|that|featuring|in which)\b", re.IGNORECASE)


class Examples:
    """Intents by example for the questions of a conversation; `asked` collects questions that are not compared yet."""

    def __init__(self, likely: Mapping[str, Likely]) -> None:
        self._likely = likely
        self.asked: list[str] = []

    def of(self, reading: Reading) -> Likely | None:
        """Return the likeliest intent of a question without a cue that is short enough to resemble an example."""
        text = reading.masked
        if reading.by_rule or len(text) > _LONGEST_UTTERANCE or framed_title(text):
            return None
        if text not in self._likely:
            self.asked.append(text)
        return self._likely.get(text)


def in_conversation(
    question: str,
    matches: Sequence[AliasMatch],
    catalogue: CatalogueSnapshot,
    history: Sequence[Turn],
    examples: Examples,
) -> tuple[Plan, bool]:
    """Return the complete plan of a question, and whether it referred to the conversation."""
    context = Context()
    for turn in history[-_TURNS:]:
        typed, titles = turn.question, catalogue.aliases.match(turn.question)
        text, own, excluded = without_excluded_titles(typed, titles, catalogue, follows=context.plan is not None)
        plan, leaned = _plan(text, own, catalogue, context, examples)
        plan = replace(plan, condition=both(plan.condition, excluded))
        context = advance(context, plan, turn.ids or turn.cited, leaned=leaned)
    return _plan(question, matches, catalogue, context, examples)


def in_full(question: str, plan: Plan, table: FieldIndex) -> str:
    """Return a follow-up with the shows or conditions that it refers to: a title in place of "it", or in brackets."""
    names = [table.title_of(one) for one in plan.shows]
    labels = labels_of(plan.condition, table)
    if len(names) == 1 and not labels and not SEASON_MARK.search(folded(question)):
        question = _IT.sub(lambda it: f"{names[0]}'s" if it["own"] else names[0], question, count=1)
    unnamed = [name for name in names if name.casefold() not in question.casefold()]
    about = ", ".join((*unnamed, *labels)) or ", ".join(table.title_of(one) for one in (plan.within or ())[:8])
    return f"{question} ({about})" if about else question


def _plan(
    question: str,
    matches: Sequence[AliasMatch],
    catalogue: CatalogueSnapshot,
    context: Context,
    examples: Examples,
) -> tuple[Plan, bool]:
    text = folded(question)
    names = named_in(text, matches, catalogue.aliases)
    if len(names) == 1 and (spelt_out := with_seasons_named(text, names[0].start, names[0].end)) is not None:
        text = folded(spelt_out)
        names = named_in(text, catalogue.aliases.match(spelt_out), catalogue.aliases)
    names = _with_rival_part(text, names, catalogue)
    for name in _beside_a_season(text, catalogue):
        covered = [other for other in names if other.start < name.end and name.start < other.end]
        if not names or (covered and name.start < covered[0].start):
            names = [name, *(other for other in names if other not in covered)]
    if context.plan is not None and _ANOTHER.fullmatch(text):  # a wish for more, rather than the show of that name
        names = []
    reading = read(text, names, catalogue.vocabulary, datetime.now(UTC).date())
    plan = _of_that_season(plan_of(reading, examples.of(reading)), text, names)
    if context.plan is None and plan.reference == "it" and not plan.shows and _COUNTS.match(text):
        plan = _of_all_shows(plan, text)
    leaned = context.plan is not None and (plan.reference != "" or plan.continues)

    def alike(show_id: str) -> Sequence[str]:
        show = catalogue.table.show(show_id)
        if show is None:
            return ()
        same = [match.id for match in catalogue.aliases.match(show.title)]
        return (*catalogue.franchises.of(show_id).ids, *same)

    wishes = plan.relative if plan.reference == "those" and not plan.shows else ()
    plan = resolve(plan, context, words=len(question.split()), alike=alike)
    if wishes and plan.intent in _OF_MANY:
        shows = [show for one in context.ids if (show := catalogue.table.show(one))]
        plan = differing(plan, wishes, shows, context.plan)
    return _picked(plan, catalogue.table) if plan.within is not None else _with_show(plan, catalogue), leaned


def _of_all_shows(plan: Plan, text: str) -> Plan:
    """Read a number that could be of the show before, which there is not, as one of all shows."""
    if parts_of(plan.condition):  # "how many sequels are there"; not "how many seasons are there"
        return replace(plan, intent="count", reference="", field=None)
    if plan.field == "episodes" and _ARE_THERE.search(text):
        return replace(plan, intent="stats", reference="", measure="sum")
    return plan


def _with_rival_part(text: str, names: list[Named], catalogue: CatalogueSnapshot) -> list[Named]:
    """Name the part of a franchise that is compared with its show: "difference between X and Y" for "X: Y"."""
    if len(names) != 1:
        return names
    name = names[0]
    start, end = place_of_rival(text.lower(), [(name.start, name.end)])
    for one, other in sides_of_pairs(text.lower()):
        if name.start <= one[0] and other[1] <= name.end:  # "X: Y" was read in "X and Y"
            own = [match.id for match in catalogue.aliases.match(text[slice(*one)]) if match.named]
            name, (start, end) = Named(*one, tuple(own) or name.ids), other
            break
    words = f" {folded_words(text[start:end])} "
    if not words.strip():
        return names
    entries = [entry.show for entry in catalogue.collection().franchises.of(name.ids[0]).entries]
    parts = [
        one.id for one in entries if any(words in f" {folded_words(title)} " for title in (one.title, *one.titles))
    ]
    others = tuple(one for one in name.ids if one not in parts)
    if not parts or not others:
        return names
    return sorted((replace(name, ids=others), Named(start, end, tuple(parts))), key=lambda name: name.start)


def _beside_a_season(text: str, catalogue: CatalogueSnapshot) -> list[Named]:
    """Return the words next to a season that are part of titles: "mob psycho season 3", "season 3 of mob psycho"."""
    place = title_beside_season(text, catalogue.table.titled, catalogue.vocabulary.phrases)
    if place is None:
        return []
    start, end, number = place
    words, table = text[start:end], catalogue.table
    shows = table.shows_of(table.with_title(words))
    collection = catalogue.collection()

    def first(show: Show) -> tuple[bool, bool, int, str]:
        begins = any(
            f"{folded_words(title)} ".startswith(f"{folded_words(words)} ") for title in (show.title, *show.titles)
        )
        return season_of(show.id, number, collection) is not None, begins, show.votes or 0, show.id

    return [Named(start, end, tuple(show.id for show in sorted(shows, key=first, reverse=True)))] if shows else []


def _of_that_season(plan: Plan, text: str, names: Sequence[Named]) -> Plan:
    """Return the plan with a number behind a title that names a season as the number of a part: "X season 2 part 2"."""
    season = SEASON_MARK.search(text, names[0].start, names[0].end) if names else None
    if season is None or plan.number is None or plan.part is not None:
        return plan
    return replace(plan, number=int(season[1]), part=plan.number)


def _picked(plan: Plan, table: FieldIndex) -> Plan:
    """Return a look-up among shows of one name as a look-up of the best-known one that meets its condition."""
    if plan.intent not in ("lookup", "field", "seasons", "watch_order", "similar", "next") or plan.shows:
        return plan
    condition = both(plan.condition, plan.preferred)
    meets = matcher(condition, table)
    shows = [show for one in plan.within or () if (show := table.show(one)) and meets(show)]
    if not shows:
        return plan
    best = max(shows, key=lambda show: (show.votes or 0, show.id)) if parts_of(condition) else shows[-1]
    return replace(plan, shows=(best.id,), condition=EVERYTHING, preferred=EVERYTHING, within=None)


def _with_show(plan: Plan, catalogue: CatalogueSnapshot) -> Plan:
    """Find the show for words that are only part of titles: "monogatari watch order"."""
    wants_a_show = plan.intent in OF_FRANCHISES or plan.field == "owned"
    if plan.shows or not wants_a_show or not plan.text or plan.field == "missing":
        return plan
    words = plan.text
    ids = catalogue.table.search_titles(words)
    if not ids:
        return plan
    shows = catalogue.table.shows_of(ids)
    begins = [show for show in shows if any(title.casefold().startswith(words) for title in (show.title, *show.titles))]
    best = max(begins or shows, key=lambda show: (show.votes or 0, show.id))
    return replace(plan, shows=(best.id,), text="")


def titled(plan: Plan, question: str, catalogue: CatalogueSnapshot) -> Plan:
    """Read the remaining words of a list as words of titles if titles contain them: "every Gundam series"."""
    if plan.intent not in ("list", "count", "superlative") or not plan.text or plan.within is not None:
        return plan
    words = plan.text.split()
    if len(words) > _TITLE_WORDS or _DESCRIBES.search(question) or not catalogue.table.titled(plan.text):
        return plan
    between = re.search(_ALL_OF.format(re.escape(plan.text)), question, re.IGNORECASE)
    if not between and all(catalogue.aliases.is_ordinary(word) for word in words):
        return plan
    return replace(plan, text="", condition=both(plan.condition, Predicate("title", "=", plan.text)))


def rare_tags_as_words(plan: Plan, table: FieldIndex, filters: Filters) -> Plan:
    """Search for tags that only a few shows have if their condition empties the list: "a funny one with aliens"."""
    if plan.intent not in ("list", "recommend") or plan.shows or plan.text or plan.within is not None:
        return plan
    parts = parts_of(plan.condition)
    rare = [part for part in parts if isinstance(part, Predicate) and part.field == "tag" and _is_rare(part, table)]
    if not rare or len(rare) == len(parts) or meeting(plan.condition, table, filters).met:
        return plan
    words = " ".join(str(part.value) for part in rare)
    return replace(plan, intent="list", text=words, condition=both(*(part for part in parts if part not in rare)))


def _is_rare(tag: Predicate, table: FieldIndex) -> bool:
    return table.tag_counts.get(str(tag.value), 0) <= _RARE


def with_titled(plan: Plan, named: Sequence[AliasMatch], question: str, table: FieldIndex) -> Plan:
    """Let "all X series" and "with X in the title" list every show with that title, related or not."""
    phrase = next((match.phrase for match in named if match.id in plan.shows), "")
    if phrase and re.search(_IN_THE_TITLE.format(re.escape(phrase)), question, re.IGNORECASE):
        intent = plan.intent if plan.intent in ("count", "superlative") else "list"
        condition = both(plan.condition, plan.preferred, Predicate("title", "=", phrase.casefold()))
        return replace(
            plan, intent=intent, shows=(), franchise=False, condition=condition, preferred=EVERYTHING, text=""
        )
    if not plan.franchise or not phrase or not re.search(_ALL_OF.format(re.escape(phrase)), question, re.IGNORECASE):
        return plan
    return replace(plan, within=tuple(table.with_title(phrase)))


def searchable(plan: Plan) -> Plan:
    """Return a list whose words are all in no field as a look-up of those words."""
    if plan.intent != "list" or parts_of(plan.condition) or plan.within is not None or not plan.text:
        return plan
    return replace(plan, intent="lookup")


def without(plan: Plan, ignore: AbstractSet[str]) -> Plan:
    """Return the plan without the conditions that the user removed."""
    if not ignore:
        return plan
    gone = {key for keys in ignore for key in keys.split(" and ")} | set(ignore)
    condition, preferred = (
        both(*(part for part in parts_of(one) if str(part) not in gone)) for one in (plan.condition, plan.preferred)
    )
    return replace(plan, condition=condition, preferred=preferred)
