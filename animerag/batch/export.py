"""Answers and shows out: CSV, Excel and JSON lines. Spreadsheets never run a cell of ours as a formula."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from animerag.models.answers import Answer, Exchange
    from animerag.models.retrieval import Source
    from animerag.models.shows import Show
    from animerag.storage.batch_runs import BatchRun, RunRow

ADDED = (
    *("answer", "cited_ids", "cited_titles", "sources", "status", "error"),
    *("input_tokens", "output_tokens", "embedding_tokens", "cost_usd", "usage_estimated"),
    *("queue_s", "throttle_s", "retrieve_s", "first_token_s", "total_s"),
    *("attempts", "cached", "same_as_row", "model", "provider"),
)

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what a workbook cannot hold
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
    """Prefix a cell that a spreadsheet would run (OWASP ASVS 5.0, 1.2.10); the text itself is unchanged."""
    folded = unicodedata.normalize("NFKC", value)
    return f"'{value}" if folded.lstrip(" ").startswith(_FORMULA) or folded.startswith(_FORMULA) else value


def answer_object(index: int, answer: Answer) -> dict[str, Any]:
    """Return an answer in the JSON shape that scripts rely on (`docs/configuration.md`)."""
    return {
        "index": index,
        "question": answer.question,
        "answer": answer.text,
        "status": str(answer.status),
        "error": answer.error,
        "citations": list(answer.citations),
        "context": [_context(source, answer) for source in answer.sources],
        "timings": {name: round(seconds, 4) for name, seconds in asdict(answer.timings).items()},
        "usage": asdict(answer.usage),
        "model": answer.model,
        "provider": answer.provider,
        "cached": answer.cached,
        "result": asdict(answer.result) if answer.result else None,
    }


@dataclass(frozen=True, slots=True)
class Unasked:
    """What is said of a row that was not asked."""

    status: str
    error: str | None = None

    @classmethod
    def of(cls, run: BatchRun) -> Unasked:
        """Return what is true of a run's rows: they wait, something stopped the run before them, or somebody did."""
        if run.at_work:
            return cls("waiting")
        return cls("error", run.stopped_by) if run.stopped_by else cls("cancelled")


def written(suffix: str, run: BatchRun, rows: Iterable[RunRow]) -> bytes:
    """Return a run as a file that ends in `.csv`, `.xlsx` or `.jsonl`, half-way as well."""
    unasked = Unasked.of(run)
    if suffix == ".jsonl":
        return answers_jsonl(rows, unasked=unasked)
    table = answers_xlsx if suffix == ".xlsx" else answers_csv
    return table(run.headings, run.column, rows, unasked=unasked)


def answers_jsonl(rows: Iterable[RunRow], *, unasked: Unasked) -> bytes:
    """Return one JSON object a row, in question order: the answer, and the row's own columns under `columns`."""
    return "".join(f"{json.dumps(_whole(row, unasked), ensure_ascii=False)}\n" for row in rows).encode()


def answers_csv(headings: Sequence[str], column: str, rows: Iterable[RunRow], *, unasked: Unasked) -> bytes:
    """Return the sheet's own columns and the answers as CSV for a spreadsheet: UTF-8 with a byte-order mark.

    `column` is the heading that holds the questions.
    """
    out = io.StringIO(newline="")
    table = csv.writer(out)
    for cells in _table(headings, column, rows, unasked):
        table.writerow(formula_safe(cell) if isinstance(cell, str) else cell for cell in cells)
    return out.getvalue().encode("utf-8-sig")


