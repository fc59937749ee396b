"""The OpenAI protocol without HTTP: checks requests like the API, and builds JSON answers, event streams and errors."""

from __future__ import annotations

import base64
import json
import math
import re
import time
import uuid
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from animerag.simulator.content import answer, count_tokens, vector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from animerag.models.json_types import JsonObject
    from animerag.simulator.settings import Fault

POISON = "POISON-400"
# https://platform.openai.com/docs/api-reference/embeddings: limits of one request.
_MAX_INPUTS, _MAX_INPUT_TOKENS, _MAX_REQUEST_TOKENS = 2048, 8192, 300_000
_REFUSALS: dict[str, tuple[int, str, str | None, str]] = {
    "400": (400, "invalid_request_error", None, "The request is not valid."),
    "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "403": (403, "invalid_request_error", "forbidden", "You are not allowed to do this."),
    "404": (404, "invalid_request_error", "model_not_found", "The model does not exist or you do not have access."),
    "429": (429, "requests", "rate_limit_exceeded", "Rate limit reached. Please try again in {wait}."),
    "500": (500, "server_error", None, "The server had an error while processing your request."),
    "502": (502, "server_error", None, "Bad gateway."),
    "503": (503, "server_error", None, "The engine is currently overloaded, please try again later."),
    "504": (504, "server_error", None, "Gateway time-out."),
    "insufficient_quota": (
        429, "insufficient_quota", "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
}  # fmt: skip


class RefusedError(Exception):
    """A request that is answered with an error; `retry_after_s` goes into the headers."""

    def __init__(
        self, status: int, kind: str, code: str | None, message: str, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.body = _json({"error": {"message": message, "type": kind, "param": None, "code": code}})


def refuse_by(fault: Fault) -> None:
    """Raise the RefusedError of a fault, if it has one."""
    if fault.kind in _REFUSALS:
        status, kind, code, message = _REFUSALS[fault.kind]
        wait_s = (fault.value or 1.0) if fault.kind == "429" else None
        raise RefusedError(status, kind, code, message.format(wait=duration(wait_s or 0)), retry_after_s=wait_s)


def over_limit(unit: str, limit: int, wait_s: float) -> RefusedError:
    """Return the 429 of a rate limit; `wait_s` is infinite for a request that exceeds the whole limit."""
    per_minute = f"on {unit} per min ({'RPM' if unit == 'requests' else 'TPM'}): Limit {limit}"
    if wait_s == math.inf:
        message, retry_after_s = f"Request too large {per_minute}. The request must be reduced to run.", None
    else:
        message, retry_after_s = f"Rate limit reached {per_minute}. Please try again in {duration(wait_s)}.", wait_s
    return RefusedError(429, unit, "rate_limit_exceeded", message, retry_after_s=retry_after_s)


def duration(seconds: float) -> str:
    """Format seconds like OpenAI's headers: `120ms`, `1s`, `6m0s`."""
    milliseconds = math.ceil(round(seconds * 1000, 6))
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}m{rest / 1000:g}s" if minutes else f"{rest / 1000:g}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Server-sent events: `opening` is sent first, then the `deltas` one by one, then `closing`."""

    opening: bytes
    deltas: tuple[bytes, ...]
    closing: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The reply to a request: its tokens, and functions for its body, which is built when it is sent."""

    tokens: int
    body: Callable[[], bytes]
    texts: int = 0
    stream: Stream | None = None


def embeddings_reply(payload: JsonObject, default_dimensions: int) -> Reply:
    """Answer `POST /v1/embeddings`. Raises RefusedError."""
    model, texts = _model(payload), _inputs(payload.get("input"))
    dimensions = default_dimensions if (asked := payload.get("dimensions")) is None else asked
    if not isinstance(dimensions, int) or not 1 <= dimensions <= 4096:
        raise _invalid("'dimensions' must be between 1 and 4096.")
    tokens = sum(count_tokens(text) for text in texts)
    if tokens > _MAX_REQUEST_TOKENS:
        raise _invalid(f"Requested {tokens} tokens, max {_MAX_REQUEST_TOKENS} tokens per request.")
    write = _base64 if payload.get("encoding_format") == "base64" else _floats
    return Reply(tokens=tokens, texts=len(texts), body=partial(_embeddings, model, texts, dimensions, tokens, write))


def _inputs(given: object) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise _invalid("'input' must be a string or an array of strings, none of them empty.")
    if len(texts) > _MAX_INPUTS:
        raise _invalid(f"'input' must have at most {_MAX_INPUTS} items.")
    _refuse_poison(texts)
    if any(count_tokens(text) > _MAX_INPUT_TOKENS for text in texts):
        raise _invalid(f"This model's maximum context length is {_MAX_INPUT_TOKENS} tokens.")
    return texts


def _embeddings(
    model: str, texts: Sequence[str], dimensions: int, tokens: int, write: Callable[[str, int], str]
) -> bytes:
    items = ",".join(
        f'{{"object":"embedding","index":{index},"embedding":{write(text, dimensions)}}}'
        for index, text in enumerate(texts)
    )
    usage = f'{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}'
    return f'{{"object":"list","data":[{items}],"model":{json.dumps(model)},"usage":{usage}}}'.encode()


# A comparison embeds the same texts at every level, so their JSON is cached: 8 KB per text, 30 KB as numbers.
@lru_cache(maxsize=4096)
def _base64(text: str, dimensions: int) -> str:
    return f'"{base64.b64encode(vector(text, dimensions).tobytes()).decode()}"'


@lru_cache(maxsize=1024)
def _floats(text: str, dimensions: int) -> str:
    return json.dumps(vector(text, dimensions).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class _HttpExchange:
    """A question and its answer, in a form that both APIs share."""

    model: str
    text: str
    input_tokens: int
    output_tokens: int
    id: str
    created_s: int

    @property
    def pieces(self) -> list[str]:
        return re.findall(r"\S+\s*", self.text)


def _exchange(payload: JsonObject, messages: object) -> _HttpExchange:
    turns = [("user", messages)] if isinstance(messages, str) else _messages(messages)
    texts = [str(payload.get("instructions") or ""), *(text for _, text in turns)]
    _refuse_poison(texts)
    text = answer(next((text for role, text in reversed(turns) if role == "user"), ""))
    return _HttpExchange(
        model=_model(payload),
        text=text,
        input_tokens=sum(count_tokens(text) for text in texts),
        output_tokens=count_tokens(text),
        id=uuid.uuid4().hex,
        created_s=int(time.time()),
    )


def _messages(given: object) -> list[tuple[str, str]]:
    if not isinstance(given, list) or not given:
        raise _invalid("Messages are missing.")
    return [(str(item.get("role", "")), _text(item.get("content"))) for item in given if isinstance(item, dict)]


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def responses_reply(payload: JsonObject) -> Reply:
    """Answer `POST /v1/responses`, as a stream if requested. Raises RefusedError."""
    exchange = _exchange(payload, payload.get("input"))
    return Reply(
        tokens=exchange.input_tokens + exchange.output_tokens,
        body=lambda: _json(_response(exchange, [_message(exchange)])),
        stream=_response_stream(exchange) if payload.get("stream") else None,
    )


def _response(exchange: _HttpExchange, output: list[JsonObject]) -> JsonObject:
    usage = {
        "input_tokens": exchange.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": exchange.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": exchange.input_tokens + exchange.output_tokens,
    }
    return {
        "id": f"resp_{exchange.id}",
        "object": "response",
        "created_at": exchange.created_s,
        "status": "completed" if output else "in_progress",
        "model": exchange.model,
        "output": output,
        "usage": usage if output else None,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    }


def _message(exchange: _HttpExchange, *, is_done: bool = True) -> JsonObject:
    return {
        "id": f"msg_{exchange.id}",
        "type": "message",
        "role": "assistant",
        "status": "completed" if is_done else "in_progress",
        "content": [_part(exchange.text)] if is_done else [],
    }


def _part(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response_stream(exchange: _HttpExchange) -> Stream:
    message_id = f"msg_{exchange.id}"
    here = {"item_id": message_id, "output_index": 0, "content_index": 0}
    pieces = exchange.pieces
    begun, done = _response(exchange, []), _message(exchange)
    opening: list[JsonObject] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": _message(exchange, is_done=False)},
        {"type": "response.content_part.added", **here, "part": _part("")},
    ]
    deltas = [{"type": "response.output_text.delta", **here, "delta": piece, "logprobs": []} for piece in pieces]
    closing: list[JsonObject] = [
        {"type": "response.output_text.done", **here, "text": exchange.text, "logprobs": []},
        {"type": "response.content_part.done", **here, "part": _part(exchange.text)},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": _response(exchange, [done])},
    ]
    events = [
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n".encode()
        for number, event in enumerate([*opening, *deltas, *closing])
    ]
    first, last = len(opening), len(opening) + len(deltas)
    return Stream(opening=b"".join(events[:first]), deltas=tuple(events[first:last]), closing=b"".join(events[last:]))


def chat_reply(payload: JsonObject) -> Reply:
    """Answer `POST /v1/chat/completions`, as a stream if requested. Raises RefusedError."""
    exchange = _exchange(payload, payload.get("messages"))
    wants_usage = bool((payload.get("stream_options") or {}).get("include_usage"))
    return Reply(
        tokens=exchange.input_tokens + exchange.output_tokens,
        body=partial(_completion, exchange),
        stream=_chat_stream(exchange, wants_usage=wants_usage) if payload.get("stream") else None,
    )


def _chat_usage(exchange: _HttpExchange) -> dict[str, int]:
    return {
        "prompt_tokens": exchange.input_tokens,
        "completion_tokens": exchange.output_tokens,
        "total_tokens": exchange.input_tokens + exchange.output_tokens,
    }


def _completion(exchange: _HttpExchange) -> bytes:
    message = {"role": "assistant", "content": exchange.text, "refusal": None}
    return _json(
        {
            "id": f"chatcmpl-{exchange.id}",
            "object": "chat.completion",
            "created": exchange.created_s,
            "model": exchange.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": _chat_usage(exchange),
        }
    )


def _chat_stream(exchange: _HttpExchange, *, wants_usage: bool) -> Stream:
    head = {
        "id": f"chatcmpl-{exchange.id}",
        "object": "chat.completion.chunk",
        "created": exchange.created_s,
        "model": exchange.model,
        **({"usage": None} if wants_usage else {}),
    }

    def chunk(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return b"data: " + _json({**head, "choices": [choice]}) + b"\n\n"

    closing = chunk({}, "stop")
    if wants_usage:
        closing += b"data: " + _json({**head, "choices": [], "usage": _chat_usage(exchange)}) + b"\n\n"
    first, *rest = (chunk({"content": piece}) for piece in exchange.pieces)
    # The role is sent with the first word: a client that times the first chunk must not see an empty one.
    opened = chunk({"role": "assistant", "content": ""}) + first
    return Stream(opening=b"", deltas=(opened, *rest), closing=closing + b"data: [DONE]\n\n")


def _model(payload: JsonObject) -> str:
    model = payload.get("model")
    if not isinstance(model, str) or not model:
        raise _invalid("You must provide a model parameter.")
    return model


def _refuse_poison(texts: Sequence[str]) -> None:
    if any(POISON in text for text in texts):
        raise _invalid("An input is not acceptable.")


def _invalid(message: str) -> RefusedError:
    return RefusedError(400, "invalid_request_error", None, message)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
