"""What is online is what was known, whatever came late, was restated or was taken back."""

import math
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.data.point_in_time import JoinedView
from mlops_assets.errors import BadEnvironment, BadRequest, GateRefusal, NotMaterialized
from mlops_assets.monitoring.parity import compared
from mlops_assets.steps.online import put_online
from mlops_assets.stores import online_redis
from mlops_assets.stores.as_known import features_as_known
from mlops_assets.stores.online import Asked
from mlops_assets.stores.online_redis import RedisGroups
from mlops_assets_tests.sandbox import REAL
from mlops_assets_tests.steps.online_world import (
    FEATURES,
    MOMENT,
    TYPES,
    VIEW,
    at,
    computed,
    generation,
    online,
    row,
    stores_at,
)


@pytest.fixture
def stores(tmp_path, online_address):
    opened = stores_at(tmp_path / "home", online_address)
    yield opened
    opened.online.drop(VIEW.name)


def put(stores, hours=None, **options):
    return put_online(stores, FEATURES, VIEW.name, until=None if hours is None else at(hours), **options)


def counts(stores, *entities, hours):
    return [one and one.values["count"] for one in online(stores, *entities, moment=at(hours))]


def test_every_type_comes_back_as_it_was(stores):
    said = {"share": -0.0, "count": -(2**63), "name": "Größe 😀 'x'", "open": False, "seen": at(0.1234567)}
    computed(stores, [row("é", 7, -1, -1, **said), row("é", 8, -1, -1, share=math.nan), row("é", 9, -1, -1)])
    put(stores, 0)
    whole, nan, empty = online(stores, ("é", 7), ("é", 8), ("é", 9), moment=at(0))
    assert whole.values == said
    assert math.copysign(1, whole.values["share"]) == -1
    assert math.isnan(nan.values["share"])
    assert set(empty.values.values()) == {None}
    assert (whole.event_time, whole.available_at, whole.expired) == (at(-1), at(-1), False)


def test_what_is_known_later_is_not_online_before(stores):
    computed(stores, [row("a", 1, -3, -2, count=1), row("a", 1, -1, 3, count=2)])
    put(stores, 0)
    assert counts(stores, ("a", 1), hours=0) == [1]
    done = put(stores, 4)
    assert (done.rows, done.whole) == (1, False)
    assert counts(stores, ("a", 1), hours=4) == [2]


def test_an_older_row_that_comes_late_does_not_replace_a_newer_one_and_a_restated_one_does(stores):
    computed(stores, [row("a", 1, -3, -3, count=1), row("a", 2, -3, -3, count=1)])
    put(stores, 0)
    late = [row("a", 1, -30, 1, count=0), row("a", 2, -3, 1, count=2)]
    computed(stores, [row("a", 1, -3, -3, count=1), row("a", 2, -3, -3, count=1), *late])
    put(stores, 2)
    assert counts(stores, ("a", 1), ("a", 2), hours=2) == [1, 2]


def test_a_row_that_is_taken_back_leaves_the_one_before_it_or_none(stores):
    day = "2024-03-10"
    before = [row("a", 1, -20, -20, count=1)]
    computed(stores, [*before, row("a", 1, -3, -3, count=2), row("a", 2, -3, -3, count=3)])
    put(stores)
    assert counts(stores, ("a", 1), ("a", 2), hours=0) == [2, 3]
    computed(stores, [], day)
    done = put(stores)
    assert (done.rows, done.gone, done.whole) == (1, 1, False)
    assert counts(stores, ("a", 1), ("a", 2), hours=0) == [1, None]


def test_only_entities_of_which_something_changed_are_written_and_nothing_twice(stores):
    rows = [row("a", item, -3, -3, count=item) for item in range(100)]
    computed(stores, rows)
    assert put(stores).rows == 100
    assert put(stores).rows == 0
    computed(stores, rows)
    assert put(stores).rows == 0
    computed(stores, [row("a", 5, 30, 30, count=50)])
    assert put(stores).rows == 1
    assert put(stores, again=True).rows == 100


def test_a_value_is_served_exactly_as_long_as_it_lives(stores):
    computed(stores, [row("a", 1, 0, 0, count=1)])
    put(stores, 0)
    lifetime = VIEW.ttl.total_seconds() / 3600
    (alive,) = online(stores, ("a", 1), moment=at(lifetime))
    (dead,) = online(stores, ("a", 1), moment=at(lifetime) + timedelta(microseconds=1))
    assert (alive.expired, dead.expired) == (False, True)


