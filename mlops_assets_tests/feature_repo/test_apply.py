"""``mlops features apply``: the registry says what is declared, no more and no less."""

import shutil

import pytest

from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets_tests.sandbox import REAL, SHOP

SERVICES = "services.yaml"


@pytest.fixture
def repository(tmp_path):
    """The shop's repository, and its store with a registry of its own."""
    folder = tmp_path / "feature_repo"
    shutil.copytree(SHOP / "feature_repo", folder)
    shutil.copy(REAL / "feature_repo" / "feature_store.yaml", folder)
    (folder / "data").mkdir()
    return folder


def applied(folder):
    from mlops_assets.stores.feast_apply import apply_repository, feature_store

    told = {"MLOPS_HOME": str(folder.parent / "home"), "MLOPS_DATABASE": "", "MLOPS_REGISTRY": ""}
    return apply_repository(feature_store(folder, told), read_feature_repository(folder))


ALL = (
    "entity customer",
    "feature view customer_orders",
    "feature view customer_profile",
    "on-demand transform order_habits",
    "feature service at_checkout",
)


def test_everything_is_added_once(repository):
    first, second = applied(repository), applied(repository)
    assert (first.added, first.changed, first.removed, first.unchanged) == (ALL, (), (), 0)
    assert (second.added, second.changed, second.removed, second.unchanged) == ((), (), (), len(ALL))
    assert (repository.parent / "home" / "registry.db").exists()


def test_what_changes_is_changed_and_what_is_gone_is_removed(repository):
    applied(repository)
    code = repository / "on_demand" / "order_habits.py"
    code.write_text(code.read_text().replace("DEAR = 100.0", "DEAR = 90.0  # cheaper by now"))
    (repository / "views" / "customer_profile.yaml").unlink()
    services = repository / SERVICES
    services.write_text(services.read_text().replace('"customer_profile:country", ', ""))
    found = applied(repository)
    assert found.added == ()
    assert found.changed == ("on-demand transform order_habits", "feature service at_checkout")
    assert found.removed == ("feature view customer_profile",)
    assert found.unchanged == 2
    assert applied(repository).unchanged == 4


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("on_demand/order_habits.py", "DEAR = 100.0", "DEAR = 100.0  # euros", ()),
        ("views/customer_orders.yaml", "owner: team:shop", "owner: team:else", ("feature view customer_orders",)),
        ("views/customer_orders.yaml", "ttl: 7d", "ttl: 8d", ("feature view customer_orders",)),
        ("views/customer_orders.yaml", "604800 SECONDS", "604801 SECONDS", ("feature view customer_orders",)),
        ("views/customer_orders.yaml", "FROM orders", "FROM orders /* all */", ()),
        ("on_demand/order_habits.yaml", "domain: orders", "domain: x", ("on-demand transform order_habits",)),
    ],
)  # fmt: skip
def test_only_what_the_registry_tells_otherwise_is_changed(repository, file, old, new, changed):
    applied(repository)
    path = repository / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert applied(repository).changed == changed


def test_what_was_materialized_since_is_no_change(repository):
    from datetime import UTC, datetime, timedelta

    from mlops_assets.stores.feast_apply import feature_store

    applied(repository)
    told = {"MLOPS_HOME": str(repository.parent / "home"), "MLOPS_DATABASE": "", "MLOPS_REGISTRY": ""}
    store = feature_store(repository, told)
    view, now = store.get_feature_view("customer_orders"), datetime.now(UTC)
    store.registry.apply_materialization(view, store.project, now - timedelta(days=1), now)
    assert applied(repository).changed == ()
