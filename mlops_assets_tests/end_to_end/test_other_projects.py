"""Other teams' declarations, with no change to the machinery: a second model, another source, the Python door."""

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from mlops_assets.governance.ml_test_score import STAGE as SCORE
from mlops_assets.graph import keys
from mlops_assets.graph.jobs import WATCHES
from mlops_assets.graph.plan import STAGES
from mlops_assets.graph.retraining import LOG
from mlops_assets.modeling.frames import frame, score
from mlops_assets.modeling.serialization import from_files
from mlops_assets_tests.sandbox import REAL, SHOP, Sandbox, land_orders, load_project, make_project, sandbox

FIRST, DAYS, AS_OF = date(2024, 3, 1), 30, "2024-03-29"
TABLES = ("orders", "customers")
DAILY = [
    keys.raw("orders"),
    keys.validated("orders"),
    keys.quarantine("orders"),
    keys.features("customer_orders"),
]
SNAPSHOTS = [
    keys.raw("customers"),
    keys.validated("customers"),
    keys.quarantine("customers"),
    keys.features("customer_profile"),
]
STORY = [keys.of_model("returned", stage) for stage in STAGES]

LONG_HAUL = """
type: mlops_assets.components.GovernedModel
attributes:
  name: very_late
  owner: team:network
  label: {table: flights, positive: arrival_delay >= 60}
  predict_before: 2h
  features: departure
  request: [carrier, origin, distance]
  estimator: {path: sklearn.linear_model.LogisticRegression, categories: one_hot, numbers: standardized}
  window: {train_days: 30, evaluate_days: 7}
"""

BY_HAND = """
import dagster as dg
from mlops_assets.components import GovernedModel
from mlops_assets.declaration.model import Model


@dg.component_instance
def by_hand(context: dg.ComponentLoadContext) -> GovernedModel:
    return GovernedModel(Model.model_validate({
        "name": "by_hand", "owner": "team:shop", "features": "at_checkout",
        "label": {"table": "orders", "positive": "returned"},
        "estimator": {"path": "sklearn.tree.DecisionTreeClassifier", "parameters": {"max_depth": 3}},
        "window": {"train_days": 10, "evaluate_days": 7},
    }))
"""


def all_keys(project):
    return set(project.definitions.resolve_asset_graph().get_all_asset_keys())


# What versions answered, in batches and by a service, and how the service did.
ANSWERED = ("batch_predictions", "predictions", "service_report")


def test_a_second_model_on_the_same_features_is_one_file_and_duplicates_nothing(tmp_path):
    before = load_project(make_project(tmp_path / "before", like=REAL))
    more = {"PACKAGE/defs/very_late/defs.yaml": LONG_HAUL}
    after = load_project(make_project(tmp_path / "after", like=REAL, more=more))
    assert all_keys(after) - all_keys(before) == {
        keys.of_model("very_late", stage)
        for stage in (*STAGES, *WATCHES, LOG, "parity", *ANSWERED, "lineage", "changes", SCORE)
    }
    assert all_keys(before) <= all_keys(after)


def test_a_model_declared_in_python_has_the_same_graph_as_one_in_yaml(tmp_path):
    more = {"PACKAGE/defs/by_hand/component.py": BY_HAND}
    project = load_project(make_project(tmp_path, like=SHOP, more=more))
    assert {keys.of_model("by_hand", stage) for stage in STAGES} <= all_keys(project)
    assert "by_hand" in project.models


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return load_project(make_project(tmp_path_factory.mktemp("shop"), like=SHOP))


def bring_up(box: Sandbox) -> None:
    land_orders(box.home, FIRST, DAYS)
    box.run(*SNAPSHOTS)
    box.run(*DAILY, first="2024-03-01", last="2024-03-28")
    box.run(*STORY, first=AS_OF)


@pytest.fixture(scope="module")
def box(shop, tmp_path_factory):
    with sandbox(shop, tmp_path_factory.mktemp("home")) as opened:
        bring_up(opened)
        yield opened


