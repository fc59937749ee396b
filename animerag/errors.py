"""Everything that can go wrong, as one tree; each message is a sentence that says what to do.

AnimeRAGError
├── InvalidInputError         a file, question or option that cannot be used as given
│   └── SettingsError         a value from the command line, the environment or `.env`
├── LibraryError              the SQLite library cannot be opened, read or written
├── VectorStoreError          Chroma did not start, answer, or accept what was sent
│   └── IndexBrokenError      its own data cannot be used: a new index from the library can
├── RuntimeClosedError        the event loop that does the work is gone
└── ProviderError             an embedding or chat provider did not do its job
    ├── TransientProviderError    worth another try: time-outs, drops, 5xx, broken bodies
    │   ├── RateLimitedError      a 429: wait `retry_after_s`, then go on
    │   └── UnusableAnswerError   an answer that came and was paid for, but cannot be used
    ├── RequestRefusedError       a 4xx for this very request; another try says the same
    └── ProviderUnusableError     key, permission, quota or address: stop the job
"""

from __future__ import annotations


class AnimeRAGError(Exception):
    """Root of every error this package raises on purpose."""


class InvalidInputError(AnimeRAGError):
    """A file, question or option cannot be used as given."""


class SettingsError(InvalidInputError):
    """A setting has a value that cannot be used."""


class LibraryError(AnimeRAGError):
    """The library cannot be opened, read or written."""


class VectorStoreError(AnimeRAGError):
    """Chroma did not start, answer, or accept what was sent; after a write the outcome is unknown."""


class IndexBrokenError(VectorStoreError):
    """Chroma fails on its own data."""


class RuntimeClosedError(AnimeRAGError):
    """The event loop that does the work has ended."""


class ProviderError(AnimeRAGError):
    """An embedding or chat provider did not do its job."""


class TransientProviderError(ProviderError):
    """The same request may succeed when it is sent again."""


class RateLimitedError(TransientProviderError):
    """The provider asked everybody to wait."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnusableAnswerError(TransientProviderError):
    """The provider answered, and most likely charged for it, but the answer cannot be used: one more try is enough."""


class OtherWidthError(UnusableAnswerError):
    """The vectors have another width than those before: the server may serve another model under the name."""


class RequestRefusedError(ProviderError):
    """The provider refuses this very request, whoever sends it and whenever."""


class ProviderUnusableError(ProviderError):
    """No request can succeed until key, permission, quota or address are mended."""


def reason_of(error: BaseException) -> str:
    """Return what went wrong in the words of the system or vendor below, without a full stop; never empty."""
    cause = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
    return str(cause).strip().rstrip(".") or type(error).__name__
