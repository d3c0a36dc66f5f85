"""Requests asked again, online and offline; and what is broken on purpose is found."""

import json
import sqlite3
from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
import redis

from mlops_assets.errors import NotMaterialized
from mlops_assets.graph import keys
from mlops_assets.graph.features import view_code
from mlops_assets.steps.online import put_online
from mlops_assets.steps.parity import compare_online
from mlops_assets.stores.online_groups import open_online
from mlops_assets.stores.online_redis import _with_prefix
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

VIEWS = ("customer_orders", "customer_profile")


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    project = load_project(make_project(tmp_path_factory.mktemp("parity"), like=SHOP))
    with sandbox(project, tmp_path_factory.mktemp("home")) as opened:
        land_orders(opened.home, date(2024, 3, 1), 20)
        opened.run(*keys.of_table("customers"), keys.features("customer_profile"))
        opened.run(
            *keys.of_table("orders"), keys.features("customer_orders"), first="2024-03-01", last="2024-03-20"
        )
        yield opened


@pytest.fixture
def stores(box, online_address):
    """The shop's stores with every view online, in a place of its own."""
    places = replace(box.stores.places, online=online_address)
    opened = replace(box.stores, places=places, online=open_online(places))
    for view in VIEWS:
        put_online(opened, box.project.catalog.features, view, version=versions(box)[view])
    return opened


def versions(box):
    return {view: view_code(box.project.catalog, view) for view in VIEWS}


def parity(box, stores):
    model = box.project.models["returned"]
    found = compare_online(stores, box.project.catalog, model, versions(box))
    ((verdict,),) = found.produced.verdicts.values()
    return {one.feature: one for one in found.features}, verdict


def tamper(address, change):
    """Change every row of a view in the store itself."""
    if address.startswith("sqlite"):
        connection = sqlite3.connect(address.removeprefix("sqlite:///"))
        (table,) = (
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if name.startswith("customer_orders") and not name.endswith("versions")
        )
        rows = connection.execute(f'SELECT key, value FROM "{table}"').fetchall()
        with connection:
            connection.execute(f'DELETE FROM "{table}"')
            connection.executemany(f'INSERT INTO "{table}" VALUES (?, ?)', change(dict(rows)).items())
        connection.close()
        return
    url, prefix = _with_prefix(address)
    client = redis.Redis.from_url(url, decode_responses=True)
    (name,) = (n for n in client.scan_iter(f"{prefix}*customer_orders.*") if "versions" not in n)
    rows = client.hgetall(name)
    client.delete(name)
    client.hset(name, mapping=change(rows))
    client.close()


def entities(rows):
    return [key for key in rows if key.startswith("[")]


def test_what_is_online_is_what_training_would_see_feature_by_feature(box, stores):
    found, verdict = parity(box, stores)
    assert verdict.passed, verdict.reason
    assert list(found) == [one.column for one in box.project.catalog.features.served("at_checkout")]
    assert {one.compared for one in found.values()} == {500}
    assert all(one.present for one in found.values())
    assert {one.differing for one in found.values()} == {0}


def test_a_value_that_was_changed_online_is_found_also_where_it_is_only_computed_from(
    box, stores, online_address
):
    def one_more(rows):
        changed = dict(rows)
        for key in entities(rows):
            *rest, settled = json.loads(rows[key])
            changed[key] = json.dumps([*rest, settled + 1])
        return changed

    tamper(online_address, one_more)
    found, verdict = parity(box, stores)
    assert not verdict.passed
    assert verdict.error
    assert "customer_orders__settled" in verdict.reason
    settled = found["customer_orders__settled"]
    assert (settled.differing, settled.max_difference) == (settled.present, 1.0)
    assert found["customer_orders__came_back"].differing == 0
    assert found["order_habits__returned_share"].differing > 0
    assert found["customer_profile__country"].differing == 0


def test_an_entity_that_is_missing_online_is_found(box, stores, online_address):
    def without_most(rows):
        gone = entities(rows)[:40]
        return {key: value for key, value in rows.items() if key not in gone}

    tamper(online_address, without_most)
    found, verdict = parity(box, stores)
    assert not verdict.passed
    assert found["customer_orders__settled"].differing > 0


def test_rows_of_another_version_are_not_taken_for_this_one(box, stores):
    model = box.project.models["returned"]
    other = {**versions(box), "customer_orders": "another version"}
    with pytest.raises(NotMaterialized, match=r"customer_orders.*only in another one"):
        compare_online(stores, box.project.catalog, model, other)


def test_the_check_is_on_the_asset_and_fails_when_the_store_was_tampered_with(box):
    online = [keys.online(view) for view in VIEWS]
    key = keys.of_model("returned", "parity")
    done = box.run(*online, key)
    (passed,) = done.get_asset_check_evaluations()
    assert (passed.check_name, passed.passed) == ("parity", True)
    event = box.latest(keys.online("customer_orders"))
    assert event.metadata["all_written"].value is True
    assert event.metadata["rows_written"].value > 0
    tamper(
        f"sqlite:///{box.home / 'online.db'}", lambda rows: {key: rows[key] for key in rows if key[0] != "["}
    )
    (failed,) = box.run(key).get_asset_check_evaluations()
    assert not failed.passed
    assert failed.severity.value == "ERROR"
    assert "differ" in failed.description
    differing = Counter(bool(row["differing"]) for row in box.rows("returned/parity"))
    assert differing[True] > 0
    assert differing[False] > 0
