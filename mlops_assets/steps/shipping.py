"""The log of predictions goes to a bus: each record at least once, those of a writer in their order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from mlops_assets.errors import NotMaterialized
from mlops_assets.stores.bus import Bus
from mlops_assets.stores.shipments import shipment
from mlops_assets.stores.tail import Tail

# Events of one delivery: as many may come twice when a process is killed.
TOGETHER = 500


def ship(
    log: Path,
    bus: Bus,
    to: str,
    *,
    again: Callable[[], bool],
    ends: Callable[[], bool] = lambda: False,
    together: int = TOGETHER,
) -> int:
    """Deliver what is in a log and was not delivered to ``to``; how many events were.

    What a bus has confirmed is written down after each delivery, so that who is killed delivers the last one again at
    most, and loses nothing. again: asked once all is delivered, whether to look for more. ends: asked after each
    delivery, whether it was the last one.
    Raises NotMaterialized when there is no log, BadRequest when another process ships there, NotShipped when the bus
    did not confirm, LogDamaged when records are missing or changed.
    """
    if not log.is_dir():
        raise NotMaterialized(f"nothing was written down below {log}; run mlops serve {log.name}")
    count = 0
    with shipment(log, to) as done:
        tail = Tail(log, done.delivered)
        while True:
            found = tail.events()
            while events := list(islice(found, together)):
                bus.deliver(events)
                done = done.reached({**done.delivered, **{one.writer: one.number for one in events}})
                count += len(events)
                if ends():
                    return count
            if not again():
                return count
