"""A prediction is found by its id, proven or named as changed, on both databases."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.recipe import Recipe
from mlops_assets.errors import BadRequest, NotMaterialized
from mlops_assets.governance import merkle
from mlops_assets.governance.canonical import canonical
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.prediction import Prediction
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.modeling.environment import environment
from mlops_assets.modeling.made import Made, Rows
from mlops_assets.modeling.serialization import MADE
from mlops_assets.steps.ledger import verify
from mlops_assets.steps.scoring import sealed
from mlops_assets.steps.trace import trace_model
from mlops_assets.steps.trace_prediction import trace_prediction
from mlops_assets.stores.commit import Commit, PartitionRecord
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.releases import Candidate
from mlops_assets_tests.stores.commits import by
from mlops_assets_tests.stores.ledger_world import MOMENT, YES, opened

DAY, ROWS = "2024-04-02", 7
RAW = Content("raw/t", DAY, 0, 3, "raw")
MODEL = Content("m/model", "2024-04-01", 0, 1, "model")
NO_LEAK = Verdict("no_leak", True, "none was found", blocking=True)


def said(number, *, day=DAY, amount=1.5, model="m"):
    return Prediction(
        model=model,
        day=day,
        version=1,
        artifact_digest="a",
        entity=canonical({"city": f"Кишинёв 北京 {number}", "id": number}),
        event_time=f"{day}T10:0{number}:00.000000+00:00",
        predicted_at=f"{day}T08:0{number}:00.000000+00:00",
        features=canonical({"amount": amount, "channel": "Überweisung", "none": None}),
        score=0.1 * number,
    )


@pytest.fixture
def stores(database_url, tmp_path):
    """A raw file, a day made of it, a released version, and the predictions of a day by it."""
    made = opened(tmp_path / "home", database_url)
    file = Content("landing:t.csv", "whole", 0, 0, "sha of t")
    made.records.adopt(0, Commit("raw/t", by("r"), {DAY: PartitionRecord(3, "raw", (file,))}))
    made.records.adopt(
        0, Commit("m/model", by("r"), {"2024-04-01": PartitionRecord(1, "model", (), (NO_LEAK,))})
    )
    logistic = Estimator(path="sklearn.linear_model.LogisticRegression")
    recipe = Recipe(model="m", estimator=logistic, baseline=logistic, seed=0, inputs={"amount": "number"})
    how = Made(recipe, Rows("m/training_set", "2024-04-01", 0, "f"), "code", environment())
    candidate = Candidate(
        *("m", "2024-04-01", "digest", made.artifacts.save({MADE: how.to_bytes()}), "evidence", "mlflow"),
        *("features", {"view": "sql=1"}, made.artifacts.save({"contract.json": b"{}"})),
        made_from=(MODEL,),
    )
    evidence = Evidence("m", "2024-04-01", "a", 9, 9, "2023-12-01", "2023-12-31", {"auc": 0.9}, {})
    made.releases.record(
        candidate, evidence, YES, against=made.releases.against("m"), by="gates", at=MOMENT, run_id="run"
    )
    write(made, [said(number) for number in range(ROWS)])
    return made


def write(stores, predictions, *, read=(RAW, MODEL), run="run"):
    day = predictions[0].day
    made = sealed(stores, "m", day, predictions, read=read, requests=len(predictions))
    return stores.lake.write("m/batch_predictions", made, by(run))


def rewritten(stores, change):
    """The rows of the day on disk, changed by who owns the disk."""
    (path,) = stores.lake.pin("m/batch_predictions", [DAY]).files
    rows = pq.ParquetFile(path).read()
    Path(path).unlink()
    pq.write_table(change(rows), path)


def test_a_prediction_is_traced_to_its_features_files_and_approver_with_a_proof_that_anybody_checks(stores):
    asked = said(3)
    found = trace_prediction(stores, asked.id)
    facts = found.facts
    assert facts["entity"] == {"city": "Кишинёв 北京 3", "id": 3}
    assert (facts["version"], facts["score"], facts["written_again_in"]) == (1, asked.score, [])
    assert facts["features"] == [
        {"feature": "amount", "value": 1.5},
        {"feature": "channel", "value": "Überweisung"},
        {"feature": "none", "value": None},
    ]
    assert {one["check"] for one in facts["checks"]} == {
        "no_leak",
        "ids_unique",
        "answers_every_request",
        "scores_are_probabilities",
    }
    assert found.reached.files() == [("landing:t.csv", "sha of t")]
    assert {one.table for one in found.reached.tables()} == {"m/batch_predictions", "m/model", "raw/t"}
    assert facts["reigns"][0]["by"] == "gate"
    assert facts["decisions"][0]["verdict"] == "promote"
    assert {one["kind"] for one in facts["ledger"]} == {"release", "reign"}
    proof = facts["proof"]
    assert proof["holds"]
    entry = stores.ledger.entry(proof["entry"]["entry"])
    body = json.loads(entry.body)
    path = [bytes.fromhex(one) for one in proof["path"]]
    record = proof["record"].encode()
    root = bytes.fromhex(body["root"])
    assert merkle.proves(path, record, proof["index"], body["count"], root)
    assert not merkle.proves(path, record + b" ", proof["index"], body["count"], root)
    assert json.loads(json.dumps(found.to_dict()))["start"]
    assert verify(stores).findings == ()


def test_a_version_is_traced_with_its_version_in_mlflow_what_its_features_meant_and_its_checks(stores):
    facts = trace_model(stores, "m", 1).facts
    assert facts["mlflow"] == {"run": "mlflow", "version": "not shown yet"}
    stores.releases.set_mirrored(stores.releases.version("m", 1), "7", "digest")
    facts = trace_model(stores, "m", 1).facts
    assert facts["mlflow"] == {"run": "mlflow", "version": "7"}
    assert facts["feature_hash"] == "features"
    assert facts["view_versions"] == {"view": "sql=1"}
    (check,) = facts["checks"]
    assert (check["table"], check["check"], check["passed"]) == ("m/model", "no_leak", True)
    of_prediction = trace_prediction(stores, said(3).id).facts
    assert all(of_prediction[name] == facts[name] for name in ("mlflow", "feature_hash", "view_versions"))


def test_a_restated_day_has_other_ids_and_the_old_ones_are_traced_to_the_old_contents(stores):
    restated = Content("raw/t", DAY, 1, 3, "mended")
    file = Content("landing:t.csv", "whole", 0, 0, "sha of mended")
    stores.records.adopt(1, Commit("raw/t", by("r2"), {DAY: PartitionRecord(3, "mended", (file,))}))
    old, new, same = said(3), said(3, amount=2.5), said(4)
    again = [said(number) if number != 3 else new for number in range(ROWS)]
    write(stores, again, read=(restated, MODEL), run="again")
    before, after, kept = (trace_prediction(stores, one.id) for one in (old, new, same))
    assert before.reached.files() == kept.reached.files() == [("landing:t.csv", "sha of t")]
    assert after.reached.files() == [("landing:t.csv", "sha of mended")]
    assert kept.facts["written_again_in"] == [1]
    assert [one.facts["proof"]["holds"] for one in (before, after, kept)] == [True, True, True]
    assert before.facts["proof"]["entry"]["entry"] < after.facts["proof"]["entry"]["entry"]


def test_a_row_that_was_changed_is_named(stores):
    def change(rows):
        scores = rows["score"].to_pylist()
        at = rows["prediction_id"].to_pylist().index(said(3).id)
        scores[at] = 0.99
        return rows.set_column(rows.column_names.index("score"), "score", pa.array(scores))

    rewritten(stores, change)
    for asked, own in ((said(3).id, "it is among them"), (said(4).id, "it is not among them")):
        proof = trace_prediction(stores, asked).facts["proof"]
        assert not proof["holds"]
        assert (proof["entry"], proof["changed"]) == (None, [said(3).id])
        assert own in proof["said"]
        assert said(3).id in proof["said"]


def test_a_row_that_was_taken_out_is_missed(stores):
    rewritten(
        stores,
        lambda rows: rows.filter(pa.array([one != said(3).id for one in rows["prediction_id"].to_pylist()])),
    )
    proof = trace_prediction(stores, said(4).id).facts["proof"]
    assert not proof["holds"]
    assert (
        f"the {ROWS - 1} rows that are there are not those that were sealed ({ROWS} in entry" in proof["said"]
    )
    with pytest.raises(
        NotMaterialized, match=f"there were {ROWS} of {DAY}, of which the ledger sealed {ROWS}"
    ):
        trace_prediction(stores, said(3).id)


def test_what_is_no_id_or_nobodys_is_told_so(stores):
    with pytest.raises(BadRequest, match="expected the id of a prediction"):
        trace_prediction(stores, "7")
    with pytest.raises(NotMaterialized, match=f"it has those of {DAY} to {DAY}"):
        trace_prediction(stores, said(1, day="2024-04-03").id)
    with pytest.raises(
        NotMaterialized, match="no predictions of other of 2024-04-02 were ever made; it has none"
    ):
        trace_prediction(stores, said(1, model="other").id)
    with pytest.raises(NotMaterialized, match="has no prediction"):
        trace_prediction(stores, said(1, amount=9.0).id)
