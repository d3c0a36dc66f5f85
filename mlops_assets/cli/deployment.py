"""What a command works on: the project, its stores, and the Dagster instance that remembers its runs."""

import gc
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from filelock import FileLock

from mlops_assets.components.project import Project
from mlops_assets.errors import BadEnvironment
from mlops_assets.governance.access import NOBODY, Who
from mlops_assets.resources.environment import home
from mlops_assets.resources.stores import StoresResource
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

DAGSTER_HOME = "DAGSTER_HOME"
PACKAGE = Path(__file__).parents[1]
# A range run plans an event per asset and day; so many of them share a transaction. Makefile says the same.
EVENTS_TOGETHER = "100"


@dataclass(frozen=True)
class Deployment:
    """An opened deployment. who: asks; of a command that only reads nobody is asked who they are."""

    project: Project
    instance: dg.DagsterInstance
    stores: Stores
    tracking: Tracking
    who: Who = NOBODY


@contextmanager
def deployment() -> Iterator[Deployment]:
    """Open what the environment describes; Dagster's memory is kept below the home unless DAGSTER_HOME is set."""
    _be_quiet()
    _collect_seldom()
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENTS_TOGETHER)
    project = Project.load(PACKAGE)
    stores = StoresResource()
    with (
        _opened_alone() as instance,
        dg.build_resources({"stores": stores, "tracking": TrackingResource(stores=stores)}) as opened,
    ):
        yield Deployment(project, instance, opened.stores, opened.tracking)


def _opened_alone() -> dg.DagsterInstance:
    """Dagster's memory, below the home unless DAGSTER_HOME is set.

    One command at a time: two that make Dagster's tables together can leave them unusable.
    """
    try:
        home().mkdir(parents=True, exist_ok=True)
        with FileLock(home() / "dagster.lock"):
            below = str(_dagster_home())
            os.environ[DAGSTER_HOME] = os.environ.get(DAGSTER_HOME) or below
            return dg.DagsterInstance.get()
    except OSError as error:
        raise BadEnvironment(f"the home {home()} cannot be used: {error}") from error
    except dg.DagsterInvariantViolationError as error:
        raise BadEnvironment(f"{DAGSTER_HOME} is {os.environ[DAGSTER_HOME]!r}: {error}") from error


def _dagster_home() -> Path:
    """The folder of Dagster's memory below the home, made with the project's ``dagster.yaml``."""
    folder = home() / "dagster"
    folder.mkdir(exist_ok=True)
    settings = PACKAGE.parent / "dagster.yaml"
    if settings.is_file():
        shutil.copyfile(settings, folder / settings.name)
    return folder


def _collect_seldom() -> None:
    """A run makes millions of small objects that live on; looking for garbage among them costs a tenth."""
    gc.set_threshold(100_000, 50, 50)


def _be_quiet() -> None:
    """Progress is shown, so library chatter is not."""
    warnings.simplefilter("ignore")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    for noisy in ("mlflow", "alembic", "dagster"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
