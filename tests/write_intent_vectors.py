"""Write the vectors of the examples of intents: `python -m tests.write_intent_vectors`."""

from pathlib import Path

import numpy as np

from animerag.query import intents
from tests.encoded_texts import encoded, texts_hash


def examples_hash():
    """Return a hash of all examples, by which outdated vectors are recognised."""
    return texts_hash([f"{intent}\t{text}" for intent, text in intents.examples()])


def example_vectors():
    """Encode the examples, in their order."""
    return encoded([text for _, text in intents.examples()])


if __name__ == "__main__":
    path = Path(intents.__file__).with_name("intents.npz")
    np.savez(path, examples_hash=np.array(examples_hash()), vectors=example_vectors().astype(np.float16))
