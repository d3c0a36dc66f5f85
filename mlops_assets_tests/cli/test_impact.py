"""A change of a view, as Dagster, `mlops features impact` and `mlops run` see it: exactly its descendants."""

import io
import json
from contextlib import contextmanager
from datetime import date

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from rich.console import Console
from typer.testing import CliRunner

from mlops_assets.cli.commands import bring_up_to
from mlops_assets.cli.declared_features import show_features, show_impact
from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.main import app
from mlops_assets.declaration.access import Policy
from mlops_assets.governance.ml_test_score import STAGE as SCORE
from mlops_assets.governance.served_prediction import TABLE as ANSWERED
from mlops_assets.graph import keys
from mlops_assets.graph.changes import CHANGES
from mlops_assets.graph.plan import LINEAGE, STAGES
from mlops_assets.graph.retraining import LOG
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps.changes import propose
from mlops_assets.stores.overrides import Subject
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

AS_OF = date(2024, 3, 29)
# What tells of a model what was recorded of it.
TELLING = (LOG, LINEAGE, CHANGES, SCORE)
# Two models on one table: the second takes one view only, of which nothing changes.
PLAIN = """
type: mlops_assets.components.GovernedModel
attributes:
  name: plain
  owner: team:shop
  label: {table: orders, positive: returned}
  features: profile_only
  request: [amount, channel]
  estimator: {path: sklearn.linear_model.LogisticRegression, categories: one_hot, numbers: standardized}
  window: {train_days: 20, evaluate_days: 8}
  gates: {floors: {roc_auc: 0.5}, at_least_rows: 100}
"""
SERVICES = """
- {name: at_checkout, owner: "team:shop", features: ["customer_orders:came_back", "customer_profile:country"]}
- {name: profile_only, owner: "team:shop", features: [customer_profile]}
"""
CHANGED, UNCHANGED = keys.features("customer_orders"), keys.features("customer_profile")
OWN_STAGES = [keys.of_model("returned", stage) for stage in STAGES]


class Shop:
    """The shop on disk and its home; loaded anew after each change."""

    def __init__(self, package, home):
        self.package = package
        self.home = home
        self.repository = package.parent / "feature_repo"

    def edit(self, path, old, new):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def view(self, name):
        return self.repository / "views" / f"{name}.yaml"

    def opened(self):
        return sandbox(load_project(self.package), self.home)


def deployment_of(opened) -> Deployment:
    return Deployment(opened.project, opened.instance, opened.stores, opened.tracking)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def code_versions(opened) -> dict[dg.AssetKey, str | None]:
    graph = opened.project.definitions.resolve_asset_graph()
    return {key: graph.get(key).code_version for key in graph.materializable_asset_keys}


def changed(before, after) -> set[dg.AssetKey]:
    return {key for key in after if after[key] != before[key]}


def with_descendants(opened, key: dg.AssetKey) -> set[dg.AssetKey]:
    """An asset and all that is made of it, by Dagster's own graph. What was is told the same whatever is declared.

    So is what was answered, but not how well.
    """
    graph = opened.project.definitions.resolve_asset_graph()
    children = [child for child in graph.get(key).child_keys if child.path[-1] not in TELLING]
    own = {key} if key.path[-1] != ANSWERED else set()
    return own.union(*(with_descendants(opened, child) for child in children))


def statuses(opened) -> dict[dg.AssetKey, set[StaleStatus]]:
    """What Dagster's UI says of the partitions that are there."""
    graph = opened.project.definitions.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(opened.instance, graph, LoadingContextForTest(opened.instance))
    found = {}
    for key in graph.materializable_asset_keys:
        made = opened.instance.get_materialized_partitions(key)
        partitions = sorted(made)[-1:] if graph.get(key).is_partitioned else [None]
        found[key] = {resolver.get_status(key, partition) for partition in partitions}
    return found


def stale(opened) -> set[dg.AssetKey]:
    return {key for key, found in statuses(opened).items() if StaleStatus.STALE in found}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder, home = tmp_path_factory.mktemp("impact"), tmp_path_factory.mktemp("home")
    more = {"PACKAGE/defs/plain/defs.yaml": PLAIN, "feature_repo/services.yaml": SERVICES}
    land_orders(home, date(2024, 3, 1), 28)
    shop = Shop(make_project(folder, like=SHOP, more=more), home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME, str(home))
        patch.delenv(MLFLOW, raising=False)
        with shop.opened() as opened:
            for model in ("returned", "plain"):
                bring_up_to(deployment_of(opened), model, [AS_OF], again=False, console=quiet())
        yield shop


def wait_for_two(stores):
    """Requests of a policy that asks for agreement: about two models and a table that nothing changes."""
    now = stores.ledger.now()
    stores.policies.adopt(Policy(roles={}), after=0, by="ada", reason="first", at=now)
    asked = {
        "model:returned": Subject("returned/release", "2024-03-29", "d", "floor"),
        "table:raw/customers": Subject("raw/customers", "whole", "d", "rows"),
        "model:plain": Subject("plain/release", "2024-03-29", "d", "floor"),
    }
    for resource, subject in asked.items():
        propose(stores, "override", resource, vars(subject), by="ada", reason="known")


