"""Shows as JSON, in full or as a short summary; unknown fields are left out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from animerag.models.answers import Result
from animerag.query.plan import parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from animerag.models.json_types import JsonObject
    from animerag.models.shows import RelatedShow, Show
    from animerag.query.plan import Condition, Intent

DESCRIPTION_CHARACTERS = 4000
_LISTED = 60  # tags, titles and relations


def whole(show: Show) -> JsonObject:
    """Return all fields of a show, its description cut at 4,000 characters."""
    known = {
        **line(show),
        "titles": [title for title in show.titles if title != show.title][:_LISTED],
        "end_year": show.end_year,
        "votes": show.votes,
        "season": show.season,
        "air_date": show.air_date,
        "end_date": show.end_date,
        "airing": show.airing,
        "source": show.source,
        "duration_minutes": show.duration,
        "studios": list(show.studios),
        "tags": [tag for tag in show.tags if tag not in show.spoiler_tags][:_LISTED],
        "spoiler_tags": list(show.spoiler_tags)[:_LISTED],
        "my_status": show.my_status,
        "my_score": show.my_score,
        "episodes_watched": show.episodes_watched,
        "owned_episodes": show.owned_episodes,
        "missing_episodes": show.missing_episodes,
        "audio_languages": list(show.audio_languages),
        "subtitle_languages": list(show.subtitle_languages),
        "resolution": show.resolution,
        "file_size_bytes": show.file_size,
        "relations": [_related(item) for item in show.relations[:_LISTED]],
        "description": show.description[:DESCRIPTION_CHARACTERS],
    }
    shown = {name: value for name, value in known.items() if value is not None and value not in ("", [])}
    # False is a known value.
    return shown | ({} if show.restricted is None else {"adults_only": show.restricted})


def with_result(show: Show) -> JsonObject:
    """Return all fields of a show, and `result` with its id."""
    return {**whole(show), "result": result("lookup", [show.id], complete=True)}


def line(show: Show) -> JsonObject:
    """Return a show's id, title, year, type, episodes and rating."""
    named = {
        "id": show.id,
        "title": show.title,
        "year": show.year,
        "type": show.type,
        "episodes": show.episodes,
        "rating": show.rating,
    }
    return {name: value for name, value in named.items() if value is not None}


def result(
    intent: Intent,
    ids: Sequence[str] = (),
    *,
    complete: bool = False,
    value: float | str | None = None,
    conditions: Sequence[str] = (),
) -> JsonObject:
    """Return a `result` in the shape of an answer's (docs/configuration.md)."""
    return asdict(Result(intent=intent, ids=tuple(ids), complete=complete, value=value, conditions=tuple(conditions)))


def _related(item: RelatedShow) -> JsonObject:
    known = {"id": item.id, "title": item.title, "kind": item.kind, "year": item.year}
    return {name: value for name, value in known.items() if value not in (None, "")}


def conditions_of(condition: Condition) -> list[str]:
    """Return each condition as `result` gives it: "type=movie", "not tag=comedy"."""
    return [str(part) for part in parts_of(condition)]
