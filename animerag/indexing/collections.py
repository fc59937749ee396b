"""The names of collections, one for each library, model, width and text recipe."""

from __future__ import annotations

import hashlib

from animerag.text.documents import RECIPE


def prefix_of(library_id: str) -> str:
    """Return the prefix of the names of a library's collections."""
    return f"animerag-{library_id}-"


def name_of(library_id: str, model: str, dimensions: int) -> str:
    """Return the name of the collection for a model's vectors."""
    key = hashlib.sha256(f"{model}\n{dimensions}\n{RECIPE}".encode()).hexdigest()[:10]
    return f"{prefix_of(library_id)}{key}"
