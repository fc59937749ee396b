"""The command line: the same services as the pages. With `--json` stdout is JSON only; the rest goes to stderr.

Exit status: 0 done, 1 done with rows left, 2 wrong use or unusable input, 130 cancelled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from animerag import __version__, simulator
from animerag.errors import AnimeRAGError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence

    from animerag.jobs import Control
    from animerag.models import Answer, IngestReport, Turn
    from animerag.runtime import Services
    from animerag.services.batch import QuestionRow

DONE, ROWS_LEFT, UNUSABLE, CANCELLED = 0, 1, 2, 130


def build_parser() -> argparse.ArgumentParser:
    """Return the whole command line."""
    parser = argparse.ArgumentParser(prog="animerag", description="Ask an anime catalogue things.")
    parser.add_argument("--version", action="version", version=f"animerag {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    ingest = commands.add_parser("ingest", help="take files into the catalogue")
    ingest.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="Shoko/AniDB JSON export")
    ingest.add_argument("--batch-size", type=_number_or_auto, metavar="N|auto", help="shows in one embedding request")
    ingest.add_argument("--concurrency", type=_number_or_auto, metavar="N|auto", help="requests in flight")
    ingest.add_argument("--id-field", choices=("AnimeID", "AniDB_AnimeID"), default="AnimeID", help="a show's id")
    ingest.add_argument("--dry-run", action="store_true", help="read and count; spend and store nothing")
    ingest.add_argument("--reindex", action="store_true", help="index shows that the current model has no vector for")
    ingest.add_argument("--json", action="store_true", help="print one JSON object")
    ingest.set_defaults(run=_ingest)

    query = commands.add_parser("query", help="ask questions")
    query.add_argument("-q", "--question", action="append", default=[], metavar="TEXT", help="a question; repeatable")
    query.add_argument("-f", "--file", metavar="FILE|-", help="CSV with a question column, or text, a question a line")
    query.add_argument("--column", default="question", metavar="NAME", help="the column that holds the questions")
    query.add_argument("--stdin", action="store_true", help="answer questions as their lines arrive")
    query.add_argument("-i", "--interactive", action="store_true", help="keep a conversation")
    query.add_argument("-n", "--concurrency", type=_number_or_auto, metavar="N|auto", help="questions in flight")
    query.add_argument("-k", type=_positive, default=8, metavar="N", help="sources a question (8)")
    query.add_argument("-c", "--show-context", action="store_true", help="print the sources and how they were found")
    query.add_argument("--output-format", choices=("text", "json"), default="text")
    query.add_argument("--out", type=Path, metavar="FILE", help="write answers to a .csv or .jsonl file")
    query.add_argument("--retrieval-only", action="store_true", help="find shows without writing an answer")
    query.set_defaults(run=_query)

    simulate = commands.add_parser("simulate", help="run a provider to practise on, that speaks the OpenAI protocol")
    simulator.add_arguments(simulate)
    simulate.set_defaults(run=_simulate)

    doctor = commands.add_parser("doctor", help="hold the index against the library")
    doctor.add_argument("--repair", action="store_true", help="mend what kept vectors can mend; spends nothing")
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(run=_doctor)

    info = commands.add_parser("info", help="say what is configured and stored")
    info.add_argument("--json", action="store_true")
    info.set_defaults(run=_info)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s")
    try:
        run: Callable[[argparse.Namespace], Coroutine[Any, Any, int]] = options.run
        return asyncio.run(run(options))
    except AnimeRAGError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        return CANCELLED
    except BrokenPipeError:  # the reader of our output has left
        _discard_output()
        return CANCELLED


async def _ingest(options: argparse.Namespace) -> int:
    if not options.paths and not options.reindex:
        raise InvalidInputError("Name at least one file to ingest, or give --reindex.")
    from animerag.services.ingestion import SourceFile

    files = [SourceFile(path=path, name=path.name, id_field=options.id_field) for path in options.paths]
    async with _services() as services:
        ingestion = services.ingestion
        if options.dry_run:
            return _tell_ingest(await ingestion.check(files), options, dry_run=True)

        async def work(control: Control) -> IngestReport:
            if not files:
                return await ingestion.reindex(control)
            return await ingestion.run(files, control, concurrency=options.concurrency, batch_size=options.batch_size)

        report, stopped = await _watched(services, work, kind="ingest", title=", ".join(file.name for file in files))
        status = _tell_ingest(report, options, dry_run=False)
        return CANCELLED if stopped else status


def _tell_ingest(report: IngestReport, options: argparse.Namespace, *, dry_run: bool) -> int:
    if options.json:
        print(json.dumps(_ingest_object(report), ensure_ascii=False))
    else:
        verb = "would be stored" if dry_run else "stored"
        print(
            f"{report.read:,} read: {report.ingested:,} {verb}, {report.unchanged:,} unchanged,"
            f" {report.duplicate:,} repeated (the last row won), {report.quarantined:,} set aside,"
            f" {report.cancelled:,} not done. {report.catalogue:,} shows in the catalogue."
        )
        for row in report.rows:
            print(f"  {row.file}:{row.line}: {row.reason}", file=sys.stderr)
    if report.stopped_by:
        print(f"Stopped: {report.stopped_by} Run the command again to do the rest.", file=sys.stderr)
    return ROWS_LEFT if report.quarantined or report.cancelled else DONE


def _ingest_object(report: IngestReport) -> dict[str, Any]:
    usage = {"embedding_tokens": report.usage.embedding_tokens, "cost_usd": report.usage.cost_usd}
    return {
        "read": report.read,
        "ingested": report.ingested,
        "unchanged": report.unchanged,
        "duplicate": report.duplicate,
        "quarantined": report.quarantined,
        "cancelled": report.cancelled,
        "rows": [asdict(row) for row in report.rows],
        "batches": report.batches,
        "embedding_requests": report.embedding_requests,
        "seconds": round(report.seconds, 3),
        "throughput": round(report.throughput, 1),
        "concurrency": asdict(report.concurrency),
        "rate_limited": report.rate_limited,
        "retries": report.retries,
        "usage": usage,
        "catalogue": report.catalogue,
        "stopped_by": report.stopped_by,
    }


async def _query(options: argparse.Namespace) -> int:
    chosen = [bool(options.question), options.file is not None, options.stdin, options.interactive]
    if sum(chosen) != 1:
        raise InvalidInputError("Ask with exactly one of -q, -f, --stdin or -i.")
    if options.out is not None and options.out.suffix.lower() not in (".csv", ".jsonl"):
        raise InvalidInputError(f"{options.out} cannot be written: --out takes a name that ends in .csv or .jsonl.")
    rows = await _rows(options)
    async with _services(warm=True) as services:
        if not (await services.library.counts()).shows:
            raise InvalidInputError("The catalogue is empty: run `animerag ingest PATH` first.")
        if options.interactive:
            return await _converse(services, options)
        if options.stdin or options.file == "-":
            return await _answer_lines(services, options)
        return await _answer_rows(services, rows, options)


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


async def _answer_rows(services: Services, rows: Sequence[QuestionRow], options: argparse.Namespace) -> int:
    async def work(control: Control) -> Any:
        async def tell(index: int, answer: Answer) -> None:
            if options.out is not None or control.stopping:
                return
            try:
                _print_answer(index, answer, options)
            except BrokenPipeError:  # whoever read our output has left: nothing more to ask for
                _discard_output()
                control.stop()

        level = options.concurrency if isinstance(options.concurrency, int) else None
        return await services.batch.run(
            rows, control, k=options.k, concurrency=level, retrieval_only=options.retrieval_only, on_answer=tell
        )

    report, stopped = await _watched(services, work, kind="batch", title=options.file or "questions")
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


async def _answer_lines(services: Services, options: argparse.Namespace) -> int:
    """Answer each line as it arrives, so that another program can keep the pipe open."""
    index, failed = 0, False
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            answer = await services.answering.ask(line, k=options.k, retrieval_only=options.retrieval_only)
            _print_answer(index, answer, options)
            index, failed = index + 1, failed or answer.error is not None
    return ROWS_LEFT if failed else DONE


async def _converse(services: Services, options: argparse.Namespace) -> int:
    from animerag.models import Turn

    history: list[Turn] = []
    index = 0
    print("Ask away; an empty line ends the conversation.", file=sys.stderr)
    while question := (await asyncio.to_thread(_ask_line)).strip():
        answer = await services.answering.ask(
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


async def _simulate(options: argparse.Namespace) -> int:
    from animerag.simulator.server import serve

    await serve(simulator.settings_from(options), options.port)
    return DONE


async def _doctor(options: argparse.Namespace) -> int:
    async with _services() as services:
        report = await (services.maintenance.repair() if options.repair else services.maintenance.check())
    if options.json:
        print(json.dumps({"healthy": report.healthy, **asdict(report)}, ensure_ascii=False))
    elif report.healthy:
        print(f"Healthy: {report.shows:,} shows, {report.indexed:,} indexed, {report.repaired:,} repaired.")
    else:
        print(
            f"{len(report.missing)} missing, {len(report.stray)} stray, {len(report.stale)} stale,"
            f" {len(report.unsearchable)} unsearchable of {report.shows:,} shows. {_advice(repaired=options.repair)}"
        )
    return DONE if report.healthy else ROWS_LEFT


def _advice(*, repaired: bool) -> str:
    return "Run `animerag ingest --reindex`." if repaired else "Run `animerag doctor --repair`."


async def _info(options: argparse.Namespace) -> int:
    async with _services() as services:
        told = await _info_object(services)
    if options.json:
        print(json.dumps(told, ensure_ascii=False))
        return DONE
    for name, value in told.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name.replace('_', ' ')}: {shown}")
    return DONE


async def _info_object(services: Services) -> dict[str, Any]:
    settings = services.settings
    status = await services.catalogue.status()
    with suppress(AnimeRAGError):  # an address is worth telling, but only if there is one
        await services.index.start()
    return {
        "version": __version__,
        "provider": services.embedder.provider,
        "chat_model": services.answering.model,
        "embedding_model": services.embedder.model,
        "dimensions": await services.embedder.dimensions(),
        "catalogue": {"shows": status.shows, "indexed": status.indexed},
        "chroma": {"mode": services.index.mode, "url": services.index.url},
        "data_dir": str(settings.data_dir),
        "limits": {
            "ingest_concurrency": settings.ingest_concurrency,
            "query_concurrency": settings.query_concurrency,
            "batch_size": settings.batch_size,
            "max_rpm": settings.max_rpm,
            "max_tpm": settings.max_tpm,
            "max_cost_usd": settings.max_cost_usd,
        },
    }


@asynccontextmanager
async def _services(*, warm: bool = False) -> AsyncIterator[Services]:
    """Open the services on this command's own loop; `warm` where it is known that a question follows."""
    from animerag.config import load_settings
    from animerag.runtime import open_services

    async with open_services(load_settings(), warm=warm) as services:
        yield services


