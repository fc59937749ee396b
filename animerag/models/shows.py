"""Shows of the catalogue, and where each was read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from animerag.models.json_types import JsonMapping

ShowType = Literal["movie", "ova", "tv", "special", "web", "other", "music"]
Season = Literal["winter", "spring", "summer", "fall"]
Airing = Literal["finished", "airing", "upcoming"]
MyStatus = Literal["watching", "completed", "on_hold", "dropped", "plan_to_watch"]
TYPE_LABELS: dict[ShowType, str] = {
    "movie": "film",
    "ova": "OVA",
    "tv": "TV series",
    "special": "TV special",
    "web": "web series",
    "other": "other",
    "music": "music video",
}
_JAPANESE_WRITING = re.compile(r"[ぁ-ヿ一-鿿]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedShow:
    """A show that another one refers to; it may be missing from the catalogue."""

    id: str
    title: str
    kind: str
    year: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a show was read: file, line, and notes on values that were corrected or left out."""

    file: str
    line: int
    notes: tuple[str, ...] = ()
    reference: bool = False  # the file only adds values to existing shows
    source_id: str = ""  # the show's id in that file; "" if it is the id in the catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """One show of the catalogue; `record` is the source's complete object, so that no value of a file is lost.

    `overlay` marks a row of the owner's list (`my_status`, `my_score` from 0 to 10, `episodes_watched`) that describes
    the show only well enough to identify it. `origin` is set while a file is read.

    Fields that a file does not record are None or empty. `type_inferred` marks a type derived from titles and
    episodes. `air_date` and `end_date` are ISO dates as far as they are known: "2012-04-07" or "2012-04". `season` is
    the quarter of the year in which the show began to air (winter: January to March) or what a file calls it; its year
    is `year`. `restricted` is true of shows for adults only. `tag_weights` run from 0 to 1 and name tags as `tags` do.
    `source` is the kind of work it was made from ("manga"), `duration` counts minutes per episode.

    Files of the owner: `owned_episodes`, aired episodes without a file (`missing_episodes`), `file_size` in bytes,
    the languages of all files by English name, and the `resolution` of the largest ("1080p"). `spoiler_tags` are
    the `tags` that reveal the plot.
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
    record: JsonMapping = field(default_factory=dict)
    my_status: MyStatus | None = None
    my_score: float | None = None
    episodes_watched: int | None = None
    owned_episodes: int | None = None
    missing_episodes: int | None = None
    audio_languages: tuple[str, ...] = ()
    subtitle_languages: tuple[str, ...] = ()
    resolution: str | None = None
    file_size: int | None = None
    spoiler_tags: tuple[str, ...] = ()
    overlay: bool = False
    origin: Origin | None = field(default=None, compare=False)

    @property
    def native_title(self) -> str | None:
        """Return the first other title in Japanese writing, or None."""
        return next((title for title in self.titles if title != self.title and _JAPANESE_WRITING.search(title)), None)

    @property
    def english_title(self) -> str | None:
        """Return the first other title in ASCII letters that differs in more than case, or None."""
        own = "".join(filter(str.isalnum, self.title.casefold()))
        for title in self.titles:
            letters = "".join(filter(str.isalnum, title.casefold()))
            if title.isascii() and len(letters) > 3 and letters != own and " " in title.strip():
                return title
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredShow:
    """The part of a stored show that identifies it."""

    id: str
    title: str
    titles: tuple[str, ...]
    beginning: str  # the first characters of its description
    year: int | None
    episodes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A file that describes a show, and the show's id in that file."""

    file: str
    source_id: str
    overlay: bool
    at: str  # time of the import, in UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedShow:
    """A show in a list of choices."""

    id: str
    title: str
    year: int | None = None
