"""What a service wrote down is in its day exactly once: after kills, side by side, with damage, and never unseen."""

import json
import random
import shutil
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.errors import GateRefusal
from mlops_assets.governance.served_prediction import RELEASED, WHOLE_LOG, subject
from mlops_assets.steps.ledger import verify
from mlops_assets.steps.predictions import compacting, newest_served, served, waiting
from mlops_assets.stores.prediction_log import DAMAGED, PredictionLog, log_folder, segments
from mlops_assets_tests.steps.compactor import KILLED, MODEL, ZONE, compact
from mlops_assets_tests.stores.commits import by
from mlops_assets_tests.stores.ledger_world import opened

FIRST, SECOND = "2024-05-01", "2024-05-02"
TABLE = f"{MODEL}/predictions"


def record(name, hour, *probabilities, day=2):
    rows = len(probabilities)
    return {
        "id": name,
        "at": datetime(2024, 5, day, hour, tzinfo=UTC).isoformat(),
        "model": MODEL,
        "version": 3,
        "views": {"habits": "sql=1"},
        "milliseconds": 1.5,
        "request": [{"b": number, "a": "é\ud800"} for number in range(rows)],
        "features": [{"seen": None}] * rows,
        "probability": list(probabilities),
    }


def many(count, prefix="request"):
    """Requests of both days by turns."""
    return [record(f"{prefix}-{number}", 2 + number % 4, number % 7 / 7) for number in range(count)]


def write(stores, *records, **options):
    log = PredictionLog(log_folder(stores.places.home, MODEL), **options)
    for one in records:
        log.append(one)
    log.close()


def held(stores):
    """Day -> its requests, each as often as it has rows."""
    return {day: Counter(one.request_id for one in said) for day, said in served(stores, MODEL).items()}


def left(stores):
    return segments(log_folder(stores.places.home, MODEL), finished=True)


def verdict(stores, day, check):
    (content,) = stores.records.contents(TABLE, partitions=[day])
    return next(one for one in stores.records.verdicts(content) if one.check == check)


@pytest.fixture
def stores(tmp_path):
    return opened(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'platform.db'}")


def test_each_row_of_each_request_is_one_in_its_local_day(stores):
    twice = [record("first", 3, 0.75), record("first", 3, 0.1)]
    write(stores, record("second", 5, 0.25, 0.5), *twice)
    writing = PredictionLog(log_folder(stores.places.home, MODEL))
    writing.append(record("third", 7, 0.9))
    compact(stores, FIRST, SECOND)
    rows = stores.engine.rows("SELECT * FROM t", {"t": stores.lake.pin(TABLE)}).to_pylist()
    found = [(one["partition"], one["request_id"], one["row"], one["probability"]) for one in rows]
    assert sorted(found) == [
        (FIRST, "first", 0, 0.75),
        (SECOND, "second", 0, 0.25),
        (SECOND, "second", 1, 0.5),
    ]
    second = next(one for one in rows if one["row"] == 1)
    assert second["request"] == '{"a": "\\u00e9\\ud800", "b": 1}'
    assert (second["version"], second["milliseconds"], second["features"]) == (3, 1.5, '{"seen": null}')
    assert second["views"] == '{"habits": "sql=1"}'
    assert second["predicted_at"] == datetime(2024, 5, 2, 5, tzinfo=UTC)
    assert left(stores) == []
    writing.close()
    compact(stores, FIRST, SECOND)
    assert held(stores) == {FIRST: {"first": 1}, SECOND: {"second": 2, "third": 1}}


def test_a_day_without_news_keeps_what_it_holds_and_a_retry_is_no_news(stores):
    write(stores, *many(8))
    compact(stores, FIRST, SECOND)
    before = stores.records.contents(TABLE)
    sealed = len(stores.ledger.about(subject(MODEL, FIRST)))
    write(stores, record("request-0", 3, 0.999))
    compact(stores, FIRST, SECOND)
    again = stores.records.contents(TABLE)
    assert [one.fingerprint for one in again] == [one.fingerprint for one in before]
    assert len(stores.ledger.about(subject(MODEL, FIRST))) == sealed == 1
    assert left(stores) == []
    assert verify(stores).findings == ()


def test_a_model_that_nobody_serves_has_an_empty_day(stores):
    compact(stores, FIRST)
    (content,) = stores.records.contents(TABLE, partitions=[FIRST])
    assert content.rows == 0
    assert all(one.passed for one in stores.records.verdicts(content))
    assert verdict(stores, FIRST, WHOLE_LOG).reason == "0 rows of 0 requests; no line is damaged"
    assert (waiting(stores, MODEL, ZONE).days, newest_served(stores, MODEL, 3)) == ([], [])
    assert newest_served(stores, "other", 3) == []


