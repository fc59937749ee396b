"""Maps headings to fields and rows to shows, with one vocabulary for CSV, workbooks and JSON records."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from animerag.errors import InvalidInputError
from animerag.models.imports import RowError
from animerag.models.shows import Origin, Show
from animerag.readers import cells as values
from animerag.readers import dates, details, relations, show_types

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# The fields that a column can fill, and their labels. Several columns may be titles or genres.
FIELDS = {
    "id": "id",
    "title": "title",
    "other_titles": "other titles",
    "synopsis": "synopsis",
    "genres": "genres and tags",
    "episodes": "episodes",
    "year": "year or first date",
    "end_year": "last year or date",
    "score": "score",
    "votes": "votes",
    "type": "type",
    "season": "airing season",
    "airing": "airing status",
    "restricted": "adults only, or age rating",
    "source": "source material",
    "duration": "minutes per episode",
    "studios": "studios",
    "relations": "related shows",
    "my_status": "my status",
    "my_score": "my score",
    "episodes_watched": "episodes watched",
}
_CHOOSE = "Choose the title column"
_OF_A_HUNDRED = frozenset(("averagescore", "meanscore"))  # AniList's scores go up to 100
_JOINED_NAMES = frozenset(
    ["synonyms", "othertitles", "alternativetitles", "titlesynonyms", "aliases", "othernames", "alltitles", "別名"]
)
_MANY = {"other_titles", "genres", "year", "end_year"}  # of several years or dates, the first known one counts

# Headings by field, folded to letters and digits; if two columns fit one field, the earlier heading wins.
_HEADINGS = {
    "id": "id animeid malid uid animedbid seriesanimedbid aniid anilistid anidbid aid showid 番号 作品id",
    "title": "title name animetitle animename maintitle titleromaji romaji seriestitle showtitle 題名 タイトル 作品名",
    "other_titles": "synonyms othertitles alternativetitles titlesynonyms aliases alias othername othernames alltitles"
    " englishname titleenglish english englishtitle japanesename titlejapanese japanese japanesetitle nativetitle"
    " titlenative 別名 別題 英題 原題",
    "synopsis": "synopsis sypnopsis description summary plot overview storyline あらすじ 概要 説明",
    "genres": "genres genre tags themes theme demographics demographic alltags ジャンル タグ",
    "episodes": "episodes eps episodecount numepisodes noofepisodes totalepisodes seriesepisodes 話数",
    "year": "year startyear releaseyear beginyear releasedyear seasonyear startdate startdateyear aired airedstring"
    " airedfrom airdate releasedate premiered startseason 年 放送年 放送開始",
    "end_year": "endyear enddate enddateyear airedto finishdate",
    "score": "score rating averagescore avgscore meanscore mean weightedscore malscore 評価 評点 スコア",
    "votes": "votes votecount scoredby usersrated numscoringusers 投票数",
    "type": "type format mediatype animetype showtype seriestype 種別",
    "season": "season animeseason airingseason releaseseason シーズン",
    "airing": "status airingstatus airstatus broadcaststatus 放送状況",
    "restricted": "restricted isadult adult adultsonly nsfw agerating contentrating 年齢制限",
    "source": "source sourcematerial originalsource",
    "duration": "duration episodeduration episodelength durationminutes averageepisodeduration runtime",
    "studios": "studios studio animationstudio animationstudios 制作会社 アニメーション制作",
    "relations": "relations related relatedanime relationships",
    "my_status": "mystatus myliststatus watchstatus watchingstatus",
    "my_score": "myscore myrating userscore userrating",
    "episodes_watched": "mywatchedepisodes watchedepisodes episodeswatched mywatched numwatchedepisodes progress",
}
_LIST_FIELDS = {"my_status", "my_score", "episodes_watched"}
_NAMING_FIELDS = {"id", "title", "other_titles", "episodes", "type"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\0")
_FIELD_OF = {heading: field for field, headings in _HEADINGS.items() for heading in headings.split()}
_RANK = {heading: rank for headings in _HEADINGS.values() for rank, heading in enumerate(headings.split())}
_SITES = {**dict.fromkeys(("malid", "seriesanimedbid", "animedbid"), "mal"), "anilistid": "anilist"}
_SITES |= dict.fromkeys(("anidbid", "aid"), "anidb")
# The parsers of numeric fields.
_NUMBERS: dict[str, Callable[[values.NumberParser, Any, str], float | None]] = {
    "episodes": lambda numbers, cell, label: numbers.whole(cell, 1, 100_000, label),
    "year": values.NumberParser.year,
    "end_year": values.NumberParser.year,
    "score": values.NumberParser.score,
    "votes": lambda numbers, cell, label: numbers.whole(cell, 1, 10**9, label),
    "my_score": values.NumberParser.score,
    "episodes_watched": lambda numbers, cell, label: numbers.whole(cell, 0, 100_000, label),
}
# Fields whose heading is no proof: a "Season" may be a number, a "Source" an address.
_WORDS: dict[str, Callable[[Any], object]] = {
    "type": show_types.named,
    "season": dates.season,
    "airing": details.airing,
    "restricted": lambda cell: details.restricted(cell) is not None,
    "source": details.is_source,
    "duration": details.minutes,
    "relations": relations.related,
}
_TYPES = frozenset(["tv", "movie", "ova", "ona", "music", "tvshort", "tvspecial", "film"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: its heading, the field it fills (None: stored with the record only), and whether that is certain."""

    place: int
    heading: str
    field: str | None
    certain: bool
    cells: tuple[str, ...] = ()  # a few examples


