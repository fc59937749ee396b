"""Shoko's database as its server creates it: the tables that are read, in two versions, with test data."""

import json
import sqlite3
import struct
from contextlib import closing

ANIME = """CREATE TABLE AniDB_Anime (AniDB_AnimeID INTEGER PRIMARY KEY, AnimeID INTEGER NOT NULL,
 EpisodeCount INTEGER NOT NULL, AirDate DATETIME NULL, EndDate DATETIME NULL, BeginYear INTEGER NOT NULL,
 EndYear INTEGER NOT NULL, AnimeType INTEGER NOT NULL, MainTitle TEXT NOT NULL, AllTitles TEXT NOT NULL,
 AllTags TEXT NOT NULL, Description TEXT NOT NULL, EpisodeCountNormal INTEGER NOT NULL,
 EpisodeCountSpecial INTEGER NOT NULL, Rating INTEGER NOT NULL, VoteCount INTEGER NOT NULL, TempRating INTEGER NOT NULL,
 TempVoteCount INTEGER NOT NULL, Restricted INTEGER NOT NULL)"""
SHARED = (
    ANIME,
    (
        "CREATE TABLE AniDB_Anime_Title (AniDB_Anime_TitleID INTEGER PRIMARY KEY, AnimeID INTEGER NOT NULL,"
        " TitleType TEXT NOT NULL, Language TEXT NOT NULL, Title TEXT NULL)"
    ),
    (
        "CREATE TABLE AniDB_Anime_Relation (AniDB_Anime_RelationID INTEGER PRIMARY KEY AUTOINCREMENT,"
        " AnimeID INTEGER NOT NULL, RelatedAnimeID INTEGER NOT NULL, RelationType TEXT NOT NULL)"
    ),
    (
        "CREATE TABLE AniDB_Anime_Similar (AniDB_Anime_SimilarID INTEGER PRIMARY KEY AUTOINCREMENT,"
        " AnimeID INTEGER NOT NULL, SimilarAnimeID INTEGER NOT NULL, Approval INTEGER NOT NULL, Total INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE AniDB_Episode (AniDB_EpisodeID INTEGER PRIMARY KEY, EpisodeID INTEGER NOT NULL,"
        " AnimeID INTEGER NOT NULL, LengthSeconds INTEGER NOT NULL, EpisodeNumber INTEGER NOT NULL,"
        " EpisodeType INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE AnimeSeries (AnimeSeriesID INTEGER PRIMARY KEY, AniDB_ID INTEGER NOT NULL,"
        " MissingEpisodeCount INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE AnimeEpisode (AnimeEpisodeID INTEGER PRIMARY KEY, AnimeSeriesID INTEGER NOT NULL,"
        " AniDB_EpisodeID INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE JMMUser (JMMUserID INTEGER PRIMARY KEY, Username TEXT, Password TEXT,"
        " IsAdmin INTEGER NOT NULL, IsAniDBUser INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE AnimeEpisode_User (AnimeEpisode_UserID INTEGER PRIMARY KEY AUTOINCREMENT,"
        " JMMUserID INTEGER NOT NULL, AnimeEpisodeID INTEGER NOT NULL, AnimeSeriesID INTEGER NOT NULL,"
        " WatchedDate DATETIME NULL, PlayedCount INTEGER NOT NULL, WatchedCount INTEGER NOT NULL,"
        " StoppedCount INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE CrossRef_File_Episode (CrossRef_File_EpisodeID INTEGER PRIMARY KEY, Hash TEXT NULL,"
        " FileSize INTEGER NOT NULL, AnimeID INTEGER NOT NULL, EpisodeID INTEGER NOT NULL)"
    ),
)
NEW = (
    *SHARED,
    (
        "CREATE TABLE AniDB_Tag (AniDB_TagID INTEGER PRIMARY KEY, TagID INTEGER NOT NULL,"
        " GlobalSpoiler INTEGER NOT NULL, TagName TEXT NOT NULL, TagNameOverride TEXT DEFAULT NULL)"
    ),
    (
        "CREATE TABLE AniDB_Anime_Tag (AniDB_Anime_TagID INTEGER PRIMARY KEY, AnimeID INTEGER NOT NULL,"
        " TagID INTEGER NOT NULL, Weight INTEGER NULL, LocalSpoiler INTEGER NOT NULL DEFAULT 0)"
    ),
    (
        "CREATE TABLE AnimeSeries_User (AnimeSeries_UserID INTEGER PRIMARY KEY, JMMUserID INTEGER NOT NULL,"
        " AnimeSeriesID INTEGER NOT NULL, WatchedEpisodeCount INTEGER NOT NULL, AbsoluteUserRating INTEGER,"
        " UserRatingVoteType INTEGER)"
    ),
    (
        "CREATE TABLE VideoLocal (VideoLocalID INTEGER PRIMARY KEY, Hash TEXT NOT NULL,"
        " FileSize INTEGER NOT NULL, IsIgnored INTEGER NOT NULL, FileName TEXT NOT NULL DEFAULT '',"
        " MediaBlob BLOB NULL)"
    ),
    (
        "CREATE TABLE StoredReleaseInfo (StoredReleaseInfoID INTEGER PRIMARY KEY, ED2K TEXT NOT NULL,"
        " FileSize INTEGER NOT NULL, AudioLanguages TEXT, SubtitleLanguages TEXT)"
    ),
)
OLD = (
    *SHARED,
    (
        "CREATE TABLE AniDB_Tag (AniDB_TagID INTEGER PRIMARY KEY, TagID INTEGER NOT NULL,"
        " Spoiler INTEGER NOT NULL, LocalSpoiler INTEGER NOT NULL, GlobalSpoiler INTEGER NOT NULL,"
        " TagName TEXT NOT NULL)"
    ),
    (
        "CREATE TABLE AniDB_Anime_Tag (AniDB_Anime_TagID INTEGER PRIMARY KEY, AnimeID INTEGER NOT NULL,"
        " TagID INTEGER NOT NULL, Approval INTEGER NOT NULL, Weight INTEGER NULL)"
    ),
    (
        "CREATE TABLE AnimeSeries_User (AnimeSeries_UserID INTEGER PRIMARY KEY, JMMUserID INTEGER NOT NULL,"
        " AnimeSeriesID INTEGER NOT NULL, WatchedEpisodeCount INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE AniDB_Vote (AniDB_VoteID INTEGER PRIMARY KEY, EntityID INTEGER NOT NULL,"
        " VoteValue INTEGER NOT NULL, VoteType INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE VideoLocal (VideoLocalID INTEGER PRIMARY KEY, Hash TEXT NOT NULL,"
        " FileSize INTEGER NOT NULL, IsIgnored INTEGER NOT NULL, VideoResolution TEXT NOT NULL DEFAULT '')"
    ),
    ("CREATE TABLE AniDB_File (AniDB_FileID INTEGER PRIMARY KEY, FileID INTEGER NOT NULL, Hash TEXT NOT NULL)"),
    "CREATE TABLE Language (LanguageID INTEGER PRIMARY KEY, LanguageName TEXT NOT NULL)",
    (
        "CREATE TABLE CrossRef_Languages_AniDB_File (CrossRef_Languages_AniDB_FileID INTEGER PRIMARY KEY AUTOINCREMENT,"
        " FileID INTEGER NOT NULL, LanguageID INTEGER NOT NULL)"
    ),
    (
        "CREATE TABLE CrossRef_Subtitles_AniDB_File (CrossRef_Subtitles_AniDB_FileID INTEGER PRIMARY KEY AUTOINCREMENT,"
        " FileID INTEGER NOT NULL, LanguageID INTEGER NOT NULL)"
    ),
)


