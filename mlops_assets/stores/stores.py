"""Everything that outlives the process, opened from one home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlops_assets.errors import BadEnvironment

if TYPE_CHECKING:
    from mlops_assets.stores.anchors import AnchorPlace
    from mlops_assets.stores.artifacts import Artifacts
    from mlops_assets.stores.attestations import Attestations
    from mlops_assets.stores.certificates import Certificates
    from mlops_assets.stores.changes import Changes
    from mlops_assets.stores.denials import Denials
    from mlops_assets.stores.engine import Engine, Queries
    from mlops_assets.stores.files import Files
    from mlops_assets.stores.grants import Grants
    from mlops_assets.stores.lake import Lake
    from mlops_assets.stores.ledger import Ledger
    from mlops_assets.stores.lineage import Lineage
    from mlops_assets.stores.online import Online
    from mlops_assets.stores.overrides import Overrides
    from mlops_assets.stores.policies import Policies
    from mlops_assets.stores.records import Records
    from mlops_assets.stores.reigns import Reigns
    from mlops_assets.stores.releases import Releases
    from mlops_assets.stores.reports import Reports
    from mlops_assets.stores.retrainings import Retrainings
    from mlops_assets.stores.rollouts import Rollouts
    from mlops_assets.stores.tokens import Tokens
    from mlops_assets.stores.tracked import TrackedRuns


EngineName = Literal["duckdb", "spark"]


@dataclass(frozen=True)
class Places:
    """Where things live. database: an SQLAlchemy URL. landing: the root of landed files.

    anchors: where the ledger's head is noted (``stores/anchors.py``); a file in the home when empty.
    online: where features are served from, ``redis://…`` or ``sqlite:///…``; SQLite in the home when empty.
    memory_limit, threads: of each query on DuckDB. view_engine: what computes feature views; the rest
    is DuckDB's. spark_master, spark_memory_mb: where Spark runs, and the heap of its driver.
    """

    home: Path
    database: str
    landing: Path
    memory_limit: str = "1GB"
    threads: int = 2
    online: str = ""
    view_engine: EngineName = "duckdb"
    spark_master: str = "local[2]"
    spark_memory_mb: int = 2048
    anchors: tuple[str, ...] = ()

    @classmethod
    def below(cls, home: Path) -> Places:
        """Everything embedded below one folder."""
        return cls(home, f"sqlite:///{home / 'platform.db'}", home / "landing")


@dataclass(frozen=True)
class Stores:
    """The platform's memory: tables, records, artifacts, releases, pages and what is online."""

    places: Places
    lake: Lake
    engine: Engine
    view_engine: Queries
    files: Files
    records: Records
    artifacts: Artifacts
    releases: Releases
    reigns: Reigns
    rollouts: Rollouts
    overrides: Overrides
    certificates: Certificates
    attestations: Attestations
    retrainings: Retrainings
    changes: Changes
    policies: Policies
    tokens: Tokens
    grants: Grants
    denials: Denials
    ledger: Ledger
    anchors: tuple[AnchorPlace, ...]
    lineage: Lineage
    tracked_runs: TrackedRuns
    reports: Reports
    online: Online

    @classmethod
    def open(cls, places: Places) -> Stores:
        """Open, and create what is missing. Raises BadEnvironment when a place cannot be used."""
        # Imported here: the code location names stores, and only runs open them.
        from mlops_assets.stores.anchors import anchor_places
        from mlops_assets.stores.artifacts import Artifacts
        from mlops_assets.stores.attestations import Attestations
        from mlops_assets.stores.certificates import Certificates
        from mlops_assets.stores.changes import Changes
        from mlops_assets.stores.database import open_database
        from mlops_assets.stores.denials import Denials
        from mlops_assets.stores.engine import Engine
        from mlops_assets.stores.files import Files
        from mlops_assets.stores.grants import Grants
        from mlops_assets.stores.lake import Lake
        from mlops_assets.stores.ledger import Ledger
        from mlops_assets.stores.lineage import Lineage
        from mlops_assets.stores.online_groups import open_online
        from mlops_assets.stores.overrides import Overrides
        from mlops_assets.stores.policies import Policies
        from mlops_assets.stores.records import Records
        from mlops_assets.stores.reigns import Reigns
        from mlops_assets.stores.releases import Releases
        from mlops_assets.stores.reports import Reports
        from mlops_assets.stores.retrainings import Retrainings
        from mlops_assets.stores.rollouts import Rollouts
        from mlops_assets.stores.tokens import Tokens
        from mlops_assets.stores.tracked import TrackedRuns
        from mlops_assets.stores.windows import WindowedEngine

        try:
            places.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadEnvironment(f"the home {places.home} cannot be used: {error}") from error
        database = open_database(places.database)
        records = Records(database)
        engine = Engine(places.home / "spill", places.memory_limit, places.threads)
        return cls(
            places=places,
            lake=Lake(places.home / "lake", records),
            engine=engine,
            view_engine=WindowedEngine(engine) if places.view_engine == "duckdb" else spark_at(places),
            files=Files(places.landing, places.home / "cache"),
            records=records,
            artifacts=Artifacts(places.home / "artifacts"),
            releases=Releases(database),
            reigns=Reigns(database),
            rollouts=Rollouts(database),
            overrides=Overrides(database),
            certificates=Certificates(database),
            attestations=Attestations(database),
            retrainings=Retrainings(database),
            changes=Changes(database),
            policies=Policies(database),
            tokens=Tokens(database),
            grants=Grants(database),
            denials=Denials(database),
            ledger=Ledger(database),
            anchors=anchor_places(places.anchors, places.home),
            lineage=Lineage(database),
            tracked_runs=TrackedRuns(database),
            reports=Reports(places.home / "reports"),
            online=open_online(places),
        )


def spark_at(places: Places) -> Queries:
    """Spark as it is configured; it starts with its first query."""
    # Imported here: it is there only where somebody chose Spark.
    from mlops_assets.stores.spark import Spark

    return Spark(places.home / "spill", places.spark_master, places.spark_memory_mb)
