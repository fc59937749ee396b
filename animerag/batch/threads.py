"""Conversations in a sheet: rows with the same `thread` are asked in order, each with the history of the others."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from animerag.models.answers import AnswerStatus, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.models.answers import Answer
    from animerag.models.questions import QuestionRow


_IN_HISTORY = (AnswerStatus.OK, AnswerStatus.NO_MATCH, AnswerStatus.TRUNCATED)


class Threads:
    """The conversations of a sheet, by row number."""

    def __init__(self, rows: Mapping[int, QuestionRow]) -> None:
        """`rows` are the rows that will be asked."""
        self._turns: dict[int, Turn] = {}
        self._threads = {number: row.thread for number, row in rows.items() if row.thread}
        self._answered = {number: asyncio.Event() for number in self._threads}
        self._members: dict[str, list[int]] = defaultdict(list)
        for number in sorted(self._threads):
            self._members[self._threads[number]].append(number)

    def add_asked(self, number: int, thread: str, turn: Turn) -> None:
        """Add the turn of a row that was answered earlier."""
        self._turns[number] = turn
        self._members[thread] = sorted({*self._members[thread], number})

    async def history(self, number: int) -> tuple[Turn, ...]:
        """Wait for the earlier rows of a conversation, and return their turns."""
        thread = self._threads.get(number)
        if thread is None:
            return ()
        earlier = [one for one in self._members[thread] if one < number]
        for one in earlier:
            if one in self._answered:
                await self._answered[one].wait()
        return tuple(self._turns[one] for one in earlier if one in self._turns)

    def answered(self, number: int, answer: Answer | None) -> None:
        """Release the next row of the conversation; a row without an answer adds no turn."""
        if number not in self._answered:
            return
        if answer is not None and answer.status in _IN_HISTORY:
            ids = answer.result.ids if answer.result else answer.citations
            self._turns[number] = Turn(question=answer.question, answer=answer.text or "", ids=ids)
        self._answered[number].set()
