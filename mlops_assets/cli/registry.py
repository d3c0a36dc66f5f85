"""What ``mlops features apply`` does, on an opened deployment."""

import os

from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.resources.environment import DATABASE, HOME, REGISTRY


def apply_features(opened: Deployment, *, console: Console) -> None:
    """Make the registry say what is declared."""
    # Imported here: Feast takes eight seconds, and the other commands do without.
    from mlops_assets.stores.feast_apply import apply_repository, feature_store

    places = opened.stores.places
    told = {HOME: str(places.home), DATABASE: places.database, REGISTRY: os.environ.get(REGISTRY, "")}
    store = feature_store(opened.project.feature_repository, told)
    applied = apply_repository(store, opened.project.catalog.features)
    for what, names in (("added", applied.added), ("changed", applied.changed), ("removed", applied.removed)):
        for name in names:
            console.print(f"[bold]{what}[/] {name}", highlight=False)
    if not (applied.added or applied.changed or applied.removed):
        console.print("The registry says what is declared: nothing to change.")
    console.print(f"{applied.unchanged} unchanged", highlight=False)
