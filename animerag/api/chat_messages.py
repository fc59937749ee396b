"""Reads and checks a Chat Completions request: the question, and the conversation before it."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic_core import from_json

from animerag.api.api_errors import ApiError
from animerag.models.answers import Turn
from animerag.retrieval.question_text import MAX_QUESTION_CHARACTERS

if TYPE_CHECKING:
    from animerag.models.json_types import JsonMapping

MODEL = "animerag"
_TURNS = 12  # turns of a conversation that a question may refer to
_IDS = 500  # shows of an answer that are read from its text
_REMEMBERED = 2048  # answers whose shows are remembered
_SPEAKERS = ("system", "developer", "user", "assistant", "tool", "function")
_SOURCE = re.compile(r"^\[\d{1,3}\] .* · id (\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A checked request; `history` are pairs of an earlier question and its answer, the oldest first."""

    question: str
    history: tuple[tuple[str, str], ...] = ()
    stream: bool = False
    include_usage: bool = False


def read(raw: bytes) -> ChatRequest:
    """Return the checked request. Raises ApiError that names the wrong field."""
    try:
        body = from_json(raw)
    except ValueError:
        raise ApiError("The body is not JSON: send an object with model and messages.") from None
    if not isinstance(body, dict):
        raise ApiError("The body is not a JSON object: send one with model and messages.")
    _check_model(body.get("model"))
    _check_options(body)
    stream, options = body.get("stream"), body.get("stream_options")
    if stream is not None and not isinstance(stream, bool):
        raise ApiError("stream is invalid: use true or false.", param="stream")
    if options is not None and not isinstance(options, dict):
        raise ApiError("stream_options is invalid: use an object.", param="stream_options")
    question, history = _conversation(body.get("messages"))
    include_usage = bool(options and options.get("include_usage"))
    return ChatRequest(question=question, history=history, stream=bool(stream), include_usage=include_usage)


class ShowsOfAnswers:
    """Remembers the shows of each answer, so that a follow-up can refer to them.

    A client sends back only the text of an answer. If an answer is not remembered, its list of sources is read.
    """

    def __init__(self) -> None:
        self._ids: OrderedDict[bytes, tuple[str, ...]] = OrderedDict()

    def remember(self, question: str, answer: str, ids: tuple[str, ...]) -> None:
        """Remember the shows of an answer by the text that the client received."""
        self._ids[_key(question, answer)] = ids
        while len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)

    def turns(self, history: tuple[tuple[str, str], ...]) -> list[Turn]:
        """Return the earlier exchanges with their shows."""
        return [Turn(question=question, answer=answer, ids=self._of(question, answer)) for question, answer in history]

    def _of(self, question: str, answer: str) -> tuple[str, ...]:
        known = self._ids.get(_key(question, answer))
        return known if known is not None else tuple(dict.fromkeys(_SOURCE.findall(answer)[:_IDS]))


def _key(question: str, answer: str) -> bytes:
    return hashlib.sha256(f"{question.strip()}\0{answer.strip()}".encode("utf-8", "replace")).digest()


def check_model(name: str) -> None:
    """Raise ApiError if the API has no such model."""
    if name != MODEL:
        raise ApiError(
            f"There is no model {name[:80]!r}: this API has one, {MODEL!r}.",
            status=404,
            code="model_not_found",
            param="model",
        )


def _check_model(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise ApiError(f"Name the model: this API has one, {MODEL!r}.", param="model")
    check_model(name)


def _check_options(body: JsonMapping) -> None:
    """Refuse options that would change the answer and are not supported; sampling options are ignored."""
    if (n := body.get("n")) not in (None, 1) or isinstance(n, bool):
        raise ApiError("A question has one answer here: leave n out.", param="n")
    for name in ("tool_choice", "function_call"):
        if body.get(name) not in (None, "none", "auto"):
            raise ApiError(f"This model calls no tools: leave {name} out.", param=name)
    wanted = body.get("response_format")
    if wanted is not None and not (isinstance(wanted, dict) and wanted.get("type") == "text"):
        raise ApiError(
            "Answers are text, with the data in `result`: leave response_format out.", param="response_format"
        )


def _conversation(messages: object) -> tuple[str, tuple[tuple[str, str], ...]]:
    if not isinstance(messages, list) or not messages:
        raise ApiError("Send messages: a list whose last message is the user's question.", param="messages")
    history: list[tuple[str, str]] = []
    question, last = None, len(messages) - 1
    while last >= 0 and isinstance(messages[last], dict) and messages[last].get("role") in ("system", "developer"):
        last -= 1
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, dict) or message.get("role") not in _SPEAKERS:
            raise ApiError(
                f"A message is invalid: use an object with a role, one of {', '.join(_SPEAKERS)}.", param=where
            )
        text = _text(message.get("content"), where, strict=place == last and message["role"] == "user")
        if message["role"] == "user":
            if question is not None:
                history.append((question, ""))
            question = text
        elif message["role"] == "assistant" and question is not None and text:
            history.append((question, text))
            question = None
    if last < 0 or messages[last].get("role") != "user" or question is None:
        raise ApiError("The last message is not the user's: end with the question.", param="messages")
    if not question.strip():
        raise ApiError("The question is empty: write one.", param=f"messages[{last}].content")
    # A longer message was never answered as a question, and reading it would block the event loop.
    usable = [pair for pair in history[-_TURNS:] if 0 < len(pair[0].strip()) <= MAX_QUESTION_CHARACTERS]
    return question, tuple(usable)


def _text(content: object, where: str, *, strict: bool) -> str:
    """Return the text of a message. Raises ApiError for other parts if `strict`."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise ApiError("The content of a message is invalid: use text, or a list of parts.", param=f"{where}.content")
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif strict:
            raise ApiError("This model reads text only: take the image, sound or file out.", param=f"{where}.content")
    return "\n".join(texts)