def exit_code(shop, monkeypatch) -> int:
    """What `mlops features impact` ends with, on the shop."""

    @contextmanager
    def opened_deployment(_action):
        with shop.opened() as opened:
            yield deployment_of(opened)

    monkeypatch.setattr("mlops_assets.cli.features.opened_deployment", opened_deployment)
    return CliRunner().invoke(app, ["features", "impact"]).exit_code


def impact_of(opened):
    return show_impact(deployment_of(opened), as_json=False, console=quiet())


@pytest.mark.slow
def test_nothing_is_touched_when_only_words_for_people_change(shop, monkeypatch):
    with shop.opened() as opened:
        before = code_versions(opened)
        assert not impact_of(opened).tables
        assert not impact_of(opened).models
        assert not stale(opened)
    shop.edit(
        shop.view("customer_orders"), "owner: team:shop", "owner: team:other\ntags: {a: b}\ndescription: X"
    )
    shop.edit(shop.view("customer_orders"), "FROM orders", "FROM   orders /* all of them */")
    with shop.opened() as opened:
        assert code_versions(opened) == before
        assert not impact_of(opened).tables
        assert not stale(opened)

    assert exit_code(shop, monkeypatch) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "table"),
    [
        ("TRY_CAST(settled_at AS TIMESTAMPTZ)", "TRY_CAST(ordered_at AS TIMESTAMPTZ)", "orders"),
        ("2024-01-01 00:00:00+00", "2024-01-02 00:00:00+00", "customers"),
    ],
)
def test_a_changed_table_of_a_source_leaves_the_other_tables_as_they_are(shop, old, new, table):
    declared = shop.package / "defs" / "sources" / "shop" / "defs.yaml"
    text = declared.read_text()
    with shop.opened() as opened:
        before = code_versions(opened)
    shop.edit(declared, old, new)
    with shop.opened() as opened:
        after = code_versions(opened)
        assert changed(before, after) == with_descendants(opened, keys.raw(table))
    declared.write_text(text)


@pytest.mark.slow
def test_a_changed_view_touches_its_descendants_and_a_run_makes_exactly_those_again(shop):
    with shop.opened() as opened:
        before = code_versions(opened)
    shop.edit(shop.view("customer_orders"), "604800", "518400")
    with shop.opened() as opened:
        after = code_versions(opened)
        assert changed(before, after) == with_descendants(opened, CHANGED)
        assert stale(opened) == {CHANGED, *OWN_STAGES}

        found = impact_of(opened)
        assert [one.table for one in found.tables] == ["features/customer_orders", "returned/training_set"]
        assert found.tables[0].changed == ("sql",)
        assert len(found.tables[0].partitions) == found.tables[0].of == 28
        (model,) = found.models
        assert (model.model, model.service, model.views) == ("returned", "at_checkout", ("customer_orders",))
        (release,) = model.releases
        assert (release.version, release.reigns) == (1, True)
        assert release.changed == {"customer_orders": ("sql",)}
        assert found.requests == ()

        held = {key: opened.stores.records.newest_version(keys.table_name(key)) for key in after}
        for name in ("returned", "plain"):
            bring_up_to(deployment_of(opened), name, [AS_OF], again=False, console=quiet())
        again = {
            key for key in after if opened.stores.records.newest_version(keys.table_name(key)) != held[key]
        }
        assert again == {CHANGED, *OWN_STAGES}
        assert not stale(opened)
        # What answers another question is not compared, so the champion stays, trained on other features.
        assert not impact_of(opened).tables
        (model,) = impact_of(opened).models
        assert [(release.version, release.reigns) for release in model.releases] == [(1, True)]


@pytest.mark.slow
def test_a_release_knows_the_versions_of_its_features_and_mlflow_shows_them(shop):
    with shop.opened() as opened:
        champion = opened.stores.releases.champion("plain")
        assert set(champion.view_versions) == {"customer_profile"}
        store = opened.tracking._store._client
        shown = store.get_model_version("plain", champion.mlflow_version).tags
        assert shown["mlops/feature_hash"] == champion.feature_hash
        assert shown["mlops/features/customer_profile"] == champion.view_versions["customer_profile"]


@pytest.mark.slow
def test_what_is_found_is_told_given_as_json_and_told_by_the_exit_code(shop, monkeypatch):
    shop.edit(shop.view("customer_profile"), "ttl: 3650d", "ttl: 3649d")
    console, as_json, listed = quiet(), quiet(), quiet()
    with shop.opened() as opened:
        wait_for_two(opened.stores)
        show_impact(deployment_of(opened), as_json=False, console=console)
        show_impact(deployment_of(opened), as_json=True, console=as_json)
        show_features(deployment_of(opened), console=listed)
    said = console.file.getvalue()
    assert "features/customer_profile" in said
    assert "version 1, the champion, as of 2024-03-29 was trained on other features" in said
    assert "customer_profile: ttl" in said
    found = json.loads(as_json.file.getvalue())
    assert "request 1, override of model:returned by ada, waiting for approvals: waiting for two" in said
    assert [(one["number"], one["of"]) for one in found["requests"]] == [
        (1, "model:returned"),
        (3, "model:plain"),
    ]
    assert {one["model"] for one in found["models"]} == {"returned", "plain"}
    assert "1 of 1 partitions to be made again" in listed.file.getvalue()
    assert exit_code(shop, monkeypatch) == 3
    shop.edit(shop.view("customer_profile"), "ttl: 3649d", "ttl: 3650d")
