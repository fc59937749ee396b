"""`animerag query`: answer questions from options, a file, a pipe or a conversation; print them or write a file."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from animerag.cli.answers import InOrder, print_answer, print_or_stop, write_out
from animerag.cli.job_runner import (
    CANCELLED,
    DONE,
    ROWS_LEFT,
    Commands,
    number_or_auto,
    positive,
    run_job,
    services,
)
from animerag.errors import InvalidInputError
from animerag.text.counting import counted

if TYPE_CHECKING:
    import argparse

    from animerag.jobs.jobs import Control
    from animerag.models.answers import Answer, Turn
    from animerag.readers.questions import Sheet
    from animerag.services import Services
    from animerag.storage.batch_runs import BatchRun, RowAnswer

FORMATS = (".csv", ".xlsx", ".jsonl")


def add(commands: Commands) -> None:
    """Add `query` to the command line."""
    parser = commands.add_parser("query", help="ask questions")
    parser.add_argument(
        "-q", "--question", action="append", default=[], metavar="TEXT", help="a question to answer; repeatable"
    )
    parser.add_argument(
        "-f",
        "--file",
        metavar="FILE|-",
        help="CSV, TSV, XLSX or JSON lines with a question column, or text; - is standard input",
    )
    parser.add_argument("--column", metavar="NAME", help="column that holds the questions (question)")
    parser.add_argument("--encoding", metavar="E", help="encoding of the file, if detection gets it wrong")
    parser.add_argument("--delimiter", metavar="C", help="column separator; `lines` means one question per line")
    parser.add_argument("--stdin", action="store_true", help="answer questions from standard input as they arrive")
    parser.add_argument("-i", "--interactive", action="store_true", help="start a conversation")
    parser.add_argument("-n", "--concurrency", type=number_or_auto, metavar="N|auto", help="questions in flight")
    parser.add_argument("-k", type=positive, metavar="N", help="sources per question")
    parser.add_argument("-c", "--show-context", action="store_true", help="print the sources, and how each was found")
    parser.add_argument("--output-format", choices=("text", "json"), default="text", help="format of the output (text)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the answers to a .csv, .xlsx or .jsonl file")
    parser.add_argument("--resume", action="store_true", help="continue the last run of this file where it stopped")
    parser.add_argument("--retry-failed", action="store_true", help="ask the failed questions of that run again")
    parser.add_argument("--detach", action="store_true", help="let workers answer the file, and print the job's id")
    parser.add_argument("--answers", metavar="ID", help="print the answers of a job that was detached, or write --out")
    parser.add_argument("--retrieval-only", action="store_true", help="find shows without writing an answer")
    parser.set_defaults(run=query)


async def query(options: argparse.Namespace) -> int:
    """Answer questions. Raises InvalidInputError for wrong use or a file without questions."""
    from animerag.retrieval.question_text import checked_question

    chosen = [options.file is not None, options.answers is not None, options.stdin, options.interactive]
    if sum([bool(options.question), *chosen]) != 1:
        raise InvalidInputError("Use exactly one of -q, -f, --stdin, -i and --answers.")
    _check_use(options)
    if options.answers is not None:
        return await _stored_answers(options)
    for question in options.question:
        checked_question(question)
    sheet = None if options.file in (None, "-") else await asyncio.to_thread(_sheet, options)
    async with services(warm=not options.detach, serverless=True) as opened:
        if not (await opened.library.counts()).shows:
            raise InvalidInputError("The catalogue is empty: run `animerag ingest PATH` first.")
        if options.interactive:
            return await _converse(opened, options)
        if options.stdin or options.file == "-":
            return await _answer_lines(opened, options)
        if sheet is not None and options.detach:
            return await _detached(opened, sheet, options)
        if sheet is not None:
            return await _answer_sheet(opened, sheet, options)
        return await _answer_questions(opened, options)


def _check_use(options: argparse.Namespace) -> None:
    """Raise InvalidInputError for options that do not go together."""
    if options.out is not None and options.out.suffix.lower() not in FORMATS:
        raise InvalidInputError(f"{options.out} cannot be written: name a file that ends in {', '.join(FORMATS)}.")
    if options.file in (None, "-"):
        if options.resume or options.retry_failed or options.detach or (options.out and options.answers is None):
            raise InvalidInputError(
                "--out, --resume, --retry-failed and --detach need a file of questions: name one with -f."
            )
    elif options.detach and options.out is not None:
        raise InvalidInputError("--out needs the answers: leave it out here, and use it with --answers ID later.")
    elif options.detach and options.concurrency is not None:
        raise InvalidInputError("Each worker chooses its requests in flight: leave out -n.")


async def _answer_questions(opened: Services, options: argparse.Namespace) -> int:
    """Answer the questions of -q and print them in order; they are not journalled."""
    from animerag.models.questions import QuestionRow

    rows = [QuestionRow(question=question) for question in options.question]

    async def work(control: Control) -> Any:
        async def show(index: int, answer: Answer) -> None:
            from animerag.models.stored_answers import StoredAnswer

            if not control.stopping:
                print_or_stop(StoredAnswer.of(index, answer), options, control)

        level = options.concurrency if isinstance(options.concurrency, int) else None
        return await opened.batch.run(
            rows, control, k=options.k, concurrency=level, retrieval_only=options.retrieval_only, on_answer=show
        )

    report, stopped = await run_job(opened, work, kind="batch", title="questions")
    return CANCELLED if stopped else ROWS_LEFT if report.failed else DONE


# ── A sheet ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _answer_sheet(opened: Services, sheet: Sheet, options: argparse.Namespace) -> int:
    """Answer a file as a journalled run; without --out, print the answers in order."""
    from animerag.storage.batch_runs import job_key

    run = await _run(opened, sheet, options)
    printer = InOrder(options)

    async def work(control: Control) -> Any:
        async def show(row: RowAnswer) -> None:
            if options.out is None and not control.stopping:
                printer.add(row.answer, control)

        if options.out is None:  # answers of earlier jobs of this run
            for row in await opened.batch.runs.rows(run.id, statuses=[status for status in run.counts if status]):
                if row.answer is not None and row.status != "cancelled":
                    printer.add(row.answer, control)
        return await opened.batch.answer(
            run.id,
            control,
            which="failed" if options.retry_failed else "missing",
            concurrency=options.concurrency,
            on_stored=show,
        )

    try:
        report, stopped = await run_job(
            opened,
            work,
            kind="batch",
            title=run.name,
            key=job_key(run.id),
            started=partial(opened.batch.runs.note_job, run.id),
        )
    finally:  # however the job ended, finished answers are written
        if options.out is not None:
            await write_out(opened, run.id, options.out)
    if report.stopped_by:
        print(report.stopped_by, file=sys.stderr)
        if options.out is None:
            printer.end(sheet.rows, report.stopped_by)
    left = (await opened.batch.runs.get(run.id)).unanswered
    if left:
        print(f"{counted(left, 'question')} left: run the same command with --resume to continue.", file=sys.stderr)
    return CANCELLED if stopped else ROWS_LEFT if left else DONE


async def _detached(opened: Services, sheet: Sheet, options: argparse.Namespace) -> int:
    """Let workers answer a file, and print the id of the job."""
    if opened.detached is None:
        raise InvalidInputError("--detach needs workers: set ANIMERAG_ENGINE=queue, and start `animerag worker`.")
    sheets = opened.detached.sheets
    await sheets.require_worker()
    run = await _run(opened, sheet, options)
    job_id = await sheets.hand_over(run.id, which="failed" if options.retry_failed else "missing")
    print(json.dumps({"job": job_id}) if options.output_format == "json" else job_id)
    print(f"Workers answer it: run `animerag query --answers {job_id}` to see the answers.", file=sys.stderr)
    return DONE


async def _stored_answers(options: argparse.Namespace) -> int:
    """Print or write the answers that a run has so far, given the id of one of its jobs."""
    async with services(serverless=True) as opened:
        run = await opened.batch.runs.of_job(options.answers)
        if options.out is not None:
            await write_out(opened, run.id, options.out)
        else:
            for row in await opened.batch.runs.rows(run.id):
                if row.answer is not None and row.status != "cancelled":
                    print_answer(row.answer, options)
    if run.unanswered and run.at_work:
        print(f"{counted(run.unanswered, 'question')} left: the job is still running.", file=sys.stderr)
    elif run.unanswered:
        why = f"{run.stopped_by} " if run.stopped_by else ""
        left = counted(run.unanswered, "question")
        print(f"{why}{left} left: run `query` with the file and --resume to continue.", file=sys.stderr)
    return ROWS_LEFT if run.unanswered else DONE


def _sheet(options: argparse.Namespace) -> Sheet:
    from animerag.readers import confinement, questions

    path = Path(options.file)
    reading = questions.SheetOptions(column=options.column, encoding=options.encoding, delimiter=options.delimiter)
    sheet = confinement.read_questions(path, path.name, reading)
    if not sheet.certain:
        raise InvalidInputError(
            f"{path.name} has no column named question; its columns are {', '.join(sheet.headings[:8])}:"
            " choose one with --column."
        )
    return sheet


async def _run(opened: Services, sheet: Sheet, options: argparse.Namespace) -> BatchRun:
    """Return the run to continue with --resume or --retry-failed, otherwise a new run."""
    from animerag.storage.batch_runs import RunOptions

    batch = opened.batch
    digest = hashlib.sha256(await asyncio.to_thread(Path(options.file).read_bytes)).hexdigest()
    earlier = await batch.runs.of_file(digest, sheet.column) if options.resume or options.retry_failed else None
    if earlier is None:
        cap = opened.settings.max_cost_usd
        chosen = RunOptions(k=options.k or batch.k, retrieval_only=options.retrieval_only, max_cost_usd=cap)
        return await batch.runs.get(await batch.begin(sheet, chosen, sha256=digest))
    if earlier.at_work:
        raise InvalidInputError(f"{sheet.name} is already being answered: wait for that run, or cancel it.")
    return earlier


# ── One after another ────────────────────────────────────────────────────────────────────────────────────────────────


async def _answer_lines(opened: Services, options: argparse.Namespace) -> int:
    """Answer each line as it arrives, so that another program can keep the pipe open."""
    from animerag.models.stored_answers import StoredAnswer

    index, failed = 0, False
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            answer = await opened.answering.ask(line, k=options.k, retrieval_only=options.retrieval_only)
            print_answer(StoredAnswer.of(index, answer), options)
            index, failed = index + 1, failed or answer.error is not None
    return ROWS_LEFT if failed else DONE


async def _converse(opened: Services, options: argparse.Namespace) -> int:
    from animerag.models.answers import Turn
    from animerag.models.stored_answers import StoredAnswer

    history: list[Turn] = []
    index = 0
    print("Ask a question; an empty line ends the conversation.", file=sys.stderr)
    while question := (await asyncio.to_thread(_ask_line)).strip():
        answer = await opened.answering.ask(
            question, k=options.k, history=history, retrieval_only=options.retrieval_only
        )
        print_answer(StoredAnswer.of(index, answer), options)
        ids = answer.result.ids if answer.result else ()
        history.append(Turn(question=question, answer=answer.text or "", cited=answer.citations, ids=ids))
        index += 1
    return DONE


def _ask_line() -> str:
    sys.stderr.write("> ")
    sys.stderr.flush()
    return sys.stdin.readline()
