"""A request that a service answered is found by its id, with its features as served and the proof of its row."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_assets.errors import BadRequest, NotMaterialized
from mlops_assets.governance import merkle
from mlops_assets.steps.predictions import compacting
from mlops_assets.steps.trace_served import trace_served
from mlops_assets.stores.prediction_log import PredictionLog, log_folder
from mlops_assets_tests.steps.compactor import ZONE
from mlops_assets_tests.steps.test_predictions import FIRST, SECOND, record
from mlops_assets_tests.steps.test_trace_prediction import stores  # noqa: F401
from mlops_assets_tests.stores.commits import by

MODEL = "m"


def answered(opened, *records):
    log = PredictionLog(log_folder(opened.places.home, MODEL))
    for one in records:
        log.append({**one, "version": 1, "views": {"view": "sql=2"}})
    log.close()


def compact(opened, *days):
    with compacting(opened, MODEL, ZONE, days) as made:
        opened.lake.write(f"{MODEL}/predictions", made.produced, by("run"))
        made.forget()


def test_a_request_tells_version_approver_files_features_views_and_its_proof(stores):  # noqa: F811
    answered(stores, record("mine", 5, 0.25, 0.75), *(record(f"other-{n}", 6, 0.5) for n in range(5)))
    with pytest.raises(NotMaterialized, match="mine is in the log of m and not yet in m/predictions"):
        trace_served(stores, "mine")
    compact(stores, FIRST, SECOND)
    found = trace_served(stores, "mine", row=1)
    facts = found.facts
    assert (facts["version"], facts["score"], facts["row"], facts["request_id"]) == (
        1,
        0.75,
        "1 of 2",
        "mine",
    )
    assert facts["request"] == [{"column": "a", "value": "é\ud800"}, {"column": "b", "value": 1}]
    assert facts["features"] == [{"feature": "seen", "value": None}]
    assert facts["views"] == [{"view": "view", "online": "sql=2", "trained_with": "sql=1"}]
    assert facts["decisions"][0]["verdict"] == "promote"
    assert facts["reigns"][0]["by"] == "gate"
    assert {one.table for one in found.reached.tables()} == {"m/model"}
    proof = facts["proof"]
    assert proof["holds"]
    body = json.loads(stores.ledger.entry(proof["entry"]["entry"]).body)
    assert body["count"] == 7
    path, root = [bytes.fromhex(one) for one in proof["path"]], bytes.fromhex(body["root"])
    assert merkle.proves(path, proof["record"].encode(), proof["index"], 7, root)
    # By the id of the row itself, too; and what is added to the day later takes nothing away.
    answered(stores, record("late", 7, 0.5))
    compact(stores, SECOND)
    again = trace_served(stores, found.about.removeprefix("prediction "))
    assert again.facts["row"] == "1 of 2"
    assert again.facts["proof"]["holds"]
    assert "it is one of the 8" in again.facts["proof"]["said"]


def test_an_id_of_several_requests_a_row_that_is_none_and_nobodys_id_are_told(stores):  # noqa: F811
    answered(stores, record("twice", 3, 0.25), record("twice", 5, 0.5), record("once", 5, 0.5))
    compact(stores, FIRST, SECOND)
    with pytest.raises(BadRequest, match=f"2 requests had the id 'twice'; .*: m:{FIRST}:.*, m:{SECOND}:"):
        trace_served(stores, "twice")
    with pytest.raises(BadRequest, match="found row 1, expected one of the 1 of request 'once', from 0"):
        trace_served(stores, "once", row=1)
    for nobodys in ("it's \" none", f"m:{FIRST}:{'0' * 32}", f"x:{FIRST}:{'0' * 32}"):
        assert trace_served(stores, nobodys) is None


def test_a_row_that_was_changed_is_named(stores):  # noqa: F811
    answered(stores, record("mine", 5, 0.25), record("other", 5, 0.5))
    compact(stores, SECOND)
    (path,) = stores.lake.pin("m/predictions", [SECOND]).files
    rows = pq.ParquetFile(path).read()
    changed = pa.array([0.99 if name == "mine" else 0.5 for name in rows["request_id"].to_pylist()])
    Path(path).unlink()
    pq.write_table(rows.set_column(rows.column_names.index("probability"), "probability", changed), path)
    proof = trace_served(stores, "other").facts["proof"]
    assert not proof["holds"]
    assert trace_served(stores, "mine").about.removeprefix("prediction ") in proof["said"]
