"""Locks between processes, which a process that is killed gives back: a lease each, and one for imports."""

from __future__ import annotations

from typing import Protocol


class Lock(Protocol):
    """A lock that one process at a time holds."""

    def acquire(self) -> bool:
        """Take the lock unless another process holds it, and tell whether it was taken."""

    def release(self) -> None:
        """Give the lock back."""


class Locks(Protocol):
    """The locks of a catalogue, and the lease of this process: a job whose lease is free was interrupted."""

    lease: str
    imports: Lock

    def is_free(self, lease: str) -> bool:
        """Tell whether the process of a lease has ended."""

    def clear_dead(self) -> bool:
        """Remove what killed processes left, and tell whether there were any."""

    def close(self) -> None:
        """Give back the lease."""
