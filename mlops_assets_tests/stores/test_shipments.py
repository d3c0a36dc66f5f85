"""Nothing of a log is forgotten before every place has it to which it is shipped."""

import pytest

from mlops_assets.errors import BadRequest, LogDamaged
from mlops_assets.stores import tail as tails
from mlops_assets.stores.prediction_log import OPEN, PredictionLog, segments
from mlops_assets.stores.shipments import SHIPPED, end_shipment, forgettable, shipment
from mlops_assets.stores.tail import Tail


def written(folder, count, **options):
    log = PredictionLog(folder, **options)
    for number in range(count):
        log.append({"id": f"request-{number}"})
    return log


def numbers(tail):
    return [one.number for one in tail.events()]


def test_only_what_every_place_has_may_be_forgotten(tmp_path):
    written(tmp_path, 30, max_bytes=300).close()
    found = segments(tmp_path, finished=True)
    assert len(found) > 2
    assert forgettable(found) == found, "nothing is shipped anywhere"
    run = found[0].run
    with shipment(tmp_path, "folder:/a") as one, shipment(tmp_path, "folder:/b") as other:
        assert forgettable(found) == []
        one.reached({run: 30})
        assert forgettable(found) == []
        other.reached({run: found[1].last})
        assert forgettable(found) == found[:2]
        other.reached({run: found[1].last - 1})
        assert forgettable(found) == found[:1]
    end_shipment(tmp_path, "folder:/b")
    assert forgettable(found) == found
    with pytest.raises(BadRequest, match="is not shipped to folder:/b; it is to folder:/a"):
        end_shipment(tmp_path, "folder:/b")


def test_one_process_ships_to_a_place(tmp_path):
    with (
        shipment(tmp_path, "folder:/a"),
        pytest.raises(BadRequest, match="another process ships"),
        shipment(tmp_path, "folder:/a"),
    ):
        pass


def test_a_shipment_is_remembered_without_writers_that_are_gone(tmp_path):
    written(tmp_path, 3).close()
    (found,) = segments(tmp_path)
    with shipment(tmp_path, "folder:/a") as one:
        one.reached({found.run: 2, "0000000000000000-1": 9})
    with shipment(tmp_path, "folder:/a") as one:
        assert one.delivered == {found.run: 2}


@pytest.mark.parametrize("said", ["", "{}", "[]", '{"to": "folder:/a"}', "nonsense"])
def test_what_is_not_known_to_be_shipped_is_not_forgotten(tmp_path, said):
    written(tmp_path, 3).close()
    with shipment(tmp_path, "folder:/a"):
        pass
    (path,) = (tmp_path / SHIPPED).glob("*.json")
    path.write_text(said)
    with pytest.raises(LogDamaged, match="remove it to ship all of it again"):
        forgettable(segments(tmp_path, finished=True))


def test_a_tail_goes_on_where_it_was_over_segments_and_while_they_are_written(tmp_path):
    log = written(tmp_path, 7, max_bytes=150)
    tail = Tail(tmp_path, {})
    assert numbers(tail) == list(range(1, 8))
    assert numbers(tail) == []
    for number in range(7, 20):
        log.append({"id": f"request-{number}"})
    assert numbers(tail) == list(range(8, 21))
    log.append({"id": "open"})
    log.close()
    assert numbers(tail) == [21], "also where the segment was closed meanwhile"
    run = segments(tmp_path)[0].run
    assert numbers(Tail(tmp_path, {run: 13})) == list(range(14, 22))
    assert numbers(Tail(tmp_path, {run: 21})) == []


def test_a_tail_that_is_left_between_two_events_goes_on_with_the_next(tmp_path):
    written(tmp_path, 5).close()
    tail = Tail(tmp_path, {})
    assert next(tail.events()).number == 1
    assert numbers(tail) == [2, 3, 4, 5]


def test_segments_that_were_read_may_be_gone_and_others_may_not(tmp_path):
    written(tmp_path, 20, max_bytes=150).close()
    first, second, third, *_ = segments(tmp_path)
    after = {first.run: second.last}
    tail = Tail(tmp_path, after)
    first.path.unlink()
    second.path.unlink()
    assert numbers(tail)[0] == third.first
    assert numbers(Tail(tmp_path, {}))[0] == third.first, "who begins takes what is there"
    third.path.unlink()
    with pytest.raises(LogDamaged, match=f"expected {third.first}"):
        numbers(Tail(tmp_path, after))


@pytest.fixture
def forgotten_once_listed(monkeypatch):
    def listed(folder):
        found = segments(folder)
        for one in found:
            one.forget(damaged=False)
        return found

    monkeypatch.setattr(tails, "segments", listed)


def test_a_last_segment_that_is_forgotten_once_it_is_listed_was_read(tmp_path, forgotten_once_listed):
    written(tmp_path, 5).close()
    (found,) = segments(tmp_path)
    assert numbers(Tail(tmp_path, {found.run: 5})) == []


def test_a_last_segment_that_is_gone_once_it_is_listed_and_was_not_read_is_told(
    tmp_path, forgotten_once_listed
):
    written(tmp_path, 5).close()
    (found,) = segments(tmp_path)
    with pytest.raises(LogDamaged, match=f"{found.path} is gone, and nothing of it was read"):
        numbers(Tail(tmp_path, {}))


def test_a_segment_that_its_writer_removes_because_it_holds_nothing_is_none(tmp_path, forgotten_once_listed):
    (tmp_path / f"0000000000000000-1-000000000006{OPEN}").touch()
    assert numbers(Tail(tmp_path, {"0000000000000000-1": 5})) == []


def test_a_torn_last_line_is_not_shipped_and_a_changed_one_is_told(tmp_path):
    written(tmp_path, 3).close()
    (found,) = segments(tmp_path)
    whole = found.path.read_bytes()
    found.path.write_bytes(whole[:-3])
    assert numbers(Tail(tmp_path, {})) == [1, 2]
    assert found.last == 2
    found.path.write_bytes(whole.replace(b"request-1", b"request-7"))
    with pytest.raises(LogDamaged, match="record 2 has been changed"):
        numbers(Tail(tmp_path, {}))
