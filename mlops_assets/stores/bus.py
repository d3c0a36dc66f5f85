"""Where predictions are shipped to: events in the envelope of CloudEvents 1.0, to a place that confirms them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from mlops_assets.errors import BadRequest

CONTENT_TYPE = "application/cloudevents+json"
ANSWERED = "mlops.prediction.answered"
KAFKA = "kafka://"
_spelled = json.JSONEncoder(separators=(",", ":"), allow_nan=False, sort_keys=True).encode


@dataclass(frozen=True)
class Event:
    """A record of a log of predictions. writer: the process that wrote it. number: of the record, from one on."""

    writer: str
    number: int
    record: Mapping[str, Any]

    def spelled(self) -> bytes:
        """The event as JSON on one line, always the same.

        Its id is that of the request, by which who reads it leaves out what was delivered twice. Events of one
        ``partitionkey`` come in the order of ``sequence``.
        """
        record = self.record
        envelope = {
            "specversion": "1.0",
            "id": record["id"],
            "source": f"/mlops/models/{record['model']}",
            "type": ANSWERED,
            "subject": f"{record['model']}/{record['version']}",
            "time": record["at"],
            "datacontenttype": "application/json",
            "partitionkey": self.writer,
            "sequence": f"{self.number:012}",
            "data": dict(record),
        }
        return _spelled(envelope).encode()


class Bus(Protocol):
    """Keeps events, those of one writer in their order."""

    def deliver(self, events: Sequence[Event]) -> None:
        """Return once all of them are kept. Raises NotShipped otherwise, and then some may be kept."""


def destination(address: str) -> str:
    """Where an address leads to. Settings of who sends are no part of it: with others it is the same place."""
    return address.partition("?")[0] if address.startswith(KAFKA) else address


def bus_at(address: str, *, password: str = "") -> Bus:
    """The bus of an address, ``folder:/PATH`` or ``kafka://HOST:PORT,HOST:PORT/TOPIC?SETTING=VALUE``.

    password: what Kafka is told as ``sasl.password``, which no address should hold. Raises BadRequest for an address
    that is none, and BadEnvironment where the bus cannot be used.
    """
    # Imported here: who ships to a folder needs no client of Kafka.
    if address.startswith("folder:"):
        from mlops_assets.stores.bus_folder import FolderBus

        return FolderBus.at(address.removeprefix("folder:"))
    if address.startswith(KAFKA):
        from mlops_assets.stores.bus_kafka import KafkaBus

        return KafkaBus.at(urlsplit(address), password)
    raise BadRequest(f"the address is {address!r}, expected folder:/PATH or kafka://HOST:PORT/TOPIC")
