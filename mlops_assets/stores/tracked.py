"""Which MLflow runs are still open, and for which Dagster run each was opened."""

from __future__ import annotations

import sqlalchemy as sa

from mlops_assets.stores.database import tracked_run


class TrackedRuns:
    """MLflow runs stay open until the Dagster run that made them has ended, however it ends."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def opened(self, key: str, run_id: str) -> None:
        """Note that an MLflow run will be opened, before it is: what dies in between is found by its key."""
        with self._database.begin() as connection:
            connection.execute(sa.insert(tracked_run).values(key=key, run_id=run_id, closed=False))

    def open_runs(self) -> list[tuple[str, str]]:
        """The keys of MLflow runs not yet closed, each with its Dagster run."""
        query = sa.select(tracked_run.c.key, tracked_run.c.run_id).where(sa.not_(tracked_run.c.closed))
        with self._database.connect() as connection:
            return [(row.key, row.run_id) for row in connection.execute(query)]

    def closed(self, key: str) -> None:
        """Note that an MLflow run has its final status."""
        with self._database.begin() as connection:
            connection.execute(sa.update(tracked_run).where(tracked_run.c.key == key).values(closed=True))
