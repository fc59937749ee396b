"""Locks between processes, released when a process dies: a lease for each process, and one lock for imports."""

from __future__ import annotations

from typing import Protocol


class Lock(Protocol):
    """A lock that one process at a time can hold."""

    def acquire(self) -> bool:
        """Take the lock unless another process holds it; return whether it was taken."""

    def release(self) -> None:
        """Release the lock."""


class Locks(Protocol):
    """The locks of a catalogue, and the lease of this process: a job whose lease is free was interrupted."""

    lease: str
    imports: Lock

    def others(self) -> bool:
        """Return whether another process works on the library."""

    def is_free(self, lease: str) -> bool:
        """Return whether the process of a lease has ended."""

    def clear_dead(self) -> bool:
        """Remove the leases of killed processes; return whether there were any."""

    def close(self) -> None:
        """Release the lease."""
