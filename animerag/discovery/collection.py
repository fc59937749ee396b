"""The shows with their franchises, and the names of shows in sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from animerag.models.shows import TYPE_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from animerag.discovery.franchises import Franchise
    from animerag.models.shows import Show
    from animerag.query.field_index import FieldIndex

_SEEN = ("completed", "dropped", "watching", "on_hold")
_TYPE_JA = {"movie": "映画", "ova": "OVA", "tv": "TV", "special": "スペシャル", "web": "配信アニメ", "music": "音楽"}


class FranchiseIndex(Protocol):
    """The franchises of all shows; see `discovery.franchises.Franchises`."""

    def of(self, show_id: str) -> Franchise:
        """Return a show's franchise; a show without relations is a franchise of one. Raises KeyError."""

    def all(self) -> Iterable[Franchise]:
        """Return all franchises with two or more shows, and those with a gap."""

    def to_see_before(self, show_id: str) -> tuple[str, ...] | None:
        """Return the shows to finish before a show; None if it is no show to begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """The shows of a catalogue. `likeness` is the cosine similarity of shows that a vector search returned."""

    table: FieldIndex
    franchises: FranchiseIndex
    likeness: Mapping[str, float] = field(default_factory=dict)
    japanese: bool = False  # whether the question is in Japanese
    shows_restricted: bool = False  # whether shows for adults only may be suggested without a request

    def show(self, show_id: str) -> Show:
        """Return a show. Raises KeyError."""
        show = self.table.show(show_id)
        if show is None:
            raise KeyError(show_id)
        return show

    def may_suggest(self, show: Show) -> bool:
        """Return whether a show may be suggested to somebody who did not ask for adult shows."""
        return self.shows_restricted or not show.restricted

    def shows(self, ids: Sequence[str]) -> list[Show]:
        """Return the shows that are in the catalogue."""
        return self.table.shows_of(ids)

    def say(self, english: str, japanese: str) -> str:
        """Return the sentence in the question's language."""
        return japanese if self.japanese else english

    def name(self, show: Show) -> str:
        """Return a show's title for a sentence, in bold."""
        return f"**{(show.native_title or show.title) if self.japanese else show.title}**"

    def titled(self, show: Show) -> str:
        """Return a show's title with its year."""
        return self.name(show) + (f" ({show.year})" if show.year else "")

    def length(self, show: Show) -> str:
        """Return the length of a show, or its type where that is more informative."""
        if show.type == "movie":
            return self.say("film", "映画")
        if not show.episodes:
            return TYPE_LABELS[show.type] if show.type and not self.japanese else _TYPE_JA.get(show.type or "", "")
        if self.japanese:
            return f"全{show.episodes}話"
        return "1 episode" if show.episodes == 1 else f"{show.episodes:,} episodes"

    def begun(self, show: Show) -> bool:
        """Return whether the owner has started or finished a show, according to the list."""
        return show.my_status in _SEEN

    def seen(self, show: Show) -> bool:
        """Return whether the owner has finished a show, according to the list."""
        return show.my_status == "completed"
