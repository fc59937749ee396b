"""The catalogue and questions that ship with the app: facts are public, every description is our own.

The vectors of its shows ship too, so that a first start need not wait for the encoder; a test holds them against it.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from animerag.ports import Vectors

_HERE = files("animerag.catalogue.sample")


def catalogue() -> AbstractContextManager[Path]:
    """Give the path of the catalogue, a Shoko export, for the length of a `with` block."""
    return as_file(_HERE.joinpath("catalogue.json"))


def vectors(model: str) -> dict[str, Vectors]:
    """Return the shows' vectors by text hash where `model` is the encoder that made them; for others nothing.

    `tests/write_sample_vectors.py` writes the file again.
    """
    with as_file(_HERE.joinpath("vectors.npz")) as path, np.load(path, allow_pickle=False) as kept:
        if str(kept["model"]) != model:
            return {}
        return dict(zip(kept["text_hashes"].tolist(), kept["vectors"], strict=True))
