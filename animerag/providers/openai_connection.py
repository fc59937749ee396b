"""The connection to a server that speaks the OpenAI protocol: clients, requests, and translated errors."""

from __future__ import annotations

import asyncio
import importlib
import logging
import weakref
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from animerag.errors import ProviderError, ProviderUnusableError
from animerag.providers.openai_errors import NO_KEY, SECRET, meaning, translated
from animerag.providers.openai_payloads import at, text_at

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    import httpx2
    from openai import AsyncOpenAI, AsyncStream

    from animerag.rate_limits import Gate

log = logging.getLogger(__name__)

OPENAI_URL = "https://api.openai.com/v1"
CHAT_DEADLINE_S = 120.0  # seconds for one attempt in total; a read timeout would restart with each byte
LIST_DEADLINE_S = 30.0
CONNECT_S = 5.0
LIST_BYTES = 4 * 2**20  # gateways list hundreds of models with descriptions
STREAM_BYTES = 16 * 2**20  # each word takes 300 bytes of events, and the last event repeats the answer


class OpenAIConnection:
    """One address and key, with a client for each event loop. Embedder and chat model share it."""

    def __init__(self, *, api_key: str | None, base_url: str | None, gate: Gate) -> None:
        self.gate = gate
        self.is_openai = base_url is None or base_url.rstrip("/") == OPENAI_URL
        self.lacks_responses = False
        self._key = api_key or NO_KEY
        self.address = (base_url or OPENAI_URL).rstrip("/")
        self._base_url = base_url or OPENAI_URL
        self._loading, self._loaded = asyncio.Lock(), False
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncOpenAI] = weakref.WeakKeyDictionary()

    def client(self) -> AsyncOpenAI:
        """Return this loop's client: connections cannot be shared between loops."""
        import openai

        from animerag.providers.openai_capped import CappedClient

        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            if not self._base_url.startswith(("http://", "https://")):
                raise ProviderUnusableError("OPENAI_BASE_URL must begin with http:// or https://: correct it.")
            self._clients[loop] = openai.AsyncOpenAI(
                api_key=self._key,
                base_url=self._base_url,
                max_retries=0,
                timeout=openai.Timeout(CHAT_DEADLINE_S, connect=CONNECT_S),
                # This transport has five times the throughput of the default; redirects could leak the key.
                http_client=CappedClient(follow_redirects=False, verify=_tls()),
            )
        return self._clients[loop]

    async def load(self) -> None:
        """Import the SDK in a thread: on the loop, everything else would wait for half a second."""
        if self._loaded:
            return
        async with self._loading:
            if not self._loaded:
                await asyncio.to_thread(_import_sdk)
                self._loaded = True

    async def warm(self) -> None:
        """Import the SDK and open a pooled connection; the response does not matter."""
        await self.load()
        from animerag.providers.openai_capped import capped

        try:
            with self.translating(""), capped(LIST_BYTES):
                await self.client().get("/models", cast_to=object, options={"timeout": CONNECT_S})
        except ProviderError as error:
            log.debug("warm-up of the provider: %s", error)

    async def models(self) -> list[str]:
        """Return the names of the server's models. Raises ProviderError; NoSuchRouteError if it has no list."""
        from animerag.providers.openai_capped import capped

        with self.translating(""), capped(LIST_BYTES):
            async with asyncio.timeout(LIST_DEADLINE_S):
                answer = await self.client().get("/models", cast_to=object)
        listed = at(answer, "data")
        return [text_at(one, "id") for one in listed] if isinstance(listed, list) else []

    async def post(self, path: str, body: Mapping[str, object], *, limit_bytes: int) -> httpx2.Response:
        """Send one request and return the complete response. Raises the SDK's errors, AnswerTooLargeError."""
        import httpx2

        from animerag.providers.openai_capped import capped

        # The SDK's methods would validate request and response, which takes 3 ms, and turn vectors into lists.
        with capped(limit_bytes):
            response: httpx2.Response = await self.client().post(path, body=body, cast_to=httpx2.Response)
        return response

    async def stream(self, path: str, body: Mapping[str, object]) -> AsyncStream[object]:
        """Send one request and return its events as plain values. Raises the SDK's errors."""
        import openai

        from animerag.providers.openai_capped import capped

        # Typed events cost 0.5 ms each, and the first one blocks the loop for a second.
        with capped(STREAM_BYTES):
            stream: AsyncStream[object] = await self.client().post(
                path, body={**body, "stream": True}, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object]
            )
        return stream

    async def close(self) -> None:
        """Close this loop's connections."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    @contextmanager
    def translating(self, model: str) -> Iterator[None]:
        """Translate every vendor error of the block, and learn rate limits from rejected requests."""
        import aiohttp
        import httpx2
        import openai

        try:
            yield
        except (openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, openai.RateLimitError):
                self.gate.learn(error.response.headers, model=model)
            problem = translated(error, model=model, hide=self._key)
            # A server may echo the key, and a logged traceback would show it.
            leaks = self._key in str(error) or SECRET.search(str(error)) is not None
            raise problem from (None if leaks else error)

    def failure(self, error: object, model: str) -> ProviderError:
        """Return our error for one inside a response with a success status."""
        return meaning(error, model=model, hide=self._key)


def _import_sdk() -> None:
    """Import what the first request needs; the SDK imports most of itself only then."""
    for name in ("openai", "openai.resources", "animerag.providers.openai_capped"):
        importlib.import_module(name)
    _tls()


@cache
def _tls() -> ssl.SSLContext:
    """Return the shared TLS context: reading certificates takes 50 ms, and a comparison creates a client per run."""
    import httpx2

    return httpx2.create_ssl_context()
