"""Answers and shows out: CSV and JSON lines. Spreadsheets never run a cell of ours as a formula."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.models import Answer, Show, Source
    from animerag.services.batch import QuestionRow

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")


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
    }


def answers_jsonl(answers: Sequence[Answer]) -> bytes:
    """Return one JSON object a line, in question order."""
    lines = (json.dumps(answer_object(i, answer), ensure_ascii=False) for i, answer in enumerate(answers))
    return "".join(f"{line}\n" for line in lines).encode()


def answers_csv(rows: Sequence[QuestionRow], answers: Sequence[Answer]) -> bytes:
    """Return the questions' own columns and the answers as CSV for a spreadsheet: UTF-8 with a byte-order mark."""
    carried = list(dict.fromkeys(name for row in rows for name in row.columns))
    added = ["answer", "status", "error", "cited_ids", "cited_titles", "sources", "total_s", "model"]
    # A carried column that is called like one of ours keeps its place under a name of its own.
    headings = ["question", *(f"{name} (yours)" if name in added else name for name in carried), *added]
    out = io.StringIO(newline="")
    table = csv.writer(out)
    table.writerow(formula_safe(heading) for heading in headings)
    for row, answer in zip(rows, answers, strict=True):
        own = [row.columns.get(name, "") for name in carried]
        table.writerow(formula_safe(cell) for cell in (row.question, *own, *_cells(answer)))
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
        table.writerow([*texts, *numbers, show.my_status, show.my_score, show.episodes_watched])
    return out.getvalue().encode("utf-8-sig")


def _cells(answer: Answer) -> list[str]:
    titles = {source.show.id: source.show.title for source in answer.sources}
    return [
        answer.text or "",
        str(answer.status),
        answer.error or "",
        "|".join(answer.citations),
        " | ".join(titles[show_id] for show_id in answer.citations),
        " | ".join(f"{source.show.title} ({', '.join(source.found_by)})" for source in answer.sources),
        f"{answer.timings.total_s:.3f}",
        answer.model,
    ]


def _context(source: Source, answer: Answer) -> dict[str, Any]:
    return {
        "anime_id": source.show.id,
        "title": source.show.title,
        "year": source.show.year,
        "episodes": source.show.episodes,
        "found_by": list(source.found_by),
        "distance": source.distance,
        "score": round(source.score, 4),
        "cited": source.show.id in answer.citations,
    }