def test_another_source_entity_and_label_end_in_a_released_champion(box):
    champion = box.stores.releases.champion("returned")
    assert champion is not None
    assert (champion.version, champion.as_of, champion.mlflow_version) == (1, AS_OF, "1")
    (released,) = box.rows("returned/release")
    assert released["verdict"] == "promote"


def test_mlflow_shows_the_champion_with_its_origin_and_can_load_it(box):
    import mlflow

    champion = box.stores.releases.champion("returned")
    uri = f"sqlite:///{box.home / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri, uri)
    shown = client.get_model_version_by_alias("returned", "champion")
    assert (str(shown.version), shown.run_id) == (champion.mlflow_version, champion.mlflow_run_id)
    run = client.get_run(shown.run_id)
    assert run.info.run_name == f"returned as of {AS_OF}"
    tables = json.loads(run.data.tags["mlops/table_versions"])
    assert {"validated/orders", "features/customer_orders", "returned/training_set"} <= tables.keys()
    for tag in ("dagster/run_id", "dagster/partition", "mlops/feature_hash", "mlops/code_version"):
        assert run.data.tags[tag]
    rows = pd.DataFrame(box.rows("returned/training_set")).head(50)
    ours = from_files(box.stores.artifacts.load(champion.artifact_digest))
    mlflow.set_tracking_uri(uri)
    theirs = mlflow.sklearn.load_model("models:/returned@champion")
    features = frame(rows, ours.inputs)
    assert (theirs.predict_proba(features)[:, 1] == score(ours.model, ours.inputs, rows)).all()


def test_the_same_as_of_date_in_a_fresh_home_gives_the_same_data_and_the_same_scores(shop, box, tmp_path):
    with sandbox(shop, tmp_path) as other:
        bring_up(other)
        for key in (*SNAPSHOTS, *DAILY, *STORY):
            mine, theirs = (b.stores.records.contents(keys.table_name(key)) for b in (box, other))
            assert [c.fingerprint for c in mine] == [c.fingerprint for c in theirs], key
        mine, theirs = (b.stores.releases.champion("returned") for b in (box, other))
        assert mine.model_digest == theirs.model_digest


def test_doing_it_again_makes_no_second_version(box):
    before = [content.fingerprint for content in box.stores.records.contents("returned/model")]
    box.run(*STORY, first=AS_OF)
    assert [content.fingerprint for content in box.stores.records.contents("returned/model")] == before
    assert [release.version for release in box.stores.releases.versions("returned")] == [1]
    assert len(box.stores.releases.history("returned")) == 1


def test_every_partition_of_a_range_has_its_own_data_version(box):
    versions = box.instance.event_log_storage.get_latest_tags_by_partition(
        keys.validated("orders"), _materialization(), ["dagster/data_version"]
    )
    contents = box.stores.records.contents("validated/orders")
    assert {day: tags["dagster/data_version"] for day, tags in versions.items()} == {
        content.partition: content.fingerprint for content in contents
    }
    assert len(set(versions)) == 28
    assert len({tags["dagster/data_version"] for tags in versions.values()}) == 28


def test_making_one_day_of_a_range_again_changes_no_data_version(box):
    before = box.latest(keys.features("customer_orders")).tags["dagster/data_version"]
    box.run(keys.features("customer_orders"), first="2024-03-28")
    again = box.latest(keys.features("customer_orders"))
    assert again.partition == "2024-03-28"
    assert again.tags["dagster/data_version"] == before
    assert again.tags["dagster/code_version"]


def test_a_range_run_writes_one_materialization_for_each_day(box):
    events = box.instance.fetch_materializations(keys.quarantine("orders"), limit=100).records
    assert sorted(record.partition_key for record in events) == [f"2024-03-{day:02d}" for day in range(1, 29)]


