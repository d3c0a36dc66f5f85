"""``feature_repo/`` is a Feast repository: its commands work, and its reads are ours."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets.errors import BadRequest, NotMaterialized
from mlops_assets.resources.environment import DATABASE, HOME, ONLINE, REGISTRY
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.sandbox import REAL, SHOP

FEAST = Path(sys.executable).parent / "feast"
# Values live as long online as they do offline, so these are of today.
NOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
DAY = NOON.date().isoformat()


def feast(repository: Path, *arguments: str) -> str:
    done = subprocess.run([FEAST, *arguments], cwd=repository, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The shipped repository, applied, beside a home in which nothing was ever made."""
    folder = tmp_path_factory.mktemp("shipped") / "feature_repo"
    shutil.copytree(REAL / "feature_repo", folder, ignore=shutil.ignore_patterns("*.db", "__pycache__"))
    return folder, feast(folder, "apply")


def test_apply_registers_what_is_declared_before_anything_was_materialized(repository):
    folder, printed = repository
    declared = read_feature_repository(folder)
    assert all(name in printed for name in declared.views)
    entities = feast(folder, "entities", "list")
    assert all(name in entities for name in declared.entities)
    views = feast(folder, "feature-views", "list")
    assert all(name in views for name in declared.views)
    service = feast(folder, "feature-services", "list")
    for name in declared.services:
        assert name in service
        assert all(f"{one.view}:{one.feature}" in service for one in declared.served(name))


def test_applying_again_changes_nothing_and_plan_says_so(repository):
    folder, _ = repository
    assert "No changes to registry" in feast(folder, "plan")
    feast(folder, "apply")
    assert "No changes to registry" in feast(folder, "plan")


def test_the_registry_may_be_a_postgresql_server(repository, postgres_url, tmp_path):
    folder, printed = repository
    served = tmp_path / "feature_repo"
    shutil.copytree(folder, served, ignore=shutil.ignore_patterns("*.db"))
    settings = served / "feature_store.yaml"
    settings.write_text(settings.read_text().replace("sqlite:///data/registry.db", postgres_url))
    assert sorted(feast(served, "apply").splitlines()) == sorted(printed.splitlines())
    assert not (served / "data" / "registry.db").exists()
    assert "No changes to registry" in feast(served, "plan")


def test_plan_names_the_view_whose_declaration_changed(repository, tmp_path):
    folder, _ = repository
    changed = tmp_path / "feature_repo"
    shutil.copytree(folder, changed)
    (name, view), *_ = read_feature_repository(folder).views.items()
    path = changed / "views" / f"{name}.yaml"
    hours = int(view.ttl.total_seconds()) // 3600
    path.write_text(
        "\n".join(f"ttl: {hours + 1}h" if t.startswith("ttl:") else t for t in path.read_text().split("\n"))
    )
    assert name in feast(changed, "plan")


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


