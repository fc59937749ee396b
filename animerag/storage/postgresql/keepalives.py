"""Lets both ends of a connection notice within about ten seconds that the other machine or the network is gone.

Without this, the server would wait for a machine that lost its power for two hours, and hold its locks as long. The
settings have no effect on a local socket, where the end of a process is noticed at once. A pooler between both needs
settings of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg import AsyncConnection

# Probes after 4, 6 and 8 seconds of silence; what was sent must be received within ten seconds.
_IDLE_S, _INTERVAL_S, _COUNT, _UNANSWERED_MS = 4, 2, 3, 10_000
OF_CLIENT = {
    "keepalives_idle": _IDLE_S,
    "keepalives_interval": _INTERVAL_S,
    "keepalives_count": _COUNT,
    "tcp_user_timeout": _UNANSWERED_MS,
}
# Set in the session: poolers reject startup options.
OF_SERVER = (
    f"SELECT set_config('tcp_keepalives_idle', '{_IDLE_S}', false),"
    f" set_config('tcp_keepalives_interval', '{_INTERVAL_S}', false),"
    f" set_config('tcp_keepalives_count', '{_COUNT}', false),"
    f" set_config('tcp_user_timeout', '{_UNANSWERED_MS}', false)"
)


async def set_on_server(connection: AsyncConnection) -> None:
    """Set the server's side of a connection outside a transaction."""
    await connection.execute(OF_SERVER)
    if not connection.autocommit:
        await connection.commit()
