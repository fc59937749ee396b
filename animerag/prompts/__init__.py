"""System prompts as text files; the version changes whenever a word of one does."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

ANSWER_VERSION = "answer-1"


@cache
def answer_prompt() -> str:
    """Return the system prompt for answering from sources."""
    return files(__name__).joinpath("answer.md").read_text(encoding="utf-8")
