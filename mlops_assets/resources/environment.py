"""The environment variables that say where things live; every one has an embedded default."""

import os
from pathlib import Path

from mlops_assets.resources.stores import StoresResource
from mlops_assets.resources.tracking import TrackingResource

# The one folder for all that is embedded.
HOME = "MLOPS_HOME"
DATABASE = "MLOPS_DATABASE"
LANDING = "MLOPS_LANDING"
MEMORY_LIMIT = "MLOPS_MEMORY_LIMIT"
THREADS = "MLOPS_THREADS"
MLFLOW = "MLFLOW_TRACKING_URI"

DEFAULT_HOME = ".mlops"


def home() -> Path:
    """The home of everything embedded: ``MLOPS_HOME``, or ``.mlops`` where the command was started."""
    return Path(os.environ.get(HOME) or DEFAULT_HOME).expanduser().resolve()


def stores_from_environment() -> StoresResource:
    """The stores that the environment describes."""
    return StoresResource(
        home=str(home()),
        database=os.environ.get(DATABASE, ""),
        landing=os.environ.get(LANDING, ""),
        memory_limit=os.environ.get(MEMORY_LIMIT, "4GB"),
        threads=int(os.environ.get(THREADS, "2")),
    )


def tracking_from_environment() -> TrackingResource:
    """MLflow as the environment describes it."""
    return TrackingResource(home=str(home()), uri=os.environ.get(MLFLOW, ""), stores=stores_from_environment())