def shows_csv(shows: Iterable[Show]) -> bytes:
    """Return shows as CSV for a spreadsheet, under headings that ingestion understands."""
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
    """Return type, dates and making; an inferred type stays out, or it would come back as a recorded one."""
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
    """Return the same table as an Excel workbook, whose text cells are text whatever they begin with."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Answers")
    sheet.freeze_panes = "A2"

    def cell(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = _NO_XML.sub("", value)[:_LONGEST_CELL]
        if not text.startswith(("=", "#")):
            return text
        text_cell = WriteOnlyCell(sheet, text)
        text_cell.data_type = "s"  # openpyxl takes these for formulas and error codes
        return text_cell

    for cells in _table(headings, column, rows, unasked):
        sheet.append([cell(value) for value in cells])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _table(headings: Sequence[str], column: str, rows: Iterable[RunRow], unasked: Unasked) -> Iterator[list[Any]]:
    # A column of the sheet that is called like one of ours keeps its place under a name of its own.
    yield [*(f"{name} (yours)" if name in ADDED else name for name in headings), *ADDED]
    for row in rows:
        own = [row.asked.question if name == column else _cell(row.asked.columns.get(name)) for name in headings]
        yield [*own, *_added(row, unasked)]


def _added(row: RunRow, unasked: Unasked) -> list[Any]:
    answer = row.answer
    if answer is None:
        told = {"status": unasked.status, "error": unasked.error or ""}
        return [told.get(name, "") for name in ADDED]
    usage, timings = answer["usage"], answer["timings"]
    same_as = answer.get("same_as")
    return [
        answer["answer"] or "",
        "|".join(answer["citations"]),
        " | ".join(cited_titles(answer)),
        " | ".join(f"{source['title']} ({how_found(source)})" for source in answer["context"]),
        answer["status"],
        answer["error"] or "",
        *(usage[name] for name in ("input_tokens", "output_tokens", "embedding_tokens", "cost_usd")),
        "yes" if usage.get("estimated") else "no",
        *(timings[name] for name in ("queue_s", "throttle_s", "retrieve_s", "first_token_s", "total_s")),
        answer.get("attempts", ""),
        "yes" if answer.get("cached") else "no",
        "" if same_as is None else same_as + 1,
        answer["model"],
        answer["provider"],
    ]


def cited_titles(answer: Mapping[str, Any]) -> list[str]:
    """Return the titles that an answer object cites, in the order of its citations."""
    titles = {source["anime_id"]: source["title"] for source in answer["context"]}
    return [titles[show_id] for show_id in answer["citations"]]


def how_found(source: Mapping[str, Any]) -> str:
    """Say how a source of an answer object was found: `alias "AoT", vector #1, distance 0.31`."""
    parts = [
        f'{item["branch"]} "{item["detail"]}"' if item["detail"] else f"{item['branch']} #{item['rank']}"
        for item in source["evidence"]
    ]
    return ", ".join(parts if source["distance"] is None else [*parts, f"distance {source['distance']:.2f}"])


def _whole(row: RunRow, unasked: Unasked) -> dict[str, Any]:
    if row.answer is None:
        known = {"index": row.number, "question": row.asked.question, "answer": None}
        told = {**known, "status": unasked.status, "error": unasked.error}
    else:
        told = dict(row.answer)
    return {**told, "columns": dict(row.asked.columns)}


def _cell(value: Any) -> Any:
    """Return a carried value as a cell: text as it is, what else JSON lines may hold as JSON."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _context(source: Source, answer: Answer) -> dict[str, Any]:
    return {
        "anime_id": source.show.id,
        "title": source.show.title,
        "year": source.show.year,
        "episodes": source.show.episodes,
        "found_by": list(source.found_by),
        "evidence": [{"branch": item.branch, "rank": item.rank, "detail": item.detail} for item in source.evidence],
        "distance": source.distance,
        "score": round(source.score, 4),
        "cited": source.show.id in answer.citations,
    }


def conversation_json(exchanges: Sequence[Exchange]) -> bytes:
    """Return a conversation as a JSON array of answers, each with its sources."""
    told = [answer_object(number, exchange.answer) for number, exchange in enumerate(exchanges) if exchange.answer]
    return json.dumps(told, ensure_ascii=False, indent=2).encode()


def conversation_markdown(exchanges: Sequence[Exchange]) -> bytes:
    """Return a conversation as Markdown, its sources by number below each answer."""
    parts = []
    for exchange in exchanges:
        sources = exchange.found.sources if exchange.found else ()
        listed = [f"{n}. {s.show.title}{f' ({s.show.year})' if s.show.year else ''}" for n, s in enumerate(sources, 1)]
        parts += [f"## {exchange.question}", exchange.text or exchange.error or "No answer.", "\n".join(listed)]
    return "\n\n".join(filter(None, parts)).encode()
