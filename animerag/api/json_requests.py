"""Checks that a request has a JSON body."""

from __future__ import annotations

from animerag.api.api_errors import ApiError


def check_content_type(value: bytes) -> None:
    """Raise ApiError unless a `Content-Type` header is that of JSON."""
    if value.partition(b";")[0].strip().lower() != b"application/json":
        raise ApiError("Send JSON, with the header `Content-Type: application/json`.", status=415)
