"""The environment variables that say where things live; every one has an embedded default."""

import os
import re
from pathlib import Path
from typing import cast, get_args

from mlops_assets.errors import BadEnvironment
from mlops_assets.stores.stores import EngineName, Places

# The one folder for all that is embedded.
HOME = "MLOPS_HOME"
DATABASE = "MLOPS_DATABASE"
LANDING = "MLOPS_LANDING"
# Where the ledger's head is noted: one place or several, with commas between.
ANCHOR = "MLOPS_ANCHOR"
ONLINE = "MLOPS_ONLINE"
# Feast's registry. feature_repo/feature_store.yaml names it too, with the two above.
REGISTRY = "MLOPS_REGISTRY"
MEMORY_LIMIT = "MLOPS_MEMORY_LIMIT"
THREADS = "MLOPS_THREADS"
ENGINE = "MLOPS_ENGINE"
SPARK_MASTER = "MLOPS_SPARK_MASTER"
SPARK_MEMORY = "MLOPS_SPARK_MEMORY_MB"
MLFLOW = "MLFLOW_TRACKING_URI"
# What somebody shows to say who they are: a token of the platform, or an OpenID Connect ID token.
BEARER = "MLOPS_TOKEN"
SIGNED_IN = "MLOPS_ID_TOKEN"
# What those show who may ask the prediction service.
SERVE_TOKEN = "MLOPS_SERVE_TOKEN"  # noqa: S105 (the name of a variable)
# What Kafka is told as the password of its user, where predictions are shipped to it.
KAFKA_PASSWORD = "MLOPS_KAFKA_PASSWORD"  # noqa: S105 (the name of a variable)

NO_PLACE = re.compile(r"%[0-9A-Fa-f]{2}|[?#\[\]]")
MEMORY = re.compile(r"\d+(\.\d+)?\s*([KMGT]i?B)", re.IGNORECASE)
ENGINES = get_args(EngineName)
DEFAULT_HOME = ".mlops"


def home() -> Path:
    """The home of everything embedded: ``MLOPS_HOME``, or ``.mlops`` where the command was started."""
    path = Path(os.environ.get(HOME) or DEFAULT_HOME).expanduser().resolve()
    if NO_PLACE.search(str(path)):
        # Parts of addresses to delta-rs or SQLAlchemy, which would write beside the home.
        raise BadEnvironment(
            f"{HOME} is {str(path)!r}, expected a path without ? # [ ] or a code such as %20"
        )
    return path


def places() -> Places:
    """Where the environment says that things live."""
    embedded = Places.below(home())
    landing = os.environ.get(LANDING)
    return Places(
        home=embedded.home,
        database=os.environ.get(DATABASE) or embedded.database,
        landing=Path(landing).expanduser().resolve() if landing else embedded.landing,
        memory_limit=_memory(MEMORY_LIMIT) or embedded.memory_limit,
        threads=_count(THREADS) or embedded.threads,
        online=os.environ.get(ONLINE) or embedded.online,
        view_engine=engine(os.environ.get(ENGINE)) or embedded.view_engine,
        spark_master=os.environ.get(SPARK_MASTER) or embedded.spark_master,
        spark_memory_mb=_count(SPARK_MEMORY) or embedded.spark_memory_mb,
        anchors=anchors(os.environ.get(ANCHOR)),
    )


def engine(said: str | None) -> EngineName | None:
    """The engine of that name; None when nothing is said."""
    if said and said not in ENGINES:
        raise BadEnvironment(f"the engine ({ENGINE}) is {said!r}, expected one of {', '.join(ENGINES)}")
    return cast("EngineName | None", said or None)


def anchors(said: str | None) -> tuple[str, ...]:
    """The places that are named."""
    return tuple(place for place in (said or "").split(",") if place)


def mlflow_uri() -> str:
    """The MLflow server or database; SQLite in the home unless ``MLFLOW_TRACKING_URI`` is set."""
    return os.environ.get(MLFLOW) or f"sqlite:///{home() / 'mlflow.db'}"


def _memory(variable: str) -> str | None:
    said = os.environ.get(variable)
    if said and not MEMORY.fullmatch(said):
        raise BadEnvironment(f"{variable} is {said!r}, expected a size such as 4GB or 500MB")
    return said or None


def _count(variable: str) -> int | None:
    said = os.environ.get(variable)
    if not said:
        return None
    if not said.isdigit() or int(said) == 0:
        raise BadEnvironment(f"{variable} is {said!r}, expected a whole number above zero")
    return int(said)
