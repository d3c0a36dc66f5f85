"""Where online rows are: by address, SQLite embedded or Redis."""

from __future__ import annotations

from pathlib import Path

from mlops_assets.errors import BadEnvironment
from mlops_assets.stores.online import Groups, Online
from mlops_assets.stores.stores import Places

SQLITE = "sqlite:///"
REDIS = ("redis://", "rediss://", "unix://")


def open_online(places: Places) -> Online:
    """What is online at the place that is configured. Raises BadEnvironment for an address of another kind."""
    return Online(_groups(places.online or f"{SQLITE}{places.home / 'online.db'}"))


def _groups(address: str) -> Groups:
    if address.startswith(SQLITE):
        from mlops_assets.stores.online_sqlite import SqliteGroups

        return SqliteGroups(Path(address.removeprefix(SQLITE)).expanduser())
    if address.startswith(REDIS):
        from mlops_assets.stores.online_redis import RedisGroups

        return RedisGroups(address)
    scheme = address.partition("://")[0]
    raise BadEnvironment(
        f"the online store is an address that begins with {scheme!r}, expected redis://… or sqlite:///…"
    )