def test_a_training_set_names_every_partition_it_read_and_nothing_else(box):
    (content,) = box.stores.records.contents("returned/training_set")
    read = box.stores.records.reads(content)
    days = {(c.table, c.partition) for c in read}
    assert {p for t, p in days if t == "validated/orders"} == {f"2024-03-{d:02d}" for d in range(1, 29)}
    assert ("features/customer_profile", "all") in days
    assert {t for t, _ in days} == {
        "validated/orders",
        "features/customer_orders",
        "features/customer_profile",
    }


def test_raw_rows_name_the_file_they_came_from_by_its_digest(box):
    content = box.stores.records.contents("raw/orders")[0]
    (file,) = box.stores.records.reads(content)
    assert file.table == "landing:orders/2024-03-01.csv"
    assert len(file.fingerprint) == 32


def test_a_training_row_never_knows_a_label_that_came_after_its_prediction(box):
    for row in box.rows("returned/training_set"):
        assert row["label_known_at"] >= row["predicted_at"]
        if row["use"] == "train":
            assert row["label_known_at"].date() <= date(2024, 3, 21)


def write_orders(home: Path, day: str, lines: list[str]) -> None:
    header = "order_id,customer_id,amount,channel,returned,ordered_at,settled_at"
    (home / "landing" / "orders" / f"{day}.csv").write_text(
        "\n".join([header, *lines]) + "\n", encoding="utf-8"
    )


GOOD = "{n},5,10.0,web,false,2024-03-30T10:00:00+01:00,2024-03-30T22:00:00+01:00"


def test_rows_set_aside_keep_every_reason_and_counts_add_up(box):
    bad = [
        "900,-4,ten,fax,perhaps,2024-03-30T10:00:00+01:00,2024-03-30T22:00:00+01:00",
        "901,,5,web,true,,2024-03-30T22:00:00+01:00",
    ]
    write_orders(box.home, "2024-03-30", [GOOD.format(n=n) for n in range(18)] + bad)
    box.run(*DAILY[:3], first="2024-03-30")
    aside = {row["order_id"]: set(row["reasons"]) for row in box.rows("quarantine/orders", ["2024-03-30"])}
    assert aside["900"] == {
        "customer_id: below 1",
        "amount: not a number",
        "channel: not in its list",
        "returned: not a boolean",
    }
    assert aside["901"] == {"customer_id: missing", "event_time: missing"}
    assert len(box.rows("validated/orders", ["2024-03-30"])) == 18
    told = box.latest(keys.validated("orders")).metadata
    assert (told["raw_rows"].value, told["quarantined_rows"].value) == (20, 2)


def test_too_many_bad_rows_block_every_use_of_that_day_and_of_no_other(box):
    write_orders(box.home, "2024-03-31", [GOOD.format(n=n) for n in range(2)] + ["x,y,z,,,,"] * 8)
    result = box.run(*DAILY[:3], first="2024-03-31", raise_on_error=False)
    assert not result.success
    refused = box.run(DAILY[3], first="2024-03-31", raise_on_error=False)
    assert not refused.success
    (failure,) = [event for event in refused.all_events if event.is_step_failure]
    assert "quarantined_share" in str(failure.step_failure_data.error.to_string())
    assert box.run(DAILY[3], first="2024-03-28").success


def test_a_day_without_a_file_is_empty_and_says_so(box):
    day = "2024-04-02"
    assert box.run(*DAILY[:3], first=day).success
    assert box.rows("validated/orders", [day]) == []
    (record,) = box.stores.records.contents("raw/orders", partitions=[day])
    said = {verdict.check: verdict for verdict in box.stores.records.verdicts(record)}
    assert not said["arrival"].passed
    assert "orders/2024-04-02.csv" in said["arrival"].reason