def test_records_of_days_that_are_not_asked_for_stay_until_they_are(stores):
    write(stores, *many(40), max_bytes=2000)
    count = len(left(stores))
    assert count > 3
    assert waiting(stores, MODEL, ZONE).days == [FIRST, SECOND]
    compact(stores, SECOND)
    assert held(stores).keys() == {SECOND}
    assert len(left(stores)) == count
    compact(stores, FIRST)
    assert left(stores) == []
    assert sum((held(stores)[day] for day in (FIRST, SECOND)), Counter()) == {
        f"request-{n}": 1 for n in range(40)
    }
    assert [rows[0].request_id for rows in newest_served(stores, MODEL, 1)] == list(held(stores)[SECOND])


def test_segments_of_a_writer_are_forgotten_in_their_order_so_that_none_seems_missing(stores):
    early, late = [record(f"a{n}", 3, 0.5) for n in range(9)], [record(f"b{n}", 5, 0.5) for n in range(9)]
    write(stores, *early, *late, max_bytes=900)
    before = left(stores)
    compact(stores, SECOND)
    assert left(stores) == before
    compact(stores, FIRST, SECOND)
    assert left(stores) == []
    assert verdict(stores, FIRST, WHOLE_LOG).passed


@pytest.mark.parametrize("moment", KILLED)
def test_a_compaction_that_is_killed_loses_nothing_and_doubles_nothing(stores, moment):
    write(stores, *many(10, "before"))
    compact(stores, FIRST, SECOND)
    write(stores, *many(40), max_bytes=2000)
    compactor = [sys.executable, "-m", "mlops_assets_tests.steps.compactor", str(stores.places.home)]
    done = subprocess.run([*compactor, moment, FIRST, SECOND], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    again = opened(stores.places.home, stores.places.database)
    compact(again, FIRST, SECOND)
    expected = {
        f"{prefix}-{n}": 1 for prefix, count in (("request", 40), ("before", 10)) for n in range(count)
    }
    assert sum(held(again).values(), Counter()) == expected
    assert left(again) == []
    assert verify(again).findings == ()


def test_compactions_side_by_side_while_a_service_writes_lose_nothing_and_double_nothing(stores):
    home, rounds = str(stores.places.home), "4"
    days = ([FIRST], [SECOND], [FIRST, SECOND])
    processes = [
        subprocess.Popen([sys.executable, "-m", "mlops_assets_tests.steps.compactor", home, rounds, *of])
        for of in days
    ]
    for number in range(6):
        write(stores, *many(60, f"writer{number}"), max_bytes=3000)
    assert [one.wait(timeout=180) for one in processes] == [0, 0, 0]
    compact(stores, FIRST, SECOND)
    expected = {f"writer{number}-{n}": 1 for number in range(6) for n in range(60)}
    assert sum(held(stores).values(), Counter()) == expected
    assert left(stores) == []


def test_what_is_whole_of_a_damaged_log_is_kept_and_the_rest_is_told_until_somebody_has_looked(stores):
    write(stores, *many(6))
    (segment,) = left(stores)
    lines = segment.path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"version":3', b'"version":4')
    segment.path.write_bytes(b"".join(lines))
    write(stores, record("later", 5, 0.5), {**record("odd", 5, 0.5), "probability": []})
    compact(stores, FIRST, SECOND)
    expected = {*(f"request-{n}" for n in range(6) if n != 2), "later"}
    assert set(sum(held(stores).values(), Counter())) == expected
    told = verdict(stores, FIRST, WHOLE_LOG)
    assert not told.passed
    assert f"{segment.path}: record 3 has been changed since it was written" in told.reason
    assert "the record 'odd' is none of a prediction" in told.reason
    folder = log_folder(stores.places.home, MODEL)
    aside = [path for path in folder.iterdir() if path.suffix == DAMAGED]
    assert len(aside) == 2
    assert left(stores) == []
    compact(stores, FIRST)
    told = verdict(stores, FIRST, WHOLE_LOG)
    assert not told.passed
    assert f"{aside[0]} was not whole" in told.reason
    for path in aside:
        path.unlink()
    compact(stores, FIRST)
    assert verdict(stores, FIRST, WHOLE_LOG).passed


def test_a_segment_that_is_gone_is_told_and_one_of_which_nothing_can_be_read_is_looked_for(stores):
    write(stores, *many(30), max_bytes=2000)
    left(stores)[1].path.unlink()
    compact(stores, FIRST, SECOND)
    assert "a segment or the end of one is missing" in verdict(stores, FIRST, WHOLE_LOG).reason
    assert left(stores) == []
    write(stores, record("lost", 5, 0.5))
    (segment,) = left(stores)
    segment.path.write_bytes(b"zzzz\n")
    (day,) = waiting(stores, MODEL, ZONE).days
    assert day == datetime.now(ZONE).date().isoformat()


def test_a_segment_of_which_no_record_is_a_prediction_is_looked_for_on_the_day_that_it_ended(stores):
    write(stores, {**record("odd", 5, 0.5), "probability": []}, {"id": "older"})
    assert waiting(stores, MODEL, ZONE).days == [datetime.now(ZONE).date().isoformat()]
    write(stores, {**record("odd", 3, 0.5), "probability": []}, record("good", 5, 0.5))
    assert waiting(stores, MODEL, ZONE).days == [SECOND, datetime.now(ZONE).date().isoformat()]


def test_what_waits_is_found_in_the_memory_of_a_segment_however_many_there_are(stores):
    write(stores, *many(6000), max_bytes=50_000)
    log = sum(one.path.stat().st_size for one in left(stores))
    tracemalloc.start()
    days = waiting(stores, MODEL, ZONE).days
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert days == [FIRST, SECOND]
    assert peak < log / 3


def test_a_version_that_was_never_released_is_told(stores):
    write(stores, *many(4))
    compact(stores, FIRST)
    told = verdict(stores, FIRST, RELEASED)
    assert (told.passed, "never released: [3]" in told.reason) == (False, True)


def test_rows_that_were_changed_are_never_sealed_anew(stores):
    write(stores, *many(8))
    compact(stores, FIRST, SECOND)
    (path,) = stores.lake.pin(TABLE, [FIRST]).files
    whole = Path(path).read_bytes()
    rows = pq.ParquetFile(path).read()
    at = rows.column_names.index("probability")
    for changed in (
        rows.set_column(at, "probability", pa.array([0.99] * len(rows))),
        rows.slice(1),
        rows.slice(0, 0),
    ):
        Path(path).unlink()
        pq.write_table(changed, path)
        write(stores, record(f"later-{len(changed)}", 3, 0.5))
        with pytest.raises(GateRefusal, match="are not those that the ledger sealed"):
            compact(stores, FIRST)
    assert len(left(stores)) == 3
    # The other day is not held up, and nothing that was answered is lost meanwhile.
    compact(stores, SECOND)
    Path(path).write_bytes(whole)
    compact(stores, FIRST)
    assert left(stores) == []
    assert len(held(stores)[FIRST]) == 4 + len({len(rows), len(rows) - 1, 0})


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answers=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), max_size=25),
    cuts=st.lists(st.integers(0, 25), max_size=3),
    asked=st.lists(st.sets(st.sampled_from([FIRST, SECOND])), max_size=4),
)
def test_however_a_log_is_cut_and_compacted_each_request_of_a_day_is_there_as_it_was_first_answered(
    tmp_path, answers, cuts, asked
):
    home = tmp_path / str(random.random())
    stores = opened(home, f"sqlite:///{home / 'platform.db'}")
    written = [record(f"r{name}", hour, number / 100) for number, (name, hour) in enumerate(answers)]
    expected: dict[tuple[str, str], float] = {}
    for one in written:
        day = datetime.fromisoformat(one["at"]).astimezone(ZONE).date().isoformat()
        expected.setdefault((day, one["id"]), one["probability"][0])
    bounds = [0, *sorted(cuts), len(written)]
    parts = [written[begin:end] for begin, end in pairwise(bounds)]
    for number, part in enumerate(parts):
        write(stores, *part, max_bytes=1500)
        for days in asked[number : number + 1]:
            compact(stores, *sorted(days))
    compact(stores, FIRST, SECOND)
    found = {
        (one.day, one.request_id): one.probability for said in served(stores, MODEL).values() for one in said
    }
    assert found == expected
    assert left(stores) == []
    shutil.rmtree(home)


def test_who_reads_a_day_waits_for_who_writes_it(stores):
    write(stores, *many(4))
    other = [
        sys.executable,
        "-m",
        "mlops_assets_tests.steps.compactor",
        str(stores.places.home),
        "never",
        FIRST,
    ]
    with compacting(stores, MODEL, ZONE, [FIRST, SECOND]) as made:
        process = subprocess.Popen(other)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=8)
        stores.lake.write(TABLE, made.produced, by("run"))
        made.forget()
    assert process.wait(timeout=60) == 0
    assert sum(held(stores).values(), Counter()) == {f"request-{n}": 1 for n in range(4)}


def test_rows_are_kept_as_json_that_anybody_reads(stores):
    write(stores, record("one", 5, 0.5))
    compact(stores, SECOND)
    (said,) = served(stores, MODEL)[SECOND]
    assert json.loads(said.request) == {"a": "é\ud800", "b": 0}
