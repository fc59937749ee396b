"""Stored experiments: summaries for lists, and complete ones for reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from animerag.storage.schema import (
    experiments,
)
from animerag.storage.serialization import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from animerag.storage.database import Database


class ExperimentStore:
    """Experiments by id."""

    def __init__(self, database: Database) -> None:
        """Use an open database; nothing is read or written yet."""
        self._database = database

    async def save(self, experiment_id: str, summary: Mapping[str, object], whole: Mapping[str, object]) -> None:
        """Store the measurements of an experiment."""
        values = {"id": experiment_id, "created_at": now(), "summary": dict(summary), "whole": dict(whole)}
        async with self._database.writing() as connection:
            await connection.execute(insert(experiments).values(**values))

    async def summaries(self) -> list[dict[str, object]]:
        """Return the summaries of all experiments, newest first."""
        wanted = select(experiments.c.summary).order_by(experiments.c.created_at.desc()).limit(200)
        return [row.summary for row in await self._database.rows(wanted)]

    async def load(self, experiment_id: str) -> dict[str, object] | None:
        """Return one complete experiment, or None."""
        stored: dict[str, object] | None = await self._database.scalar(
            select(experiments.c.whole).where(experiments.c.id == experiment_id)
        )
        return stored

    async def delete(self, experiment_id: str) -> None:
        """Delete an experiment; an unknown id is not an error."""
        async with self._database.writing() as connection:
            await connection.execute(delete(experiments).where(experiments.c.id == experiment_id))