class ShokoDatabase:
    """A database that is being filled; `path` is the file."""

    def __init__(self, path, tables=NEW):
        self.path = path
        self._episode = 0
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(";\n".join(tables))

    def run(self, statement, *values):
        """Run one statement and commit."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(statement, values)

    def insert(self, table, **values):
        """Insert a row."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *values.values())

    def anime(self, number, title, **fields):
        """Insert a show; fields that are not given are empty."""
        empty = dict.fromkeys(
            (
                *("EpisodeCount", "BeginYear", "EndYear", "EpisodeCountNormal", "EpisodeCountSpecial", "Rating"),
                *("VoteCount", "TempRating", "TempVoteCount", "Restricted"),
            ),
            0,
        )
        texts = {"AllTitles": title, "AllTags": "", "Description": "", "AnimeType": 2}
        self.insert("AniDB_Anime", **{**empty, **texts, "AnimeID": number, "MainTitle": title, **fields})

    def episodes(self, anime, count, *, kind=1):
        """Insert episodes of a show with their series; return their ids."""
        self.run(
            "INSERT INTO AnimeSeries (AniDB_ID, MissingEpisodeCount) SELECT ?, 0"
            " WHERE NOT EXISTS (SELECT 1 FROM AnimeSeries WHERE AniDB_ID = ?)",
            anime,
            anime,
        )
        made = []
        for number in range(1, count + 1):
            self._episode += 1
            known_as = 9000 + self._episode
            fields = {"EpisodeID": known_as, "AnimeID": anime, "LengthSeconds": 1440}
            self.insert("AniDB_Episode", **fields, EpisodeNumber=number, EpisodeType=kind)
            self.run(
                "INSERT INTO AnimeEpisode (AnimeSeriesID, AniDB_EpisodeID)"
                " SELECT AnimeSeriesID, ? FROM AnimeSeries WHERE AniDB_ID = ?",
                known_as,
                anime,
            )
            made.append(known_as)
        return made

    def file(self, anime, episode, digest, size=1000, **fields):
        """Insert a local file that holds an episode."""
        self.insert("VideoLocal", Hash=digest, FileSize=size, IsIgnored=0, **fields)
        self.insert("CrossRef_File_Episode", Hash=digest, FileSize=size, AnimeID=anime, EpisodeID=episode)

    def user(self, number, name, *, watched=(), is_anidb=1):
        """Insert a user who has watched episodes."""
        self.insert("JMMUser", JMMUserID=number, Username=name, Password="x", IsAdmin=0, IsAniDBUser=is_anidb)
        for episode in watched:
            self.run(
                "INSERT INTO AnimeEpisode_User (JMMUserID, AnimeEpisodeID, AnimeSeriesID, PlayedCount, WatchedCount,"
                " StoppedCount) SELECT ?, AnimeEpisodeID, AnimeSeriesID, 1, 1, 0 FROM AnimeEpisode"
                " WHERE AniDB_EpisodeID = ?",
                number,
                episode,
            )

    def tag(self, anime, number, name, weight, *, spoiler=0):
        """Give a show a tag."""
        known = "SELECT 1 FROM AniDB_Tag WHERE TagID = ?"
        self.run(
            f"INSERT INTO AniDB_Tag (TagID, GlobalSpoiler, TagName) SELECT ?, 0, ? WHERE NOT EXISTS ({known})",
            *(number, name, number),
        )
        self.insert("AniDB_Anime_Tag", AnimeID=anime, TagID=number, Weight=weight, LocalSpoiler=spoiler)


