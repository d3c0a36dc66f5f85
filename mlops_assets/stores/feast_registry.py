"""Where Feast's registry is: a plugin of SQLAlchemy, named in ``feature_store.yaml`` by its entry point.

Feast hands its SQL registry to ``create_engine`` and knows no other way to say where it lives or how it is
opened. Left alone it is a file relative to wherever a command was started, two first commands that make
its tables together fail, and SQLite refuses a writer that could have waited.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import CreateEnginePlugin

from mlops_assets.errors import BadEnvironment
from mlops_assets.stores.sqlite import BUSY_TIMEOUT_SECONDS, use_wal

SETTINGS = "feature_store.yaml"
HOME = ".mlops"
EXPECTED = "Expected an SQLAlchemy URL of a database that answers: sqlite:///… or postgresql+psycopg2://…"
_SCHEMA_LOCK = 0x6665617374


class PlatformRegistry(CreateEnginePlugin):
    """Puts an engine where the platform's registry is, with every table of Feast in place.

    Takes from ``sqlalchemy_config_kwargs``: registry, an SQLAlchemy URL, ``registry.db`` in the home when
    empty; and home, by default ``.mlops`` where the command was started, beside the feature repository when
    it was started in that.
    """

    def __init__(self, url: sa.URL, kwargs: dict[str, Any]) -> None:
        super().__init__(url, kwargs)
        self._home = said_or_empty(kwargs.pop("home", ""))
        self._registry = said_or_empty(kwargs.pop("registry", ""))

    def update_url(self, url: sa.URL) -> sa.URL:
        """The place that was told, or the file in the home."""
        if self._registry:
            return _url(self._registry)
        home = Path(self._home).expanduser() if self._home else _default_home()
        home.mkdir(parents=True, exist_ok=True)
        return sa.URL.create("sqlite", database=str(home.resolve() / "registry.db"))

    def engine_created(self, engine: sa.Engine) -> None:
        """Make what is missing, one process at a time. Raises BadEnvironment when nothing answers there."""
        try:
            if engine.dialect.name == "sqlite":
                sa.event.listen(engine, "connect", _prepare_sqlite)
                with FileLock(f"{engine.url.database}.lock"):
                    _make_tables(engine)
            else:
                _make_tables(engine)
        except (OSError, sa.exc.OperationalError) as error:
            told = str(error).splitlines()[0]
            raise BadEnvironment(
                f"Feast's registry {engine.url!r} cannot be opened: {told}. {EXPECTED}"
            ) from error


def _make_tables(engine: sa.Engine) -> None:
    # Imported here: SQLAlchemy loads this module for Feast, which is imported by then.
    from feast.infra.registry.sql import metadata

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        metadata.create_all(connection)


def _url(registry: str) -> sa.URL:
    try:
        return sa.make_url(registry)
    except sa.exc.ArgumentError as error:
        raise BadEnvironment(f"Feast's registry is {registry!r}, which is no URL. {EXPECTED}") from error


def said_or_empty(value: str) -> str:
    """What a setting says; nothing when it is the name of a variable that is not set.

    Feast expands ``${NAME}`` and has no defaults: a variable that is not set stays as it is written.
    """
    return "" if value.startswith("${") and value.endswith("}") else value


def _default_home() -> Path:
    return Path("..", HOME) if Path(SETTINGS).is_file() else Path(HOME)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_SECONDS * 1000)}")
    use_wal(connection)