def is_known(heading: str) -> bool:
    """Return whether a heading is known."""
    return fold(heading) in _FIELD_OF


def fold(heading: str) -> str:
    """Fold a heading to its letters and digits, in lower case and without Latin accents."""
    plain = re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", heading))
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", plain).casefold())


def match(
    headings: Sequence[str], sample: Sequence[Sequence[str]], *, named: bool, given: Mapping[str, str], name: str
) -> tuple[Column, ...]:
    """Map each column to a field. `named` is false for a file without headings; `given` maps headings to fields.

    Raises InvalidInputError if a given field or heading does not exist.
    """
    chosen = _chosen(headings, given, name)
    guessed = _by_name(headings) if named else _by_content(sample, len(headings))
    assigned = set(chosen.values()) - _MANY
    columns = []
    for place, heading in enumerate(headings):
        field = chosen.get(place)
        certain = place in chosen or named
        if field is None and place not in chosen and guessed.get(place) not in assigned:
            field = guessed.get(place)
            unread = field in _NUMBERS and not _any_number(field, sample, place)
            if unread or (field in _WORDS and not _any_word(field, sample, place)):
                field = None
            if field is None and named and "restricted" not in {*assigned, *guessed.values()}:
                field = _age_rating(heading, sample, place)
        cells = tuple(row[place][:200] for row in sample[:3] if place < len(row))
        columns.append(Column(place=place, heading=heading, field=field, certain=certain, cells=cells))
    return tuple(columns)


def _any_number(field: str, sample: Sequence[Sequence[str]], place: int) -> bool:
    cells = [row[place] for row in sample if place < len(row) and not values.is_unknown(row[place])]
    read = values.NumberParser.year if field in {"year", "end_year"} else values.NumberParser.number
    return not cells or any(read(values.NumberParser(), cell, field) is not None for cell in cells)


def _age_rating(heading: str, sample: Sequence[Sequence[str]], place: int) -> str | None:
    """Recognise a "Rating" column that holds age ratings instead of scores."""
    is_score = _FIELD_OF.get(fold(heading)) != "score" or _any_number("score", sample, place)
    return None if is_score or not _any_word("restricted", sample, place) else "restricted"


def _any_word(field: str, sample: Sequence[Sequence[str]], place: int) -> bool:
    cells = [row[place] for row in sample if place < len(row) and not values.is_unknown(row[place])]
    return not cells or any(_WORDS[field](_loaded(cell)) for cell in cells)


def _loaded(cell: str) -> Any:
    """Return the object that a cell contains as JSON, otherwise the cell."""
    try:
        return from_json(cell) if cell.startswith("{") else cell
    except ValueError:
        return cell


def _chosen(headings: Sequence[str], given: Mapping[str, str], name: str) -> dict[int, str | None]:
    chosen: dict[int, str | None] = {}
    for heading, key in given.items():
        field = key.strip().lower().replace(" ", "_").replace("-", "_")
        if field not in {*FIELDS, "none"}:
            raise InvalidInputError(f"{key[:40]} is not a field: use one of {', '.join(FIELDS)}, or none.")
        places = [i for i, own in enumerate(headings) if own == heading or fold(own) == fold(heading) != ""]
        if not places and heading.isdigit() and 1 <= int(heading) <= len(headings):
            places = [int(heading) - 1]
        if not places:
            result = ", ".join(headings[:12]) or "nothing"
            raise InvalidInputError(f"{name} has no column {heading[:40]}: choose from {result}.")
        if field in chosen.values() and field not in _MANY:
            raise InvalidInputError(
                f"{name} has only one column for {FIELDS[field]}, and you chose several: choose one."
            )
        chosen[places[0]] = None if field == "none" else field
    return chosen


