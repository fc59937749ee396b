"""How `ingest` is told to read its files, and how it tells what it understood of them."""

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
    """Add the options that say what detection should not guess."""
    parser.add_argument("--encoding", metavar="NAME", help="of text: utf-8, utf-16, cp1252, shift_jis, euc_jp, …")
    parser.add_argument("--delimiter", metavar="CHAR", help="between the columns of a table in text; \\t is a tab")
    parser.add_argument("--sheet", metavar="NAME", help="of an Excel workbook")
    parser.add_argument("--no-header", action="store_true", help="the first row of a table is data")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=HEADING",
        help="what a column is; the heading may be its number; repeatable, for example title=English",
    )
    parser.add_argument("--id-field", metavar="NAME", help="the field that is a show's id (Shoko: AnimeID)")
    parser.add_argument(
        "--shoko-user", metavar="NAME", help="whose watch state to read from a Shoko database; '' for nobody's"
    )
    parser.add_argument("--id-prefix", metavar="PREFIX", help="put before the ids of these files; '' for none")


def read_options(options: argparse.Namespace) -> ReadOptions:
    """Return what the options say. Raises InvalidInputError for a column that is no FIELD=HEADING."""
    from animerag.readers import ReadOptions

    columns = dict(_column(given) for given in options.column)  # by heading: each has one field
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
        raise InvalidInputError(f"--column {given[:60]} is no FIELD=HEADING, such as title=English.")
    return heading, field


def with_user(files: Sequence[SourceFile], detection: Detection) -> list[SourceFile]:
    """Ask once whose watch state of a Shoko database is meant. Raises InvalidInputError for a name it does not have."""
    print(f"{detection.problem} Name: ", end="", file=sys.stderr, flush=True)
    given = sys.stdin.readline().strip()
    user = next((name for name in detection.users if name.casefold() == given.casefold()), None)
    if user is None:
        raise InvalidInputError(f"“{given[:60]}” is none of {', '.join(detection.users)}. Or use --shoko-user NAME.")
    return [
        replace(file, options=replace(file.options, user=user)) if file.name == detection.name else file
        for file in files
    ]


def tell_files(files: Iterable[FileReport]) -> None:
    """Print what was understood of each file."""
    from animerag.ingestion.file_summary import described

    for file in files:
        print(f"{file.name}:")
        for sentence in described(file):
            print(f"  {sentence}")
