"""Synchronises the catalogue with Shoko Server: reads its lists, fetches changed series, and imports everything.

Fetched series are stored in the data directory as they arrive, one per line, so that an interrupted sync can be resumed
and the next one only fetches changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from animerag.concurrency import fan_out
from animerag.errors import InvalidInputError, ProviderError
from animerag.ingestion import shoko_client, shoko_records
from animerag.ingestion.shoko_client import ShokoClient, ShokoKeyError
from animerag.ingestion.two_pass import SourceFile
from animerag.models.imports import IngestReport, RowError
from animerag.models.jobs import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from animerag.ingestion.importer import Ingestion
    from animerag.jobs.jobs import Control
    from animerag.models.json_types import JsonMapping, JsonObject

SYNC_JOB = "sync"
NAME = "Shoko Server"  # the name in reports and provenance
DIRECTORY = "shoko"  # in the data directory
_AT_ONCE = 4  # series that are fetched at the same time; the server runs at home
_IN_A_ROW = 5  # series that fail one after the other before the sync stops


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """The result of a sync: listed and fetched series, requests, and the report of the import."""

    series: int = 0
    fetched: int = 0
    listing_requests: int = 0
    detail_requests: int = 0
    report: IngestReport


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A series in the server's lists."""

    number: int
    series: JsonMapping
    anime: JsonMapping
    key: str


class ShokoSync:
    """Synchronises the catalogue with a Shoko Server."""

    def __init__(self, ingestion: Ingestion, directory: Path, key: str | None) -> None:
        """`directory` stores fetched series; `key` is that of the server, or None."""
        self._ingestion = ingestion
        self._directory = directory
        self._key = key

    async def run(self, url: str, control: Control, *, user: str | None = None) -> SyncReport:
        """Fetch changed series and import all; with `user`, the key must belong to that user.

        Raises InvalidInputError for a missing or refused key, another user's key, or a server that is not Shoko Server;
        ProviderError if it cannot be reached, and what an import raises.
        """
        if not self._key:
            raise InvalidInputError("Set ANIMERAG_SHOKO_KEY to a key that you made in the settings of Shoko Server.")
        async with shoko_client.connected(url, self._key) as client:
            me = await client.get("/api/v3/User/Current")
            name = str(me.get("Username")) if isinstance(me, dict) else ""
            if user is not None and user.casefold() != name.casefold():
                raise InvalidInputError(
                    f"The key belongs to {name}, not to {user}: set ANIMERAG_SHOKO_KEY to a key of {user}."
                )
            listed, relations = await self._lists(client, name, control)
            listing = client.requests
            base = self._directory / hashlib.sha256(client.base.encode()).hexdigest()[:16]
            cache = _SeriesCache(base.with_suffix(".jsonl"))
            await asyncio.to_thread(cache.load)
            fetched, failed = await self._fetch(client, listed, cache, control)
            requests = client.requests - listing
        records = [
            shoko_records.record_of(one.series, one.anime, details, relations.get(one.anime["ID"], ()))
            for one in listed
            if (details := cache.details(one.number, one.key)) is not None
        ]
        if control.stopping:
            report = IngestReport(read=len(listed) - len(failed), cancelled=len(listed) - len(failed))
        else:
            await asyncio.to_thread(cache.keep, {one.number for one in listed})
            report = await self._import(records, base.with_suffix(".records.jsonl"), control)
        report = replace(
            report,
            read=report.read + len(failed),
            quarantined=report.quarantined + len(failed),
            rows=(*report.rows, *failed),
        )
        return SyncReport(
            series=len(listed), fetched=fetched, listing_requests=listing, detail_requests=requests, report=report
        )

    async def _lists(
        self, client: ShokoClient, user: str, control: Control
    ) -> tuple[list[_Listed], dict[int, list[JsonObject]]]:
        """Return the series that the user may see, and the relations of all shows on the server."""

        def progress(done: int, total: int) -> None:
            control.progress = Progress(done=done, total=total, stage="Reading Shoko's lists")

        series = await client.pages("/api/v3/Series", lambda one: _id_of(one, "ID"), progress)
        known = await client.pages("/api/v3/Series/AniDB", lambda one: one.get("ID"), progress)
        entries = await client.pages("/api/v3/Series/AniDB/Relations", json.dumps, progress)
        anime = {one["ID"]: one for one in known if isinstance(one.get("ID"), int)}
        listed = []
        for one in series:
            number, show = _id_of(one, "ID"), anime.get(_id_of(one, "AniDB") or 0)
            if number is not None and show is not None:
                key = shoko_records.fingerprint(one, show, user)
                listed.append(_Listed(number=number, series=one, anime=show, key=key))
        return listed, shoko_records.relations_of(entries, anime)

    async def _fetch(
        self, client: ShokoClient, listed: list[_Listed], cache: _SeriesCache, control: Control
    ) -> tuple[int, list[RowError]]:
        """Fetch changed series; return how many were fetched, and a row error for each failure."""
        wanted = [one for one in listed if cache.details(one.number, one.key) is None]
        failed: list[RowError] = []
        done = in_a_row = 0

        async def work(one: _Listed) -> JsonObject:
            return await _details(client, one.number)

        waiting = iter(wanted)
        while part := list(itertools.islice(waiting, _AT_ONCE * 4)):
            if control.stopping:
                break
            async for outcome in fan_out(work, part, limit=lambda: _AT_ONCE):
                control.progress = Progress(done=done + len(failed), total=len(wanted), stage="Fetching from Shoko")
                if outcome.error is None:
                    await asyncio.to_thread(cache.add, outcome.item.number, outcome.item.key, outcome.unwrap())
                    done, in_a_row = done + 1, 0
                    continue
                in_a_row += 1
                if isinstance(outcome.error, ShokoKeyError) or not isinstance(
                    outcome.error, InvalidInputError | ProviderError
                ):
                    raise outcome.error
                if in_a_row >= _IN_A_ROW:
                    raise ProviderError(
                        f"{outcome.error} {done:,} of {len(wanted):,} series are stored: run the command again."
                    )
                title = str(outcome.item.anime["ID"])
                failed.append(
                    RowError(
                        file=NAME, line=outcome.item.number, id=title, stage="read", reason=str(outcome.error), given=""
                    )
                )
        return done, failed

    async def _import(self, records: list[JsonObject], path: Path, control: Control) -> IngestReport:
        """Import records through a file, like every import."""
        if not records:
            return IngestReport()
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in [_HEADING, *records])
        await asyncio.to_thread(_write, path, lines)
        try:
            return await self._ingestion.run([SourceFile(path=path, name=NAME)], control, accept_bad_rows=True)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)


