"""Translates errors of a server that speaks the OpenAI protocol into `animerag.errors` with a message.

One table maps error responses to messages; the first matching row applies. No message contains the key, even if the
server repeats it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from animerag.errors import ProviderUnusableError, RateLimitedError, RequestRefusedError, TransientProviderError
from animerag.providers.openai_payloads import at, text_at
from animerag.rate_limits import retry_after_s

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from animerag.errors import ProviderError

NO_KEY = "not-needed"  # the SDK requires a key, a local server does not
SECRET = re.compile(r"\bsk-[\w*.-]{3,}")
_READ_CHARACTERS = 2000  # maximum characters of an error message that are read, enough for every known one


class BrokeOffError(TransientProviderError):
    """The connection or the response ended early, without an error from the provider."""


class NoSuchRouteError(ProviderUnusableError):
    """The server has nothing at this path, or does not say what is missing."""


class ContentFilteredError(RequestRefusedError):
    """The provider's content filter rejects this request."""


class AnswerTooLargeError(ProviderUnusableError):
    """The response is larger than any valid response to the request."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The provider's answer is larger than {limit_bytes / 1024:,.0f} KB, which no valid answer needs."
            " Check OPENAI_BASE_URL."
        )


# ── The table ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _AnswerKind:
    """An error response: its HTTP status (0 for an error inside a stream), its codes in lower case, and its message."""

    status: int
    codes: str
    words: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """One row: it matches a response with a listed status and, if given, matching codes or message."""

    statuses: Container[int]
    kind: Callable[[str], ProviderError]
    sentence: str  # may contain {status}, {detail}, {model}
    codes: re.Pattern[str] | None = None
    words: re.Pattern[str] | None = None
    fits_model: bool = False  # whether the row also matches if the message contains the requested model

    def fits(self, answer: _AnswerKind) -> bool:
        """Return whether the row applies to this response."""
        if answer.status not in self.statuses:
            return False
        if self.codes is None and self.words is None:
            return True
        if self.codes is not None and self.codes.search(answer.codes):
            return True
        if self.words is not None and self.words.search(answer.words):
            return True
        return self.fits_model and bool(answer.model) and answer.model in answer.words


_STREAM = 0  # an error inside a response that began with 200
_REFUSALS = frozenset({_STREAM, *range(400, 404), *range(406, 408), *range(410, 429), *range(430, 500)})
_KEY_CODES = re.compile(r"invalid_api_key|api_key_invalid|authentication|invalid_token|token_expired|unauthori[sz]ed")
_KEY_WORDS = re.compile(
    r"(invalid|incorrect|wrong|missing|expired|no|bad)\W+(\w+\W+)?api[ _-]?key"
    r"|api[ _-]?key\b.{0,40}\b(not valid|invalid|incorrect|expired|revoked|disabled|required|missing|not found)"
    r"|(invalid|expired) (authentication|bearer|access) ?(token|credentials)?|authentication (failed|required)",
    re.IGNORECASE,
)
_CREDIT_CODES = re.compile(
    r"insufficient_(quota|credit|balance|fund)|billing|payment_required|account_(deactivated|suspended)|access_terminated"
)
_CREDIT_WORDS = re.compile(
    r"billing (hard )?limit|payment required|(insufficient|not enough|out of) (\w+ )?(credit|balance|fund|quota)"
    r"|(credit|account) balance|exceeded your current quota|account (is|has been) (deactivated|suspended|disabled)",
    re.IGNORECASE,
)
_FILTER_CODES = re.compile(r"content_(filter|policy)|responsible_?ai|moderation")
_FILTER_WORDS = re.compile(r"content (filter|management policy|policy violation)", re.IGNORECASE)
_MODEL_CODES = re.compile(r"model_not_found|invalid_model|unknown_model|deploymentnotfound")
_MODEL_WORDS = re.compile(r"(invalid|unknown|no such) model|model\b.{0,120}\b(does not exist|not found)", re.IGNORECASE)
_TOO_LARGE = re.compile(r"too large|must be reduced")
_USED_UP = "The quota of this key is used up. Check the provider's plan and billing."
_BAD_KEY = "The provider rejects the key. Correct OPENAI_API_KEY in the environment or in `.env`, then start again."
_BAD_MODEL = "The provider does not know {model}.{detail} Check the model's name and OPENAI_BASE_URL."
_LARGE = "The request is larger than the provider's limit.{detail}"

_TABLE = (
    # Problems with key and credit affect every request, so they stop a job.
    _Meaning({401}, ProviderUnusableError, _BAD_KEY),
    _Meaning({402}, ProviderUnusableError, _USED_UP),
    _Meaning({429}, ProviderUnusableError, _USED_UP, codes=_CREDIT_CODES),
    _Meaning(_REFUSALS, ProviderUnusableError, _USED_UP, codes=_CREDIT_CODES, words=_CREDIT_WORDS),
    _Meaning(_REFUSALS, ProviderUnusableError, _BAD_KEY, codes=_KEY_CODES, words=_KEY_WORDS),
    # Waiting does not make a request smaller; OpenAI marks this 429 only in its message.
    _Meaning({_STREAM, 429}, RequestRefusedError, _LARGE, words=_TOO_LARGE),
    _Meaning({429}, RateLimitedError, "The provider is limiting your request rate."),
    _Meaning(
        {_STREAM}, RateLimitedError, "The provider is limiting your request rate.", codes=re.compile("rate_limit")
    ),
    _Meaning(
        _REFUSALS,
        ContentFilteredError,
        "The provider's content filter rejected this question.{detail}",
        codes=_FILTER_CODES,
        words=_FILTER_WORDS,
    ),
    _Meaning({403}, ProviderUnusableError, "The key may not be used for {model}.{detail} Check its permissions."),
    _Meaning({404, 405, 501}, ProviderUnusableError, _BAD_MODEL, codes=_MODEL_CODES, fits_model=True),
    _Meaning({404, 405, 501}, NoSuchRouteError, _BAD_MODEL),
    _Meaning({_STREAM, 400, 422}, ProviderUnusableError, _BAD_MODEL, codes=_MODEL_CODES, words=_MODEL_WORDS),
    # llama.cpp's message for a text that exceeds its batch size.
    _Meaning(range(500, 600), RequestRefusedError, _LARGE, words=_TOO_LARGE),
    _Meaning(
        {408, 409, *range(500, 1000)},
        TransientProviderError,
        "The provider has a problem (HTTP {status}). Try again later.",
    ),
    _Meaning(range(100, 300), BrokeOffError, "The provider's answer cannot be read. Try again."),
    _Meaning(
        range(300, 400),
        ProviderUnusableError,
        "The provider's address redirects. Set OPENAI_BASE_URL to the address it redirects to.",
    ),
    _Meaning(
        {_STREAM},
        RequestRefusedError,
        "The provider refused the request.{detail}",
        codes=re.compile(r"(^| )invalid|context_length_exceeded"),
    ),
    _Meaning({_STREAM}, TransientProviderError, "The provider failed while it used {model}.{detail}"),
    _Meaning(range(400, 500), RequestRefusedError, "The provider refused the request (HTTP {status}).{detail}"),
)


# ── Lookups ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def translated(error: Exception, *, model: str, hide: str) -> ProviderError:
    """Return our error for a vendor error, with a message for the user that never contains the secret `hide`."""
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    if isinstance(status, int):
        response: Any = getattr(error, "response", None)
        wait_s = retry_after_s(response.headers, time.time()) if response is not None else None
        return meaning(body, status=status, model=model, hide=hide, wait_s=wait_s)
    if body is not None:  # an error inside a stream
        return meaning(body, model=model, hide=hide)
    if isinstance(error, UnicodeEncodeError):
        return RequestRefusedError("A text contains characters that cannot be sent. Remove them.")
    if isinstance(error, ValueError):
        return BrokeOffError("The provider's answer is cut off or is not JSON. Try again.")
    timed_out = isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower()
    if timed_out and not _refuses_connections(error):
        return BrokeOffError("The provider did not answer in time. Try again later.")
    return BrokeOffError("The provider cannot be reached. Check the network and OPENAI_BASE_URL.")


def _refuses_connections(error: BaseException | None) -> bool:
    """Return whether no connection was made, which the SDK's transport reports as a timeout, too."""
    while error is not None:
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False


