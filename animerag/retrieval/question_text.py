"""Checks the text of a question."""

from __future__ import annotations

from animerag.errors import InvalidInputError

MAX_QUESTION_CHARACTERS = 4000


def checked_question(question: str) -> str:
    """Return the question trimmed. Raises InvalidInputError when it is empty or far too long."""
    question = question.strip()
    if not question:
        raise InvalidInputError("The question is empty: write one.")
    if len(question) > MAX_QUESTION_CHARACTERS:
        raise InvalidInputError(
            f"The question has {len(question):,} characters: shorten it to {MAX_QUESTION_CHARACTERS:,} or fewer."
        )
    return question
