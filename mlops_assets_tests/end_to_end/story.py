"""The assets of the made-up shop, and how Dagster's command materializes them."""

from collections.abc import Iterable

from mlops_assets.graph.plan import STAGES

FIRST_AS_OF, NEXT_AS_OF, LAST_DAY = "2024-03-29", "2024-04-05", "2024-04-09"
RAW = "raw/orders"
DAILY = (RAW, "validated/orders", "quarantine/orders", "features/customer_orders")
STORY = tuple(f"returned/{stage}" for stage in STAGES)
MODULE = "mlops_assets.definitions"


def materialize(assets: Iterable[str], *partitions: str) -> list[str]:
    """The command that materializes these assets for the given partitions."""
    selection = " or ".join(f'key:"{asset}"' for asset in assets)
    return ["dagster", "asset", "materialize", "-m", MODULE, "--select", selection, *partitions]