def test_the_newest_that_is_known_goes_online_unless_a_moment_is_asked_for(stores):
    computed(stores, [row("a", 1, -3, -2.5, count=1), row("a", 2, -300, 24 * 365 * 90, count=2)])
    assert put(stores).view.known_until == at(-2.5)
    with pytest.raises(BadRequest, match="still to come"):
        put_online(stores, FEATURES, VIEW.name, until=datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(BadRequest, match="--again goes back"):
        put(stores, -3)
    assert put(stores, -2.75, again=True).view.known_until == at(-2.75)
    assert counts(stores, ("a", 1), hours=0) == [None]


def test_versions_are_never_mixed_and_the_one_before_is_there_until_the_next(stores):
    both = [row("a", 1, -30, -30, count=1), row("a", 2, -3, -3, count=1)]
    computed(stores, both, code="one")
    put(stores, version="one")
    computed(stores, [row("a", 2, -3, -3, count=2)], code="two")
    with pytest.raises(GateRefusal, match="another version of its SQL for 2024-03-09"):
        put(stores, version="two")
    assert counts(stores, ("a", 1), ("a", 2), hours=0) == [1, 1]
    computed(stores, [row("a", 1, -30, -30, count=2), row("a", 2, -3, -3, count=2)], code="two")
    assert put(stores, version="two").whole
    assert counts(stores, ("a", 1), ("a", 2), hours=0) == [2, 2]
    (old,) = online(stores, ("a", 1), moment=at(0), version="one")
    assert old.values["count"] == 1
    computed(stores, both, code="three")
    put(stores, version="three")
    with pytest.raises(NotMaterialized, match="only in another one"):
        online(stores, ("a", 1), moment=at(0), version="one")


def test_a_table_that_was_made_anew_goes_online_as_a_whole(stores):
    computed(stores, [row("a", 1, -3, -3, count=1)])
    put(stores)
    (stores.places.home / "lake" / "features" / VIEW.name).rename(stores.places.home / "aside")
    computed(stores, [row("a", 2, -3, -3, count=2)])
    assert put(stores).whole
    assert counts(stores, ("a", 1), ("a", 2), hours=0) == [None, 2]


def test_a_view_without_a_row_is_online_with_none(stores):
    computed(stores, [], "2024-03-10")
    put(stores)
    assert counts(stores, ("a", 1), hours=0) == [None]
    assert online(stores, moment=at(0)) == []


@pytest.mark.parametrize(
    ("entity", "message"),
    [
        ({"shop": "a"}, "is asked by shop, item; 'item' is missing"),
        ({"shop": "a", "item": "1"}, "'item' of feature view 'sales' is '1', expected integer"),
        ({"shop": 1, "item": 1}, "'shop' of feature view 'sales' is 1, expected string"),
        ({"shop": "a", "item": True}, "'item' of feature view 'sales' is True, expected integer"),
    ],
)
def test_an_entity_that_cannot_be_meant_is_refused(stores, entity, message):
    computed(stores, [row("a", 1, -3, -3, count=1)])
    put(stores)
    with pytest.raises(BadRequest, match=message):
        stores.online.rows([Asked(VIEW.name, [entity])], at(0))


def test_an_entity_without_a_key_has_no_row(stores):
    computed(stores, [row("a", 1, -3, -3, count=1)])
    put(stores)
    assert stores.online.rows([Asked(VIEW.name, [{"shop": None, "item": 1}])], at(0)) == [[None]]


def test_what_is_not_online_is_told_with_what_to_do(stores):
    with pytest.raises(NotMaterialized, match="run mlops features materialize sales"):
        online(stores, ("a", 1), moment=at(0))
    with pytest.raises(NotMaterialized, match="features/sales"):
        put(stores)


@pytest.mark.parametrize(
    "said", ["A TimeoutError occurred while watching one or more keys", "Watched variable changed."]
)
def test_a_change_of_which_nobody_knows_is_not_told_as_one_that_was_not_done(said):
    class Pipeline:
        def execute(self):
            raise redis.WatchError(said)

    if "while watching" in said:
        with pytest.raises(redis.WatchError):
            online_redis._executed(Pipeline())
    else:
        assert online_redis._executed(Pipeline()) is False


def test_a_redis_that_hangs_is_one_that_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        groups = RedisGroups(f"redis://127.0.0.1:{hangs.getsockname()[1]}/0?socket_timeout=0.2")
        begun = time.monotonic()
        with pytest.raises(BadEnvironment, match=r"no Redis answers at 127\.0\.0\.1:\d+: Timeout"):
            groups.read([("view", ["key"])])
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mongodb://x", "begins with 'mongodb', expected redis"),
        ("sqlite:////proc/nowhere/x.db", "/proc/nowhere/x.db cannot be opened"),
        ("redis://:secret@127.0.0.1:1/0", "no Redis answers at 127.0.0.1:1"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_without_its_password(tmp_path, address, message):
    with pytest.raises(BadEnvironment, match=message) as told:
        stores_at(tmp_path, address).online.view(VIEW.name)
    assert "secret" not in str(told.value)


hours = st.integers(-100, 20).map(lambda quarter: quarter / 4)
values = st.fixed_dictionaries(
    {
        "share": st.none() | st.floats(),
        "count": st.none() | st.integers(-(2**63), 2**63 - 1),
        "name": st.none() | st.text(max_size=3),
        "open": st.none() | st.booleans(),
        "seen": st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    }
)
# Two rows of one entity with equal times are restated in one breath; which of them counts is not the question here.
tables = st.lists(
    st.builds(
        lambda shop, item, happened, later, features: row(shop, item, happened, happened + later, **features),
        st.sampled_from(["a", "ü"]),
        st.integers(0, 1),
        hours,
        st.sampled_from([-1, 0, 0, 0.25, 8]),
        values,
    ),
    max_size=12,
    unique_by=lambda one: (one["shop"], one["item"], one["event_time"], one["available_at"]),
)
DAYS = [f"2024-03-{day:02d}" for day in range(8, 13)]
ENTITIES = [(shop, item) for shop in ("a", "ü") for item in (0, 1)]


def offline(stores, moment):
    """What a training set would have of every entity."""
    asked = pa.table(
        {
            "shop": [shop for shop, _ in ENTITIES],
            "item": [item for _, item in ENTITIES],
            "at": pa.array([moment] * len(ENTITIES), MOMENT),
        }
    )
    view = JoinedView("sales", ("shop", "item"), {feature: feature for feature in TYPES}, VIEW.ttl)
    with stores.engine.session({"sales": stores.lake.pin("features/sales")}) as session:
        return features_as_known(session, asked, "at", [view]).to_pylist()


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(tables, st.integers(0, 12)), min_size=1, max_size=4))
def test_online_is_offline_after_whatever_is_computed_again(tmp_path_factory, online_address, versions):
    stores = stores_at(tmp_path_factory.mktemp("home"), online_address)
    stores.online.drop(VIEW.name)
    until = -6.0
    for rows, later in versions:
        computed(stores, rows, *DAYS)
        until += later
        put(stores, until)
        found = [
            dict.fromkeys(TYPES) if one is None or one.expired else dict(one.values)
            for one in online(stores, *ENTITIES, moment=at(until))
        ]
        known = offline(stores, at(until))
        for feature in TYPES:
            assert not compared(feature, found, known).differing, feature


