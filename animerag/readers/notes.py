"""Reads notes in plain text or Markdown: one show per heading; without headings, one note per passage."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from animerag.models.shows import Origin, Show
from animerag.readers import cells
from animerag.readers import encoding as sniff
from animerag.readers.delimited import physical_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "note"
HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*?)[ \t]*#*[ \t]*")
_FENCE = re.compile(r"[ ]{0,3}(```|~~~)")
_PASSAGE_CHARACTERS = 2500  # shorter than the embedded part of a description, so that every passage can be found


def read(path: Path, name: str, *, encoding: str) -> Iterator[Show]:
    """Yield a show for each heading, or a note for each passage of text without headings."""
    seen: dict[str, int] = {}
    for line, title, body in _sections(path, name, encoding):
        for place, passage in enumerate(_passages(body) or [""], 1):
            numbered = f"{title} ({place})" if place > 1 else title
            yield _note(name, line, numbered if title else _first_words(passage), passage, seen)


def _note(name: str, line: int, title: str, body: str, seen: dict[str, int]) -> Show:
    seen[title] = seen.get(title, 0) + 1
    own = PurePosixPath(name.replace("\\", "/")).stem
    return Show(
        id=cells.derived_id(PREFIX, own, title, seen[title]),
        title=title,
        titles=(title,),
        description=body,
        record={"title": title, "text": body},
        origin=Origin(file=name, line=line),
    )


def _sections(path: Path, name: str, encoding: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line, heading, text below it); text before the first heading has none.

    A heading that only groups deeper headings is skipped.
    """
    at, above, heading = 1, 0, ""
    body: list[str] = []
    for line, depth, content in _marked(path, name, encoding):
        if not depth:
            body.append(content)
            continue
        text = cells.text("\n".join(body), lines=True)
        if text or 0 < depth <= above:
            yield at, heading, text
        at, above, heading, body = line, depth, content, []
    text = cells.text("\n".join(body), lines=True)
    if text or heading:
        yield at, heading, text


def _marked(path: Path, name: str, encoding: str) -> Iterator[tuple[int, int, str]]:
    """Yield (line, depth of the heading or 0, text); lines between fences are never headings."""
    fenced = False
    with sniff.reading(path, name, encoding) as stream:
        for line, raw in enumerate(physical_lines(stream), 1):
            content = raw.rstrip("\r\n")
            fenced ^= bool(_FENCE.match(content))
            result = None if fenced else HEADING.fullmatch(content)
            yield (line, len(result[1]), cells.text(result[2])) if result else (line, 0, content)


def _passages(body: str) -> list[str]:
    """Cut long text at blank lines into passages that can be found separately."""
    pieces: list[str] = []
    for paragraph in re.split(r"\n\s*\n", body):
        if pieces and len(pieces[-1]) + len(paragraph) < _PASSAGE_CHARACTERS:
            pieces[-1] += f"\n\n{paragraph}"
        elif paragraph.strip():
            pieces.append(paragraph)
    return pieces


def _first_words(passage: str) -> str:
    first = next((line for line in passage.splitlines() if line.strip()), "").strip()
    return first if len(first) <= 80 else first[:79].rsplit(" ", 1)[0] + "…"
