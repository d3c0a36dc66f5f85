"""``feature_repo/`` is a Feast repository: its commands work, and its reads are ours."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets.declaration.versions import Version, declared_version
from mlops_assets.errors import BadRequest, GateRefusal, NotMaterialized, UnknownName
from mlops_assets.resources.environment import DATABASE, HOME, ONLINE, REGISTRY
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.sandbox import REAL, SHOP

if TYPE_CHECKING:
    from feast import FeatureStore

FEAST = Path(sys.executable).parent / "feast"
# Values live as long online as they do offline, so these are of today.
NOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)
DAY = NOON.date().isoformat()


def environment(**said: str) -> dict[str, str]:
    """The environment without the platform's variables, of which only these are set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return {**kept, **said}


def feast(repository: Path, *arguments: str, **said: str) -> str:
    done = subprocess.run(
        [FEAST, *arguments],
        cwd=repository,
        env=environment(**said),
        capture_output=True,
        text=True,
        timeout=300,
    )
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
    shutil.copytree(folder, served)
    applied = feast(served, "apply", MLOPS_REGISTRY=postgres_url)
    assert sorted(applied.splitlines()) == sorted(printed.splitlines())
    assert not (tmp_path / ".mlops" / "registry.db").exists()
    assert "No changes to registry" in feast(served, "plan", MLOPS_REGISTRY=postgres_url)


def test_plan_names_the_view_whose_declaration_changed(repository, tmp_path):
    folder, _ = repository
    # With the home beside it, in which the registry is.
    shutil.copytree(folder.parent, tmp_path / "copy")
    changed = tmp_path / "copy" / "feature_repo"
    (name, view), *_ = read_feature_repository(folder).views.items()
    path = changed / "views" / f"{name}.yaml"
    hours = int(view.ttl.total_seconds()) // 3600
    path.write_text(
        "\n".join(f"ttl: {hours + 1}h" if t.startswith("ttl:") else t for t in path.read_text().split("\n"))
    )
    assert f"Updated feature view {name}" in feast(changed, "plan")


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


def shop_at(project: Path) -> Path:
    """The shop's repository as one of Feast, applied, with a few rows in the lake beside it."""
    folder = project / "feature_repo"
    shutil.copytree(SHOP / "feature_repo", folder)
    for name in ("feature_store.yaml", "repository.py"):
        shutil.copy(REAL / "feature_repo" / name, folder)
    (folder / "data").mkdir()
    compute(folder)
    feast(folder, "apply")
    return folder


def compute(folder: Path, settled: int = 0) -> None:
    """Write the rows as the view's asset does. settled: so many more of each."""
    rows = pa.table(
        {
            "partition": [DAY] * len(ROWS),
            "customer_id": pa.array([row[0] for row in ROWS], pa.int64()),
            "settled": pa.array([row[3] + settled for row in ROWS], pa.int64()),
            "came_back": pa.array([0] * len(ROWS), pa.int64()),
            "event_time": pa.array([row[1] for row in ROWS], pa.timestamp("us", tz="UTC")),
            "available_at": pa.array([row[2] for row in ROWS], pa.timestamp("us", tz="UTC")),
        }
    )
    lake = Stores.open(Places.below(folder.parent / ".mlops")).lake
    code = str(declared_version(read_feature_repository(folder), "customer_orders"))
    lake.write("features/customer_orders", Produced(rows, [DAY]), Provenance(code, "run", "now"))


@contextmanager
def opened(folder: Path) -> "Iterator[FeatureStore]":
    """Feast's store of a repository, in an environment without the platform's variables."""
    from feast import FeatureStore

    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.delenv(HOME, raising=False)
        patched.delenv(DATABASE, raising=False)
        patched.delenv(ONLINE, raising=False)
        patched.delenv(REGISTRY, raising=False)
        yield FeatureStore(".")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A Feast store over the shop's repository, with a few rows in the lake."""
    with opened(shop_at(tmp_path_factory.mktemp("shop"))) as found:
        yield found


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

    # The registry may be elsewhere than the home.
    monkeypatch.setenv(REGISTRY, f"sqlite:///{Path('../.mlops/registry.db').resolve()}")
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


