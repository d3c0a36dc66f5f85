"""A log of predictions becomes rows of days, once each, without those that are still written."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mlops_assets.steps.predictions import compacted
from mlops_assets.stores.prediction_log import PredictionLog

NEW_YORK = ZoneInfo("America/New_York")


def record(name, hour, *probabilities):
    rows = len(probabilities)
    return {
        "id": name,
        "at": datetime(2024, 5, 2, hour, tzinfo=UTC).isoformat(),
        "model": "returned",
        "version": 3,
        "milliseconds": 1.5,
        "request": [{"b": number, "a": "é"} for number in range(rows)],
        "features": [{"seen": None}] * rows,
        "probability": list(probabilities),
    }


def test_each_row_of_each_request_is_one_in_its_local_day(tmp_path):
    log = PredictionLog(tmp_path)
    for one in (record("second", 5, 0.25, 0.5), record("first", 3, 0.75), record("first", 6, 0.1)):
        log.append(one)
    log.close()
    writing = PredictionLog(tmp_path)
    writing.append(record("third", 7, 0.9))
    found = compacted(tmp_path, NEW_YORK)
    rows = found.rows.to_pylist()
    assert [(one["partition"], one["request_id"], one["row"], one["probability"]) for one in rows] == [
        ("2024-05-01", "first", 0, 0.75),
        ("2024-05-02", "second", 0, 0.25),
        ("2024-05-02", "second", 1, 0.5),
    ]
    assert found.days == ["2024-05-01", "2024-05-02"]
    assert rows[2]["request"] == '{"a": "\\u00e9", "b": 1}'
    assert (rows[0]["version"], rows[0]["milliseconds"], rows[0]["features"]) == (3, 1.5, '{"seen": null}')
    found.forget()
    assert len(compacted(tmp_path, NEW_YORK).rows) == 0
    writing.close()
    assert compacted(tmp_path, NEW_YORK).rows["request_id"].to_pylist() == ["third"]
