"""Tells a Chroma server that cannot be reached from one that answers with an error."""

from __future__ import annotations


def is_unreachable(error: BaseException) -> bool:
    """Return whether there was no connection; chromadb reports that as its own error while it connects."""
    import httpx

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, httpx.TransportError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None