def test_a_dropped_column_blocks_the_day_before_anything_is_built_on_it(box):
    path = box.home / "landing" / "orders" / "2024-04-03.csv"
    path.write_text(
        "order_id,amount,channel,returned,ordered_at,settled_at\n1,2,web,true,2024-04-03,2024-04-04\n"
    )
    result = box.run(*DAILY[:3], first="2024-04-03", raise_on_error=False)
    assert not result.success
    (record,) = box.stores.records.contents("raw/orders", partitions=["2024-04-03"])
    said = {verdict.check: verdict for verdict in box.stores.records.verdicts(record)}
    assert not said["schema"].passed
    assert "customer_id" in said["schema"].reason
    assert box.stores.records.contents("validated/orders", partitions=["2024-04-03"]) == []


def test_a_feature_whose_history_was_never_made_is_refused_with_the_days_that_are_missing(shop, tmp_path):
    with sandbox(shop, tmp_path) as other:
        land_orders(other.home, FIRST, 20)
        other.run(*DAILY[:3], first="2024-03-15")
        result = other.run(DAILY[3], first="2024-03-15", raise_on_error=False)
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        assert "validated/orders has no partition 2024-03-04" in failure.step_failure_data.error.to_string()


def _materialization():
    from dagster import DagsterEventType

    return DagsterEventType.ASSET_MATERIALIZATION


def refusal(box: Sandbox, key, day: str) -> str:
    result = box.run(key, first=day, raise_on_error=False)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    return failure.step_failure_data.error.to_string()


def test_what_is_judged_belongs_together_whatever_is_clicked_in_whatever_order(shop, tmp_path):
    training_set, model, report, release = STORY
    with sandbox(shop, tmp_path) as other:
        bring_up(other)
        before = other.stores.releases.history("returned")
        land_orders(other.home, FIRST, DAYS, seed=1)
        other.run(*DAILY, first="2024-03-01", last="2024-03-28")
        other.run(training_set, first=AS_OF)
        assert "materialize returned/model again" in refusal(other, report, AS_OF)
        other.run(model, first=AS_OF)
        assert "materialize returned/evaluation_report again" in refusal(other, release, AS_OF)
        assert other.stores.releases.history("returned") == before
        other.run(report, release, first=AS_OF)
        assert len(other.stores.releases.history("returned")) == 2


def test_a_release_without_any_evaluation_is_refused(shop, tmp_path):
    training_set, model, _, release = STORY
    with sandbox(shop, tmp_path) as other:
        land_orders(other.home, FIRST, DAYS)
        other.run(*SNAPSHOTS)
        other.run(*DAILY, first="2024-03-01", last="2024-03-28")
        other.run(training_set, model, first=AS_OF)
        assert "nothing has been written to returned/evaluation_report yet" in refusal(other, release, AS_OF)
        assert other.stores.releases.champion("returned") is None


def test_a_feature_that_changes_its_meaning_neither_mixes_with_the_old_nor_is_given_to_the_champion(tmp_path):
    home, next_as_of = tmp_path / "home", "2024-03-30"
    first = load_project(make_project(tmp_path / "first", like=SHOP))
    with sandbox(first, home) as box:
        bring_up(box)
        assert box.stores.releases.champion("returned").version == 1

    package = make_project(tmp_path / "second", like=SHOP)
    view = package.parent / "feature_repo" / "views" / "customer_orders.yaml"
    said = view.read_text()
    changed = said.replace("OVER week AS came_back", "OVER week * 100 AS came_back", 1)
    assert changed != said
    view.write_text(changed)
    with sandbox(load_project(package), home) as box:
        box.run(*DAILY, first="2024-03-29")
        mixed = box.run(STORY[0], first=next_as_of, raise_on_error=False)
        (failure,) = [event for event in mixed.all_events if event.is_step_failure]
        assert "was computed by another version of its SQL" in str(failure.step_failure_data.error)
        box.run(DAILY[-1], first=FIRST.isoformat(), last="2024-03-28")
        box.run(*STORY, first=next_as_of)
        decided = box.stores.releases.history("returned")[-1]
    assert (decided["as_of"], decided["verdict"]) == (next_as_of, "not enough data")
    assert any("version 1 cannot be compared" in reason["sentence"] for reason in decided["reasons"])
