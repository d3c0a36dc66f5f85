"""A training set that leaks is made, told, and used by nobody, whichever way it is asked for."""

from datetime import date

import pytest

from mlops_assets.errors import GateRefusal
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets_tests.sandbox import SHOP, land_orders, load_project, make_project, sandbox

AS_OF = "2024-03-29"
DATA = [keys.raw, keys.validated, keys.quarantine]
TRAINING_SET, MODEL, *_ = STORY = [keys.of_model("returned", stage) for stage in STAGES]
# Whether an order came back is said to be known when it is placed.
LEAKS = """
name: customer_orders
owner: team:shop
entities: [customer]
reads: {orders: 11d}
sql: >
  SELECT customer_id, event_time, event_time AS available_at, 1 AS settled, CAST(returned AS BIGINT) AS came_back
  FROM orders
ttl: 7d
features: {settled: {type: integer}, came_back: {type: integer}}
"""


@pytest.fixture(scope="module")
def leaking(tmp_path_factory):
    more = {"feature_repo/views/customer_orders.yaml": LEAKS}
    project = load_project(make_project(tmp_path_factory.mktemp("project"), like=SHOP, more=more))
    with sandbox(project, tmp_path_factory.mktemp("home")) as box:
        land_orders(box.home, date(2024, 3, 1), 28)
        box.run(*(key("customers") for key in DATA), keys.features("customer_profile"))
        daily = (*(key("orders") for key in DATA), keys.features("customer_orders"))
        box.run(*daily, first="2024-03-01", last="2024-03-28")
        yield box


def test_nothing_is_built_on_it_in_the_same_run_or_another_or_by_a_script(leaking):
    together = leaking.run(*STORY, first=AS_OF, raise_on_error=False)
    assert not together.success
    alone = leaking.run(MODEL, first=AS_OF, raise_on_error=False)
    assert not alone.success
    (failure,) = [event for event in alone.all_events if event.is_step_failure]
    assert "no_leak" in failure.step_failure_data.error.to_string()
    with pytest.raises(GateRefusal, match="no_leak: customer_orders"):
        leaking.stores.lake.pin("returned/training_set", [AS_OF])
    assert leaking.stores.records.contents("returned/model") == []


def test_the_check_says_which_feature_and_which_row_and_how_it_can_be_seen(leaking):
    result = leaking.run(TRAINING_SET, first=AS_OF, raise_on_error=False)
    (told,) = result.get_asset_check_evaluations()
    assert (told.check_name, told.passed, told.blocking, told.partition) == ("no_leak", False, True, AS_OF)
    assert "customer_id=" in told.description
    assert "cannot be computed from what was known" in told.description
    assert "| cut | customer_orders__came_back |" in told.metadata["leaks"].md_str
