"""Figures of a whole catalogue for programs: counts, and what there is most of."""

from __future__ import annotations

from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING, Any

from animerag.api import show_json
from animerag.api.asking import check_not_empty

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from animerag.composition import Services
    from animerag.models import Show

_TOP = 15


async def collection_stats(services: Services) -> dict[str, Any]:
    """Return counts by type, decade, status and tag, episodes and the mean rating. Raises AnimeRAGError."""
    await check_not_empty(services)
    table, status = await services.retriever.table(), await services.catalogue.status()
    shows = list(table.shows())
    ratings = [show.rating for show in shows if show.rating]
    own = _counted(show.my_status for show in shows)
    figures = {
        "shows": len(shows),
        "searchable": status.indexed,
        "episodes": sum(show.episodes or 0 for show in shows),
        "mean_rating": round(fmean(ratings), 2) if ratings else None,
        "by_type": _counted(show.type for show in shows),
        "by_decade": dict(sorted(_counted(_decade(show) for show in shows).items())),
        "my_list": own,
        "top_tags": {tag: table.tag_counts[tag] for tag in table.tags[:_TOP]},
        "top_studios": _most(show.studios for show in shows),
    }
    known = {name: value for name, value in figures.items() if value not in (None, {})}
    return {**known, "result": show_json.result("stats", value=len(shows), complete=True)}


def _decade(show: Show) -> str | None:
    return f"{show.year // 10 * 10}s" if show.year else None


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(value for value in values if value).most_common())


def _most(groups: Iterable[Sequence[str]]) -> dict[str, int]:
    return dict(Counter(name for group in groups for name in group).most_common(_TOP))