async def _watched(
    services: Services, work: Callable[[Control], Awaitable[Any]], *, kind: str, title: str
) -> tuple[Any, bool]:
    """Run a job with its progress on stderr; Ctrl-C asks it to stop and keeps what is done.

    Returns the report and whether somebody stopped it. Raises AnimeRAGError where the job failed.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as ProgressBar

    failure: list[AnimeRAGError] = []

    async def guarded(control: Control) -> Any:
        try:
            return await work(control)
        except AnimeRAGError as error:
            failure.append(error)
            raise

    job = await services.jobs.start(guarded, kind=kind, title=title)
    _on_interrupt(lambda: services.jobs.cancel(job.id))
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ProgressBar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        shown = bar.add_task("Starting", total=None)
        waiting = asyncio.ensure_future(services.jobs.wait(job))
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=0.1)
            progress = job.control.progress
            bar.update(shown, description=progress.stage, completed=progress.done, total=progress.total or None)
    if failure:
        raise failure[0]
    if job.report is None:
        raise AnimeRAGError(job.error or "The job ended without a report.")
    return job.report, job.state == "cancelled"


def _discard_output() -> None:
    """Keep the interpreter's last flush from failing too (docs.python.org/3/library/signal.html#note-on-sigpipe)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _on_interrupt(stop: Callable[[], None]) -> None:
    with suppress(NotImplementedError):  # Windows loops take no signal handlers; Ctrl-C then ends the command at once
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _number_or_auto(text: str) -> int | str:
    return "auto" if text == "auto" else _positive(text)
