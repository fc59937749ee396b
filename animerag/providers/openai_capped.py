"""The HTTP client of the provider: it reads answers in pieces, and never more of one than a cap.

The cap counts what an answer inflates to. A small compressed body could otherwise fill the memory.
"""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from animerag.errors import ProviderUnusableError
from animerag.providers.openai_errors import AnswerTooLargeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SMALL_BYTES = 2**16  # of an error, and of every answer for which no cap was set
_PIECE_BYTES = 2**16
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32

_cap_bytes: ContextVar[int] = ContextVar("animerag_answer_cap_bytes", default=SMALL_BYTES)


@contextmanager
def capped(limit_bytes: int) -> Iterator[None]:
    """Let answers to the requests of this block have `limit_bytes` after inflation; errors keep their small cap."""
    token = _cap_bytes.set(limit_bytes)
    try:
        yield
    finally:
        _cap_bytes.reset(token)


class CappedClient(openai.DefaultAioHttpClient):
    """The SDK's fast client with a cap on what is read. Raises AnswerTooLargeError while an answer is read."""

    def __init__(self, **options: Any) -> None:
        # Vectors hardly compress, and inflating them would hold up the event loop.
        super().__init__(headers={"accept-encoding": "identity"}, **options)

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send a request; the answer's stream is capped, whoever reads it."""
        response = await super().send(request, stream=True, **options)
        limit = _cap_bytes.get() if response.is_success else SMALL_BYTES
        try:
            encoding = response.headers.pop("content-encoding", "identity").strip().lower()
            response.stream = _CappedStream(response.stream, encoding, limit)
            if not stream:
                await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response


class _CappedStream(httpx2.AsyncByteStream):
    """The inflated bytes of an answer up to a limit."""

    def __init__(self, sent: Any, encoding: str, limit_bytes: int) -> None:
        if encoding not in {"identity", "", "gzip", "x-gzip", "deflate"}:
            raise ProviderUnusableError(
                f"The provider compresses its answers as {encoding[:40]}, which was not asked for."
                " Check OPENAI_BASE_URL, or the proxy in front of it."
            )
        self._sent = sent
        self._inflating = None if encoding in {"identity", ""} else zlib.decompressobj(_GZIP_OR_ZLIB)
        self._limit_bytes = limit_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read_bytes = 0
        async for sent in self._sent:
            for piece in self._pieces(sent):
                read_bytes += len(piece)
                if read_bytes > self._limit_bytes:
                    raise AnswerTooLargeError(self._limit_bytes)
                yield piece

    async def aclose(self) -> None:
        await self._sent.aclose()

    def _pieces(self, sent: bytes) -> Iterator[bytes]:
        """Yield what some bytes inflate to, a little at a time. Raises ValueError for what cannot be inflated."""
        if self._inflating is None:
            yield sent
            return
        try:
            while piece := self._inflating.decompress(sent, _PIECE_BYTES):
                yield piece
                sent = self._inflating.unconsumed_tail
        except zlib.error as error:
            raise ValueError("the answer's compression is broken") from error