def test_moments_and_keys_of_any_type_are_answered_in_their_rows_order(store):
    moments = [
        str(at(0)),
        pd.Timestamp(at(-3)) + pd.Timedelta(nanoseconds=1),
        at(4).replace(tzinfo=None),
        None,
    ]
    frame = pd.DataFrame(
        {
            "note": ["d", "c", "b", "a"],
            "customer_id": pd.Series([1.0, 1, np.nan, 1]),
            "event_timestamp": pd.Series(moments, dtype=object),
        }
    ).set_index(pd.Index([7, 3, 9, 1]))
    answer = store.get_historical_features(frame, ["customer_orders:settled"]).to_df()
    assert [None if pd.isna(one) else one for one in answer["settled"]] == [21, 20, None, None]
    assert answer["note"].tolist() == ["d", "c", "b", "a"]
    assert answer["event_timestamp"].tolist()[:3] == [at(0), at(-3), at(4)]
    assert answer["customer_id"].equals(frame["customer_id"].reset_index(drop=True))
    # As with Feast's own stores, rows are numbered anew.
    assert answer.index.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"customer_id": ["1"], "event_timestamp": [at(0)]}, "'customer_id' of entity_df is '1' in row 0"),
        ({"customer_id": [1], "event_timestamp": ["soon"]}, "'event_timestamp' of entity_df is 'soon'"),
        ({"customer_id": [1], "event_timestamp": [at(0)], "x": [1j]}, "no one type that a table can hold"),
        ({"customer_id": [1], "event_timestamp": [at(0)], 5: [1]}, "a column called 5; expected names"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_column(store, columns, message):
    with pytest.raises(BadRequest, match=message):
        store.get_historical_features(pd.DataFrame(columns), ["customer_orders:settled"])


def test_an_unknown_view_or_service_is_told_with_the_nearest(store):
    from feast.errors import FeatureServiceNotFoundException, FeatureViewNotFoundException

    frame = pd.DataFrame({"customer_id": [1], "event_timestamp": [at(0)]})
    with pytest.raises(FeatureViewNotFoundException, match=r"does not exist.*Did you mean 'customer_orders'"):
        store.get_historical_features(frame, ["customer_order:settled"])
    with pytest.raises(FeatureViewNotFoundException, match=r"does not exist.*Did you mean 'customer_orders'"):
        store.get_online_features(["customer_order:settled"], [{"customer_id": 1}])
    with pytest.raises(FeatureServiceNotFoundException, match=r"does not exist.*Did you mean 'at_checkout'"):
        store.get_feature_service("at_chekout")


@pytest.mark.parametrize("view", ["customer_orders:setled", "order_habits:wey"])
def test_an_unknown_feature_is_told_with_the_nearest(store, view):
    meant = {"customer_orders:setled": "settled", "order_habits:wey": "way"}[view]
    frame = pd.DataFrame(
        {"customer_id": [1], "event_timestamp": [at(0)], "amount": [1.0], "channel": ["web"]}
    )
    with pytest.raises(UnknownName, match=f"does not exist. Did you mean '{meant}'"):
        store.get_historical_features(frame, [view])
    with pytest.raises(UnknownName, match=f"does not exist. Did you mean '{meant}'"):
        store.get_online_features([view], [{"customer_id": 1, "amount": 1.0, "channel": "web"}])


def test_a_request_that_is_no_frame_or_has_no_moment_is_told_what_is_expected(store):
    with pytest.raises(BadRequest, match="expected a pandas frame"):
        store.get_historical_features("SELECT 1", ["customer_orders:settled"]).to_df()


def test_rows_of_another_version_of_a_view_are_refused_until_it_is_computed_again(tmp_path):
    folder = shop_at(tmp_path)
    with opened(folder) as store:
        assert asked(store, (1, at(0))) == [21]
        view = folder / "views" / "customer_orders.yaml"
        view.write_text(view.read_text().replace("count(*) OVER week AS", "count(*) OVER week + 100 AS"))
        other = "another version of its SQL .* found sql=.*, expected sql="
        with pytest.raises(GateRefusal, match=other):
            store.materialize_incremental(at(1), ["customer_orders"])
        feast(folder, "apply")
    with opened(folder) as store:
        with pytest.raises(GateRefusal, match=other):
            asked(store, (1, at(0)))
        # None of the rows could answer this one, so their version does not matter.
        assert asked(store, (1, at(-24 * 30))) == [None]
        compute(folder, settled=100)
        assert asked(store, (1, at(0))) == [121]
        store.materialize_incremental(at(1), ["customer_orders"])
        online = store.get_online_features(["customer_orders:settled"], [{"customer_id": 1}])
        assert online.to_dict()["settled"] == [121]


def test_a_registry_that_is_behind_the_declarations_says_so(tmp_path):
    folder = shop_at(tmp_path)
    view = folder / "views" / "customer_orders.yaml"
    view.write_text(view.read_text().replace("ttl: 7d", "ttl: 8d"))
    compute(folder)
    with opened(folder) as store, pytest.raises(GateRefusal, match=r"expected ttl=.* mlops features apply"):
        asked(store, (1, at(0)))


def test_a_registry_that_knows_no_version_is_told_what_to_do(tmp_path):
    from feast import FeatureStore

    folder = shop_at(tmp_path)
    with opened(folder) as store:
        view = store.get_feature_view("customer_orders")
        view.batch_source.tags = {}
        store.apply(view)
        with pytest.raises(GateRefusal, match=r"does not say which version .* mlops features apply"):
            asked(FeatureStore("."), (1, at(0)))


def test_what_feast_pulls_for_its_own_engines_is_of_the_version_too(tmp_path):
    from mlops_assets.stores.feast_objects import LakeTable

    folder = shop_at(tmp_path)
    with opened(folder) as store:
        view = store.get_feature_view("customer_orders")
        provider = store._get_provider()

        def pulled(source):
            whole = (store.config, source, ["customer_id"], ["settled"], "event_time", "available_at")
            return provider.offline_store.pull_all_from_table_or_query(*whole, at(-48), at(5)).to_arrow()

        assert len(pulled(view.batch_source)) == 5
        other = LakeTable.of(view.name, view.batch_source.path, Version.of({"sql": "SELECT 2"}))
        with pytest.raises(GateRefusal, match="another version of its SQL"):
            pulled(other)


def test_the_ui_shows_what_was_applied(repository):
    folder, _ = repository
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ui = subprocess.Popen(
        [FEAST, "ui", "--host", "127.0.0.1", "--port", str(port)],
        cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        shown = answered(f"http://127.0.0.1:{port}/api/v1/feature_views?project=mlops_assets", ui)
    finally:
        ui.terminate()
        ui.wait(timeout=30)
    declared = read_feature_repository(folder)
    assert {one["spec"]["name"] for one in shown["featureViews"]} == {*declared.views, *declared.on_demand}


def answered(url: str, server: "subprocess.Popen[bytes]") -> Any:
    """What a server that is starting answers in the end."""
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"feast ui did not answer at {url}; it ended with {server.poll()}")
