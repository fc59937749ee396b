"""What went wrong at a server that speaks the OpenAI protocol, as one of `animerag.errors` with a sentence.

The sentence never holds the key, whatever the server echoes.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from animerag.adapters.openai_values import text_at
from animerag.errors import (
    ProviderUnusableError,
    RateLimitedError,
    RequestRefusedError,
    TransientProviderError,
)
from animerag.limits import retry_after_s

if TYPE_CHECKING:
    from animerag.errors import ProviderError

NO_KEY = "not-needed"  # the SDK wants a key, a server of one's own does not
SECRET = re.compile(r"\bsk-[\w*.-]{3,}")
_TOO_LARGE = re.compile(r"too large|must be reduced")


class BrokeOffError(TransientProviderError):
    """The connection or the answer on it ended before its time, without a word from the provider."""


class NoSuchRouteError(ProviderUnusableError):
    """The server has nothing at this path, or does not say what it is that it lacks."""


def translated(error: Exception, *, model: str, hide: str) -> ProviderError:
    """Return our error for a vendor's, with a sentence for the user; `hide` is a secret that must not be in it."""
    status = getattr(error, "status_code", None)
    code = str(getattr(error, "code", None) or getattr(error, "type", None) or "")
    body = getattr(error, "body", None)
    detail = appendix(text_at(body, "message"), hide)
    if isinstance(status, int):
        response: Any = getattr(error, "response", None)
        wait_s = retry_after_s(response.headers, time.time()) if response is not None else None
        return _by_status(status, code, detail, model, wait_s)
    if body is not None:  # an error that a stream told in words
        return by_code(code, detail, model)
    if isinstance(error, UnicodeEncodeError):
        return RequestRefusedError("A text holds characters that cannot be sent.")
    if isinstance(error, ValueError):
        return BrokeOffError("The provider's answer is cut off or is not JSON. Try again.")
    if isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower():
        return BrokeOffError("The provider did not answer in time. Try again later.")
    return BrokeOffError("The provider cannot be reached. Check the network and OPENAI_BASE_URL.")


def _by_status(status: int, code: str, detail: str, model: str, wait_s: float | None) -> ProviderError:
    if status == 429:
        return by_code(code if code == "insufficient_quota" else "rate_limit_exceeded", detail, model, wait_s)
    if status == 401:
        return ProviderUnusableError("The provider refuses the key. Check OPENAI_API_KEY.")
    if status == 403:
        return ProviderUnusableError(f"The key may not be used for {model or 'this'}.{detail} Check its permissions.")
    if status in {404, 405, 501}:
        kind = ProviderUnusableError if code == "model_not_found" or (model and model in detail) else NoSuchRouteError
        asked = model or "this address"
        return kind(f"The provider does not know {asked}.{detail} Check the model's name and OPENAI_BASE_URL.")
    if status >= 500 and _TOO_LARGE.search(detail):  # llama.cpp's word for a text beyond its batch
        return RequestRefusedError(f"The request is larger than the provider's limit.{detail}")
    if status in {408, 409} or status >= 500:
        return TransientProviderError(f"The provider has trouble (HTTP {status}). Try again later.")
    if status < 300:
        return BrokeOffError("The provider's answer cannot be read. Try again.")
    if status < 400:
        return ProviderUnusableError("The provider's address redirects. Set OPENAI_BASE_URL to where it leads.")
    return RequestRefusedError(f"The provider refused the request (HTTP {status}).{detail}")


def by_code(code: str, detail: str, model: str, wait_s: float | None = None) -> ProviderError:
    """Return our error for one that the provider calls by a code; `detail` is what `appendix` made of its words."""
    if code == "insufficient_quota":
        return ProviderUnusableError("The quota of this key is used up. Check the provider's plan and billing.")
    if code == "rate_limit_exceeded":
        # Waiting does not make a request smaller: OpenAI tells this one apart by its words alone.
        if _TOO_LARGE.search(detail):
            return RequestRefusedError(f"The request is larger than the provider's limit.{detail}")
        return RateLimitedError("The provider asks to slow down.", retry_after_s=wait_s)
    if code.startswith("invalid") or code == "context_length_exceeded":
        return RequestRefusedError(f"The provider refused the request.{detail}")
    return TransientProviderError(f"The provider failed while it worked on {model or 'the request'}.{detail}")


def appendix(message: str, hide: str) -> str:
    """Return what the provider said, as an appendix to a sentence of ours, on one line and without secrets."""
    words = " ".join(message.split())
    if hide != NO_KEY:
        words = words.replace(hide, "…")
    words = SECRET.sub("sk-…", words)[:300]
    return f" It says: {words.rstrip('.')}." if words else ""