# First line of the JSON lines: with it, even one series is recognised as lines.
_HEADING = {"license": "", "source": NAME}


class _SeriesCache:
    """The fetched details of each series, in a file with one line per series."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[int, tuple[str, JsonObject]] = {}

    def load(self) -> None:
        """Read the file; a series with an incomplete line is fetched again."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                with suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    details = entry["details"]
                    if isinstance(details, dict) and {"tags", "similar", "files"} <= details.keys():
                        self._known[int(entry["series"])] = (str(entry["key"]), details)

    def details(self, number: int, key: str) -> JsonObject | None:
        """Return the fetched details of a series that has not changed since."""
        known = self._known.get(number)
        return known[1] if known is not None and known[0] == key else None

    def add(self, number: int, key: str, details: JsonObject) -> None:
        """Store the details of a series."""
        self._known[number] = (key, details)
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + _line(number, key, details))  # after a line that was cut off

    def keep(self, numbers: set[int]) -> None:
        """Rewrite the file with only these series, once each."""
        self._known = {number: known for number, known in self._known.items() if number in numbers}
        _write(self._path, "".join(_line(number, *known) + "\n" for number, known in self._known.items()))


def _line(number: int, key: str, details: JsonMapping) -> str:
    return json.dumps({"series": number, "key": key, "details": details}, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


async def _details(client: ShokoClient, number: int) -> JsonObject:
    """Fetch a series' tags, similar shows and files."""
    path = f"/api/v3/Series/{number}"
    tags = await client.get(f"{path}/Tags", excludeDescriptions="true", onlyVerified="false")
    similar = await client.get(f"{path}/AniDB/Similar")
    files: list[Any] = []
    page = 1
    while True:
        answer = await client.get(f"{path}/File", pageSize=1000, page=page, include="MediaInfo,ReleaseInfo")
        listed = answer.get("List") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise InvalidInputError(f"Shoko Server lists no files of series {number}: update the server.")
        files += listed
        total = answer.get("Total")
        if not listed or not isinstance(total, int) or len(files) >= total or len(files) > shoko_client.MAX_ENTRIES:
            return shoko_records.details_of(tags, similar, files)
        page += 1


def _id_of(entry: JsonMapping, name: str) -> int | None:
    ids = entry.get("IDs")
    number = ids.get(name) if isinstance(ids, dict) else None
    return number if isinstance(number, int) else None
