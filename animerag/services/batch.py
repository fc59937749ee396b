"""Batch: many questions, a few at a time, answers in the order they were asked; one bad row never hurts another."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from animerag.concurrency import fan_out
from animerag.errors import InvalidInputError, ProviderError
from animerag.models import Answer, AnswerStatus, Priority, Progress
from animerag.services.retrieval import DEFAULT_K, MAX_QUESTION_CHARACTERS
from animerag.tracing import lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from animerag.jobs import Control
    from animerag.ports import Vectors
    from animerag.services.answering import Answering

log = logging.getLogger(__name__)

COLUMN = "question"
MAX_QUESTIONS = 10_000
_TOGETHER = 500  # questions in one embedding request: some 10,000 tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRow:
    """A question and the columns that came with it, which are carried through untouched."""

    question: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """Answers in question order, as many as there were questions."""

    rows: tuple[QuestionRow, ...]
    answers: tuple[Answer, ...]
    seconds: float

    @property
    def failed(self) -> int:
        """Count the questions that ended in an error or were not reached."""
        return sum(answer.status in (AnswerStatus.ERROR, AnswerStatus.CANCELLED) for answer in self.answers)


class Batch:
    """Answers whole sheets of questions."""

    def __init__(self, answering: Answering, *, level: Callable[[], int]) -> None:
        self._answering = answering
        self._level = level

    async def run(
        self,
        rows: Sequence[QuestionRow],
        control: Control,
        *,
        k: int = DEFAULT_K,
        concurrency: int | None = None,
        retrieval_only: bool = False,
        on_answer: Callable[[int, Answer], Awaitable[None]] | None = None,
    ) -> BatchReport:
        """Answer every row; `on_answer` hears of each in question order, as soon as all before it are there."""
        started_s = time.perf_counter()
        answers: list[Answer | None] = [None] * len(rows)
        control.partial = answers
        told = 0

        vectors = await self._embed_together(rows)

        async def answer(numbered: tuple[int, QuestionRow]) -> Answer:
            number, row = numbered
            if control.stopping:
                return Answer(question=row.question, status=AnswerStatus.CANCELLED)
            with lane(number):
                return await self._answering.ask(
                    row.question,
                    k=k,
                    priority=Priority.BATCH,
                    retrieval_only=retrieval_only,
                    vector=vectors.get(row.question),
                )

        def level() -> int:
            return concurrency or self._level()

        async with contextlib.aclosing(fan_out(answer, enumerate(rows), limit=level)) as outcomes:
            async for outcome in outcomes:
                answers[outcome.index] = outcome.unwrap()
                while told < len(rows) and (ready := answers[told]) is not None:
                    if on_answer is not None:
                        await on_answer(told, ready)
                    told += 1
                control.progress = Progress(
                    done=sum(item is not None for item in answers),
                    total=len(rows),
                    stage="Answering",
                    elapsed_s=time.perf_counter() - started_s,
                )
        finished = tuple(item for item in answers if item is not None)
        return BatchReport(rows=tuple(rows), answers=finished, seconds=time.perf_counter() - started_s)

    async def _embed_together(self, rows: Sequence[QuestionRow]) -> dict[str, Vectors]:
        """Embed all questions in as few requests as may be: one round trip instead of one a question.

        Where that fails, each question embeds itself and has its own error. Cancelled rows cost nothing more.
        """
        retriever = self._answering.retriever
        questions = [row.question.strip() for row in rows]
        wanted = list(dict.fromkeys(text for text in questions if 0 < len(text) <= MAX_QUESTION_CHARACTERS))
        if len(wanted) < 2 or not retriever.embeds_over_a_network:
            return {}
        chunks = [wanted[start : start + _TOGETHER] for start in range(0, len(wanted), _TOGETHER)]
        try:
            embedded = await asyncio.gather(*(retriever.embed(chunk, priority=Priority.BATCH) for chunk in chunks))
        except ProviderError as error:
            log.info("questions were not embedded together: %s", error)
            return {}
        by_text = {
            text: vector
            for chunk, part in zip(chunks, embedded, strict=True)
            for text, vector in zip(chunk, part.vectors, strict=True)
        }
        return {row.question: by_text[row.question.strip()] for row in rows if row.question.strip() in by_text}


def read_questions(data: bytes, *, name: str, column: str = COLUMN) -> list[QuestionRow]:
    """Read questions from a CSV with a `column`, or from text with a question a line.

    Raises InvalidInputError when there are none, or the file is no UTF-8 table.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{name} is not UTF-8 text: save it as UTF-8 CSV and try again.") from error
    if "\0" in text:
        raise InvalidInputError(f"{name} holds binary data, not a table of questions.")
    rows = _text_rows(text) if name.lower().endswith(".txt") or name == "-" else _csv_rows(text, name, column)
    if not rows:
        raise InvalidInputError(f"{name} has no questions: expected a column named {column}, a question a row.")
    if len(rows) > MAX_QUESTIONS:
        raise InvalidInputError(f"{name} has {len(rows):,} questions: split it into files of {MAX_QUESTIONS:,}.")
    return rows


def _text_rows(text: str) -> list[QuestionRow]:
    return [QuestionRow(question=line.strip(), columns={}) for line in text.splitlines() if line.strip()]


def _csv_rows(text: str, name: str, column: str) -> list[QuestionRow]:
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise InvalidInputError(f"{name} is not a well-formed CSV file: {error}.") from error
    header = [cell.strip() for cell in table[0]] if table else []
    if column not in header:
        found = ", ".join(filter(None, header[:6])) or "nothing"
        raise InvalidInputError(f"{name} has no column named {column}; its first row has {found}.")
    place = header.index(column)
    rows = []
    for cells in table[1:]:
        if any(cell.strip() for cell in cells):
            filled = cells + [""] * (len(header) - len(cells))
            others = {key: filled[i] for i, key in enumerate(header) if i != place and key}
            rows.append(QuestionRow(question=filled[place].strip(), columns=others))
    return rows
