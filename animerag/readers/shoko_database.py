"""Reads Shoko's database, JMMServer.db3: everything in an export, watch states and local files.

Versions are recognised by their tables and columns. A show's record is that of an export with titles by language, tags
by weight, and files. Only `AniDB_Anime` is required; other missing parts are reported.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError
from animerag.readers import shoko, shoko_files, shoko_schema
from animerag.readers.detection import Detection
from animerag.readers.shoko_schema import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from animerag.models.imports import RowError
    from animerag.models.json_types import JsonMapping, JsonObject
    from animerag.models.shows import Show
    from animerag.readers.detection import ReadOptions
    from animerag.readers.shoko_files import LocalFiles
    from animerag.readers.shoko_schema import Schema

_AT_ONCE = 200  # shows that are read in one group of queries
_NOT_COPIED = ("ContractBlob", "ContractSize", "ContractVersion")
_HUNDRED = 100
_IDS = "SELECT DISTINCT AnimeID FROM AniDB_Anime WHERE typeof(AnimeID) = 'integer' ORDER BY AnimeID"
_PARTS: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "titles by language": (("AniDB_Anime_Title", ("AnimeID", "Title", "Language", "TitleType")),),
    "tags with weights": (("AniDB_Anime_Tag", ("AnimeID", "TagID", "Weight")), ("AniDB_Tag", ("TagID", "TagName"))),
    "relations": (("AniDB_Anime_Relation", ("AnimeID", "RelatedAnimeID", "RelationType")),),
    "similar shows": (("AniDB_Anime_Similar", ("AnimeID", "SimilarAnimeID", "Approval", "Total")),),
    "series": (("AnimeSeries", ("AnimeSeriesID", "AniDB_ID")),),
    "local files": (
        ("CrossRef_File_Episode", ("Hash", "EpisodeID", "AnimeID")),
        ("VideoLocal", ("Hash", "VideoLocalID", "FileSize")),
        ("AniDB_Episode", ("EpisodeID", "AnimeID", "EpisodeNumber", "EpisodeType")),
    ),
    "watched episodes": (
        ("AnimeEpisode_User", ("JMMUserID", "AnimeEpisodeID", "WatchedCount")),
        ("AnimeEpisode", ("AnimeEpisodeID", "AniDB_EpisodeID")),
        ("AniDB_Episode", ("EpisodeID", "AnimeID", "EpisodeNumber", "EpisodeType")),
    ),
}
# Titles in the order in which they are of use; others follow.
_TITLE_RANK = {("main", ""): 0, ("official", "en"): 1, ("official", "ja"): 2, ("official", ""): 3}
_OTHERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ShokoUser:
    """A user of the server by number and name; `votes` if the ratings sent to AniDB are theirs."""

    number: int
    name: str
    votes: bool


def detect(path: Path, name: str, options: ReadOptions) -> Detection:
    """Detect what the database contains. Raises InvalidInputError if it is not Shoko's, or is damaged."""
    with shoko_schema.opened(path, name) as schema:
        parts = {part: _has(schema, part) for part in _PARTS}
        users = _users(schema)
        problem = None
        if options.user:
            _chosen(users, options.user, name)
        elif options.user is None and len(users) > 1:
            listed = ", ".join(user.name for user in users)
            problem = f"{name} has watch states of {len(users)} users ({listed}): choose one."
    known = ", ".join(part for part, there in parts.items() if there)
    reasons = [f"A Shoko database with {known or 'shows only'}."]
    if lacking := [part for part, there in parts.items() if not there]:
        reasons.append(f"It has no {', no '.join(lacking)}.")
    if reader := _reader_of(users, options.user):
        reasons.append(f"Watch state of {reader.name}.")
    return Detection(
        name=name,
        format="shoko_database",
        site="anidb",
        reasons=tuple(reasons),
        problem=problem,
        users=tuple(user.name for user in users),
    )


