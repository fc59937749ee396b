"""Reads local files from a Shoko database: episodes, sizes, resolution and languages."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from animerag.readers import message_pack
from animerag.text import languages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.models.json_types import JsonObject
    from animerag.readers.shoko_schema import Schema

_EPISODE = 1  # AniDB's number for a regular episode
_VIDEO, _AUDIO, _TEXT = 1, 2, 3  # kinds of streams


@dataclass(slots=True)
class LocalFiles:
    """The files of one show: numbers of the episodes they hold, bytes by hash, languages, and the largest file's size.

    `largest` is (bytes, its row, its resolution as text or "").
    """

    episodes: set[int] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    audio: dict[str, None] = field(default_factory=dict)
    subtitles: dict[str, None] = field(default_factory=dict)
    largest: tuple[int, int, str] = (0, 0, "")


def files_of(schema: Schema, low: int, high: int) -> dict[int, LocalFiles]:
    """Return the local files of the shows with an AnimeID within the bounds. Raises sqlite3.Error."""
    by_show: dict[int, LocalFiles] = defaultdict(LocalFiles)
    for anime, number, kind, digest, stored, row, resolution in schema.rows(_files(schema), (low, high)):
        files, size = by_show[anime], stored if isinstance(stored, int) else 0  # a column may hold anything
        if kind == _EPISODE:
            files.episodes.add(number)
        files.sizes[str(digest)] = size
        files.largest = max(files.largest, (size, row, str(resolution or "")))
    for statement, names in _languages(schema):
        for anime, audio, subtitles in schema.rows(statement, (low, high)):
            if anime in by_show:
                by_show[anime].audio |= dict.fromkeys(languages.names_of(names(audio)))
                by_show[anime].subtitles |= dict.fromkeys(languages.names_of(names(subtitles)))
    _complete(schema, by_show.values())
    return by_show


def _files(schema: Schema) -> str:
    resolution = next((f"v.{name}" for name in ("VideoResolution",) if schema.has("VideoLocal", name)), "''")
    join = ""
    if resolution == "''" and schema.has("AniDB_File", "Hash", "File_VideoResolution"):
        resolution, join = "f.File_VideoResolution", "LEFT JOIN AniDB_File f ON f.Hash = v.Hash"
    size = " AND v.FileSize = x.FileSize" if schema.has("CrossRef_File_Episode", "FileSize") else ""
    ignored = " AND v.IsIgnored = 0" if schema.has("VideoLocal", "IsIgnored") else ""
    return (
        f"SELECT a.AnimeID, a.EpisodeNumber, a.EpisodeType, v.Hash, v.FileSize, v.VideoLocalID, {resolution}"  # noqa: S608 - names of columns
        f" FROM AniDB_Episode a JOIN CrossRef_File_Episode x ON x.EpisodeID = a.EpisodeID"
        f" JOIN VideoLocal v ON v.Hash = x.Hash{size}{ignored} {join} WHERE a.AnimeID BETWEEN ? AND ?"
        " ORDER BY a.AnimeID, a.EpisodeType, a.EpisodeNumber, v.VideoLocalID"
    )


def _languages(schema: Schema) -> Iterable[tuple[str, Any]]:
    """Yield statements that return AnimeID, audio and subtitles, each with a function that makes lists of them."""
    if schema.has("StoredReleaseInfo", "ED2K", "AudioLanguages", "SubtitleLanguages"):
        yield (
            (
                "SELECT x.AnimeID, r.AudioLanguages, r.SubtitleLanguages FROM CrossRef_File_Episode x"
                " JOIN StoredReleaseInfo r ON r.ED2K = x.Hash WHERE x.AnimeID BETWEEN ? AND ?"
                " ORDER BY x.AnimeID, r.ED2K"
            ),
            str,
        )
    if not schema.has("AniDB_File", "Hash", "FileID"):
        return
    for table, audio, subtitles in (
        ("CrossRef_Languages_AniDB_File", "{}", "''"),
        ("CrossRef_Subtitles_AniDB_File", "''", "{}"),
    ):
        if schema.has(table, "FileID", "LanguageName"):
            name, join = "l.LanguageName", ""
        elif schema.has(table, "FileID", "LanguageID") and schema.has("Language", "LanguageID", "LanguageName"):
            name, join = "n.LanguageName", "JOIN Language n ON n.LanguageID = l.LanguageID"
        else:
            continue
        yield (
            (
                f"SELECT x.AnimeID, {audio.format(name)}, {subtitles.format(name)} FROM CrossRef_File_Episode x"  # noqa: S608 - as above
                f" JOIN AniDB_File f ON f.Hash = x.Hash JOIN {table} l ON l.FileID = f.FileID {join}"
                " WHERE x.AnimeID BETWEEN ? AND ? ORDER BY x.AnimeID, l.rowid"
            ),
            lambda value: [value],
        )


def _complete(schema: Schema, shows: Iterable[LocalFiles]) -> None:
    """Fill missing values from the streams of each show's largest file."""
    if not schema.has("VideoLocal", "VideoLocalID", "MediaBlob"):
        return
    open_ones = [files for files in shows if not files.largest[2] or not (files.audio or files.subtitles)]
    for files in open_ones:
        rows = schema.rows("SELECT MediaBlob FROM VideoLocal WHERE VideoLocalID = ?", (files.largest[1],))
        streams = _streams(rows[0][0]) if rows else []
        if not files.largest[2]:
            sizes = [f"{own.get('Width')}x{own.get('Height')}" for kind, own in streams if kind == _VIDEO]
            files.largest = (*files.largest[:2], sizes[0] if sizes else "")
        if not (files.audio or files.subtitles):
            spoken, written = ([own.get("Language") for kind, own in streams if kind == one] for one in (_AUDIO, _TEXT))
            files.audio |= dict.fromkeys(languages.names_of(spoken))
            files.subtitles |= dict.fromkeys(languages.names_of(written))


def _streams(blob: object) -> Sequence[tuple[int, JsonObject]]:
    """Return the streams of a video as kind and fields; an empty list for invalid bytes."""
    if not isinstance(blob, bytes):
        return []
    with suppress(ValueError, LookupError, TypeError):
        [[tracks, *_], *_] = message_pack.loads(blob)
        return [(kind, own) for kind, own in tracks if isinstance(own, dict)]
    return []
