"""``mlops features materialize`` and ``get``, on a small shop."""

import json
from datetime import UTC, date, datetime

import pytest
from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.online import materialize, show_features
from mlops_assets.errors import BadRequest, GateRefusal, NotMaterialized, UnknownName
from mlops_assets.graph import keys
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

REQUEST = ["customer_id=5", "amount=120.5", "channel=web"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    project = load_project(make_project(tmp_path_factory.mktemp("online"), like=SHOP))
    with sandbox(project, tmp_path_factory.mktemp("home")) as box:
        land_orders(box.home, date(2024, 3, 1), 12)
        box.run(*keys.of_table("customers"), keys.features("customer_profile"))
        box.run(
            *keys.of_table("orders"), keys.features("customer_orders"), first="2024-03-01", last="2024-03-12"
        )
        yield Deployment(box.project, box.instance, box.stores, box.tracking)


def printed(command, *arguments, **options):
    console = Console(width=200, record=True, force_terminal=False)
    command(*arguments, console=console, **options)
    return console.export_text()


def asked(opened, *said, at=None):
    text = printed(show_features, opened, "at_checkout", said or REQUEST, at=at, as_json=True)
    return json.loads(text)


def test_views_go_online_and_dagster_is_told(opened):
    said = printed(materialize, opened, [], until=None, again=False)
    assert "customer_orders: 60 rows in all" in said
    assert "customer_orders: 0 rows that changed" in printed(
        materialize, opened, ["customer_orders"], until=None, again=False
    )
    event = opened.instance.get_latest_materialization_event(keys.online("customer_orders"))
    assert event.asset_materialization.metadata["rows_written"].value == 0


def test_what_is_online_is_shown_with_its_age_and_what_has_expired(opened):
    printed(materialize, opened, [], until=None, again=False)
    found = asked(opened)
    orders, profile = found["rows"]
    assert orders["expired"] is True
    assert orders["age_seconds"] > 0
    assert orders["values"]["customer_orders__settled"] > 0
    assert found["features"]["customer_orders__settled"] is None
    assert (
        found["features"]["customer_profile__country"]
        == profile["values"]["customer_profile__country"]
        == "DE"
    )
    assert found["features"]["order_habits__way"] == "web/new"
    text = printed(show_features, opened, "at_checkout", REQUEST, at=None, as_json=False)
    assert "expired, so null" in text
    assert f"null (it was {orders['values']['customer_orders__settled']})" in text
    assert "order_habits__is_dear" in text


def test_a_moment_shows_what_was_known_then(opened):
    printed(materialize, opened, [], until=None, again=False)
    online = asked(opened)["rows"][0]
    then = asked(opened, at="2024-03-13")
    assert then["rows"][0]["expired"] is False
    assert (
        then["features"]["customer_orders__settled"] == then["rows"][0]["values"]["customer_orders__settled"]
    )
    assert then["features"]["order_habits__way"] == "web/known"
    later = asked(opened, at=datetime.now(UTC).isoformat())["rows"][0]
    assert {**later, "age_seconds": 0} == {**online, "age_seconds": 0}
    nothing = asked(opened, at="2024-03-01")["rows"][0]
    assert nothing == {"view": "customer_orders", "found": False}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["customer=5"], "not asked by 'customer'. Did you mean 'customer_id'"),
        (["customer_id=5", "amount=1"], "is asked by customer_id, amount, channel; add channel=…"),
        (["customer_id=five", "amount=1", "channel=web"], "'customer_id' is 'five', expected integer"),
        (["customer_id=5", "customer_id=5"], "said twice"),
        (["customer_id"], "expected customer_id=VALUE"),
    ],
)
def test_a_request_that_cannot_be_meant_is_told_what_is_expected(opened, said, message):
    with pytest.raises(BadRequest, match=message):
        asked(opened, *said)


def test_unknown_names_answer_with_the_nearest(opened):
    with pytest.raises(UnknownName, match="Did you mean 'at_checkout'"):
        printed(show_features, opened, "checkout", REQUEST, at=None, as_json=False)
    with pytest.raises(UnknownName, match="Did you mean 'customer_orders'"):
        printed(materialize, opened, ["customer_order"], until=None, again=False)


def test_what_was_never_brought_online_says_how(opened):
    opened.stores.online.drop("customer_profile")
    with pytest.raises(NotMaterialized, match="run mlops features materialize customer_profile"):
        asked(opened)


def test_a_moment_that_is_none_is_told_what_one_looks_like(opened):
    with pytest.raises(BadRequest, match="found 'soon', expected a moment such as"):
        printed(materialize, opened, [], until="soon", again=False)
    with pytest.raises(BadRequest, match="found 'soon', expected a moment such as"):
        asked(opened, at="soon")


def test_rows_of_another_version_of_a_view_are_refused_until_it_is_computed_again(tmp_path):
    days = {"first": "2024-03-01", "last": "2024-03-12"}
    home, orders = tmp_path / "home", (*keys.of_table("orders"), keys.features("customer_orders"))
    with sandbox(load_project(make_project(tmp_path / "one", like=SHOP)), home) as box:
        land_orders(box.home, date(2024, 3, 1), 12)
        box.run(*keys.of_table("customers"), keys.features("customer_profile"))
        box.run(*orders, **days)
        opened = Deployment(box.project, box.instance, box.stores, box.tracking)
        before = asked(opened, at="2024-03-10")["features"]["customer_orders__settled"]

    package = make_project(tmp_path / "two", like=SHOP)
    view = package.parent / "feature_repo" / "views" / "customer_orders.yaml"
    view.write_text(view.read_text().replace("count(*) OVER week AS", "count(*) OVER week + 100 AS"))
    with sandbox(load_project(package), home) as box:
        opened = Deployment(box.project, box.instance, box.stores, box.tracking)
        other = "another version of its SQL for 2024-03-0.* found sql=.*, expected sql="
        for moment in ("2024-03-10", "2030-01-01"):
            with pytest.raises(GateRefusal, match=other):
                asked(opened, at=moment)
        # Only the days that may still be alive on the twelfth: what has expired by then is not shown.
        box.run(orders[-1], first="2024-03-04", last="2024-03-12")
        assert asked(opened, at="2024-03-12T00:00")["features"]["customer_orders__settled"] > 100
        with pytest.raises(GateRefusal, match=r"for 2024-03-02 to 2024-03-03 \(2 partitions\)"):
            asked(opened, at="2024-03-10")
        box.run(orders[-1], **days)
        assert asked(opened, at="2024-03-10")["features"]["customer_orders__settled"] == before + 100


def test_a_change_of_a_table_below_a_view_is_another_version_too(tmp_path):
    home = tmp_path / "home"
    with sandbox(load_project(make_project(tmp_path / "one", like=SHOP)), home) as box:
        land_orders(box.home, date(2024, 3, 1), 3)
        box.run(*keys.of_table("customers"), keys.features("customer_profile"))
        box.run(
            *keys.of_table("orders"), keys.features("customer_orders"), first="2024-03-01", last="2024-03-03"
        )
    package = make_project(tmp_path / "two", like=SHOP)
    (source,) = (package / "defs" / "sources").rglob("defs.yaml")
    source.write_text(source.read_text().replace("SELECT *, TIMESTAMPTZ", "SELECT DISTINCT *, TIMESTAMPTZ"))
    with sandbox(load_project(package), home) as box:
        opened = Deployment(box.project, box.instance, box.stores, box.tracking)
        with pytest.raises(GateRefusal, match="expected source"):
            asked(opened, at="2024-03-03")
