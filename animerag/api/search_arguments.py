"""The arguments of the tool `search_shows`: conditions on fields, words, and which part of the list to return."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, get_type_hints

from pydantic import AfterValidator, Field

from animerag.models.filters import Filters, WatchState
from animerag.models.json_types import JsonObject
from animerag.models.shows import Airing, Season, ShowType  # noqa: TC001 - read by `signature` at run time
from animerag.query.plan import EVERYTHING, Not, Predicate, both, either
from animerag.readers.dates import is_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from animerag.query.plan import Condition, FieldName, Operator

MOST_LISTED = 50
MOST_CHARACTERS = 4000  # of a question

# Arguments with the field and the operator of their condition.
_BOUNDS: dict[str, tuple[FieldName, Operator]] = {
    "year_from": ("year", ">="),
    "year_to": ("year", "<="),
    "episodes_from": ("episodes", ">="),
    "episodes_to": ("episodes", "<="),
    "rating_from": ("rating", ">="),
    "rating_to": ("rating", "<="),
    "votes_from": ("votes", ">="),
    "duration_to": ("duration", "<="),
    "aired_from": ("air_date", ">="),
    "aired_to": ("air_date", "<="),
    "my_score_from": ("my_score", ">="),
    "owned_from": ("owned_episodes", ">="),
    "missing_from": ("missing_episodes", ">="),
    "missing_to": ("missing_episodes", "<="),
    "resolution_from": ("resolution", ">="),
    "resolution_to": ("resolution", "<="),
    "audio_language": ("audio_language", "="),
    "subtitle_language": ("subtitle_language", "="),
    "airing": ("status", "="),
    "studio": ("studio", "="),
    "source": ("source", "="),
    "adults_only": ("restricted", "="),
}
_IN_FILTERS = {
    *("year_from", "year_to", "episodes_from", "episodes_to", "rating_from", "rating_to", "votes_from"),
    *("aired_from", "aired_to"),
}


def _checked_date(value: str | None) -> str | None:
    if value is not None and not (is_date(value) or (len(value) == 4 and is_date(f"{value}-01"))):
        raise ValueError("is not a date: write 2012, 2012-04 or 2012-04-07")
    return value


Order: TypeAlias = Literal["rating", "title", "year", "air_date", "episodes", "votes", "my_score"]
Words = Annotated[str, Field(max_length=MOST_CHARACTERS)]
Year = Annotated[int | None, Field(ge=1900, le=2200)]
Number = Annotated[int | None, Field(ge=0, le=100_000_000)]
Score = Annotated[float | None, Field(ge=0, le=10)]
Date = Annotated[str | None, Field(description="2012, 2012-04 or 2012-04-07"), AfterValidator(_checked_date)]
Tags = Annotated[tuple[Annotated[str, Field(max_length=100)], ...] | None, Field(max_length=20)]
ShortText = Annotated[str | None, Field(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search for shows that meet all conditions; None, or nothing in a list, is no condition."""

    about: Annotated[
        Words,
        Field(description="A plot or theme in words; the best matches come first, whatever `order` says."),
    ] = ""
    title: Annotated[str, Field(max_length=300, description="Letters that a title contains.")] = ""
    types: tuple[ShowType, ...] | None = None
    seasons: tuple[Season, ...] | None = None
    tags: Annotated[Tags, Field(description="Tags that a show must have, all of them.")] = None
    without_tags: Tags = None
    my_statuses: Annotated[tuple[WatchState, ...] | None, Field(description="The status in the user's list.")] = None
    year_from: Year = None
    year_to: Year = None
    episodes_from: Number = None
    episodes_to: Number = None
    rating_from: Score = None
    rating_to: Score = None
    votes_from: Number = None
    duration_to: Annotated[Number, Field(description="Minutes per episode.")] = None
    aired_from: Date = None
    aired_to: Date = None
    my_score_from: Score = None
    owned_from: Annotated[Number, Field(description="Episodes on disk.")] = None
    missing_from: Annotated[Number, Field(description="Episodes that aired and are not on disk.")] = None
    missing_to: Number = None
    resolution_from: Annotated[Number, Field(description="Height in pixels, such as 720.")] = None
    resolution_to: Number = None
    audio_language: Annotated[
        ShortText, Field(description="In English, such as German; `dubbed` means any but the original.")
    ] = None
    subtitle_language: Annotated[
        ShortText, Field(description="In English, such as German; `any` means any language.")
    ] = None
    airing: Airing | None = None
    studio: ShortText = None
    source: Annotated[ShortText, Field(description="What the show is based on, such as manga.")] = None
    adults_only: bool | None = None
    order: Order = "rating"
    descending: bool = True
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 10
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    def condition(self) -> Condition:
        """Return the conditions as a plan's expression."""
        return both(EVERYTHING, *self._parts())

    def filters(self) -> Filters:
        """Return the conditions that can restrict a search by text."""
        return Filters(
            types=self.types or (),
            seasons=self.seasons or (),
            tags=self.tags or (),
            without_tags=self.without_tags or (),
            statuses=self.my_statuses or (),
            restricted=self.adults_only,
            **{name: getattr(self, name) for name in _IN_FILTERS},
        )

    def _parts(self) -> Iterator[Condition]:
        any_of: dict[FieldName, Sequence[str]] = {
            "type": self.types or (),
            "season": self.seasons or (),
            "my_status": self.my_statuses or (),
        }
        for field, values in any_of.items():
            if values:
                yield either(*(Predicate(field, "=", value) for value in values))
        yield from (Predicate("tag", "=", tag.strip().casefold()) for tag in self.tags or ())
        yield from (Not(Predicate("tag", "=", tag.strip().casefold())) for tag in self.without_tags or ())
        for name, (bounded, operator) in _BOUNDS.items():
            if (value := getattr(self, name)) is not None:
                yield Predicate(bounded, operator, value)


def signature() -> inspect.Signature:
    """Return the signature of a function whose keyword arguments are the fields of `Search`.

    The SDK of MCP derives the schema of a tool from its signature.
    """
    types = get_type_hints(Search, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=types[field.name]
        )
        for field in fields(Search)
    ]
    return inspect.Signature(parameters, return_annotation=JsonObject)
