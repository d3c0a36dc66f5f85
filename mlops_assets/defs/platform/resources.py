"""Where this deployment keeps things: the environment, or all of it below one folder."""

import dagster as dg

from mlops_assets.resources.environment import stores_from_environment, tracking_from_environment
from mlops_assets.resources.lake_io import lake_io_manager


@dg.definitions
def resources() -> dg.Definitions:
    """The stores, the tracking, and the IO manager of every asset."""
    return dg.Definitions(
        resources={
            "stores": stores_from_environment(),
            "tracking": tracking_from_environment(),
            "io_manager": lake_io_manager,
        }
    )
