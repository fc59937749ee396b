"""Loads the embedded encoder before the services are built: for a command that knows that a question follows.

Imports little by itself, so that a thread can read the weights while another imports the rest.
"""

from __future__ import annotations

from contextlib import suppress

from animerag.errors import ProviderUnusableError


def load_encoder() -> None:
    """Read the weights into this process; what fails here fails again, with its reason, where a question needs it."""
    from animerag.providers.local import load

    with suppress(ProviderUnusableError):
        load()