# The customer's rows: (customer, happened, could be known, settled).
ROWS = [
    (1, at(-20), at(-20), 10),
    (1, at(-10), at(-10), 20),
    (1, at(-10), at(-2), 21),  # restated eight hours later
    (1, at(-1), at(3), 30),  # known only after the fact
    (1, at(-30), at(4), 5),  # older than what is known by then
    (2, at(-24 * 8), at(-24 * 8), 99),  # older than its lifetime of seven days
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A Feast store over the shop's repository, with a few rows in the lake."""
    from feast import FeatureStore

    project = tmp_path_factory.mktemp("shop")
    folder = project / "feature_repo"
    shutil.copytree(SHOP / "feature_repo", folder)
    for name in ("feature_store.yaml", "repository.py"):
        shutil.copy(REAL / "feature_repo" / name, folder)
    (folder / "data").mkdir()
    rows = pa.table(
        {
            "partition": [DAY] * len(ROWS),
            "customer_id": pa.array([row[0] for row in ROWS], pa.int64()),
            "settled": pa.array([row[3] for row in ROWS], pa.int64()),
            "came_back": pa.array([0] * len(ROWS), pa.int64()),
            "event_time": pa.array([row[1] for row in ROWS], pa.timestamp("us", tz="UTC")),
            "available_at": pa.array([row[2] for row in ROWS], pa.timestamp("us", tz="UTC")),
        }
    )
    lake = Stores.open(Places.below(project / ".mlops")).lake
    lake.write("features/customer_orders", Produced(rows, [DAY]), Provenance("code", "run", "now"))
    feast(folder, "apply")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.delenv(HOME, raising=False)
        patched.delenv(DATABASE, raising=False)
        patched.delenv(ONLINE, raising=False)
        yield FeatureStore(".")


def asked(store, *requests: tuple[int, datetime]) -> list[int | None]:
    frame = pd.DataFrame(requests, columns=["customer_id", "event_timestamp"])
    answer = store.get_historical_features(frame, ["customer_orders:settled"]).to_df()
    assert answer["customer_id"].tolist() == frame["customer_id"].tolist()
    return [None if pd.isna(value) else int(value) for value in answer["settled"]]


def test_history_is_as_known_at_the_moment_of_each_request_and_in_their_order(store):
    requests = [(1, at(0)), (1, at(-3)), (2, at(0)), (1, at(4)), (3, at(0)), (1, at(-30)), (1, at(-3))]
    assert asked(store, *requests) == [21, 20, None, 30, None, None, 20]


def test_columns_carry_the_name_of_their_view_when_that_is_asked(store):
    frame = pd.DataFrame({"customer_id": [1], "event_timestamp": [at(0)]})
    answer = store.get_historical_features(
        frame, ["customer_orders:settled"], full_feature_names=True
    ).to_df()
    assert answer["customer_orders__settled"].tolist() == [21]


def test_the_online_store_gets_the_newest_row_that_was_known(store):
    store.materialize(at(-48), at(0), ["customer_orders"])
    online = store.get_online_features(["customer_orders:settled"], [{"customer_id": 1}, {"customer_id": 3}])
    assert online.to_dict()["settled"] == [21, None]


def test_what_becomes_known_late_reaches_the_online_store_and_nothing_older_replaces_it(store):
    keys = {"customer_id": [1, 2, 3]}
    for now in (at(1), at(3.5), at(5)):
        store.materialize_incremental(now, ["customer_orders"])
        online = store.get_online_features(["customer_orders:settled"], keys).to_dict()["settled"]
        assert online[0] == asked(store, (1, now))[0]
    assert online[0] == 30


def test_the_home_is_the_platforms_own(store, tmp_path, monkeypatch):
    from feast import FeatureStore

    registry = Path.cwd().parent / ".mlops" / "registry.db"
    assert registry.is_file()
    monkeypatch.setenv(REGISTRY, f"sqlite:///{registry}")
    monkeypatch.setenv(HOME, str(tmp_path))
    with pytest.raises(NotMaterialized):
        asked(FeatureStore("."), (1, at(0)))


def test_asking_for_what_is_always_done_is_no_error(store):
    frame = pd.DataFrame({"customer_id": [1], "event_timestamp": [at(0)]})
    answer = store.get_historical_features(
        frame, ["customer_orders:settled"], filter_by_created_timestamp=True
    ).to_df()
    assert answer["settled"].tolist() == [21]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"customer_id": 1}, "found the columns customer_id, expected one called 'event_timestamp'"),
        ({"event_timestamp": at(0)}, "no column customer_id, by which 'customer_orders' is joined"),
        ({"customer_id": 1, "event_timestamp": at(0), "settled": 7}, "cannot be told from .*: settled"),
        ({"customer_id": 1, "event_timestamp": at(0), "Settled": 7}, "cannot be told from .*: Settled"),
        ({"Customer_Id": 2, "customer_id": 1, "event_timestamp": at(0)}, "Customer_Id, customer_id"),
    ],
)
def test_a_request_that_would_be_answered_wrongly_is_refused(store, columns, message):
    with pytest.raises(BadRequest, match=message):
        store.get_historical_features(pd.DataFrame([columns]), ["customer_orders:settled"])


def test_a_request_that_is_no_frame_or_has_no_moment_is_told_what_is_expected(store):
    with pytest.raises(BadRequest, match="expected a pandas frame"):
        store.get_historical_features("SELECT 1", ["customer_orders:settled"]).to_df()
