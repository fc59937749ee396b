"""Prints the answers of a run, or writes them to a file."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from animerag.cli.job_runner import discard_output
from animerag.errors import InvalidInputError
from animerag.text.counting import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from animerag.jobs.jobs import Control
    from animerag.models.questions import QuestionRow
    from animerag.models.stored_answers import StoredAnswer
    from animerag.services import Services


class InOrder:
    """Prints answers in the order of the questions, each as soon as those before it are printed."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._waiting: dict[int, StoredAnswer] = {}
        self._next = 0

    def add(self, answer: StoredAnswer, control: Control) -> None:
        """Print an answer as soon as those before it are printed; `control` stops if nobody reads the output."""
        self._waiting[answer.number] = answer
        while (ready := self._waiting.pop(self._next, None)) is not None:
            print_or_stop(ready, self._options, control)
            self._next += 1

    def end(self, rows: Sequence[QuestionRow], stopped_by: str) -> None:
        """Print the remaining answers, and the reason for each row without one."""
        from animerag.models.answers import AnswerStatus
        from animerag.models.stored_answers import StoredAnswer

        for number in range(self._next, len(rows)):
            question = rows[number].question
            unasked = StoredAnswer(number=number, question=question, status=AnswerStatus.ERROR, error=stopped_by)
            print_answer(self._waiting.get(number) or unasked, self._options)


async def write_out(opened: Services, run_id: str, path: Path) -> None:
    """Write the answers of a run to a file. Raises InvalidInputError if that cannot be written."""
    from animerag.batch.export import written

    run, rows = await opened.batch.runs.get(run_id), await opened.batch.runs.rows(run_id)
    data = await asyncio.to_thread(written, path.suffix.lower(), run, rows)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        await asyncio.to_thread(unfinished.write_bytes, data)
        unfinished.replace(path)
    except OSError as error:
        raise InvalidInputError(
            f"{path} cannot be written ({error.strerror or error}): choose another file."
        ) from error
    print(
        f"{run.total - run.unanswered:,} of {counted(run.total, 'question')} answered; written to {path}.",
        file=sys.stderr,
    )


def print_or_stop(answer: StoredAnswer, options: argparse.Namespace, control: Control) -> None:
    """Print an answer; stop the job if the program that reads the output has closed the pipe."""
    try:
        print_answer(answer, options)
    except BrokenPipeError:
        discard_output()
        control.stop()


def print_answer(answer: StoredAnswer, options: argparse.Namespace) -> None:
    """Print an answer in the chosen format, with its sources if they are wanted."""
    if options.output_format == "json":
        print(json.dumps(answer.as_json(), ensure_ascii=False), flush=True)
        return
    if answer.number:
        print()
    print(f"{answer.question}\n{answer.text or answer.error or _search_result(answer)}", flush=True)
    if options.show_context:
        _print_context(answer)
    for remark in ([answer.error] if answer.text and answer.error else []) + list(answer.notes):
        print(remark, file=sys.stderr)


def _search_result(answer: StoredAnswer) -> str:
    number = len(answer.sources)
    return f"{counted(number, 'show')} found." if answer.status == "ok" else "No show in the catalogue matches."


def _print_context(answer: StoredAnswer) -> None:
    from animerag.models.retrieval import how_found

    for number, source in enumerate(answer.sources, 1):
        how = " · ".join(how_found(source.evidence, source.distance))
        year = f" ({source.year})" if source.year else ""
        print(f"  [{number}] {source.title}{year} · id {source.show_id} · {how}", flush=True)
