"""Errors in the form of each protocol; every message is a sentence that says what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeAlias

from animerag.errors import (
    AnimeRAGError,
    InvalidInputError,
    ProviderUnusableError,
    RateLimitedError,
    RequestRefusedError,
    TransientProviderError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.models.json_types import JsonMapping, JsonObject

Endpoint: TypeAlias = Literal["mcp", "v1", "api"]

_INVALID_REQUEST, _INTERNAL_ERROR, _REFUSED = -32600, -32603, -32000  # JSON-RPC 2.0, 5.1
FAILED = "The request failed for a reason that is in the app's log: look there, or try again."


class ApiError(AnimeRAGError):
    """A request cannot be served: `status` is HTTP's, `code` is for programs, `param` names the wrong field."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str = "invalid_request",
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.retry_after_s = status, code, param, retry_after_s


def api_error(error: Exception) -> ApiError:
    """Return the error for a client when a service raised `error`."""
    if isinstance(error, ApiError):
        return error
    if not isinstance(error, AnimeRAGError):
        return ApiError(FAILED, status=500, code="internal_error")
    message = str(error)
    if isinstance(error, InvalidInputError | RequestRefusedError):
        return ApiError(message)
    if isinstance(error, RateLimitedError):
        return ApiError(message, status=429, code="rate_limit_exceeded", retry_after_s=error.retry_after_s)
    if isinstance(error, ProviderUnusableError):
        return ApiError(message, status=503, code="provider_unusable")
    if isinstance(error, TransientProviderError):
        return ApiError(message, status=502, code="provider_failed")
    return ApiError(message, status=503, code="unavailable")


def error_body(endpoint: Endpoint, error: ApiError) -> JsonObject:
    """Return an error as a JSON object in the form of the endpoint's protocol."""
    message = str(error)
    if endpoint == "mcp":
        number = _INTERNAL_ERROR if error.status >= 500 else _INVALID_REQUEST if error.status == 400 else _REFUSED
        return {"jsonrpc": "2.0", "id": None, "error": {"code": number, "message": message}}
    if endpoint == "v1":
        kind = _OPENAI_KINDS.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
        return {"error": {"message": message, "type": kind, "param": error.param, "code": error.code}}
    return {"error": {"message": message, "code": error.code, "param": error.param}, "result": None}


def error_headers(error: ApiError) -> Mapping[str, str]:
    """Return the HTTP headers of an error."""
    headers = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    if error.code == "provider_unusable":
        headers["x-should-retry"] = "false"  # OpenAI's clients do not retry then
    return headers


def encoded(body: JsonMapping) -> bytes:
    """Return a JSON object as UTF-8."""
    return json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


_OPENAI_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
