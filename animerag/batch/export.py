"""Exports answers and shows as CSV, Excel and JSON lines, so that no spreadsheet runs a cell as a formula."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from animerag.models.stored_answers import StoredAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from animerag.models.answers import Answer, Exchange
    from animerag.models.json_types import JsonObject
    from animerag.models.shows import Show
    from animerag.storage.batch_runs import BatchRun, RunRow

ADDED = (
    *("answer", "cited_ids", "cited_titles", "sources", "status", "error"),
    *("input_tokens", "output_tokens", "embedding_tokens", "cost_usd", "usage_estimated"),
    *("queue_s", "throttle_s", "retrieve_s", "first_token_s", "total_s"),
    *("attempts", "cached", "same_as_row", "model", "provider"),
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # characters that a workbook cannot hold
_LONGEST_CELL = 32_767  # characters, Excel's limit


_SHOW_HEADINGS = [
    "id",
    "title",
    "synonyms",
    "synopsis",
    "genres",
    "episodes",
    "year",
    "end_year",
    "score",
    "votes",
    "type",
    "start_date",
    "end_date",
    "season",
    "airing_status",
    "adults_only",
    "source",
    "duration",
    "studios",
    "my_status",
    "my_score",
    "watched_episodes",
]


def formula_safe(value: str) -> str:
    """Prefix a cell that a spreadsheet would run with an apostrophe (OWASP ASVS 5.0, 1.2.10)."""
    folded = unicodedata.normalize("NFKC", value)
    return f"'{value}" if folded.lstrip(" ").startswith(_FORMULA) or folded.startswith(_FORMULA) else value


def answer_object(index: int, answer: Answer) -> JsonObject:
    """Return an answer in the JSON shape that scripts rely on (`docs/configuration.md`)."""
    return StoredAnswer.of(index, answer).as_json()


@dataclass(frozen=True, slots=True)
class Unasked:
    """The status and the error of rows that were not asked."""

    status: str
    error: str | None = None

    @classmethod
    def of(cls, run: BatchRun) -> Unasked:
        """Return the status by the state of the run: waiting, stopped with an error, or cancelled."""
        if run.at_work:
            return cls("waiting")
        return cls("error", run.stopped_by) if run.stopped_by else cls("cancelled")


def written(suffix: str, run: BatchRun, rows: Iterable[RunRow]) -> bytes:
    """Return a finished or unfinished run as a file of the type `.csv`, `.xlsx` or `.jsonl`."""
    unasked = Unasked.of(run)
    if suffix == ".jsonl":
        return answers_jsonl(rows, unasked=unasked)
    table = answers_xlsx if suffix == ".xlsx" else answers_csv
    return table(run.headings, run.column, rows, unasked=unasked)


def answers_jsonl(rows: Iterable[RunRow], *, unasked: Unasked) -> bytes:
    """Return one JSON object per row, in question order: the answer, and the columns of the sheet under `columns`."""
    return "".join(f"{json.dumps(_row_object(row, unasked), ensure_ascii=False)}\n" for row in rows).encode()


def answers_csv(headings: Sequence[str], column: str, rows: Iterable[RunRow], *, unasked: Unasked) -> bytes:
    """Return the columns of the sheet and the answers as CSV for a spreadsheet: UTF-8 with a byte-order mark.

    `column` is the heading of the questions.
    """
    out = io.StringIO(newline="")
    table = csv.writer(out)
    for cells in _table(headings, column, rows, unasked):
        table.writerow(formula_safe(cell) if isinstance(cell, str) else cell for cell in cells)
    return out.getvalue().encode("utf-8-sig")


def shows_csv(shows: Iterable[Show]) -> bytes:
    """Return shows as CSV for a spreadsheet, with headings that an import recognises."""
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(_SHOW_HEADINGS)
    for show in shows:
        others = "; ".join(title for title in show.titles if title != show.title)
        texts = [formula_safe(cell) for cell in (show.id, show.title, others, show.description, ", ".join(show.tags))]
        numbers = (show.episodes, show.year, show.end_year, show.rating, show.votes)
        table.writerow([*texts, *numbers, *_described(show), show.my_status, show.my_score, show.episodes_watched])
    return out.getvalue().encode("utf-8-sig")


def _described(show: Show) -> list[Any]:
    """Return type, dates, source, duration and studios; an inferred type would be imported as a recorded one."""
    restricted = None if show.restricted is None else "yes" if show.restricted else "no"
    return [
        None if show.type_inferred else show.type,
        show.air_date,
        show.end_date,
        show.season,
        show.airing,
        restricted,
        formula_safe(show.source or ""),
        show.duration,
        formula_safe("; ".join(show.studios)),
    ]


def answers_xlsx(headings: Sequence[str], column: str, rows: Iterable[RunRow], *, unasked: Unasked) -> bytes:
    """Return the same table as an Excel workbook; text that looks like a formula stays text."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Answers")
    sheet.freeze_panes = "A2"

    def cell(value: object) -> object:
        if not isinstance(value, str):
            return value
        text = _NO_XML.sub("", value)[:_LONGEST_CELL]
        if not text.startswith(("=", "#")):
            return text
        text_cell = WriteOnlyCell(sheet, text)
        text_cell.data_type = "s"  # openpyxl would write a formula or an error code
        return text_cell

    for cells in _table(headings, column, rows, unasked):
        sheet.append([cell(value) for value in cells])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _table(headings: Sequence[str], column: str, rows: Iterable[RunRow], unasked: Unasked) -> Iterator[list[Any]]:
    # A column of the sheet with the name of an added one is renamed and keeps its place.
    yield [*(f"{name} (yours)" if name in ADDED else name for name in headings), *ADDED]
    for row in rows:
        own = [row.asked.question if name == column else _cell(row.asked.columns.get(name)) for name in headings]
        yield [*own, *_added(row, unasked)]


