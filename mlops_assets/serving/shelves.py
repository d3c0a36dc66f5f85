"""What the service knows of the platform's memory: who reigns, what is tried, files by digest, and what is online."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mlops_assets.stores.artifacts import Artifacts
from mlops_assets.stores.changes import Changes
from mlops_assets.stores.database import open_database
from mlops_assets.stores.denials import Denials
from mlops_assets.stores.grants import Grants
from mlops_assets.stores.ledger import Ledger
from mlops_assets.stores.online import Online
from mlops_assets.stores.online_groups import open_online
from mlops_assets.stores.overrides import Overrides
from mlops_assets.stores.policies import Policies
from mlops_assets.stores.reigns import Reigns
from mlops_assets.stores.releases import Releases
from mlops_assets.stores.rollouts import Rollouts
from mlops_assets.stores.stores import Places
from mlops_assets.stores.tokens import Tokens


@dataclass(frozen=True)
class Shelves:
    """A small part of Stores, which opens without Delta and DuckDB. home: where what was counted is kept."""

    home: Path
    reigns: Reigns
    releases: Releases
    rollouts: Rollouts
    changes: Changes
    policies: Policies
    tokens: Tokens
    grants: Grants
    denials: Denials
    overrides: Overrides
    ledger: Ledger
    artifacts: Artifacts
    online: Online

    @classmethod
    def open(cls, places: Places) -> Self:
        """Raises BadEnvironment when a place cannot be used."""
        database = open_database(places.database)
        return cls(
            home=places.home,
            reigns=Reigns(database),
            releases=Releases(database),
            rollouts=Rollouts(database),
            changes=Changes(database),
            policies=Policies(database),
            tokens=Tokens(database),
            grants=Grants(database),
            denials=Denials(database),
            overrides=Overrides(database),
            ledger=Ledger(database),
            artifacts=Artifacts(places.home / "artifacts"),
            online=open_online(places),
        )
