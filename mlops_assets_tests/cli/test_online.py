"""``mlops features materialize`` and ``get``, on a small shop."""

import json
from datetime import UTC, date, datetime

import pytest
from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.online import materialize, show_features
from mlops_assets.errors import BadRequest, NotMaterialized, UnknownName
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
    then = asked(opened, at=datetime(2024, 3, 13, tzinfo=UTC))
    assert then["rows"][0]["expired"] is False
    assert (
        then["features"]["customer_orders__settled"] == then["rows"][0]["values"]["customer_orders__settled"]
    )
    assert then["features"]["order_habits__way"] == "web/known"
    later = asked(opened, at=datetime.now(UTC))["rows"][0]
    assert {**later, "age_seconds": 0} == {**online, "age_seconds": 0}
    nothing = asked(opened, at=datetime(2024, 3, 1, tzinfo=UTC))["rows"][0]
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
