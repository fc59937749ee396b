"""Loads the embedded encoder before the services are built, for commands that will ask a question.

Imports little by itself, so that a thread can read the weights while another imports the rest.
"""

from __future__ import annotations

from contextlib import suppress

from animerag.errors import ProviderUnusableError


def load_encoder() -> None:
    """Read the weights into this process; a failure is raised again, with its reason, when a question needs them."""
    from animerag.providers.encoder import load

    with suppress(ProviderUnusableError):
        load()
