"""A Shoko Server over a real socket with the used parts of its API v3: paged lists, and details of each series."""

import asyncio
import json
import threading
from collections import Counter
from contextlib import contextmanager

from aiohttp import web

KEY = "0d1b9a52-canary-key"
_TYPES = ("Movie", "OVA", "TVSeries", "TVSpecial", "Web", "Other")
_KINDS = {"Parent Story": "MainStory", "Character": "SharedCharacters"}


class FakeShoko:
    """The server; `entries` holds a record of an export for each series, `fault(path)` may answer in its place."""

    def __init__(self, records, user="Kenzo"):
        self.records = list(records)
        self.user = user
        self.extra = {}  # by AnimeID: what the lists and files say beside the record
        self.asked = Counter()
        self.keys = set()
        self.fault = lambda _: None
        self.url = ""

    async def handle(self, request):
        """Answer one request."""
        path = request.path.removeprefix("/api/v3")
        self.asked[path] += 1
        self.keys.add(request.headers.get("apikey"))
        if (answer := self.fault(path)) is not None:
            return await answer if asyncio.iscoroutine(answer) else answer
        if request.headers.get("apikey") != KEY:
            return web.Response(status=401)
        parts = path.strip("/").split("/")
        if path == "/User/Current":
            return web.json_response({"ID": 1, "Username": self.user, "IsAdmin": True})
        if path == "/Series":
            return self.page(request, [self.series(*one) for one in enumerate(self.records, 1)])
        if path == "/Series/AniDB":
            return self.page(request, [self.anime(*one) for one in enumerate(self.records, 1)])
        if path == "/Series/AniDB/Relations":
            return self.page(request, [one for record in self.records for one in self.relations(record)])
        record = self.records[int(parts[1]) - 1]
        own = self.extra.get(record["AnimeID"], {})
        if parts[2:] == ["Tags"]:
            named = own.get("tags") or [{"Name": name} for name in (record.get("AllTags") or "").split("|") if name]
            plain = {"ID": 1, "IsSpoiler": False, "Weight": 0, "Source": "AniDB"}
            return web.json_response([{**plain, **tag} for tag in named])
        if parts[2:] == ["AniDB", "Similar"]:
            similar = json.loads(record.get("similar") or "[]")
            return web.json_response(
                [
                    {"ID": one["anime_id"], "Title": one["title_main"], "AirDate": str(one["begin_year"])}
                    for one in similar
                ]
            )
        assert parts[2:] == ["File"], path
        return self.page(request, own.get("files", []))

    def page(self, request, entries):
        """Return a page of a list."""
        size, number = int(request.query["pageSize"]), int(request.query["page"])
        return web.json_response({"Total": len(entries), "List": entries[(number - 1) * size : number * size]})

    def series(self, number, record):
        """Return a series as the list has it."""
        own = self.extra.get(record["AnimeID"], {})
        counts = {name: {"Episodes": own.get(name, 0), "Specials": 0} for name in ("Local", "Watched", "Missing")}
        rating = {"Value": own["score"], "MaxValue": 10, "Source": "User"} if "score" in own else None
        return {
            "IDs": {"ID": number, "AniDB": record["AnimeID"], "MAL": []},
            "Name": record["MainTitle"],
            "Description": record.get("Description") or "",
            "Images": {"Posters": [{"ID": sum(self.asked.values())}]},
            "Sizes": counts,
            "UserRating": rating,
            "Updated": "2026-01-01T00:00:00Z",
        }

    def anime(self, number, record):
        """Return a show as the list has it."""
        titles = [
            {"Name": name, "Language": "x-jat" if place == 0 else "en", "Type": "Synonym" if place else "Main"}
            for place, name in enumerate(record["AllTitles"].split("|"))
        ]
        kind = record.get("AnimeType", -1)
        return {
            "ID": record["AnimeID"],
            "ShokoID": number,
            "Type": _TYPES[kind] if kind >= 0 else "Unknown",
            "Title": record["MainTitle"],
            "Titles": titles,
            "Description": record.get("Description"),
            "AirDate": (record.get("AirDate") or "")[:10] or str(record.get("BeginYear") or "") or None,
            "EndDate": (record.get("EndDate") or "")[:10] or str(record.get("EndYear") or "") or None,
            "Restricted": bool(record.get("Restricted")),
            "Poster": {"ID": sum(self.asked.values())},
            "EpisodeCount": record.get("EpisodeCountNormal") or 0,
            "Rating": {"Value": record.get("Rating", 0), "MaxValue": 1000, "Votes": record.get("VoteCount", 0)},
        }

    def relations(self, record):
        """Return the relations of a show."""
        for item in json.loads(record.get("relations") or "[]"):
            kind = _KINDS.get(item["relation_type"], item["relation_type"].replace(" ", ""))
            yield {
                "IDs": {"Shoko": None, "AniDB": record["AnimeID"]},
                "RelatedIDs": {"Shoko": None, "AniDB": item["anime_id"]},
                "Type": kind,
                "Source": "AniDB",
                "Verified": True,
            }

    @property
    def details(self):
        """Count the requests for single series."""
        return sum(count for path, count in self.asked.items() if path.split("/")[2:3] and path.split("/")[2].isdigit())


@contextmanager
def serving(shoko):
    """Run the server on its own loop and thread; `url` is its address."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    runner = None

    async def start():
        nonlocal runner
        app = web.Application()
        app.router.add_route("GET", "/{path:.*}", shoko.handle)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        shoko.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        ready.set()

    def run():
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield shoko
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
