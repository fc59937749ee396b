"""Compute the sample's vectors again: `python -m tests.write_sample_vectors`."""

from pathlib import Path

import numpy as np

from animerag import readers
from animerag.catalogue import sample
from animerag.providers.encoder_model import MODEL
from animerag.text.documents import Document, text_hash
from tests.encoded_texts import encoded


def sample_vectors():
    """Encode the sample's texts and return the vectors by text hash."""
    with sample.catalogue() as path:
        texts = [Document.of(show).text for show in readers.read(path)]
    return {text_hash(text): vector for text, vector in zip(texts, encoded(texts), strict=True)}


if __name__ == "__main__":
    made = sample_vectors()
    path = Path(sample.__file__).with_name("vectors.npz")
    np.savez(path, model=np.array(MODEL), text_hashes=np.array(list(made)), vectors=np.stack(list(made.values())))