def streams(*tracks, packed=True):
    """Return what Shoko stores of a video's streams: (kind, fields) each, as MessagePack, in a block of LZ4."""
    plain = _pack([[[list(track) for track in tracks]]])
    if not packed:
        return plain
    sizes = _pack(len(plain))
    head = bytes([0x92, 0xC7, len(sizes), 98]) + sizes
    block = _literals(plain)
    return head + b"\xc5" + struct.pack(">H", len(block)) + block


def _literals(data):
    """Write LZ4 with one match at most: a run of the letter that many texts repeat."""
    at = data.find(b"aaaaaaaa")
    if at < 0:
        return _sequence(data)
    return _sequence(data[: at + 1], match=(1, 7)) + _sequence(data[at + 8 :])


def _sequence(data, match=None):
    length = len(data)
    first = min(length, 15) << 4
    out = b"" if length < 15 else b"\xff" * ((length - 15) // 255) + bytes([(length - 15) % 255])
    back = b"" if match is None else struct.pack("<H", match[0])
    return bytes([first | (0 if match is None else match[1] - 4)]) + out + data + back


def _pack(value):
    if isinstance(value, dict):
        return bytes([0x80 | len(value)]) + b"".join(_pack(key) + _pack(own) for key, own in value.items())
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(_pack, value))
    if isinstance(value, str):
        return b"\xd9" + bytes([len(value.encode())]) + value.encode()
    return bytes([value]) if 0 <= value < 128 else b"\xcd" + struct.pack(">H", value)


def of_export(records, path):
    """Write the records of an export into the tables of a new database."""
    database = ShokoDatabase(path)
    columns = [line.split()[0] for line in ANIME.replace("\n", " ").split("(", 1)[1].rstrip(")").split(", ")]
    with closing(sqlite3.connect(path)) as connection, connection:
        numbers = {}
        for record in records:
            row = {name: record.get(name) for name in columns}
            row |= {name: row[name] or 0 for name in ("EpisodeCount", "TempRating", "TempVoteCount", "Restricted")}
            row |= {"Description": row["Description"] or "", "AnimeType": record.get("AnimeType", -1)}
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO AniDB_Anime ({', '.join(row)}) VALUES ({marks})", [*row.values()])
            for place, title in enumerate(record["AllTitles"].split("|")):
                kind = ("main", "x-jat") if place == 0 else ("synonym", "en")
                connection.execute(
                    "INSERT INTO AniDB_Anime_Title (AnimeID, TitleType, Language, Title) VALUES (?, ?, ?, ?)",
                    (record["AnimeID"], *kind, title),
                )
            for tag in filter(None, record["AllTags"].split("|")):
                known = numbers.setdefault(tag, len(numbers) + 1)
                connection.execute(
                    "INSERT INTO AniDB_Anime_Tag (AnimeID, TagID, Weight) VALUES (?, ?, 0)", (record["AnimeID"], known)
                )
            for item in json.loads(record["relations"]):
                connection.execute(
                    "INSERT INTO AniDB_Anime_Relation (AnimeID, RelatedAnimeID, RelationType) VALUES (?, ?, ?)",
                    (record["AnimeID"], item["anime_id"], item["relation_type"].lower()),
                )
            for item in json.loads(record["similar"]):
                connection.execute(
                    "INSERT INTO AniDB_Anime_Similar (AnimeID, SimilarAnimeID, Approval, Total) VALUES (?, ?, ?, ?)",
                    (record["AnimeID"], item["anime_id"], item["approval_agree"], item["approval_total"]),
                )
        connection.executemany(
            "INSERT INTO AniDB_Tag (TagID, GlobalSpoiler, TagName) VALUES (?, 0, ?)",
            [(number, tag) for tag, number in numbers.items()],
        )
    return database
