"""Events on Kafka: against the broker that librdkafka brings for tests, over TCP."""

import json
import sys
import time
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from mlops_assets.errors import BadEnvironment, NotShipped
from mlops_assets.stores import bus_kafka
from mlops_assets.stores.bus import bus_at
from mlops_assets_tests.stores.test_bus import event

TOPIC = "answered"


@pytest.fixture
def brokers():
    """The addresses of three brokers that live as long as the client that has them."""
    held = Producer({"bootstrap.servers": "none:1", "test.mock.num.brokers": 3, "log_level": 0})
    yield ",".join(f"{one.host}:{one.port}" for one in held.list_topics(timeout=10).brokers.values())
    del held


def received(brokers, count, topic=TOPIC):
    """So many messages, by partition and offset."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "g", "auto.offset.reset": "earliest"})
    found, deadline = [], time.monotonic() + 20
    try:
        known = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, one, 0) for one in known])
        while len(found) < count and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None and not message.error():
                found.append(message)
    finally:
        consumer.close()
    return sorted(found, key=lambda one: (one.partition(), one.offset()))


def test_what_is_delivered_is_there_in_the_order_of_each_writer(brokers):
    bus = bus_at(f"kafka://{brokers}/{TOPIC}")
    writers = [f"writer-{number}" for number in range(5)]
    bus.deliver([event(number, writer) for number in range(1, 101) for writer in writers])
    bus.deliver([event(101, writer) for writer in writers])
    found = received(brokers, 505)
    assert len(found) == 505
    for writer in writers:
        of_writer = [one for one in found if one.key() == writer.encode()]
        assert len({one.partition() for one in of_writer}) == 1
        told = [json.loads(one.value()) for one in of_writer]
        assert [int(one["sequence"]) for one in told] == list(range(1, 102))
        assert {one["partitionkey"] for one in told} == {writer}
    assert found[0].headers() == [("content-type", b"application/cloudevents+json")]


def test_a_broker_that_does_not_answer_keeps_nothing_and_is_told(monkeypatch):
    monkeypatch.setattr(bus_kafka, "SURE", {**bus_kafka.SURE, "message.timeout.ms": 300})
    bus = bus_at("kafka://127.0.0.1:1/answered?log_level=0")
    with pytest.raises(NotShipped, match=r"'answered' did not confirm 2 of 2 events: .*timed out"):
        bus.deliver([event(1), event(2)])


def test_an_event_that_is_too_large_is_told_with_what_to_do_and_goes_where_more_is_allowed(brokers):
    events = [event(1), event(2, large="x" * 1_000_000), event(3)]
    with pytest.raises(
        NotShipped, match=r"request request-2: its 1,000,\d+ bytes .* as \?message.max.bytes="
    ):
        bus_at(f"kafka://{brokers}/{TOPIC}").deliver(events)
    bus_at(f"kafka://{brokers}/large?message.max.bytes=2000000").deliver(events)
    assert [json.loads(one.value())["id"][-1] for one in received(brokers, 3, "large")] == ["1", "2", "3"]


def test_an_event_that_is_too_large_for_the_topic_is_told_with_what_to_do():
    class Refusing:
        """The client of a broker that takes nothing so large."""

        def produce(self, topic, *, value, on_delivery, **_):
            self._told = lambda: on_delivery(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), Message(value))

        def flush(self, seconds):
            self._told()
            return 0

        def purge(self):
            pass

    class Message:
        def __init__(self, value):
            self.value = lambda: value

    with pytest.raises(NotShipped, match=r"did not confirm 1 of 1 events: .*max.message.bytes of the topic"):
        bus_kafka.KafkaBus(TOPIC, Refusing()).deliver([event(1)])


def test_settings_that_are_none_are_told_and_what_makes_it_sure_cannot_be_unsaid(brokers):
    with pytest.raises(BadEnvironment, match="No such configuration property"):
        bus_at("kafka://127.0.0.1:1/answered?no.such.setting=1")
    with pytest.raises(BadEnvironment, match="Invalid value"):
        bus_at("kafka://127.0.0.1:1/answered?security.protocol=none")
    # One that contradicts it would be refused by the client.
    bus_kafka.KafkaBus.at(urlsplit(f"kafka://{brokers}/{TOPIC}?acks=0")).deliver([event(1)])
    assert len(received(brokers, 1)) == 1


def test_without_its_client_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(BadEnvironment, match="with the extra kafka"):
        bus_at("kafka://127.0.0.1:1/answered")