def _by_name(headings: Sequence[str]) -> dict[int, str]:
    """Assign each field its best column by heading; some fields take all that fit."""
    fits: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for place, heading in enumerate(headings):
        field = _FIELD_OF.get(fold(heading))
        if field is not None:
            fits[field].append((_RANK[fold(heading)], place))
    result = {}
    for field, places in fits.items():
        for _, place in sorted(places)[: None if field in _MANY else 1]:
            result[place] = field
    return result


def _by_content(sample: Sequence[Sequence[str]], width: int) -> dict[int, str]:
    """Guess the fields from the cells of a file without headings, for a person to confirm."""
    result: dict[int, str] = {}
    lengths = []
    for place in range(width):
        cells = [row[place].strip() for row in sample if place < len(row) and row[place].strip()]
        if not cells:
            continue
        average = sum(map(len, cells)) / len(cells)
        whole = [int(cell) for cell in cells if cell.isascii() and cell.isdigit() and len(cell) < 10]
        if len(whole) == len(cells):
            years = all(1900 <= number <= 2200 for number in whole)
            distinct = len(set(whole)) == len(whole)
            result[place] = "year" if years else "id" if distinct and place == 0 else "episodes"
        elif all(re.fullmatch(r"\d{1,2}[.,]\d+", cell) for cell in cells):
            result[place] = "score"
        else:
            lengths.append((average, place))
    texts = sorted(place for _, place in lengths)
    if texts:
        result[texts[0]] = "title"
        longest = max(lengths)
        if longest[0] > 80 and longest[1] != texts[0]:
            result[longest[1]] = "synopsis"
    return result


def site_of(columns: Sequence[Column]) -> str:
    """Return the site that the ids come from, judging by the heading, or ""."""
    return next((_SITES.get(fold(column.heading), "") for column in columns if column.field == "id"), "")


def problem(columns: Sequence[Column], name: str) -> str | None:
    """Return why a table cannot be read without a choice, as a sentence; None if it can."""
    titles = [column for column in columns if column.field == "title"]
    result = ", ".join(column.heading for column in columns[:12])
    if not titles:
        missing = "title or id column" if not any(c.field == "id" for c in columns) else "title column"
        return f"{name} has no known {missing}; its columns are {result}. {_CHOOSE}."
    if not titles[0].certain:
        return f"{name} has no headings. {_CHOOSE}; it may be {titles[0].heading}."
    return None


def show(
    cells: Mapping[str, object], columns: Sequence[Column], *, file: str, line: int, notes: Sequence[str] = ()
) -> Show | RowError:
    """Return a row, given by heading, as a show, or the reason why it cannot be used."""
    by_field: dict[str, list[object]] = defaultdict(list)
    whole: dict[str, list[object]] = defaultdict(list)
    for column in columns:
        if column.field is not None and cells.get(column.heading) is not None:
            by_field[column.field].append(_cell(column, cells[column.heading]))
            whole[column.field].append(_loaded(cell) if isinstance(cell := cells[column.heading], str) else cell)
    first = {field: _first(cells) for field, cells in by_field.items()}
    title = values.text(unquoted(first.get("title")))
    fault = _slid(first) or ("The row has no title." if not title else _broken(cells))
    if fault:
        excerpt = values.text(first.get("id"))[:64] or None
        given = values.given(dict(cells))
        return RowError(file=file, line=line, id=excerpt, stage="validate", reason=fault, given=given)
    numbers = values.NumberParser(notes)
    read = {field: reader(numbers, first.get(field), FIELDS[field]) for field, reader in _NUMBERS.items()}
    year = _whole(read["year"]) or next(filter(None, map(_year_in, whole["season"])), None)
    shown_id = values.show_id(first.get("id"), title, year, numbers.notes)
    synopsis = first.get("synopsis")
    show = Show(
        id=shown_id,
        title=title,
        titles=tuple(dict.fromkeys([title, *chain.from_iterable(map(_names, by_field["other_titles"]))])),
        tags=tuple(dict.fromkeys(tag for tags in by_field["genres"] for tag in values.tags(tags))),
        description="" if values.is_unknown(synopsis) else values.text(synopsis, lines=True),
        episodes=_whole(read["episodes"]),
        year=year,
        end_year=_whole(read["end_year"]),
        rating=read["score"],
        votes=_whole(read["votes"]),
        **_described(whole, site_of(columns)),
        record=dict(cells),
        my_status=values.my_status(first.get("my_status")),
        my_score=read["my_score"],
        episodes_watched=_whole(read["episodes_watched"]),
        overlay=_is_list(columns),
        origin=Origin(file=file, line=line, notes=tuple(numbers.notes)),
    )
    return details.with_type(show)


