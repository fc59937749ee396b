"""`animerag query`: questions in from options, files, pipes or a conversation; answers out as text, JSON or a file."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from animerag.cli.running import (
    CANCELLED,
    DONE,
    ROWS_LEFT,
    Commands,
    discard_output,
    number_or_auto,
    positive,
    services,
    watched,
)
from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from animerag.jobs import Control
    from animerag.models import Answer, Turn
    from animerag.runtime import Services
    from animerag.services.batch import QuestionRow


def add(commands: Commands) -> None:
    """Add `query` to the command line."""
    parser = commands.add_parser("query", help="ask questions")
    parser.add_argument("-q", "--question", action="append", default=[], metavar="TEXT", help="a question; repeatable")
    parser.add_argument("-f", "--file", metavar="FILE|-", help="CSV with a question column, or text, a question a line")
    parser.add_argument("--column", default="question", metavar="NAME", help="the column that holds the questions")
    parser.add_argument("--stdin", action="store_true", help="answer questions as their lines arrive")
    parser.add_argument("-i", "--interactive", action="store_true", help="keep a conversation")
    parser.add_argument("-n", "--concurrency", type=number_or_auto, metavar="N|auto", help="questions in flight")
    parser.add_argument("-k", type=positive, default=8, metavar="N", help="sources a question (8)")
    parser.add_argument("-c", "--show-context", action="store_true", help="print the sources and how they were found")
    parser.add_argument("--output-format", choices=("text", "json"), default="text")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write answers to a .csv or .jsonl file")
    parser.add_argument("--retrieval-only", action="store_true", help="find shows without writing an answer")
    parser.set_defaults(run=query)


async def query(options: argparse.Namespace) -> int:
    """Ask. Raises InvalidInputError for wrong use or a file without questions."""
    chosen = [bool(options.question), options.file is not None, options.stdin, options.interactive]
    if sum(chosen) != 1:
        raise InvalidInputError("Ask with exactly one of -q, -f, --stdin or -i.")
    if options.out is not None and options.out.suffix.lower() not in (".csv", ".jsonl"):
        raise InvalidInputError(f"{options.out} cannot be written: --out takes a name that ends in .csv or .jsonl.")
    rows = await _rows(options)
    async with services(warm=True) as opened:
        if not (await opened.library.counts()).shows:
            raise InvalidInputError("The catalogue is empty: run `animerag ingest PATH` first.")
        if options.interactive:
            return await _converse(opened, options)
        if options.stdin or options.file == "-":
            return await _answer_lines(opened, options)
        return await _answer_rows(opened, rows, options)


async def _rows(options: argparse.Namespace) -> list[QuestionRow]:
    from animerag.services.batch import QuestionRow, read_questions
    from animerag.services.retrieval import checked_question

    if options.file not in (None, "-"):
        path = Path(options.file)
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}.") from error
        return read_questions(data, name=path.name, column=options.column)
    return [QuestionRow(question=checked_question(question), columns={}) for question in options.question]


async def _answer_rows(opened: Services, rows: Sequence[QuestionRow], options: argparse.Namespace) -> int:
    async def work(control: Control) -> Any:
        async def tell(index: int, answer: Answer) -> None:
            if options.out is not None or control.stopping:
                return
            try:
                _print_answer(index, answer, options)
            except BrokenPipeError:  # whoever read our output has left: nothing more to ask for
                discard_output()
                control.stop()

        level = options.concurrency if isinstance(options.concurrency, int) else None
        return await opened.batch.run(
            rows, control, k=options.k, concurrency=level, retrieval_only=options.retrieval_only, on_answer=tell
        )

    report, stopped = await watched(opened, work, kind="batch", title=options.file or "questions")
    if options.out is not None:
        await asyncio.to_thread(_write_out, options.out, rows, report.answers)
        print(f"{len(report.answers)} answers written to {options.out}.", file=sys.stderr)
    return CANCELLED if stopped else ROWS_LEFT if report.failed else DONE


def _write_out(path: Path, rows: Sequence[QuestionRow], answers: Sequence[Answer]) -> None:
    from animerag.exports import answers_csv, answers_jsonl

    data = answers_csv(rows, answers) if path.suffix.lower() == ".csv" else answers_jsonl(answers)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror or error}.") from error


async def _answer_lines(opened: Services, options: argparse.Namespace) -> int:
    """Answer each line as it arrives, so that another program can keep the pipe open."""
    index, failed = 0, False
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            answer = await opened.answering.ask(line, k=options.k, retrieval_only=options.retrieval_only)
            _print_answer(index, answer, options)
            index, failed = index + 1, failed or answer.error is not None
    return ROWS_LEFT if failed else DONE


async def _converse(opened: Services, options: argparse.Namespace) -> int:
    from animerag.models import Turn

    history: list[Turn] = []
    index = 0
    print("Ask away; an empty line ends the conversation.", file=sys.stderr)
    while question := (await asyncio.to_thread(_ask_line)).strip():
        answer = await opened.answering.ask(
            question, k=options.k, history=history, retrieval_only=options.retrieval_only
        )
        _print_answer(index, answer, options)
        history.append(Turn(question=question, answer=answer.text or "", cited=answer.citations))
        index += 1
    return DONE


def _ask_line() -> str:
    sys.stderr.write("> ")
    sys.stderr.flush()
    return sys.stdin.readline()


def _print_answer(index: int, answer: Answer, options: argparse.Namespace) -> None:
    if options.output_format == "json":
        from animerag.exports import answer_object

        print(json.dumps(answer_object(index, answer), ensure_ascii=False), flush=True)
        return
    if index:
        print()
    print(f"{answer.question}\n{answer.text or answer.error or _found(answer)}", flush=True)
    if options.show_context:
        _print_context(answer)


def _found(answer: Answer) -> str:
    return f"{len(answer.sources)} shows found." if answer.status == "ok" else "The catalogue has nothing on this."


def _print_context(answer: Answer) -> None:
    for number, source in enumerate(answer.sources, 1):
        found = " · ".join(_evidence(item.branch, item.rank, item.detail) for item in source.evidence)
        distance = "" if source.distance is None else f" · distance {source.distance:.2f} cosine"
        year = f" ({source.show.year})" if source.show.year else ""
        print(f"  [{number}] {source.show.title}{year} · id {source.show.id} · {found}{distance}", flush=True)


def _evidence(branch: str, rank: int, detail: str) -> str:
    return f'alias "{detail}"' if branch == "alias" else f"{branch} #{rank}"
