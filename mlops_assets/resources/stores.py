"""Where things live: from the environment to opened stores."""

from pathlib import Path

import dagster as dg
from dagster._config.pythonic_config import ConfigurableResourceFactory
from pydantic import PrivateAttr

from mlops_assets.stores.stores import Places, Stores


class StoresResource(ConfigurableResourceFactory[Stores]):
    """The platform's stores.

    home: one folder for everything that is embedded. database: SQLAlchemy URL of the platform's own
    tables (``postgresql+psycopg2://…``); empty for SQLite in the home. landing: the root below
    which files land; empty for ``landing`` in the home. memory_limit: of each query; beyond it
    queries spill to the home.
    """

    home: str
    database: str = ""
    landing: str = ""
    memory_limit: str = "4GB"
    threads: int = 2

    _opened: Stores | None = PrivateAttr(default=None)

    def create_resource(self, context: dg.InitResourceContext) -> Stores:
        """Opened once per process and configuration."""
        if self._opened is None:
            self._opened = Stores.open(self.places())
        return self._opened

    def places(self) -> Places:
        """The configured places, with what is left empty below the home."""
        embedded = Places.below(Path(self.home).expanduser().resolve())
        return Places(
            home=embedded.home,
            database=self.database or embedded.database,
            landing=Path(self.landing).expanduser().resolve() if self.landing else embedded.landing,
            memory_limit=self.memory_limit,
            threads=self.threads,
        )
