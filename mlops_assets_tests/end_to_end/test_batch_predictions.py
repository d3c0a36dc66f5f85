"""Days are scored by the version that reigned then; each prediction is sealed, and tells why it is."""

import json
import re
import shutil
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.openlineage import export_openlineage
from mlops_assets.cli.scoring import predict_days
from mlops_assets.cli.traced import show_prediction
from mlops_assets.data.training_set import Horizon
from mlops_assets.errors import ImpossibleDate
from mlops_assets.governance import merkle
from mlops_assets.governance.prediction import ANSWERED, place_of
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets.modeling.frames import score
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps.evaluation import loaded_model
from mlops_assets.steps.hindsight import known_events
from mlops_assets.steps.ledger import verify
from mlops_assets.steps.question import pinned_question
from mlops_assets.steps.scoring import named_predictions
from mlops_assets.stores.ledger import BATCH
from mlops_assets_tests.lineage.test_openlineage import require_event
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

pytestmark = pytest.mark.slow

FIRST, DAYS, LAST = date(2024, 3, 1), 40, "2024-04-09"
CHAMPION, DAY, NEXT = "2024-03-30", "2024-04-02", "2024-04-03"
ORDERS = [keys.raw("orders"), keys.validated("orders"), keys.quarantine("orders")]
CUSTOMERS = [keys.raw("customers"), keys.validated("customers"), keys.quarantine("customers")]
PREDICTIONS = keys.of_model("returned", "batch_predictions")
ABOUT = f"returned/batch_predictions@{DAY}"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with a champion and the predictions of two days, and one before any version reigned."""
    home = tmp_path_factory.mktemp("home")
    project = load_project(make_project(tmp_path_factory.mktemp("project"), like=SHOP))
    with sandbox(project, home) as opened:
        land_orders(home, FIRST, DAYS)
        opened.run(*CUSTOMERS, keys.features("customer_profile"))
        opened.run(*ORDERS, keys.features("customer_orders"), first=FIRST.isoformat(), last=LAST)
        opened.run(*(keys.of_model("returned", stage) for stage in STAGES), first=CHAMPION)
        opened.run(PREDICTIONS, first=DAY, last=NEXT)
    return project, home


@pytest.fixture
def box(made, tmp_path):
    project, home = made
    shutil.copytree(home, tmp_path / "home")
    with sandbox(project, tmp_path / "home") as opened:
        yield opened


def predictions(box, day=DAY, version=None):
    return named_predictions(box.stores, "returned", day, version=version)


def verdicts(box, day):
    (content,) = box.stores.records.contents("returned/batch_predictions", partitions=[day])
    return {one.check: one for one in box.stores.records.verdicts_of([content])[content]}


def test_every_event_of_a_day_is_scored_as_evaluation_scores_it(box):
    found = {json.loads(one.entity)["order_id"]: one for _, one in predictions(box)}
    catalog, model = box.project.catalog, box.project.model("returned")
    champion = box.stores.releases.champion("returned")
    zone = catalog.tables["orders"].source.zone
    events, views = pinned_question(box.stores, catalog, model, Horizon.watched(date(2024, 4, 3), 1, zone))
    days = (date(2024, 4, 2), date(2024, 4, 3), date(2024, 5, 1))
    known = known_events(box.stores, catalog, model, events, views, *days)
    loaded = loaded_model(box.stores, champion.artifact_digest)
    scores = score(loaded.model, loaded.inputs, known.rows)
    assert dict(zip(known.rows["order_id"], scores, strict=True)) == {
        order: one.score for order, one in found.items()
    }
    assert len(found) == events.rows == 40
    assert {one.version for one in found.values()} == {1}
    assert all(one.passed for one in verdicts(box, DAY).values())
    assert len(verdicts(box, DAY)) == 3


def test_an_id_is_the_hash_of_its_row_and_is_the_same_again(box):
    before = predictions(box)
    assert all(name == one.id for name, one in before)
    assert {place_of(name) for name, _ in before} == {("returned", DAY)}
    assert len({name for name, _ in before}) == 40
    sealed = len(box.stores.ledger.newest(9, kind=BATCH, subject=ABOUT))
    (content,) = box.stores.records.contents("returned/batch_predictions", partitions=[DAY])
    box.run(PREDICTIONS, first=DAY)
    (again,) = box.stores.records.contents("returned/batch_predictions", partitions=[DAY])
    assert predictions(box) == before
    assert (again.fingerprint, again.version) == (content.fingerprint, content.version + 1)
    assert len(box.stores.ledger.newest(9, kind=BATCH, subject=ABOUT)) == sealed == 1


def test_the_ledger_has_the_root_of_a_days_rows(box):
    (entry,) = box.stores.ledger.newest(9, kind=BATCH, subject=ABOUT)
    records = [one.record.encode() for _, one in predictions(box)]
    said = json.loads(entry.body)
    assert (said["count"], said["root"]) == (40, merkle.root(records).hex())
    assert verify(box.stores).findings == ()


def test_a_day_before_the_first_reign_has_no_predictions_and_says_why(box):
    box.run(PREDICTIONS, first="2024-03-29")
    assert predictions(box, "2024-03-29") == []
    said = verdicts(box, "2024-03-29")[ANSWERED]
    assert (said.passed, said.error) == (False, False)
    assert said.reason == "0 predictions of 40 events: no version of returned reigned before 2024-03-29"
    # A version as of a day was trained when that day had begun.
    box.run(PREDICTIONS, first=CHAMPION)
    assert predictions(box, CHAMPION) == []


def test_a_release_shows_its_lineage_and_a_date_without_one_says_so(box):
    shown = keys.of_model("returned", "lineage")
    box.run(shown, first=CHAMPION)
    told = box.latest(shown).metadata
    assert told["version"].value == "returned version 1"
    assert "data:image/svg+xml" in told["lineage"].value
    assert "raw/orders" in told["tables"].value
    assert "raw/orders: " in told["in_words"].value
    # Each day's file, and the file of customers.
    assert (
        told["files"].value
        == len(
            {
                one[0]
                for one in box.stores.lineage.backward(
                    box.stores.lineage.find(box.stores.releases.version("returned", 1).made_from)
                ).files()
            }
        )
        > 20
    )
    assert "<svg" in Path(told["walk"].value).read_text()
    box.run(shown, first="2024-04-05")
    assert box.latest(shown).metadata["version"].value.startswith("none")


def test_everything_that_was_made_is_exported_as_events_that_link_to_each_other(box, tmp_path):
    opened = Deployment(box.project, box.instance, box.stores, box.tracking)
    export_openlineage(opened, tmp_path / "a.jsonl", "shop", console=Console(quiet=True))
    export_openlineage(opened, tmp_path / "b.jsonl", "shop", console=Console(quiet=True))
    text = (tmp_path / "a.jsonl").read_text()
    assert text == (tmp_path / "b.jsonl").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    for event in found:
        require_event(event)
    ids = [event["run"]["runId"] for event in found]
    assert len(ids) == len(set(ids))

    def place(dataset):
        return dataset["name"], dataset["facets"].get("version", {}).get("datasetVersion")

    made = {place(one) for event in found for one in event["outputs"]}
    read = {place(one) for event in found for one in event["inputs"]}
    assert {name for name, _ in read - made} == {name for name, _ in read if name.startswith("landing:")}
    fields = {
        event["job"]["name"]: event["outputs"][0]["facets"].get("columnLineage", {}).get("fields", {})
        for event in found
        if event["outputs"]
    }
    assert fields["validated/orders"]["amount"]["inputFields"] == [
        {"namespace": "shop", "name": "raw/orders", "field": "amount"}
    ]
    assert "returned/batch_predictions" in fields


def test_a_prediction_tells_why_with_its_columns_also_when_dagster_has_forgotten(box, tmp_path):
    opened = Deployment(box.project, box.instance, box.stores, box.tracking)
    wanted, said = predictions(box)[0]

    def told(**how):
        printed = Console(record=True, width=200, quiet=False, file=StringIO())
        assert show_prediction(
            opened, wanted, console=printed, **{"row": 0, "as_json": False, "html": None, **how}
        )
        return printed.export_text()

    before = told(as_json=True)
    for run in box.instance.get_runs():
        box.instance.delete_run(run.run_id)
    box.instance.wipe_assets(box.instance.all_asset_keys())
    assert told(as_json=True) == before
    facts = json.loads(before)["facts"]
    (amount,) = (one for one in facts["features"] if one["feature"] == "amount")
    assert amount == {
        "feature": "amount",
        "value": json.loads(said.features)["amount"],
        "made_from": "validated/orders.amount ← raw/orders.amount",
    }
    assert facts["columns"] == "as declared, then and now"
    below = {(one["table"], one["check"]) for one in facts["checks"]}
    assert {("returned/training_set", "no_leak"), ("raw/orders", "schema")} <= below
    ends = {one["table"] for one in json.loads(before)["ends"]}
    assert any(one.endswith(f"{DAY}.csv") for one in ends)
    text = told()
    assert "feature amount" in text
    assert "it is one of the 40 that entry" in text
    told(html=tmp_path / "why.html")
    assert "validated/orders.amount ← raw/orders.amount" in (tmp_path / "why.html").read_text()


def test_predicting_days_says_by_which_version_and_which_days_cannot_be(box, monkeypatch):
    monkeypatch.setenv(HOME, str(box.home))
    monkeypatch.delenv(MLFLOW, raising=False)
    opened = Deployment(box.project, box.instance, box.stores, box.tracking)
    printed = Console(record=True, width=60, file=StringIO())
    predict_days(opened, "returned", date(2024, 3, 30), date(2024, 3, 31), console=printed)
    text = printed.export_text()
    assert "returned 2024-03-30: 0 predictions" in text
    assert "no version of returned reigned before 2024-03-30" in text
    (first, *_) = predictions(box, "2024-03-31")
    assert re.search(
        r"2024-03-31: 40 predictions by version 1, the first returned:2024-03-31:[0-9a-f]{32}\n", text
    )
    assert f"the first {first[0]}\n" in text
    with pytest.raises(ImpossibleDate, match="a version can be there for days from 2024-03-29"):
        predict_days(opened, "returned", date(2024, 3, 28), date(2024, 3, 31), console=printed)
