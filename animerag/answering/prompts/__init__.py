"""System prompts as text files, and a version that changes with their text."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

ANSWER_VERSION = "answer-1"


@cache
def answer_prompt(language: str = "auto") -> str:
    """Return the system prompt for answers in a language; `auto` means the question's own."""
    wanted = "the language of the question" if language == "auto" else " ".join(language.split())
    return files(__name__).joinpath("answer.md").read_text(encoding="utf-8").replace("{language}", wanted)
