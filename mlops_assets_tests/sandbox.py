"""Whole projects in a temporary folder, with homes of their own: declared, loaded and run like any other."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import numpy as np

from mlops_assets.components.project import Project
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.resources.stores import StoresResource
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

HERE = Path(__file__).parent
REAL = HERE.parent
SHOP = HERE / "shop"
PLATFORM = REAL / "mlops_assets" / "defs" / "platform"

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def make_project(folder: Path, *, like: Path, more: Mapping[str, str] | None = None) -> Path:
    """A project with the declarations of another one, and ``more`` files (path below the project -> text).

    like: a folder with ``defs`` (or ``mlops_assets/defs``) and ``feature_repo``. Returns the package's folder.
    """
    package = folder / f"project_{uuid4().hex[:8]}"
    defs = like / "defs" if (like / "defs").is_dir() else like / "mlops_assets" / "defs"
    shutil.copytree(defs, package / "defs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PLATFORM, package / "defs" / "platform", dirs_exist_ok=True)
    shutil.copytree(
        like / "feature_repo", folder / "feature_repo", ignore=shutil.ignore_patterns("repository.py")
    )
    (package / "__init__.py").touch()
    (folder / "pyproject.toml").write_text(
        f'[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{package.name}"\n'
    )
    for path, text in (more or {}).items():
        target = folder / path.replace("PACKAGE", package.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return package


def load_project(package: Path) -> Project:
    """The project, its package importable from now on."""
    if str(package.parent) not in sys.path:
        sys.path.insert(0, str(package.parent))
    return Project.load(package)


@dataclass(frozen=True)
class Sandbox:
    """A loaded project with a home and a Dagster instance of its own."""

    project: Project
    home: Path
    instance: dg.DagsterInstance
    stores: Stores
    tracking: Tracking

    def run(
        self,
        *keys: dg.AssetKey,
        first: str | None = None,
        last: str | None = None,
        raise_on_error: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """One run in this process over the partitions from ``first`` to ``last`` (default: only ``first``)."""
        os.environ[HOME] = str(self.home)
        # MLflow writes there what it is told, and the runs of another sandbox told it something else.
        os.environ.pop(MLFLOW, None)
        job = self.project.definitions.resolve_implicit_global_asset_job_def()
        arguments: dict[str, Any] = {}
        if first is not None and last in (None, first):
            arguments["partition_key"] = first
        elif first is not None:
            arguments["tags"] = dict(zip(RANGE, (first, last), strict=True))
        return job.execute_in_process(
            instance=self.instance,
            asset_selection=list(keys),
            raise_on_error=raise_on_error,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            **arguments,
        )

    def rows(self, table: str, partitions: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """What a table holds."""
        pinned = self.stores.lake.pin(table, partitions)
        found: list[dict[str, Any]] = self.stores.engine.rows(
            "SELECT * FROM pinned", {"pinned": pinned}
        ).to_pylist()
        return found

    def latest(self, key: dg.AssetKey) -> dg.AssetMaterialization:
        """The newest materialization of an asset."""
        event = self.instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        return event.asset_materialization


@contextmanager
def sandbox(project: Project, home: Path) -> Iterator[Sandbox]:
    """The project with everything it writes below ``home``."""
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    stores = StoresResource(home=str(home))
    tracking = TrackingResource(stores=stores, uri=f"sqlite:///{home / 'mlflow.db'}")
    instance = dg.DagsterInstance.local_temp(
        str(home / "dagster"),
        overrides={
            "telemetry": {"enabled": False},
            "event_log_storage": {
                "module": "mlops_assets.resources.event_log",
                "class": "EmbeddedEventLog",
                "config": {"base_dir": str(home / "dagster")},
            },
        },
    )
    with instance, dg.build_resources({"stores": stores, "tracking": tracking}) as opened:
        yield Sandbox(project, home, instance, opened.stores, opened.tracking)


def land_orders(home: Path, first: date, days: int, *, seed: int = 0) -> None:
    """Files of the made-up shop: 40 orders a day of 60 customers, some of whom send much back."""
    landing = home / "landing"
    (landing / "orders").mkdir(parents=True, exist_ok=True)
    (landing / "customers.csv").write_text(
        "customer_id,country\n" + "".join(f"{n},{'DE' if n % 3 else 'FR'}\n" for n in range(1, 61))
    )
    for offset in range(days):
        day = first + timedelta(days=offset)
        (landing / "orders" / f"{day}.csv").write_text(
            _orders(day, np.random.default_rng([seed, day.toordinal()]))
        )


def _orders(day: date, random: np.random.Generator) -> str:
    lines = ["order_id,customer_id,amount,channel,returned,ordered_at,settled_at"]
    for number in range(40):
        customer = int(random.integers(1, 61))
        amount = round(float(random.gamma(2.0, 40.0)), 2)
        returned = bool(random.random() < (0.6 if customer % 5 == 0 else 0.05) + min(amount / 1000, 0.3))
        hour, later = int(random.integers(6, 22)), timedelta(days=int(random.integers(0, 3)))
        channel = ("web", "app", "phone")[int(random.integers(0, 3))]
        lines.append(
            f"{day.toordinal() * 1000 + number},{customer},{amount},{channel},{str(returned).lower()},"
            f"{day}T{hour:02d}:00:00+01:00,{day + later}T22:30:00+01:00"
        )
    return "\n".join(lines) + "\n"
