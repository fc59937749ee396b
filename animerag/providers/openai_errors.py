"""What went wrong at a server that speaks the OpenAI protocol, as one of `animerag.errors` with a sentence.

One table says what each answer means; the first row that fits counts. No sentence holds the key, whatever the server
echoes.
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

NO_KEY = "not-needed"  # the SDK wants a key, a server of one's own does not
SECRET = re.compile(r"\bsk-[\w*.-]{3,}")
_READ_CHARACTERS = 2000  # of what a server says: enough for every known sentence


class BrokeOffError(TransientProviderError):
    """The connection or the answer on it ended before its time, without a word from the provider."""


class NoSuchRouteError(ProviderUnusableError):
    """The server has nothing at this path, or does not say what it is that it lacks."""


class ContentFilteredError(RequestRefusedError):
    """The provider's content filter refuses this request."""


class AnswerTooLargeError(ProviderUnusableError):
    """The provider sends more than any answer to the request can need."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The provider's answer is larger than {limit_bytes / 1024:,.0f} KB, more than it can need."
            " Check OPENAI_BASE_URL."
        )


# ── The table ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _AnswerKind:
    """What a server answered: an HTTP status, 0 for an error inside a stream, its codes in small letters, its words."""

    status: int
    codes: str
    words: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """One row: it fits an answer whose status is listed and, where given, whose codes or words match."""

    statuses: Container[int]
    kind: Callable[[str], ProviderError]
    sentence: str  # may name {status}, {detail}, {model}
    codes: re.Pattern[str] | None = None
    words: re.Pattern[str] | None = None
    fits_model: bool = False  # also where the words name the model that was asked for

    def fits(self, answer: _AnswerKind) -> bool:
        """Tell whether the row says what this answer means."""
        if answer.status not in self.statuses:
            return False
        if self.codes is None and self.words is None:
            return True
        if self.codes is not None and self.codes.search(answer.codes):
            return True
        if self.words is not None and self.words.search(answer.words):
            return True
        return self.fits_model and bool(answer.model) and answer.model in answer.words


_STREAM = 0  # an error told inside an answer that began with 200
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
_BAD_KEY = "The provider refuses the key. Check OPENAI_API_KEY."
_BAD_MODEL = "The provider does not know {model}.{detail} Check the model's name and OPENAI_BASE_URL."
_LARGE = "The request is larger than the provider's limit.{detail}"

_TABLE = (
    # Key and credit concern every request: they stop a job.
    _Meaning({401}, ProviderUnusableError, _BAD_KEY),
    _Meaning({402}, ProviderUnusableError, _USED_UP),
    _Meaning({429}, ProviderUnusableError, _USED_UP, codes=_CREDIT_CODES),
    _Meaning(_REFUSALS, ProviderUnusableError, _USED_UP, codes=_CREDIT_CODES, words=_CREDIT_WORDS),
    _Meaning(_REFUSALS, ProviderUnusableError, _BAD_KEY, codes=_KEY_CODES, words=_KEY_WORDS),
    # Waiting does not make a request smaller: OpenAI tells this one apart by its words alone.
    _Meaning({_STREAM, 429}, RequestRefusedError, _LARGE, words=_TOO_LARGE),
    _Meaning({429}, RateLimitedError, "The provider asks to slow down."),
    _Meaning({_STREAM}, RateLimitedError, "The provider asks to slow down.", codes=re.compile("rate_limit")),
    _Meaning(
        _REFUSALS,
        ContentFilteredError,
        "The provider's content filter refuses this.{detail}",
        codes=_FILTER_CODES,
        words=_FILTER_WORDS,
    ),
    _Meaning({403}, ProviderUnusableError, "The key may not be used for {model}.{detail} Check its permissions."),
    _Meaning({404, 405, 501}, ProviderUnusableError, _BAD_MODEL, codes=_MODEL_CODES, fits_model=True),
    _Meaning({404, 405, 501}, NoSuchRouteError, _BAD_MODEL),
    _Meaning({_STREAM, 400, 422}, ProviderUnusableError, _BAD_MODEL, codes=_MODEL_CODES, words=_MODEL_WORDS),
    # This is llama.cpp's word for a text beyond its batch.
    _Meaning(range(500, 600), RequestRefusedError, _LARGE, words=_TOO_LARGE),
    _Meaning(
        {408, 409, *range(500, 1000)},
        TransientProviderError,
        "The provider has trouble (HTTP {status}). Try again later.",
    ),
    _Meaning(range(100, 300), BrokeOffError, "The provider's answer cannot be read. Try again."),
    _Meaning(
        range(300, 400),
        ProviderUnusableError,
        "The provider's address redirects. Set OPENAI_BASE_URL to where it leads.",
    ),
    _Meaning(
        {_STREAM},
        RequestRefusedError,
        "The provider refused the request.{detail}",
        codes=re.compile(r"(^| )invalid|context_length_exceeded"),
    ),
    _Meaning({_STREAM}, TransientProviderError, "The provider failed while it worked on {model}.{detail}"),
    _Meaning(range(400, 500), RequestRefusedError, "The provider refused the request (HTTP {status}).{detail}"),
)


# ── What is looked up in it ──────────────────────────────────────────────────────────────────────────────────────────


def translated(error: Exception, *, model: str, hide: str) -> ProviderError:
    """Return our error for a vendor's, with a sentence for the user; `hide` is a secret that must not be in it."""
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    if isinstance(status, int):
        response: Any = getattr(error, "response", None)
        wait_s = retry_after_s(response.headers, time.time()) if response is not None else None
        return meaning(body, status=status, model=model, hide=hide, wait_s=wait_s)
    if body is not None:  # an error that a stream told in words
        return meaning(body, model=model, hide=hide)
    if isinstance(error, UnicodeEncodeError):
        return RequestRefusedError("A text holds characters that cannot be sent.")
    if isinstance(error, ValueError):
        return BrokeOffError("The provider's answer is cut off or is not JSON. Try again.")
    if isinstance(error, TimeoutError) or "timeout" in type(error).__name__.lower():
        return BrokeOffError("The provider did not answer in time. Try again later.")
    return BrokeOffError("The provider cannot be reached. Check the network and OPENAI_BASE_URL.")


def meaning(
    body: object, *, status: int = _STREAM, model: str, hide: str, wait_s: float | None = None
) -> ProviderError:
    """Return what an answer means; without a status it is an error inside an answer that began well.

    `body` is the error as the server sent it, of any shape; `wait_s` is how long it asks to wait.
    """
    body = _innermost(body)
    if status == _STREAM and type(code := at(body, "code")) is int and 400 <= code < 600:
        status = code  # gateways put the status that they got into the answer
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
    """Return the object that describes the error: some servers wrap it into a list or another object."""
    for _ in range(3):
        if isinstance(body, list) and body:
            body = body[0]
        elif isinstance(body, dict) and isinstance(body.get("error"), dict | str):
            body = body["error"]
    return body


def _words_of(body: object) -> str:
    """Return what a server says in words; pages of HTML say nothing."""
    text = body if isinstance(body, str) else text_at(body, "message") or text_at(body, "detail")
    return "" if text.lstrip().startswith("<") else text[:_READ_CHARACTERS]


def appendix(message: str, hide: str) -> str:
    """Return what the provider said, as an appendix to a sentence of ours, on one line and without secrets."""
    words = " ".join(message.split())
    if hide != NO_KEY:
        words = words.replace(hide, "…")
    words = SECRET.sub("sk-…", words)[:300]
    return f" It says: {words.rstrip('.')}." if words else ""