def _described(cells: Mapping[str, Sequence[object]], site: str) -> dict[str, Any]:
    """Return type, dates, source, duration, studios, relations and tag weights from cells by field."""
    air_date = max(filter(None, map(dates.iso, cells.get("year", ()))), key=len, default=None)
    ends = [*map(dates.iso, cells.get("end_year", ())), *map(dates.last, cells.get("year", ()))]
    seasons = (dates.season(cell) for field in ("season", "year") for cell in cells.get(field, ()))
    first = {field: cells[field][0] if cells.get(field) else None for field in (*_WORDS, "studios")}
    weights: dict[str, float] = {}
    for tags in cells.get("genres", ()):
        weights |= details.tag_weights(tags)
    return {
        "type": show_types.named(first["type"]),
        "air_date": air_date,
        "end_date": dates.ordered(air_date, next(filter(None, ends), None)),
        "season": next(filter(None, seasons), None) or dates.season_of(air_date),
        "airing": details.airing(first["airing"]),
        "restricted": details.restricted(first["restricted"]),
        "source": details.source(first["source"]),
        "duration": details.minutes(first["duration"]),
        "studios": details.studios(first["studios"]),
        "relations": relations.related(first["relations"], site),
        "tag_weights": weights,
    }


def _names(cell: object) -> list[str]:
    return [name for name in cell if isinstance(name, str)] if isinstance(cell, list | tuple) else []


def _year_in(cell: object) -> int | None:
    return values.NumberParser().year(cell.get("year") if isinstance(cell, dict) else cell, "year")


def _is_list(columns: Sequence[Column]) -> bool:
    """Return whether a table has only a user's status, score and progress, and no data about the shows."""
    fields = {column.field for column in columns if column.field}
    return bool(fields & _LIST_FIELDS) and fields <= _LIST_FIELDS | _NAMING_FIELDS


def unquoted(value: object) -> object:
    """Return a text without the apostrophe that an export puts before what a spreadsheet would run."""
    if not isinstance(value, str) or not value.startswith("'"):
        return value
    rest = unicodedata.normalize("NFKC", value.lstrip("'")).lstrip(" ")
    return value[1:] if rest.startswith(_FORMULA) else value


def _first(cells: Sequence[object]) -> object:
    return next((cell for cell in cells if not values.is_unknown(cell)), cells[0])


def _cell(column: Column, value: object) -> object:
    """Prepare a cell by its column: split joined titles, read date objects, scale scores up to 100."""
    if isinstance(value, dict) and column.field in {"year", "end_year"}:  # a date from a site's API
        return next((part for key in ("year", "from", "string") if (part := value.get(key)) is not None), None)
    if column.field == "score" and fold(column.heading) in _OF_A_HUNDRED:
        number = values.NumberParser().whole(value, 11, 100, "")
        return value if number is None else number / 10
    if column.field != "other_titles":
        return value
    if isinstance(value, str) and fold(column.heading) not in _JOINED_NAMES:
        return [] if values.is_unknown(value) else [values.text(value)]
    return values.names(value)


def _slid(first: Mapping[str, object]) -> str | None:
    """Recognise cells in the wrong columns: a number of episodes is never "TV"."""
    for field in ("episodes", "year", "score"):
        if isinstance(cell := first.get(field), str) and fold(cell) in _TYPES:
            return f"The cells seem to be in the wrong columns: {FIELDS[field]} is “{values.text(cell)}”."
    return None


def _broken(cells: Mapping[str, object]) -> str | None:
    try:
        to_json(dict(cells))
    except ValueError:
        return "The row contains invalid Unicode (half of a surrogate pair)."
    return None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
