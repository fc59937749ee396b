"""Which shows belong together: those linked by relations, and without relations those that titles link."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from animerag.discovery.story_graph import Groups

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from animerag.models.shows import RelatedShow, Show

LinkKind: TypeAlias = Literal["sequel", "prequel", "side", "parent", "recap", "full", "version", "neighbour"]

# Names of relations in AniDB, MyAnimeList and AniList.
_KINDS: dict[str, LinkKind] = {
    "sequel": "sequel",
    "prequel": "prequel",
    "side story": "side",
    "parent story": "parent",
    "parent": "parent",
    "summary": "recap",
    "compilation": "recap",
    "full story": "full",
    "contains": "full",
    "alternative version": "version",
    "alternative": "version",
    "alternative setting": "neighbour",
    "same setting": "neighbour",
    "spin off": "neighbour",
    "spinoff": "neighbour",
    "character": "neighbour",
    "other": "neighbour",
}

# Text that may follow a title in the title of another show of the franchise.
_CONTINUES = re.compile(
    r"^\W*(?:$|[:：~〜–—-]|\s(?:[2-9]|ii|iii|iv|v|vi|vii)\b|\s*(?:the\s+)?(?:\d\d?(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|final|last)?\s*"
    r"(?:season|part|cour|movie|film|ova|oad|ona|special|specials|recap|prologue|picture drama)\b)",
    re.IGNORECASE,
)
_NUMBERED_SEASON = re.compile(
    r"(?P<stem>.+?)\W+(?:(?:\d\d?(?:st|nd|rd|th)|second|third|fourth|fifth|sixth|final) season|season \d\d?)\W*$",
    re.IGNORECASE,
)
_SHORTEST_PREFIX = 4  # letters; too many other titles start with a shorter one


@dataclass(frozen=True, slots=True, kw_only=True)
class FranchiseGroups:
    """The ids of each show's group, sorted, and the shows that only titles put there.

    `linked` are the shows with a relation that says how they belong together, even to shows outside the catalogue.
    """

    groups: Mapping[str, tuple[str, ...]]
    guessed: Collection[str] = field(default_factory=frozenset)
    linked: Collection[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, shows: Iterable[Show]) -> Self:
        """Return the groups of all shows, of which only ids, titles and relations are needed; reads them once."""
        titles: dict[str, str] = {}
        strong: dict[str, tuple[str, ...]] = {}
        linked = set()
        for show in shows:
            titles[show.id] = show.title
            links = links_of(show)
            if links:
                linked.add(show.id)
            if own := joined_to(show):
                strong[show.id] = own
        joined, guessed = Groups(titles), set()
        for show_id, ids in strong.items():
            for other in ids:
                if other in titles:
                    joined.join(show_id, other)
        for show_id, other in _by_title(titles, strong):
            joined.join(show_id, other)
            guessed |= {show_id, other}
        return cls(groups=joined.groups(), guessed=guessed, linked=linked)


def links_of(show: Show) -> list[tuple[RelatedShow, LinkKind]]:
    """Return the relations of a show whose kind is known."""
    kinds = ((item, _KINDS.get(item.kind.casefold().replace("_", " ").replace("-", " "))) for item in show.relations)
    return [(item, kind) for item, kind in kinds if kind is not None]


def joined_to(show: Show) -> tuple[str, ...]:
    """Return the ids of the shows that a show's relations put into the same franchise, each once."""
    return tuple(dict.fromkeys(item.id for item, kind in links_of(show) if kind != "neighbour"))


def continues(title: str, other: str) -> bool:
    """Return whether a title is another one followed by a season, a kind or a subtitle."""
    if len(other) < _SHORTEST_PREFIX or not title.casefold().startswith(other.casefold()):
        return False
    rest = title[len(other) :]
    return bool(rest.strip()) and bool(_CONTINUES.match(rest))


def beginning_of(title: str) -> str:
    """Return the first word of a title, folded; titles that link shows have the same."""
    return _words(title).split(" ")[0]


def _by_title(titles: Mapping[str, str], related: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of shows that only titles link: one has no relations, and its title extends the other's.

    Numbered seasons of one title also belong together if the first season is missing.
    """
    numbered: dict[str, str] = {}
    for show_id, title in titles.items():
        stem = _stem(title)
        if stem and show_id not in related:
            if stem in numbered:
                yield show_id, numbered[stem]
            numbered.setdefault(stem, show_id)
    by_first: dict[str, list[str]] = defaultdict(list)
    for show_id, title in titles.items():
        by_first[beginning_of(title)].append(show_id)
    for ids in by_first.values():
        if len(ids) > 1:
            yield from _extended({one: titles[one] for one in ids}, related)


def _extended(titles: Mapping[str, str], related: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each show without relations with the show whose title is the longest that its own extends."""
    by_title: dict[str, list[str]] = defaultdict(list)  # a thousand titles begin with one word
    for show_id, title in titles.items():
        by_title[title.casefold()].append(show_id)
    lengths = sorted({len(title) for title in by_title})
    for show_id, title in titles.items():
        if show_id in related:
            continue
        whole = title.casefold()
        bases = [
            one
            for length in lengths
            if length < len(whole)
            for one in by_title.get(whole[:length], ())
            if one != show_id and continues(title, titles[one])
        ]
        if bases:
            yield show_id, min(bases, key=lambda one: (-len(titles[one]), one))


def _words(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def _stem(title: str) -> str:
    """Return the title without a season's number at its end; "" if it has no such number."""
    match = _NUMBERED_SEASON.match(title)
    return _words(match["stem"]) if match and len(match["stem"]) >= _SHORTEST_PREFIX else ""
