"""The provider's HTTP client: it reads responses in pieces and limits their size.

The limit applies to the decompressed size; a small compressed body could otherwise fill the memory.
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

SMALL_BYTES = 2**16  # limit of errors, and of every response without another limit
_PIECE_BYTES = 2**16
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32

_cap_bytes: ContextVar[int] = ContextVar("animerag_answer_cap_bytes", default=SMALL_BYTES)


@contextmanager
def capped(limit_bytes: int) -> Iterator[None]:
    """Allow responses in this block `limit_bytes` after decompression; errors keep their small limit."""
    token = _cap_bytes.set(limit_bytes)
    try:
        yield
    finally:
        _cap_bytes.reset(token)


class CappedClient(openai.DefaultAioHttpClient):
    """The SDK's fast client with a size limit. Raises AnswerTooLargeError while a response is read."""

    def __init__(self, **options: Any) -> None:
        # Vectors hardly compress, and decompressing them would block the event loop.
        super().__init__(headers={"accept-encoding": "identity"}, **options)

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send a request; the response stream is limited for every reader."""
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
    """The decompressed bytes of a response, up to a limit."""

    def __init__(self, sent: Any, encoding: str, limit_bytes: int) -> None:
        if encoding not in {"identity", "", "gzip", "x-gzip", "deflate"}:
            raise ProviderUnusableError(
                f"The provider compresses its answers as {encoding[:40]}, which animerag does not support."
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
        """Yield the decompressed bytes in small pieces. Raises ValueError for invalid data."""
        if self._inflating is None:
            yield sent
            return
        try:
            while piece := self._inflating.decompress(sent, _PIECE_BYTES):
                yield piece
                sent = self._inflating.unconsumed_tail
        except zlib.error as error:
            raise ValueError("the answer's compression is broken") from error
