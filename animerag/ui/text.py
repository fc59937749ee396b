"""Makes text from users, files and models safe to draw: none of it is interpreted as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from animerag.models.shows import TYPE_LABELS

if TYPE_CHECKING:
    from animerag.models.shows import Show

_JOINER = "\u2060"  # is invisible, and separates characters that Markdown would turn into a link or an icon
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_LIVE_WHEN_ESCAPED = re.compile(r"(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=@)(?=\S)|(?<=:)(?=[\w+-]+[:/])", re.IGNORECASE)
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_CITATION = re.compile(r"\\\[(\d{1,3})\\\]")
_ESCAPE = "\\"
_CODE = re.compile(r"\\`((?:\w|\\\.)(?:\w|\\[./=_-]| ){0,60})\\`")
_BLOCK = re.compile(r"\s{0,3}(> ?|[-*•] |\d{1,3}[.)] )?(.*)", re.DOTALL)


def escape(text: str) -> str:
    """Return Markdown that shows `text` as it is, line by line: no image, link, icon, colour, formula or heading."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "  \n".join(_inert(line.strip()) for line in lines)


def sentence(text: str) -> str:
    """Return an escaped text in which names between backticks, as in "`.env`", are code."""
    return _CODE.sub(lambda match: f"`{match[1].replace(_ESCAPE, '')}`", escape(text))


def label(text: str) -> str:
    """Return an escaped text that has to fit on one line."""
    return _inert(" ".join(text.split()))


def answer_markdown(text: str, sources: int = 0, *, linked: bool = False) -> str:
    """Return an answer's Markdown with its bold names, quotes, lists and citations, and everything else inert.

    A citation is a badge, red if there is no such source; `linked` makes it a link to `#source-N` of the page.
    """
    blocks: list[str] = []
    previous = ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        marker, rest = (part or "" for part in _block(line))
        body = _CITATION.sub(lambda match: _badge(int(match[1]), sources, linked=linked), _inline(rest.strip()))
        kind = (
            ">" if marker.startswith(">") else "1" if marker[:1].isdigit() else "-" if marker else "p" if body else ""
        )
        prefix = {">": "> ", "1": f"{marker.strip()} ", "-": "- "}.get(kind, "")
        if kind and previous and kind != previous:
            blocks.append("")
        elif kind in (">", "p") and kind == previous:
            blocks[-1] += "  "
        blocks.append(prefix + body)
        previous = kind
    return "\n".join(blocks)


def _block(line: str) -> tuple[str | None, str | None]:
    match = _BLOCK.fullmatch(line.replace("\t", " "))
    return (match.group(1), match.group(2)) if match else (None, line)


def _badge(number: int, sources: int, *, linked: bool) -> str:
    if not 0 < number <= sources:
        return f":red-badge[{number}, no such source]"
    return f":violet-badge[[{number}](#source-{number})]" if linked else f":violet-badge[{number}]"


def _inline(text: str) -> str:
    parts = _BOLD.split(text)
    return "".join(f"**{_inert(part)}**" if i % 2 else _inert(part) for i, part in enumerate(parts))


def _inert(text: str) -> str:
    return _PUNCTUATION.sub(r"\\\1", _LIVE_WHEN_ESCAPED.sub(_JOINER, text))


def moment(seconds: float) -> str:
    """Return a short time as people read it: `0.5 s`, or `12 ms` below a tenth of a second."""
    return f"{seconds * 1000:.0f} ms" if seconds < 0.1 else f"{seconds:.1f} s"


def type_of(show: Show) -> str | None:
    """Return the kind of show; the words say whether a file records it."""
    if show.type is None:
        return None
    return TYPE_LABELS[show.type] + (" (inferred)" if show.type_inferred else "")


def season_of(show: Show) -> str | None:
    """Return the season in which it began to air: "Fall 2019"."""
    return " ".join(filter(None, [show.season.capitalize(), str(show.year or "")])) if show.season else None


def aired(show: Show) -> str | None:
    """Return when it aired, as far as that is known: "2019-10-05 to 2019-12-28"."""
    if show.air_date and show.end_date and show.end_date != show.air_date:
        return f"{show.air_date} to {show.end_date}"
    return show.air_date or (f"until {show.end_date}" if show.end_date else None)
