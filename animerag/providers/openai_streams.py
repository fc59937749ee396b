"""Reads streamed answers of the Responses API and of Chat Completions: text, status and usage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pydantic_core import from_json

from animerag.models.answers import AnswerStatus
from animerag.providers.openai_payloads import at, text_at, tokens_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.models.answers import Prompt


class Reader(ABC):
    """The state of one streamed answer: whether it `has_text` yet, how it ended, and its usage."""

    path: str
    fixed_options: Mapping[str, object]

    def __init__(self, model: str) -> None:
        self.model = model
        self.has_text = False
        self.status: AnswerStatus | None = None
        self.failure: object = None  # the error reported in the stream
        self.input_tokens = self.output_tokens = 0
        self._refused = False

    @abstractmethod
    def chosen_options(self, effort: str, verbosity: str) -> dict[str, object]:
        """Return the user's options in the form of this API; empty ones are not sent."""

    @abstractmethod
    def request(self, prompt: Prompt) -> dict[str, object]:
        """Return the request without its options."""

    def take(self, data: bytes) -> str:
        """Process one event and return its text, which may be empty. Raises ValueError for invalid JSON."""
        if data.startswith(b"[DONE]"):
            return ""
        event = from_json(data)
        if error := at(event, "error"):
            self.failure = error
            return ""
        text = self.read(event)
        self.has_text = self.has_text or bool(text)
        return text

    @abstractmethod
    def read(self, event: object) -> str:
        """Return an event's text."""

    def _end(self, *, cut: bool = False, filtered: bool = False) -> None:
        if self._refused or (filtered and not self.has_text):
            self.status = AnswerStatus.REFUSED
        else:
            self.status = AnswerStatus.TRUNCATED if cut or filtered else AnswerStatus.OK


class ResponsesReader(Reader):
    """The Responses API: only `response.completed` is a successful end, and failures arrive as events."""

    path = "/responses"
    fixed_options: Mapping[str, object] = {"store": False}

    def chosen_options(self, effort: str, verbosity: str) -> dict[str, object]:
        """Return `reasoning` and `text`."""
        return {"reasoning": effort and {"effort": effort}, "text": verbosity and {"verbosity": verbosity}}

    def request(self, prompt: Prompt) -> dict[str, object]:
        """Return instructions and input."""
        return {"model": self.model, "instructions": prompt.system, "input": prompt.user}

    def read(self, event: object) -> str:
        """Return the text of a delta, or the complete text that some servers send at the end."""
        match text_at(event, "type"):
            case "response.output_text.delta":
                return text_at(event, "delta")
            case "response.refusal.delta":
                self._refused = True
                return text_at(event, "delta")
            case "response.refusal.done":
                self._refused = True
            case "response.completed":
                self._count(event)
                self._end()
                return "" if self.has_text else _whole_text(event)
            case "response.incomplete":
                self._count(event)
                reason = text_at(event, "response", "incomplete_details", "reason")
                self._end(cut=True, filtered=reason == "content_filter")
            case "response.failed":
                self.failure = at(event, "response", "error") or event
            case "error":
                self.failure = event
        return ""

    def _count(self, event: object) -> None:
        usage = at(event, "response", "usage")
        self.input_tokens, self.output_tokens = tokens_of(usage, "input_tokens"), tokens_of(usage, "output_tokens")


def _whole_text(event: object) -> str:
    """Return the text of the final event, for servers that send no deltas."""
    output = at(event, "response", "output")
    contents = [at(item, "content") for item in output] if isinstance(output, list) else []
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return "".join(text_at(part, "text") for part in parts if at(part, "type") == "output_text")


class ChatReader(Reader):
    """Chat Completions: a `finish_reason` marks the end, and the usage follows it."""

    path = "/chat/completions"
    fixed_options: Mapping[str, object] = {"stream_options": {"include_usage": True}}

    def chosen_options(self, effort: str, verbosity: str) -> dict[str, object]:
        """Return `reasoning_effort` and `verbosity`."""
        return {"reasoning_effort": effort, "verbosity": verbosity}

    def request(self, prompt: Prompt) -> dict[str, object]:
        """Return a system message and a user message."""
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        return {"model": self.model, "messages": messages}

    def read(self, event: object) -> str:
        """Return the text of the first choice."""
        if usage := at(event, "usage"):
            self.input_tokens = tokens_of(usage, "prompt_tokens")
            self.output_tokens = tokens_of(usage, "completion_tokens")
        choices = at(event, "choices")
        if not isinstance(choices, list) or not choices:
            return ""
        refusal = text_at(choices[0], "delta", "refusal")
        text = refusal or text_at(choices[0], "delta", "content")
        self._refused = self._refused or bool(refusal)
        reason = text_at(choices[0], "finish_reason")
        if reason:
            self._end(cut=reason == "length", filtered=reason == "content_filter")
        return text
