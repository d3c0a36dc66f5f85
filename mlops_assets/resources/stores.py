"""Where things live: from configuration and environment to opened stores."""

from functools import lru_cache
from pathlib import Path

import dagster as dg
from dagster._config.pythonic_config import ConfigurableResourceFactory

from mlops_assets.resources import environment
from mlops_assets.stores.stores import Places, Stores


class StoresResource(ConfigurableResourceFactory[Stores]):
    """The platform's stores. What is left empty is taken from the environment when a run starts.

    home: one folder for everything that is embedded. database: SQLAlchemy URL of the platform's own
    tables (``postgresql+psycopg2://…``). landing: the root below which files land. memory_limit: of
    each query; beyond it queries spill to the home. threads: of each query. online: where features are
    served from (``redis://…``). view_engine: what computes feature views, duckdb or spark. spark_master,
    spark_memory_mb: where Spark runs, and its driver's heap. anchor: where the ledger's head is noted
    (``folder:/…``; several with commas between).
    """

    home: str = ""
    database: str = ""
    landing: str = ""
    memory_limit: str = ""
    threads: int = 0
    online: str = ""
    view_engine: str = ""
    spark_master: str = ""
    spark_memory_mb: int = 0
    anchor: str = ""

    def create_resource(self, context: dg.InitResourceContext) -> Stores:
        """Opened once per process for each set of places."""
        return _opened(self.places())

    def places(self) -> Places:
        """The configured places; then the environment's; then below the home."""
        said = environment.places()
        embedded = Places.below(Path(self.home).expanduser().resolve()) if self.home else said
        return Places(
            home=embedded.home,
            database=self.database or embedded.database,
            landing=Path(self.landing).expanduser().resolve() if self.landing else embedded.landing,
            memory_limit=self.memory_limit or said.memory_limit,
            threads=self.threads or said.threads,
            online=self.online or said.online,
            view_engine=environment.engine(self.view_engine) or said.view_engine,
            spark_master=self.spark_master or said.spark_master,
            spark_memory_mb=self.spark_memory_mb or said.spark_memory_mb,
            anchors=environment.anchors(self.anchor) or said.anchors,
        )


@lru_cache(maxsize=8)
def _opened(places: Places) -> Stores:
    return Stores.open(places)
