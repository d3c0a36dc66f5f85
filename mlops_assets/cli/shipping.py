"""What the commands do that ship predictions: deliver them to a bus, and keep nothing for it any more."""

import os
import signal
import threading

from rich.console import Console

from mlops_assets.resources.environment import KAFKA_PASSWORD
from mlops_assets.steps.shipping import ship
from mlops_assets.stores.bus import bus_at, destination
from mlops_assets.stores.prediction_log import log_folder
from mlops_assets.stores.shipments import end_shipment
from mlops_assets.stores.stores import Places

# Between two looks for what was answered since.
LOOK_SECONDS = 0.5


def ship_predictions(places: Places, model: str, to: str, *, follow: bool, console: Console) -> None:
    """Deliver what was not yet; with ``follow`` until SIGTERM or SIGINT, after which the delivery at hand ends."""
    ends = threading.Event()
    if follow:
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda *_: ends.set())

    def again() -> bool:
        return follow and not ends.wait(LOOK_SECONDS)

    bus = bus_at(to, password=os.environ.get(KAFKA_PASSWORD, ""))
    place = destination(to)
    shipped = ship(log_folder(places.home, model), bus, place, again=again, ends=ends.is_set)
    console.print(f"{shipped:,} events of {model} are shipped to {place}", highlight=False, soft_wrap=True)


def end_shipping(places: Places, model: str, to: str, *, console: Console) -> None:
    """Keep nothing for an address any more."""
    place = destination(to)
    end_shipment(log_folder(places.home, model), place)
    console.print(f"Nothing of {model} is shipped to {place} any more", highlight=False, soft_wrap=True)
