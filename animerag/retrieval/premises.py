"""Finds well-known shows by what people remember of them: their premises, one line each, which the package brings.

Many synopses leave out what everybody remembers, and a list without descriptions has no plots at all. `premises.csv`
was written for this package, without a look at the questions that measure quality; a catalogue's show is recognised by
title and year. Only the embedded encoder is used, which computed the vectors of the premises.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import numpy as np

from animerag.retrieval.fusion import KnownPremise, rounded
from animerag.text.tokens import folded_words

if TYPE_CHECKING:
    from collections.abc import Collection

    from animerag.models.shows import Show
    from animerag.ports import Vectors
    from animerag.query.field_index import FieldIndex
    from animerag.retrieval.snapshots import CatalogueSnapshot

TEXTS, VECTORS = "premises.csv", "premises.npz"
_NEAREST = 10  # premises that are looked up in the catalogue
_LEAST = 0.25  # similarity of a premise that is looked up
_YEARS_APART = 1  # databases differ in the year of a show that began in winter


@dataclass(frozen=True, slots=True)
class Premise:
    """What people remember of a show; `titles` are its usual ones, `year` is when it began."""

    titles: tuple[str, ...]
    year: int
    text: str


@cache
def premises() -> tuple[Premise, ...]:
    """Return the package's premises."""
    text = files("animerag.retrieval").joinpath(TEXTS).read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(
        Premise(tuple(title.strip() for title in row["title"].split("|")), int(row["year"]), row["premise"])
        for row in rows
    )


@cache
def vectors() -> tuple[str, Vectors]:
    """Return a hash of the premises and their vectors, of shape (premises, 512) and length 1."""
    with as_file(files("animerag.retrieval").joinpath(VECTORS)) as path, np.load(path, allow_pickle=False) as stored:
        return str(stored["texts_hash"]), stored["vectors"].astype(np.float32)


class KnownShows:
    """The shows of one catalogue whose premises are near a question; each title is looked up once per revision."""

    def __init__(self) -> None:
        self._revision = -1
        self._ids: dict[int, str | None] = {}

    def near(
        self, vector: Vectors | None, allowed: Collection[str] | None, catalogue: CatalogueSnapshot
    ) -> dict[str, KnownPremise]:
        """Return the nearest premises of shows of the catalogue by id, of the `allowed` ones if there is a limit.

        `vector` of shape (512,) has length 1; without one, nothing is near.
        """
        if vector is None:
            return {}
        if catalogue.revision != self._revision:
            self._revision, self._ids = catalogue.revision, {}
        ids = self._ids
        similarities = vectors()[1] @ vector
        near: dict[str, KnownPremise] = {}
        nearest = np.argsort(-similarities, kind="stable")[:_NEAREST].tolist()
        least = float(similarities[nearest[-1]]) if nearest else 0.0
        for place in nearest:
            similarity = rounded(float(similarities[place]))
            if similarity < _LEAST:
                break
            if place not in ids:
                ids[place] = _show_of(premises()[place], catalogue.table)
            show_id = ids[place]
            if show_id is not None and (allowed is None or show_id in allowed):
                near.setdefault(show_id, KnownPremise(premises()[place].text, similarity, rounded(similarity - least)))
        return near


def _show_of(premise: Premise, table: FieldIndex) -> str | None:
    """Return the id of the show with one of the premise's titles and about its year; None if there is none."""
    for title in premise.titles:
        wanted = folded_words(title)
        for show_id in table.with_title(title):
            show = table.show(show_id)
            if show is not None and _is_named(show, wanted) and _is_of(show, premise.year):
                return show_id
    return None


def _is_named(show: Show, wanted: str) -> bool:
    return any(folded_words(title) == wanted for title in (show.title, show.english_title or "", *show.titles))


def _is_of(show: Show, year: int) -> bool:
    return show.year is None or abs(show.year - year) <= _YEARS_APART