def _added(row: RunRow, unasked: Unasked) -> list[Any]:
    answer = row.answer
    if answer is None:
        known = {"status": unasked.status, "error": unasked.error or ""}
        return [known.get(name, "") for name in ADDED]
    usage, timings = answer.usage, answer.timings
    return [
        answer.text or "",
        "|".join(answer.citations),
        " | ".join(answer.cited_titles),
        " | ".join(f"{source.title} ({source.how_found})" for source in answer.sources),
        str(answer.status),
        answer.error or "",
        *(usage.input_tokens, usage.output_tokens, usage.embedding_tokens, usage.cost_usd),
        "yes" if usage.estimated else "no",
        *(timings.queue_s, timings.throttle_s, timings.retrieve_s, timings.first_token_s, timings.total_s),
        "" if answer.attempts is None else answer.attempts,
        "yes" if answer.cached else "no",
        "" if answer.same_as is None else answer.same_as + 1,
        answer.model,
        answer.provider,
    ]


def _row_object(row: RunRow, unasked: Unasked) -> JsonObject:
    if row.answer is None:
        answer = {"index": row.number, "question": row.asked.question, "answer": None}
        answer |= {"status": unasked.status, "error": unasked.error}
    else:
        answer = row.answer.as_json()
    return {**answer, "columns": dict(row.asked.columns)}


def _cell(value: object) -> object:
    """Return a value of the sheet as a cell: text as it is, other JSON values as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def conversation_json(exchanges: Sequence[Exchange]) -> bytes:
    """Return a conversation as a JSON array of answers, each with its sources."""
    answers = [answer_object(number, exchange.answer) for number, exchange in enumerate(exchanges) if exchange.answer]
    return json.dumps(answers, ensure_ascii=False, indent=2).encode()


def conversation_markdown(exchanges: Sequence[Exchange]) -> bytes:
    """Return a conversation as Markdown, with the numbered sources below each answer."""
    parts = []
    for exchange in exchanges:
        sources = exchange.retrieval.sources if exchange.retrieval else ()
        listed = [f"{n}. {s.show.title}{f' ({s.show.year})' if s.show.year else ''}" for n, s in enumerate(sources, 1)]
        parts += [f"## {exchange.question}", exchange.text or exchange.error or "No answer.", "\n".join(listed)]
    return "\n\n".join(filter(None, parts)).encode()
