"""Saved lists of the Catalogue page: each is a name and the query string of its address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from animerag.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from animerag.storage.library import Library

_PREFIX = "filter:"
_LONGEST_NAME, _LONGEST_QUERY, _MOST = 60, 3000, 50
_PASSING = ("show", "gaps", "page", "saved")  # parameters of an address that do not select the list


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFilter:
    """A named list: `query` is the query string, `parameters` are its values by name, in order."""

    name: str
    query: str

    @property
    def parameters(self) -> dict[str, list[str]]:
        """Return the parameters of a link to the list."""
        values: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query):
            values.setdefault(name, []).append(value)
        return values


class SavedFilters:
    """Stores filters in the library, so that all windows and backups have them."""

    def __init__(self, library: Library) -> None:
        """Read nothing yet."""
        self._library = library

    async def all(self) -> list[SavedFilter]:
        """Return every filter by name. Raises LibraryError."""
        stored = await self._library.facts(_PREFIX)
        return [SavedFilter(name=name, query=stored[name]) for name in sorted(stored, key=str.casefold)]

    async def save(self, name: str, parameters: Mapping[str, Sequence[str]]) -> SavedFilter:
        """Save a list under a name, and replace an earlier one with that name.

        Raises InvalidInputError if the name is empty or too long, the list has no filters, or there are too many;
        LibraryError.
        """
        name = " ".join(name.split())
        if not 0 < len(name) <= _LONGEST_NAME:
            raise InvalidInputError(f"The name is too long or empty: use 1 to {_LONGEST_NAME} characters.")
        query = urlencode({key: list(values) for key, values in parameters.items() if key not in _PASSING}, doseq=True)
        if not query:
            raise InvalidInputError("There is no filter to save: choose one first.")
        if len(query) > _LONGEST_QUERY:
            raise InvalidInputError("These filters are too long to be saved: use fewer.")
        others = [one for one in await self.all() if one.name != name]
        if len(others) >= _MOST:
            raise InvalidInputError(f"{_MOST} filters are saved already: delete one first.")
        await self._library.set_meta(_PREFIX + name, query)
        return SavedFilter(name=name, query=query)

    async def delete(self, name: str) -> None:
        """Delete a filter; an unknown one is not an error. Raises LibraryError."""
        await self._library.set_meta(_PREFIX + name, "")
