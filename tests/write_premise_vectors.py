"""Write the vectors of the premises of well-known shows: `python -m tests.write_premise_vectors`."""

from pathlib import Path

from animerag.retrieval import premises
from tests.encoded_texts import save


def texts():
    """Return the premises in their order."""
    return [premise.text for premise in premises.premises()]


if __name__ == "__main__":
    save(Path(premises.__file__).with_name(premises.VECTORS), texts())