def writer(stores, address, first, items):
    module = "mlops_assets_tests.steps.online_world"
    command = [sys.executable, "-m", module, str(stores.places.home), address, str(first), str(items)]
    return subprocess.Popen(command, cwd=REAL, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_at_any_moment_readers_see_whole_generations_only(stores, online_address):
    items, entities = 400, [("a", item) for item in range(400)]
    generation(stores, 0, items)
    put(stores)
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            seen.append({one and one.values["count"] for one in online(stores, *entities, moment=at(1))})

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        first = 1
        for wait in (0.0, 0.04, 0.09, 0.16):
            process = writer(stores, online_address, first, items)
            first = int(process.stdout.readline()) + 1
            time.sleep(wait)
            process.kill()
            printed, _ = process.communicate()
            first += len(printed.split()) + 1
        stop.set()
        reading.result()
    assert len(seen) > 50
    assert all(len(one) == 1 for one in seen)
    order = [one.pop() for one in seen]
    assert order == sorted(order)
    generation(stores, first + 1, items)
    put(stores)
    assert set(counts(stores, *entities, hours=1)) == {first + 1}


@pytest.mark.slow
def test_materializations_at_once_end_with_the_newest(tmp_path, online_address):
    home = tmp_path / "home"
    rows = [row("a", item, -hour, -hour, count=hour) for item in range(20) for hour in range(10, 0, -1)]
    computed(stores_at(home, online_address), rows)

    def put_at(hour):
        # Where another was faster with a later moment, there is nothing left to do.
        with suppress(BadRequest):
            put(stores_at(home, online_address), -hour)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put_at, [9, 3, 7, 1, 5, 1, 8, 2]))
    assert set(counts(stores_at(home, online_address), *[("a", item) for item in range(20)], hours=0)) == {1}


def test_a_reader_needs_neither_feast_nor_arrow_nor_duckdb():
    code = (
        "import sys; import mlops_assets.steps.served, mlops_assets.stores.online_groups, "
        "mlops_assets.stores.online_sqlite, mlops_assets.stores.online_redis; "
        "print(sorted({'feast', 'pyarrow', 'duckdb', 'pandas', 'deltalake'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=REAL, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
