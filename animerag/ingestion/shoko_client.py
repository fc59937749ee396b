"""A client for Shoko Server's API v3: reads lists page by page, with limits for slow and wrong servers.

The key is only sent in the header `apikey`. Redirects are not followed, so it reaches no other address.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from animerag.errors import InvalidInputError, ProviderError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PAGE = 100  # entries; the server allows no more
MAX_ENTRIES = 1_000_000
MAX_BYTES = 64 * 2**20  # of one answer; a page of long descriptions takes 1 MB
_CONNECT_S, _TOTAL_S = 10.0, 60.0
_TRIES = 3
_PAUSE_S = 0.5  # seconds before the second attempt, doubled for each further one
_REFUSED = (401, 403)
_API = "/api/v3"


class ShokoKeyError(InvalidInputError):
    """Shoko Server refuses the key."""


@dataclass(slots=True)
class ShokoClient:
    """A client for one server; `requests` counts the requests sent."""

    session: aiohttp.ClientSession
    base: str
    timeout_s: float
    pause_s: float
    requests: int = field(default=0, init=False)

    async def get(self, path: str, **query: str | int) -> Any:
        """Return the JSON of one response; temporary failures are retried twice.

        Raises ShokoKeyError, InvalidInputError for any other server, ProviderError if it does not answer.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._once(path, query)
            except (aiohttp.ClientError, TimeoutError, _Unavailable) as error:
                if attempt == _TRIES:
                    raise ProviderError(_unreachable(self.base, error)) from None
                await asyncio.sleep(self.pause_s * 2 ** (attempt - 1))
        raise AssertionError

    async def pages(
        self, path: str, identity: Callable[[Any], object], progress: Callable[[int, int], None]
    ) -> list[Any]:
        """Return all entries of a list, once per `identity`; `progress` is called with the number read and the total.

        Raises what `get` raises, and InvalidInputError for an endless list.
        """
        entries: dict[object, Any] = {}
        page, total = 1, 1
        while len(entries) < total:
            answer = await self.get(path, pageSize=PAGE, page=page)
            listed, count = (answer.get("List"), answer.get("Total")) if isinstance(answer, dict) else (None, None)
            if not isinstance(listed, list) or not isinstance(count, int):
                raise InvalidInputError(
                    f"{self.base}{path} did not return a list: check that this is Shoko Server with API v3."
                )
            total = count
            if total > MAX_ENTRIES:
                raise InvalidInputError(
                    f"Shoko Server lists {total:,} entries, more than {MAX_ENTRIES:,}: import its database instead."
                )
            before = len(entries)
            entries |= {identity(entry): entry for entry in listed if isinstance(entry, dict)}
            if not listed:
                break  # entries were removed while we read
            if len(entries) == before:
                raise InvalidInputError(f"Shoko Server repeats the entries of {path} without end: update the server.")
            progress(len(entries), total)
            page += 1
        return list(entries.values())

    async def _once(self, path: str, query: dict[str, str | int]) -> Any:
        self.requests += 1
        limit = aiohttp.ClientTimeout(total=self.timeout_s, sock_connect=_CONNECT_S)
        async with self.session.get(
            f"{self.base}{path}", params=query, timeout=limit, allow_redirects=False
        ) as response:
            if response.status in _REFUSED:
                raise ShokoKeyError(
                    f"Shoko Server at {self.base} refuses the key: set ANIMERAG_SHOKO_KEY to one made in its settings."
                )
            if response.status >= 500 or response.status == 429:
                raise _Unavailable(f"it answers with status {response.status}")
            if response.status != 200:
                raise InvalidInputError(
                    f"Shoko Server at {self.base} answers {path} with status {response.status}: check the address, and"
                    " that the server is version 4.2 or later."
                )
            data = bytearray()
            async for piece in response.content.iter_chunked(2**16):
                data += piece
                if len(data) > MAX_BYTES:
                    raise InvalidInputError(
                        f"Shoko Server at {self.base} sent more than {MAX_BYTES // 2**20} MB: check the address."
                    )
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise InvalidInputError(
                f"{self.base} does not answer with JSON: use the address of Shoko Server, such as http://localhost:8111."
            ) from None


class _Unavailable(Exception):  # noqa: N818 - never leaves this module
    """The server is temporarily unavailable."""


@asynccontextmanager
async def connected(url: str, key: str) -> AsyncIterator[ShokoClient]:
    """Open a client. Raises InvalidInputError for an invalid address."""
    base = checked_address(url)
    async with aiohttp.ClientSession(headers={"apikey": key, "Accept": "application/json"}) as session:
        yield ShokoClient(session, base, timeout_s=_TOTAL_S, pause_s=_PAUSE_S)


def checked_address(url: str) -> str:
    """Return the address of a server without the path of its API. Raises InvalidInputError."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidInputError(f"{url[:80]} is not an address: write it like http://localhost:8111.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidInputError("The address must not contain a user, password or key: set ANIMERAG_SHOKO_KEY instead.")
    path = parts.path.rstrip("/").removesuffix(_API)
    return f"{parts.scheme}://{parts.netloc}{path}"


def _unreachable(base: str, error: Exception) -> str:
    if isinstance(error, TimeoutError):
        reason = "it does not answer in time"
    elif isinstance(error, aiohttp.ClientConnectorError):
        reason = "nothing listens at this address"
    else:
        reason = str(error) or type(error).__name__
    return f"Shoko Server at {base} cannot be reached ({reason}): check that it runs, then run the command again."
