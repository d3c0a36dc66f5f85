"""What the service answered, as it was written down."""

import json
import os
import signal
import threading
from heapq import nlargest

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mlops_assets.errors import NotMaterialized
from mlops_assets.resources.environment import KAFKA_PASSWORD
from mlops_assets.steps.shipping import ship
from mlops_assets.stores.bus import bus_at
from mlops_assets.stores.prediction_log import log_folder, read_log, segments
from mlops_assets.stores.shipments import end_shipment
from mlops_assets.stores.stores import Places

SHOWN = 5
# Between two looks for what was answered since.
LOOK_SECONDS = 0.5


def show_predictions(places: Places, model: str, *, last: int, as_json: bool, console: Console) -> None:
    """The newest requests and their answers. Raises NotMaterialized for none, LogDamaged when some are lost."""
    folder = log_folder(places.home, model)
    found = nlargest(last, read_log(segments(folder)), key=lambda record: str(record["at"]))[::-1]
    if not found:
        raise NotMaterialized(
            f"no prediction of {model} was written down below {folder}; run mlops serve {model}"
        )
    if as_json:
        for record in found:
            console.print(json.dumps(record), soft_wrap=True, highlight=False, markup=False)
        return
    table = Table(box=SIMPLE_HEAD)
    for column in ("at", "request", "version", "rows", "ms", "probability"):
        table.add_column(column)
    for record in found:
        answered = record["probability"]
        shown = ", ".join(f"{one:.4f}" for one in answered[:SHOWN])
        table.add_row(
            record["at"],
            record["id"],
            str(record["version"]),
            str(len(answered)),
            f"{record['milliseconds']:.1f}",
            shown + (", …" if len(answered) > SHOWN else ""),
        )
    console.print(table)


def ship_predictions(places: Places, model: str, to: str, *, follow: bool, console: Console) -> None:
    """Deliver what was not yet; with ``follow`` until SIGTERM or SIGINT, after which the delivery at hand ends."""
    ends = threading.Event()
    if follow:
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda *_: ends.set())

    def again() -> bool:
        return follow and not ends.wait(LOOK_SECONDS)

    bus = bus_at(to, password=os.environ.get(KAFKA_PASSWORD, ""))
    shipped = ship(log_folder(places.home, model), bus, to, again=again)
    console.print(f"{shipped:,} events of {model} are shipped to {to}", highlight=False, soft_wrap=True)


def end_shipping(places: Places, model: str, to: str, *, console: Console) -> None:
    """Keep nothing for an address any more."""
    end_shipment(log_folder(places.home, model), to)
    console.print(f"Nothing of {model} is shipped to {to} any more", highlight=False, soft_wrap=True)
