"""`/v1`: Chat Completions with the catalogue as the model, streamed or whole."""

from __future__ import annotations

import time
import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, StreamingResponse

from animerag.api import routing
from animerag.api.answer_content import AnswerContent
from animerag.api.api_errors import ApiError, api_error, encoded, error_body
from animerag.api.asking import answered
from animerag.api.chat_messages import MODEL, ShowsOfAnswers, check_model, read
from animerag.api.json_requests import check_content_type
from animerag.models.answers import Answer, AnswerStatus
from animerag.models.retrieval import Retrieval

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from animerag.api.backend import Backend
    from animerag.api.chat_messages import ChatRequest
    from animerag.models.json_types import JsonMapping, JsonObject

_ABOUT = "this API has GET /v1/models and POST /v1/chat/completions."
_STARTED = int(time.time())
_FINISH = {AnswerStatus.TRUNCATED: "length", AnswerStatus.REFUSED: "content_filter"}
_DECLINED = "The model declined to answer this question."


def application(backend: Backend) -> Starlette:
    """Return the ASGI application of `/v1`."""
    memory = ShowsOfAnswers()

    async def models(_request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_model()]})

    async def model(request: Request) -> Response:
        check_model(request.path_params["name"])
        return JSONResponse(_model())

    async def complete(request: Request) -> Response:
        check_content_type(request.headers.get("content-type", "").encode("latin-1"))
        completion_request = read(await request.body())
        base = f"{request.url.scheme}://{request.headers['host']}"
        answering = _Completion(completion_request, AnswerContent(base), memory)
        history = memory.turns(completion_request.history)
        events = backend.stream(lambda services: answered(services, completion_request.question, history=history))
        first = await _first(events)
        if completion_request.stream:
            return _EventStream(answering.chunks(first, events), media_type="text/event-stream")
        return JSONResponse(await answering.whole(first, events))

    routes = {
        ("GET", "/v1/models"): models,
        ("GET", "/v1/models/{name:path}"): model,
        ("POST", "/v1/chat/completions"): complete,
    }
    return routing.application("v1", routes, about=_ABOUT)


class _EventStream(StreamingResponse):
    """A stream that always closes its generator."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.body_iterator):  # type: ignore[type-var]
            await super().__call__(scope, receive, send)


async def _first(events: AsyncGenerator[Retrieval | str | Answer, None]) -> str | Answer:
    """Wait for the first text or the end, so that an early error gets its own HTTP status."""
    try:
        async for event in events:
            if isinstance(event, Answer):
                _raise_for(event)
            if not isinstance(event, Retrieval):
                return event
    except BaseException:
        await events.aclose()
        raise
    raise RuntimeError("an answer's stream ended without an answer")


def _raise_for(answer: Answer) -> None:
    if answer.status is AnswerStatus.ERROR:
        code = "provider_unusable" if answer.nobody_served else "provider_failed"
        status = 503 if answer.nobody_served else 502
        raise ApiError(answer.error or "The answer failed: ask again.", status=status, code=code)


class _Completion:
    """Writes one answer as a completion."""

    def __init__(self, request: ChatRequest, content: AnswerContent, memory: ShowsOfAnswers) -> None:
        self._request = request
        self._content = content
        self._memory = memory
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": MODEL}

    async def whole(self, first: str | Answer, events: AsyncGenerator[Retrieval | str | Answer, None]) -> JsonObject:
        """Return the answer as one object. Raises ApiError if it fails."""
        answer = first if isinstance(first, Answer) else None
        if isinstance(first, str):
            self._content.add(first)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, str):
                    self._content.add(event)
                elif isinstance(event, Answer):
                    answer = event
        assert answer is not None
        _raise_for(answer)
        self._end(answer)
        refused = answer.status is AnswerStatus.REFUSED
        message = {
            "role": "assistant",
            "content": self._content.text,
            "refusal": _DECLINED if refused else None,
            "annotations": self._content.annotations,
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": _usage(answer)} | _data(answer)

    async def chunks(
        self, first: str | Answer, events: AsyncGenerator[Retrieval | str | Answer, None]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the answer as server-sent events; a late error is the last event."""
        async with aclosing(events):
            yield self._chunk({"role": "assistant", "content": ""})
            answer = first if isinstance(first, Answer) else None
            if isinstance(first, str) and (piece := self._content.add(first)):
                yield self._chunk({"content": piece})
            try:
                async for event in events:
                    if isinstance(event, str) and (piece := self._content.add(event)):
                        yield self._chunk({"content": piece})
                    elif isinstance(event, Answer):
                        answer = event
                assert answer is not None
                _raise_for(answer)
            except Exception as error:  # noqa: BLE001 - the HTTP status was already sent
                yield _event(error_body("v1", api_error(error)))
                return
            if piece := self._end(answer):
                yield self._chunk({"content": piece})
            if answer.status is AnswerStatus.REFUSED:
                yield self._chunk({"refusal": _DECLINED})
            if self._content.annotations:
                yield self._chunk({"annotations": self._content.annotations})
            yield self._chunk({}, finish=_finish(answer), more=_data(answer))
            if self._request.include_usage:
                yield _event({**self._head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(answer)})
            yield b"data: [DONE]\n\n"

    def _end(self, answer: Answer) -> str:
        ending = self._content.end(answer)
        if answer.result is not None:
            self._memory.remember(self._request.question, self._content.text, answer.result.ids)
        return ending

    def _chunk(self, delta: JsonMapping, *, finish: str | None = None, more: JsonMapping | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self._request.include_usage else {}
        return _event({**self._head, "object": "chat.completion.chunk", "choices": [choice], **usage, **(more or {})})


def _event(body: JsonMapping) -> bytes:
    return b"data: " + encoded(body) + b"\n\n"


def _finish(answer: Answer) -> str:
    return _FINISH.get(answer.status, "stop")


def _data(answer: Answer) -> JsonObject:
    """Return the fields that this API adds to the protocol."""
    from animerag.batch.export import answer_object

    whole = answer_object(0, answer)
    return {name: whole[name] for name in ("status", "citations", "result")}


def _usage(answer: Answer) -> dict[str, int]:
    used = answer.usage
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
    }


def _model() -> JsonObject:
    return {"id": MODEL, "object": "model", "created": _STARTED, "owned_by": "animerag"}
