"""All errors of the package in one tree; each message names the cause and the remedy.

AnimeRAGError
├── InvalidInputError         a file, question or option that cannot be used as given
│   └── SettingsError         a value from the command line, the environment or `.env`
├── LibraryError              the library cannot be opened, read or written
│   └── LibraryAwayError      its server does not answer: the same call may succeed in a moment
├── VectorStoreError          Chroma did not start, answer, or accept what was sent
│   └── IndexBrokenError      its data is damaged: rebuild the index from the library
├── RuntimeClosedError        the event loop has ended
└── ProviderError             an embedding or chat provider failed
    ├── TransientProviderError    a retry may help: timeouts, dropped connections, 5xx, broken bodies
    │   ├── RateLimitedError      a 429: wait `retry_after_s`, then continue
    │   └── UnusableAnswerError   an answer that arrived and was charged, but cannot be used
    ├── RequestRefusedError       a 4xx for this request; a retry would fail as well
    └── ProviderUnusableError     key, permission, quota or address: stop the job
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class AnimeRAGError(Exception):
    """Root of every error this package raises on purpose."""


class InvalidInputError(AnimeRAGError):
    """A file, question or option cannot be used as given."""


class SettingsError(InvalidInputError):
    """A setting has a value that cannot be used."""


class LibraryError(AnimeRAGError):
    """The library cannot be opened, read or written."""


class LibraryAwayError(LibraryError):
    """The server of the library does not answer."""


class VectorStoreError(AnimeRAGError):
    """Chroma did not start, answer, or accept what was sent; after a write the outcome is unknown."""


class IndexBrokenError(VectorStoreError):
    """Chroma's data is damaged."""


class RuntimeClosedError(AnimeRAGError):
    """The event loop has ended."""


class ProviderError(AnimeRAGError):
    """An embedding or chat provider failed."""


class TransientProviderError(ProviderError):
    """The same request may succeed if it is sent again."""


class RateLimitedError(TransientProviderError):
    """The provider asked to wait before any further request."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnusableAnswerError(TransientProviderError):
    """The provider sent, and probably charged for, an answer that cannot be used: retry once."""


class OtherWidthError(UnusableAnswerError):
    """The vectors have a different number of dimensions than before: the server may have changed the model."""

    @classmethod
    def between(cls, width: int, expected: int) -> Self:
        """Return the error for a width, and the one that earlier vectors had."""
        return cls(
            f"The provider's answer cannot be used: its vectors have {width} numbers instead of {expected}."
            " If it serves another model now, start again: the catalogue will be indexed for that one."
        )


class RequestRefusedError(ProviderError):
    """The provider rejects this request, and would reject it again."""


class ProviderUnusableError(ProviderError):
    """No request can succeed until the key, permission, quota or address is corrected."""


def reason_of(error: BaseException) -> str:
    """Return the message of a system or vendor error without a full stop; never empty."""
    cause = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
    return str(cause).strip().rstrip(".") or type(error).__name__
