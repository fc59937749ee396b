"""The sample catalogue and questions that ship with the app; the facts are public, and we wrote the descriptions.

The vectors of its shows are included, so that the first start does not wait for the encoder; a test compares them with
the encoder's output.
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
    """Provide the path of the catalogue, a Shoko export, in a `with` block."""
    return as_file(_HERE.joinpath("catalogue.json"))


def vectors(model: str) -> dict[str, Vectors]:
    """Return the shows' vectors by text hash if `model` is the encoder that computed them; otherwise an empty dict.

    `python -m tests.write_sample_vectors` regenerates the file.
    """
    with as_file(_HERE.joinpath("vectors.npz")) as path, np.load(path, allow_pickle=False) as stored:
        if str(stored["model"]) != model:
            return {}
        return dict(zip(stored["text_hashes"].tolist(), stored["vectors"], strict=True))