def read(path: Path, name: str, options: ReadOptions) -> Iterator[Show | RowError]:
    """Yield the shows by AnimeID. Raises InvalidInputError if the database is damaged or locked."""
    with shoko_schema.opened(path, name) as schema:
        user = _reader_of(_users(schema), options.user)
        id_field = options.id_field or shoko.ID_FIELD
        ids = [anime for (anime,) in schema.rows(_IDS)]
        moved = None
        if id_field != shoko.ID_FIELD:
            pairs = schema.rows(f"SELECT AnimeID, AniDB_AnimeID FROM {MAIN}")  # noqa: S608 - as above
            moved = {str(own): str(other) for own, other in pairs}
        line = 0
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            for record in _records(schema, part[0], part[-1], user):
                line += 1
                yield shoko.row(record, name, line, id_field=id_field, ids=moved)
        for record in _without_number(schema):
            line += 1
            yield shoko.row(record, name, line, id_field=id_field, ids=moved)


def _without_number(schema: Schema) -> Iterator[JsonObject]:
    """Yield the rows whose AnimeID is not a number, which no other table can refer to."""
    for anime, title in schema.rows(f"SELECT AnimeID, MainTitle FROM {MAIN} WHERE typeof(AnimeID) <> 'integer'"):  # noqa: S608 - as above
        yield {"AnimeID": None if isinstance(anime, bytes | float) else anime, "MainTitle": title}


def _collection(mine: JsonMapping, files: LocalFiles | None, episodes: object) -> JsonObject:
    """Return the parts of the record about files and the user's list."""
    own: JsonObject = {"watched": mine.get("watched"), "score": mine.get("score")}
    if files is None:
        return own
    missing = mine.get("missing")
    if missing is None and isinstance(episodes, int) and episodes > 0:
        missing = max(0, episodes - len(files.episodes))
    return own | {
        "owned": len(files.episodes),
        "missing": missing if files.sizes else None,
        "size": sum(files.sizes.values()),
        "resolution": files.largest[2],
        "audio": list(files.audio),
        "subtitles": list(files.subtitles),
    }


def _records(schema: Schema, low: int, high: int, user: ShokoUser | None) -> Iterator[JsonObject]:
    """Yield the record of each show within the bounds."""
    names = [column for column in schema.columns(MAIN) if column not in _NOT_COPIED]
    shows = schema.rows(
        f"SELECT {', '.join(names)} FROM {MAIN} WHERE AnimeID BETWEEN ? AND ? ORDER BY AnimeID",  # noqa: S608 - as above
        (low, high),
    )
    titles, tags = _titles(schema, low, high), _tags(schema, low, high)
    relations, similar = _relations(schema, low, high), _similar(schema, low, high)
    mine = _mine(schema, low, high, user)
    files = shoko_files.files_of(schema, low, high) if _has(schema, "local files") else None
    for values in shows:
        record = {name: value for name, value in zip(names, values, strict=True) if not isinstance(value, bytes)}
        anime = record["AnimeID"]
        record["titles"], record["tags"] = titles[anime], tags[anime]
        record["AllTitles"] = _joined([one["title"] for one in titles[anime]], record.get("AllTitles"))
        record["AllTags"] = _joined([], record.get("AllTags"), [tag["name"] for tag in tags[anime]])
        record["relations"], record["similar"] = relations[anime], similar[anime]
        if not record.get("VoteCount") and record.get(
            "TempVoteCount"
        ):  # shows that are still airing have no other votes
            record["Rating"], record["VoteCount"] = record.get("TempRating"), record["TempVoteCount"]
        own = None if files is None else files.get(anime, shoko_files.LocalFiles())
        record["collection"] = _collection(mine[anime], own, record.get("EpisodeCountNormal"))
        yield record


def _joined(first: Sequence[str], stored: object, last: Sequence[str] = ()) -> str:
    """Join names like an export, once each, replacing `|` in names."""
    between = str(stored or "").split("|")
    return "|".join(dict.fromkeys(name.replace("|", "/") for name in (*first, *between, *last) if name))


def _titles(schema: Schema, low: int, high: int) -> dict[int, list[dict[str, str]]]:
    titles: dict[int, list[dict[str, str]]] = defaultdict(list)
    if _has(schema, "titles by language"):
        query = (
            "SELECT AnimeID, Language, TitleType, Title FROM AniDB_Anime_Title"
            " WHERE AnimeID BETWEEN ? AND ? ORDER BY AnimeID, rowid"
        )
        for anime, language, kind, title in schema.rows(query, (low, high)):
            if title:
                titles[anime].append({"language": _plain(language), "type": _plain(kind), "title": str(title)})
    for listed in titles.values():
        listed.sort(key=_title_rank)
    return titles


