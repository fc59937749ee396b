"""Tasks in PostgreSQL that any host takes, handed out with Procrastinate. A task only names an item of work."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from animerag.errors import LibraryError
from animerag.storage.work_items import WorkItem, WorkItems
from animerag.work_queue.workers import Workers

try:
    from procrastinate import App, PsycopgConnector
    from procrastinate.exceptions import AlreadyEnqueued, ProcrastinateException

    from animerag.storage.postgresql.keepalives import set_on_server
    from animerag.work_queue.task_records import TaskRecords, reason_in_one_line
except ImportError as missing:  # pragma: no cover - an extra, which the tests install
    raise LibraryError("ANIMERAG_ENGINE=queue needs a queue: run pip install 'animerag[postgres]'.") from missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection

    from animerag.storage.library import Library
    from animerag.storage.locks import Locks

log = logging.getLogger(__name__)

_CONNECTIONS = 4


class WorkQueue:
    """The queue of one library; belongs to the event loop that opened it."""

    def __init__(self, library: Library, app: App, records: TaskRecords, locks: Locks) -> None:
        self.library = library
        self.app = app
        self.records = records
        self.items = WorkItems(library)
        self.workers = Workers(library, locks)

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, library: Library, connection: Mapping[str, Any], locks: Locks) -> AsyncIterator[WorkQueue]:
        """Open the queue in a library's database, and close it at the end. Raises LibraryError.

        `connection` has psycopg's arguments. Procrastinate's tables are created at first use.
        """
        connector = PsycopgConnector(
            kwargs=dict(connection), min_size=1, max_size=_CONNECTIONS, configure=set_on_server
        )
        app = App(connector=connector)
        app.job_manager = records = TaskRecords(connector)
        with explained():
            await app.open_async()
        try:
            with explained():
                async with library.writing():  # one process creates the tables
                    if not await app.check_connection_async():
                        await app.schema_manager.apply_schema_async()
            yield cls(library, app, records, locks)
        finally:
            await app.close_async()

    # Handing out

    async def add(self, connection: AsyncConnection, item: WorkItem) -> None:
        """Add an item and its task in a transaction of the library. Raises LibraryError."""
        await self.items.add(connection, item)
        driver = (await connection.get_raw_connection()).driver_connection
        with explained():
            task = self.app.configure_task(item.kind, queue=item.kind, connection=driver)
            await task.defer_async(work=item.work, number=item.number)

    async def ask_once(self, name: str, target: str) -> None:
        """Hand out a task for a target, unless one is waiting; the tasks of a target run one at a time."""
        with contextlib.suppress(AlreadyEnqueued), explained():
            task = self.app.configure_task(name, queue=name, lock=f"{name} {target}", queueing_lock=f"{name} {target}")
            await task.defer_async(target=target)


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Raise LibraryError if the queue cannot be used."""
    try:
        yield
    except AlreadyEnqueued:
        raise
    except ProcrastinateException as error:
        raise LibraryError(
            f"The queue of work cannot be used ({reason_in_one_line(error)}): start PostgreSQL, then try again."
        ) from error
