"""Where this deployment keeps things, and how it runs them."""

import dagster as dg

from mlops_assets.graph.automation import automation_sensor
from mlops_assets.graph.registry import registry_sensor
from mlops_assets.graph.restatement import restatement_sensor
from mlops_assets.graph.settling import settling_sensor
from mlops_assets.resources.lake_io import lake_io_manager
from mlops_assets.resources.stores import StoresResource
from mlops_assets.resources.tracking import TrackingResource


@dg.definitions
def platform() -> dg.Definitions:
    """The stores, the tracking and the IO manager of every asset; steps of a run share its process."""
    stores = StoresResource()
    return dg.Definitions(
        resources={
            "stores": stores,
            "tracking": TrackingResource(stores=stores),
            "io_manager": lake_io_manager,
        },
        sensors=[automation_sensor(), settling_sensor(), registry_sensor(), restatement_sensor()],
        executor=dg.in_process_executor,
    )
