"""What a bus keeps: events in the order of their writers, whole, and as the standard has them."""

import json

import pytest

from mlops_assets.errors import BadEnvironment, BadRequest, NotShipped
from mlops_assets.stores.bus import Event, bus_at, destination


def event(number, writer="w", **more):
    said = {"id": f"request-{number}", "at": "2024-05-01T12:00:00+00:00", "model": "returned", "version": 3}
    return Event(writer, number, {**said, "text": "line\nbreak, é and \ud800", **more})


def kept(folder):
    return {
        path.stem: [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("*.jsonl"))
    }


def test_an_event_is_one_of_cloudevents_on_one_line_and_always_the_same():
    spelled = event(7).spelled()
    assert b"\n" not in spelled
    assert spelled == Event("w", 7, dict(reversed(event(7).record.items()))).spelled()
    told = json.loads(spelled)
    assert told.pop("data") == event(7).record
    assert told == {
        "specversion": "1.0",
        "id": "request-7",
        "source": "/mlops/models/returned",
        "type": "mlops.prediction.answered",
        "subject": "returned/3",
        "time": "2024-05-01T12:00:00+00:00",
        "datacontenttype": "application/json",
        "partitionkey": "w",
        "sequence": "000000000007",
    }


def test_a_folder_has_a_file_for_each_writer_and_each_is_only_added_to(tmp_path):
    bus = bus_at(f"folder:{tmp_path / 'there'}")
    bus.deliver([event(1), event(2), event(1, "v"), event(3)])
    bus.deliver([event(4)])
    found = kept(tmp_path / "there")
    assert [one["sequence"] for one in found["w"]] == [f"{number:012}" for number in range(1, 5)]
    assert [one["id"] for one in found["v"]] == ["request-1"]


def test_what_a_killed_delivery_left_of_a_line_is_cut_off_by_the_next(tmp_path):
    bus = bus_at(f"folder:{tmp_path}")
    bus.deliver([event(1), event(2)])
    path = tmp_path / "w.jsonl"
    whole = path.read_bytes()
    for cut in (1, 5, len(whole.splitlines()[-1]), len(whole)):
        path.write_bytes(whole[:-cut])
        bus.deliver([event(2)])
        assert [one["id"] for one in kept(tmp_path)["w"]] == ["request-1", "request-2"][
            -2 if cut < len(whole) else -1 :
        ]


def test_a_folder_that_takes_nothing_is_told(tmp_path):
    bus = bus_at(f"folder:{tmp_path}")
    (tmp_path / "w.jsonl").mkdir()
    with pytest.raises(NotShipped, match="does not take events"):
        bus.deliver([event(1)])


def test_addresses_that_are_none_are_told(tmp_path):
    for address in ("", "folder:relative", "redis://127.0.0.1", "kafka://", "kafka://h", "kafka://h/a/b"):
        with pytest.raises(BadRequest):
            bus_at(address)
    (tmp_path / "file").touch()
    with pytest.raises(BadEnvironment, match="cannot be made"):
        bus_at(f"folder:{tmp_path / 'file' / 'below'}")
    with pytest.raises(BadRequest) as told:
        bus_at("kafka://user:secret@host:9092/topic")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("kafka://a:1,b:2/topic?message.max.bytes=2000000&sasl.username=u", "kafka://a:1,b:2/topic"),
        ("kafka://a:1/topic", "kafka://a:1/topic"),
        ("folder:/what?is=this", "folder:/what?is=this"),
    ],
)
def test_settings_of_who_sends_make_no_other_place(address, place):
    assert destination(address) == place
