"""What a command works on: the project, its stores, and the Dagster instance that remembers its runs."""

import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from mlops_assets.components.project import Project
from mlops_assets.resources.environment import home
from mlops_assets.resources.stores import StoresResource
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

DAGSTER_HOME = "DAGSTER_HOME"
PACKAGE = Path(__file__).parents[1]
# Set before the libraries that ask, unless the environment says otherwise; the make targets say the same.
DEFAULTS = {
    # A thread that waits sleeps: spinning made a fit 2 to 5 times slower where cores are shared.
    "OMP_WAIT_POLICY": "PASSIVE",
    # A range run plans an event per asset and day; a hundred of them share a transaction.
    "DAGSTER_EVENT_BATCH_SIZE": "100",
}


@dataclass(frozen=True)
class Deployment:
    """An opened deployment."""

    project: Project
    instance: dg.DagsterInstance
    stores: Stores
    tracking: Tracking


@contextmanager
def deployment() -> Iterator[Deployment]:
    """Open what the environment describes; Dagster's memory is kept below the home unless DAGSTER_HOME is set."""
    _be_quiet()
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault(DAGSTER_HOME, str(dagster_home()))
    project = Project.load(PACKAGE)
    stores = StoresResource()
    with (
        dg.DagsterInstance.get() as instance,
        dg.build_resources({"stores": stores, "tracking": TrackingResource(stores=stores)}) as opened,
    ):
        yield Deployment(project, instance, opened.stores, opened.tracking)


def dagster_home() -> Path:
    """The folder of Dagster's memory below the home, made with the project's ``dagster.yaml``."""
    folder = home() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = PACKAGE.parent / "dagster.yaml"
    if settings.is_file():
        shutil.copyfile(settings, folder / settings.name)
    return folder


def _be_quiet() -> None:
    """Progress is shown, so library chatter is not."""
    warnings.simplefilter("ignore")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    for noisy in ("mlflow", "alembic", "dagster"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
