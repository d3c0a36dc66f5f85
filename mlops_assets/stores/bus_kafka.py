"""A topic of Kafka as a bus, by librdkafka, which is installed where somebody asks for it (``mlops_assets[kafka]``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import SplitResult, parse_qsl

from mlops_assets.errors import BadEnvironment, BadRequest, NotShipped
from mlops_assets.stores.bus import CONTENT_TYPE, Event

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

# Within which a broker confirms, and what is waited beyond that for the client to tell.
TIMEOUT_SECONDS, MORE_SECONDS = 30, 5
# All replicas confirm, and what is sent again after a lost answer is neither doubled nor reordered.
SURE = {
    "acks": "all",
    "enable.idempotence": True,
    "message.timeout.ms": 1000 * TIMEOUT_SECONDS,
    "linger.ms": 5,
}


class KafkaBus:
    """A topic whose partitions hold all events of a writer in order: the writer is their key."""

    def __init__(self, topic: str, producer: Producer) -> None:
        self._topic, self._producer = topic, producer

    @classmethod
    def at(cls, address: SplitResult, password: str = "") -> Self:
        """The topic of ``kafka://HOST:PORT,HOST:PORT/TOPIC``; what follows ``?`` are settings of librdkafka.

        Raises BadRequest for an address that is none, BadEnvironment when the client is missing or refuses a setting.
        """
        topic = address.path.strip("/")
        if not address.netloc or "@" in address.netloc or not topic or "/" in topic:
            raise BadRequest(
                f"the address is kafka://{address.netloc.rpartition('@')[2]}{address.path}, expected "
                "kafka://HOST:PORT,HOST:PORT/TOPIC; a user is ?sasl.username=…, the password MLOPS_KAFKA_PASSWORD"
            )
        said = {"bootstrap.servers": address.netloc, **dict(parse_qsl(address.query)), **SURE}
        if password:
            said["sasl.password"] = password
        return cls(topic, _producer(said))

    def deliver(self, events: Sequence[Event]) -> None:
        failed: list[str] = []

        def told(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failed.append(_why(error, message.value() or b""))

        for event in events:
            self._send(event, told)
        left = self._producer.flush(TIMEOUT_SECONDS + MORE_SECONDS)
        if failed or left:
            self._producer.purge()
            why = failed[0] if failed else f"no answer within {TIMEOUT_SECONDS + MORE_SECONDS} seconds"
            raise NotShipped(
                f"topic {self._topic!r} did not confirm {len(failed) + left} of {len(events)} events: {why}"
            )

    def _send(self, event: Event, told: Any) -> None:
        from confluent_kafka import KafkaException

        value = event.spelled()
        try:
            self._producer.produce(
                self._topic,
                value=value,
                key=event.writer,
                headers={"content-type": CONTENT_TYPE},
                on_delivery=told,
            )
        except BufferError as error:
            raise NotShipped(f"topic {self._topic!r} does not take events: {error}") from error
        except KafkaException as error:
            why = _why(error.args[0], value)
            raise NotShipped(
                f"topic {self._topic!r} does not take the event of request {event.record['id']}: {why}"
            ) from error


def _why(error: KafkaError, value: bytes) -> str:
    """What Kafka says; of an event that is too large, also how it is shipped all the same."""
    if error.code() != error.MSG_SIZE_TOO_LARGE:
        return str(error)
    return (
        f"its {len(value):,} bytes are more than is allowed, and it is not left out. Allow more, as "
        "?message.max.bytes=… of the address and as max.message.bytes of the topic, and ship again"
    )


def _producer(settings: dict[str, Any]) -> Producer:
    try:
        from confluent_kafka import KafkaException, Producer
    except ImportError as error:
        raise BadEnvironment(
            "shipping to Kafka needs its client; install mlops_assets with the extra kafka"
        ) from error
    try:
        return Producer(settings)
    except KafkaException as error:
        raise BadEnvironment(f"Kafka's client refuses its settings: {error}") from error