def _title_rank(title: Mapping[str, str]) -> int:
    kind, language = title["type"], title["language"]
    return _TITLE_RANK.get((kind, language), _TITLE_RANK.get((kind, ""), _OTHERS))


def _tags(schema: Schema, low: int, high: int) -> dict[int, list[JsonObject]]:
    """Return name, weight and spoiler flag of the tags, by descending weight."""
    tags: dict[int, list[JsonObject]] = defaultdict(list)
    if not _has(schema, "tags with weights"):
        return tags
    name = "coalesce(t.TagNameOverride, t.TagName)" if schema.has("AniDB_Tag", "TagNameOverride") else "t.TagName"
    marks = [("t", "AniDB_Tag", "GlobalSpoiler"), ("t", "AniDB_Tag", "LocalSpoiler")]
    marks += [("t", "AniDB_Tag", "Spoiler"), ("x", "AniDB_Anime_Tag", "LocalSpoiler")]
    spoiler = " OR ".join(f"{short}.{column}" for short, table, column in marks if schema.has(table, column)) or "0"
    query = (
        f"SELECT x.AnimeID, {name}, x.Weight, {spoiler} FROM AniDB_Anime_Tag x"  # noqa: S608 - as above
        " JOIN AniDB_Tag t ON t.TagID = x.TagID WHERE x.AnimeID BETWEEN ? AND ?"
        " ORDER BY x.AnimeID, x.Weight DESC, x.rowid"
    )
    for anime, tag, weight, spoils in schema.rows(query, (low, high)):
        if tag:
            own = weight if isinstance(weight, int) else 0
            tags[anime].append({"name": str(tag), "weight": own, "spoiler": bool(spoils)})
    return tags


def _relations(schema: Schema, low: int, high: int) -> dict[int, list[JsonObject]]:
    relations: dict[int, list[JsonObject]] = defaultdict(list)
    if _has(schema, "relations"):
        query = (
            "SELECT r.AnimeID, r.RelatedAnimeID, r.RelationType, a.MainTitle, a.BeginYear FROM AniDB_Anime_Relation r"
            " LEFT JOIN AniDB_Anime a ON a.AnimeID = r.RelatedAnimeID"
            " WHERE r.AnimeID BETWEEN ? AND ? ORDER BY r.AnimeID, r.rowid"
        )
        for anime, other, kind, title, year in schema.rows(_dated(schema, query), (low, high)):
            named = str(kind).title() if str(kind).islower() else str(kind)
            relations[anime].append(
                {"anime_id": other, "relation_type": named, "title_main": title or "", "begin_year": year}
            )
    return relations


def _similar(schema: Schema, low: int, high: int) -> dict[int, list[JsonObject]]:
    similar: dict[int, list[JsonObject]] = defaultdict(list)
    if _has(schema, "similar shows"):
        query = (
            "SELECT s.AnimeID, s.SimilarAnimeID, s.Approval, s.Total, a.MainTitle, a.BeginYear"
            " FROM AniDB_Anime_Similar s LEFT JOIN AniDB_Anime a ON a.AnimeID = s.SimilarAnimeID"
            " WHERE s.AnimeID BETWEEN ? AND ? ORDER BY s.AnimeID, s.Approval DESC, s.rowid"
        )
        for anime, other, agree, total, title, year in schema.rows(_dated(schema, query), (low, high)):
            counts = {"approval_agree": agree, "approval_total": total}
            similar[anime].append({"anime_id": other, **counts, "title_main": title or "", "begin_year": year})
    return similar


def _dated(schema: Schema, query: str) -> str:
    return query if schema.has(MAIN, "BeginYear") else query.replace("a.BeginYear", "NULL")


