"""Rows of a sheet that are one conversation: each waits for the one before it and may lean on all of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from animerag.models.answers import AnswerStatus, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.models.answers import Answer
    from animerag.readers.questions import QuestionRow


_LEANED_ON = (AnswerStatus.OK, AnswerStatus.NO_MATCH, AnswerStatus.TRUNCATED)


class Threads:
    """The conversations of a sheet, by the numbers of their rows."""

    def __init__(self, rows: Mapping[int, QuestionRow]) -> None:
        """`rows` are those that are going to be asked."""
        self._turns: dict[int, Turn] = {}
        self._threads = {number: row.thread for number, row in rows.items() if row.thread}
        self._answered = {number: asyncio.Event() for number in self._threads}
        self._members: dict[str, list[int]] = defaultdict(list)
        for number in sorted(self._threads):
            self._members[self._threads[number]].append(number)

    def add_asked(self, number: int, thread: str, turn: Turn) -> None:
        """Note the turn of a row that an earlier run has answered."""
        self._turns[number] = turn
        self._members[thread] = sorted({*self._members[thread], number})

    async def history(self, number: int) -> tuple[Turn, ...]:
        """Return what was said before a row in its conversation, once all of that has been answered."""
        thread = self._threads.get(number)
        if thread is None:
            return ()
        earlier = [one for one in self._members[thread] if one < number]
        for one in earlier:
            if one in self._answered:
                await self._answered[one].wait()
        return tuple(self._turns[one] for one in earlier if one in self._turns)

    def answered(self, number: int, answer: Answer | None) -> None:
        """Let the next row of the conversation be asked; a row without an answer leaves nothing to lean on."""
        if number not in self._answered:
            return
        if answer is not None and answer.status in _LEANED_ON:
            ids = answer.result.ids if answer.result else answer.citations
            self._turns[number] = Turn(question=answer.question, answer=answer.text or "", ids=ids)
        self._answered[number].set()
