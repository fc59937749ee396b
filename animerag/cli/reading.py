"""Defines the options of `ingest` for reading a file, and prints the summary of each file."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from animerag.ingestion.importer import SourceFile
    from animerag.models.imports import FileReport
    from animerag.readers import Detection, ReadOptions


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options that override detection."""
    parser.add_argument(
        "--encoding", metavar="NAME", help="encoding of text files: utf-8, utf-16, cp1252, shift_jis, euc_jp, …"
    )
    parser.add_argument("--delimiter", metavar="CHAR", help="column separator of text tables; \\t is a tab")
    parser.add_argument("--sheet", metavar="NAME", help="sheet of an Excel workbook to read")
    parser.add_argument("--no-header", action="store_true", help="the first row of a table is data")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=HEADING",
        help="field that a column fills, such as title=English; the heading may be a column number; repeatable",
    )
    parser.add_argument("--id-field", metavar="NAME", help="field that holds a show's id (Shoko: AnimeID)")
    parser.add_argument(
        "--shoko-user", metavar="NAME", help="user whose watch state is read from a Shoko database; '' for none"
    )
    parser.add_argument("--id-prefix", metavar="PREFIX", help="prefix for the ids in these files; '' for none")


def read_options(options: argparse.Namespace) -> ReadOptions:
    """Return the reading options. Raises InvalidInputError for a --column that is not FIELD=HEADING."""
    from animerag.readers import ReadOptions

    columns = dict(_column(given) for given in options.column)  # keyed by heading, because each heading has one field
    return ReadOptions(
        encoding=options.encoding,
        delimiter={"\\t": "\t", "tab": "\t"}.get(options.delimiter, options.delimiter),
        sheet=options.sheet,
        header=False if options.no_header else None,
        id_field=options.id_field,
        columns=columns,
        user=options.shoko_user,
    )


def _column(given: str) -> tuple[str, str]:
    field, equals, heading = given.partition("=")
    if not equals or not heading:
        raise InvalidInputError(f"--column {given[:60]} is not FIELD=HEADING: write it like title=English.")
    return heading, field


def with_user(files: Sequence[SourceFile], detection: Detection) -> list[SourceFile]:
    """Ask for the user whose watch state is read from a database. Raises InvalidInputError for an unknown name."""
    print(f"{detection.problem} Name: ", end="", file=sys.stderr, flush=True)
    given = sys.stdin.readline().strip()
    user = next((name for name in detection.users if name.casefold() == given.casefold()), None)
    if user is None:
        raise InvalidInputError(f"“{given[:60]}” is not a user of this database: use {', '.join(detection.users)}.")
    return [
        replace(file, options=replace(file.options, user=user)) if file.name == detection.name else file
        for file in files
    ]


def print_files(files: Iterable[FileReport]) -> None:
    """Print a summary of each file."""
    from animerag.ingestion.file_summary import described

    for file in files:
        print(f"{file.name}:")
        for sentence in described(file):
            print(f"  {sentence}")
