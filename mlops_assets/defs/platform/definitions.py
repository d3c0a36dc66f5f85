"""Where this deployment keeps things, and how it runs them."""

import dagster as dg

from mlops_assets.graph.settling import settling_sensor
from mlops_assets.resources.environment import stores_from_environment, tracking_from_environment
from mlops_assets.resources.lake_io import lake_io_manager


@dg.definitions
def platform() -> dg.Definitions:
    """The stores, the tracking and the IO manager of every asset; steps of a run share its process."""
    return dg.Definitions(
        resources={
            "stores": stores_from_environment(),
            "tracking": tracking_from_environment(),
            "io_manager": lake_io_manager,
        },
        sensors=[settling_sensor()],
        executor=dg.in_process_executor,
    )