def _mine(schema: Schema, low: int, high: int, user: ShokoUser | None) -> dict[int, JsonObject]:
    """Return for each show the missing aired episodes, and a user's watched episodes and rating."""
    mine: dict[int, JsonObject] = defaultdict(dict)
    bounds = (low, high)
    if schema.has("AnimeSeries", "AniDB_ID", "MissingEpisodeCount"):
        query = "SELECT AniDB_ID, MissingEpisodeCount FROM AnimeSeries WHERE AniDB_ID BETWEEN ? AND ?"
        for anime, missing in schema.rows(query, bounds):
            mine[anime]["missing"] = missing
    if user is None:
        return mine
    for anime, watched in schema.rows(_watched(schema), (user.number, *bounds)) if _watched(schema) else ():
        mine[anime]["watched"] = watched
    if user.votes and schema.has("AniDB_Vote", "EntityID", "VoteValue", "VoteType"):
        query = "SELECT EntityID, VoteValue FROM AniDB_Vote WHERE VoteType IN (2, 1) AND EntityID BETWEEN ? AND ?"
        for anime, vote in schema.rows(f"{query} ORDER BY VoteType DESC", bounds):  # a permanent vote counts
            mine[anime]["score"] = _score(vote)
    if schema.has("AnimeSeries_User", "AbsoluteUserRating") and _has(schema, "series"):
        query = (
            "SELECT s.AniDB_ID, u.AbsoluteUserRating FROM AnimeSeries_User u JOIN AnimeSeries s USING (AnimeSeriesID)"
            " WHERE u.JMMUserID = ? AND s.AniDB_ID BETWEEN ? AND ? AND u.AbsoluteUserRating IS NOT NULL"
        )
        for anime, vote in schema.rows(query, (user.number, *bounds)):
            mine[anime]["score"] = _score(vote)
    return mine


def _watched(schema: Schema) -> str:
    """Return a query for the number of watched episodes of each show, "" if the database has none."""
    if _has(schema, "watched episodes"):
        return (
            "SELECT a.AnimeID, count(DISTINCT a.EpisodeNumber) FROM AnimeEpisode_User u JOIN AnimeEpisode e"
            " USING (AnimeEpisodeID) JOIN AniDB_Episode a ON a.EpisodeID = e.AniDB_EpisodeID"
            " WHERE u.JMMUserID = ? AND a.AnimeID BETWEEN ? AND ? AND u.WatchedCount > 0 AND a.EpisodeType = 1"
            " GROUP BY a.AnimeID"
        )
    if _has(schema, "series") and schema.has("AnimeSeries_User", "JMMUserID", "WatchedEpisodeCount"):
        return (
            "SELECT s.AniDB_ID, u.WatchedEpisodeCount FROM AnimeSeries_User u JOIN AnimeSeries s USING (AnimeSeriesID)"
            " WHERE u.JMMUserID = ? AND s.AniDB_ID BETWEEN ? AND ?"
        )
    return ""


def _users(schema: Schema) -> list[ShokoUser]:
    """Return the users with watched or rated shows."""
    if not schema.has("JMMUser", "JMMUserID", "Username"):
        return []
    votes = "IsAniDBUser" if schema.has("JMMUser", "IsAniDBUser") else "1"
    active = [
        f"SELECT JMMUserID FROM {table} WHERE {column} > 0"  # noqa: S608 - as above
        for table, column in (
            ("AnimeEpisode_User", "WatchedCount"),
            ("AnimeSeries_User", "WatchedEpisodeCount"),
            ("AnimeSeries_User", "AbsoluteUserRating"),
        )
        if schema.has(table, "JMMUserID", column)
    ]
    if not active:
        return []
    query = f"SELECT JMMUserID, Username, {votes} FROM JMMUser WHERE JMMUserID IN ({' UNION '.join(active)})"  # noqa: S608 - as above
    rows = schema.rows(f"{query} ORDER BY JMMUserID")
    return [ShokoUser(number=number, name=str(name), votes=bool(owns)) for number, name, owns in rows]


def _reader_of(users: Sequence[ShokoUser], wanted: str | None) -> ShokoUser | None:
    """Return the chosen user, or the only one."""
    if wanted is None:
        return users[0] if len(users) == 1 else None
    return next((user for user in users if user.name.casefold() == wanted.casefold()), None)


def _chosen(users: Sequence[ShokoUser], wanted: str, name: str) -> None:
    if _reader_of(users, wanted) is None:
        listed = ", ".join(user.name for user in users) or "nobody"
        raise InvalidInputError(f"{name} has no watch state of {wanted[:60]}, only of {listed}: choose one of these.")


def _has(schema: Schema, part: str) -> bool:
    return all(schema.has(table, *columns) for table, columns in _PARTS[part])


def _score(vote: object) -> float | None:
    """Return a vote in hundredths as a score from 0 to 10, or None."""
    return vote / _HUNDRED if isinstance(vote, int) and 0 < vote <= 10 * _HUNDRED else None


def _plain(value: object) -> str:
    return str(value or "").strip().casefold()