def meaning(
    body: object, *, status: int = _STREAM, model: str, hide: str, wait_s: float | None = None
) -> ProviderError:
    """Return the error for a response; without a status, it is an error inside a successful response.

    `body` is the error as the server sent it, in any form; `wait_s` is the wait that it asks for.
    """
    body = _innermost(body)
    if status == _STREAM and type(code := at(body, "code")) is int and 400 <= code < 600:
        status = code  # gateways put the original status into the body
    words = _words_of(body)
    codes = " ".join(text_at(body, name) for name in ("code", "type", "status")).lower()
    answer = _AnswerKind(status=status, codes=codes, words=words, model=model)
    row = next((row for row in _TABLE if row.fits(answer)), None)
    if row is None:
        return BrokeOffError("The provider's answer cannot be read. Try again.")
    asked = model or "this address"
    problem = row.kind(row.sentence.format(status=status, detail=appendix(words, hide), model=asked))
    if isinstance(problem, RateLimitedError):
        problem.retry_after_s = wait_s
    return problem


def _innermost(body: object) -> object:
    """Return the object that describes the error: some servers wrap it in a list or another object."""
    for _ in range(3):
        if isinstance(body, list) and body:
            body = body[0]
        elif isinstance(body, dict) and isinstance(body.get("error"), dict | str):
            body = body["error"]
    return body


def _words_of(body: object) -> str:
    """Return the server's message; an HTML page counts as none."""
    text = body if isinstance(body, str) else text_at(body, "message") or text_at(body, "detail")
    return "" if text.lstrip().startswith("<") else text[:_READ_CHARACTERS]


def appendix(message: str, hide: str) -> str:
    """Return the provider's message on one line, without secrets, to append to a message of ours."""
    words = " ".join(message.split())
    if hide != NO_KEY:
        words = words.replace(hide, "…")
    words = SECRET.sub("sk-…", words)[:300]
    return f" It says: {words.rstrip('.')}." if words else ""
