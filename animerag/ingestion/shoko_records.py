"""Converts entries of Shoko Server's API v3 to records of a Shoko export, for the same reader."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from animerag.models.json_types import JsonMapping, JsonObject

_VOLATILE = ("Images", "Poster")  # chosen at random for each response
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_KINDS = {"Main Story": "Parent Story", "Shared Characters": "Character"}
_TITLE_RANK = {"Main": 0, "Official": 1}
_MAX = 10


def fingerprint(series: JsonMapping, anime: JsonMapping, user: str) -> str:
    """Return a hash of a series' entries in both lists and of the key's user; if it changes, fetch the series again."""
    seen = [{name: value for name, value in one.items() if name not in _VOLATILE} for one in (series, anime)]
    return hashlib.sha256(json.dumps([user, *seen], sort_keys=True).encode()).hexdigest()


def relations_of(entries: Iterable[Any], titles: Mapping[int, JsonMapping]) -> dict[int, list[JsonObject]]:
    """Return the relations of each show, with titles if the server knows them."""
    relations: dict[int, list[JsonObject]] = {}
    for entry in entries:
        own, other = (_object(entry.get(name)).get("AniDB") for name in ("IDs", "RelatedIDs"))
        if not isinstance(own, int) or not isinstance(other, int):
            continue
        kind = _CAMEL.sub(" ", str(entry.get("Type") or "Other"))
        named = titles.get(other, {})
        relations.setdefault(own, []).append(
            {
                "anime_id": other,
                "relation_type": _KINDS.get(kind, kind),
                "title_main": _main_title(named) if named else "",
                "begin_year": _year(named.get("AirDate")),
            }
        )
    return relations


def details_of(tags: object, similar: object, files: Iterable[Any]) -> JsonObject:
    """Return the details of one series, in the form of its record."""
    return {
        "tags": [
            {
                "name": str(tag["Name"]),
                "weight": tag.get("Weight") or 0,
                "spoiler": tag.get("IsSpoiler") is True or tag.get("IsLocalSpoiler") is True,
            }
            for tag in _objects(tags)
            if tag.get("Name")
        ],
        "similar": [
            {"anime_id": one.get("ID"), "title_main": one.get("Title") or "", "begin_year": _year(one.get("AirDate"))}
            for one in _objects(similar)
        ],
        "files": _files(files),
    }


def record_of(
    series: JsonMapping,
    anime: JsonMapping,
    details: JsonMapping,
    relations: Iterable[JsonMapping],
) -> JsonObject:
    """Return the record of a show."""
    titles = sorted(_objects(anime.get("Titles")), key=_rank)
    rating, sizes = _object(anime.get("Rating")), _object(series.get("Sizes"))
    names = [str(title["Name"]).replace("|", "/") for title in titles if title.get("Name")]
    own, local, missing = (_object(sizes.get(name)).get("Episodes") for name in ("Watched", "Local", "Missing"))
    return {
        "AnimeID": anime.get("ID"),
        "MainTitle": _main_title(anime),
        "AllTitles": "|".join(dict.fromkeys(names)),
        "AllTags": "|".join(dict.fromkeys(tag["name"].replace("|", "/") for tag in details["tags"])),
        "Description": anime.get("Description") or series.get("Description") or "",
        "AnimeType": anime.get("Type"),
        "Restricted": anime.get("Restricted"),
        "AirDate": anime.get("AirDate"),
        "EndDate": anime.get("EndDate"),
        "BeginYear": _year(anime.get("AirDate")) or 0,
        "EndYear": _year(anime.get("EndDate")) or 0,
        "EpisodeCountNormal": anime.get("EpisodeCount") or 0,
        "Rating": _share(rating, 1000),
        "VoteCount": rating.get("Votes") or 0,
        "relations": list(relations),
        "similar": details["similar"],
        "titles": [
            {"name": title.get("Name"), "language": title.get("Language"), "type": title.get("Type")}
            for title in titles
        ],
        "tags": details["tags"],
        "collection": {
            "owned": local,
            "missing": missing if local else None,
            "watched": own,
            "score": _share(_object(series.get("UserRating")), _MAX) or None,
            **details["files"],
        },
    }


def _files(entries: Iterable[Any]) -> JsonObject:
    files = {file.get("ID"): file for file in entries if isinstance(file, dict)}.values()
    audio: dict[str, None] = {}
    subtitles: dict[str, None] = {}
    for file in files:
        released = _object(_object(file.get("Release")).get("MediaInfo"))
        measured = _object(file.get("MediaInfo"))
        audio |= dict.fromkeys(_languages(released.get("AudioLanguages"), measured.get("Audio")))
        subtitles |= dict.fromkeys(_languages(released.get("SubtitleLanguages"), measured.get("Subtitles")))
    largest = max(files, key=_size, default={})
    return {
        "size": sum(map(_size, files)),
        "resolution": str(largest.get("Resolution") or ""),
        "audio": list(audio),
        "subtitles": list(subtitles),
    }


def _languages(released: object, streams: object) -> list[str]:
    """Return the languages that a release declares, otherwise those of its streams."""
    named = [_CAMEL.sub(" ", str(one)) for one in released if one] if isinstance(released, list) else []
    return named or [str(one["LanguageCode"]) for one in _objects(streams) if one.get("LanguageCode")]


def _size(file: JsonMapping) -> int:
    size = file.get("Size")
    return size if isinstance(size, int) else 0


def _main_title(anime: JsonMapping) -> str:
    titles = _objects(anime.get("Titles"))
    main = next((title.get("Name") for title in titles if title.get("Type") == "Main"), None)
    return str(main or anime.get("Title") or "")


def _rank(title: JsonMapping) -> tuple[int, bool, bool]:
    language = title.get("Language")
    return _TITLE_RANK.get(str(title.get("Type")), 2), language != "en", language != "ja"


def _share(rating: JsonMapping, most: int) -> float | int:
    """Return a rating out of 1000, converted from one out of `most`."""
    value, of = rating.get("Value"), rating.get("MaxValue")
    if not isinstance(value, int | float) or not isinstance(of, int | float) or not of:
        return 0
    return round(value * most / of) if most > _MAX else round(value * most / of, 2)


def _year(value: object) -> int | None:
    match = re.match(r"(\d{4})", value) if isinstance(value, str) else None
    return int(match[1]) if match else None


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
