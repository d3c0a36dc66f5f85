"""Every kind of leak is found, for the right reason, and nothing is called a leak that is none."""

import shutil
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.steps.zoo import (
    ANIMALS,
    BEGINS,
    CLEAN,
    DAYS,
    ENDS,
    PAGE,
    PROVENANCE,
    SEED,
    Animal,
    compute,
    over,
    proof_of,
    shop_tables,
    told,
    write_tables,
)

VISITED = "SELECT customer_id, event_time, available_at, minutes AS x FROM visits"


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    opened = Stores.open(Places.below(tmp_path_factory.mktemp("zoo")))
    write_tables(opened, shop_tables(SEED))
    return opened


def named(animal: Animal) -> str:
    return animal.name


@pytest.mark.parametrize("animal", ANIMALS, ids=named)
def test_a_leak_is_found_and_told(stores, animal):
    proof = proof_of(stores, animal)
    assert not proof.verdict.passed
    assert proof.verdict.blocking
    found = {(leak.test, leak.where) for leak in proof.leaks}
    assert set(animal.tests) <= found, proof.leaks
    assert any(animal.says in leak.reason for leak in proof.leaks), proof.leaks
    assert all(leak.rows for leak in proof.leaks)
    assert told(animal, proof) in PAGE.read_text().splitlines()


@pytest.mark.parametrize("animal", CLEAN, ids=named)
def test_what_does_not_leak_is_left_alone(stores, animal):
    proof = proof_of(stores, animal)
    assert proof.verdict.passed, proof.verdict.reason
    assert proof.leaks == ()


@pytest.mark.parametrize("seed", range(12))
def test_windows_of_any_kind_over_what_was_known_do_not_leak(stores, seed):
    random = np.random.default_rng(seed)
    function = random.choice(["avg", "sum", "count", "max", "min", "stddev", "median"])
    group = random.choice(["customer_id", "customer_id, channel", "channel"])
    column = random.choice(["amount", "refund", "CAST(returned AS INTEGER)"])
    order = random.choice(["available_at", "greatest(available_at, event_time)"])
    width = random.choice(["UNBOUNDED", "INTERVAL 3600 SECONDS", "INTERVAL 259200 SECONDS"])
    where = random.choice(["true", "returned", "amount > 50"])
    window = f"(PARTITION BY {group} ORDER BY {order} RANGE BETWEEN {width} PRECEDING AND CURRENT ROW)"
    event_time = random.choice(["event_time", "available_at"])
    sql = over(f"CAST({function}({column}) OVER {window} AS DOUBLE)", event_time=event_time)
    animal = Animal(
        f"random_{seed}",
        f"{sql} WHERE {where}",
        ttl=str(random.choice(["1h", "2d", "30d"])),
        predict_before=str(random.choice(["0h", "1h", "30h"])),
        daily_runs=seed == 0,
    )
    proof = proof_of(stores, animal)
    assert proof.verdict.passed, (sql, proof.verdict.reason)


def test_the_page_tells_of_every_animal_and_no_other():
    table = PAGE.read_text().partition(BEGINS)[2].partition(ENDS)[0]
    header, _, *rows = table.splitlines()
    assert header == "| leak | seen by |"
    assert [row.split("|")[1].strip() for row in rows] == [one.name.replace("_", " ") for one in ANIMALS]


PAST = "RANGE BETWEEN INTERVAL 259200 SECONDS PRECEDING AND CURRENT ROW"
AROUND = "RANGE BETWEEN INTERVAL 259200 SECONDS PRECEDING AND INTERVAL 86400 SECONDS FOLLOWING"


@pytest.mark.parametrize("daily_runs", [False, True])
@pytest.mark.parametrize(
    ("function", "by"),
    [
        ("stddev(amount * 1e-9 + 1) OVER w", "PARTITION BY customer_id"),
        ("stddev(amount * 1e-11 + 1) OVER w", "PARTITION BY customer_id"),
        ("stddev(order_id * 1e-9 + 1) OVER w", "PARTITION BY channel"),
        ("var_samp(amount * 1e-7 + 1) OVER w", ""),
        ("avg(amount + 1e12) OVER w - 1e12", "PARTITION BY customer_id"),
    ],
)
def test_what_only_rounding_changes_is_no_leak(stores, function, by, daily_runs):
    """Nothing but the order in which rows are added changes, and most of the digits go with it."""
    window = f"({by} ORDER BY available_at {PAST})"
    sql = over(f"CAST({function} AS DOUBLE)") + f" WINDOW w AS {window}"
    proof = proof_of(stores, Animal("ill_conditioned", sql, daily_runs=daily_runs))
    assert proof.verdict.passed, proof.verdict.reason


def test_digits_that_are_lost_are_lost_on_the_way_to_an_on_demand_feature_too(stores):
    sql = over(f"stddev(amount * 1e-11 + 1) OVER (PARTITION BY customer_id ORDER BY available_at {PAST})")
    transform = {
        "name": "scaled",
        "owner": "team:x",
        "inputs": {"views": ["ill_conditioned:x"]},
        "features": {"y": {"type": "number"}},
        "python": "def transform(inputs):\n    return (inputs * 1e9).set_axis(['y'], axis=1)",
    }
    animal = Animal("ill_conditioned", sql, service=["scaled"], on_demand=[transform])
    assert proof_of(stores, animal).verdict.passed


@pytest.mark.parametrize("scale", ["1e-7", "1e-9", "1e-11"])
def test_a_leak_is_found_beside_what_rounding_loses(stores, scale):
    window = f"(PARTITION BY customer_id ORDER BY available_at {AROUND})"
    sql = over(f"stddev(amount * {scale} + 1) OVER {window}")
    found = proof_of(stores, Animal("ill_conditioned", sql))
    assert {(leak.test, leak.where) for leak in found.leaks} >= {
        ("cut", "ill_conditioned.x"),
        ("canary", "ill_conditioned.x"),
        ("cut", "ill_conditioned__x"),
    }


@pytest.fixture
def own(tmp_path):
    """A shop that a test may spoil."""
    opened = Stores.open(Places.below(tmp_path))
    write_tables(opened, shop_tables(SEED))
    return opened


HONEST = Animal("honest")


def test_what_a_view_was_made_from_is_found_again_when_its_tables_say_something_else_by_now(own):
    table = compute(own, HONEST)
    write_tables(own, shop_tables(8))
    events = own.lake.pin("validated/orders", DAYS, version=0)
    assert proof_of(own, HONEST, table=table, events=events).verdict.passed


def test_days_that_were_made_from_other_versions_of_one_day_are_each_judged_by_their_own(own):
    animal = replace(HONEST, sql=over("amount", event_time="event_time"), reads={"orders": "2d"})
    compute(own, animal, days=DAYS[:14])
    later = shop_tables(8)["orders"].filter(pc.field("partition") == DAYS[13])
    own.lake.write("validated/orders", Produced(later, [DAYS[13]]), PROVENANCE)
    table = compute(own, animal, days=DAYS[14:])
    events = own.lake.pin("validated/orders", DAYS, version=0)
    assert proof_of(own, animal, table=table, events=events).verdict.passed


def test_history_that_is_read_and_not_declared_is_no_leak_and_is_told(own):
    proof = proof_of(own, replace(HONEST, reads={"orders": "1d"}, ttl="1d"))
    assert proof.verdict.passed
    assert proof.notes == ("honest reads further back than it declares in 'reads'",)


def test_a_view_that_keeps_no_record_of_what_it_was_made_from_proves_nothing(own):
    rows = own.engine.rows("SELECT * FROM rows", {"rows": own.lake.pin(compute(own, HONEST))})
    own.lake.write("features/honest", Produced(rows, DAYS), PROVENANCE)
    verdict = proof_of(own, HONEST, table="features/honest").verdict
    assert not verdict.passed
    assert verdict.blocking
    assert "could not run: features/honest, partition 2024-03-" in verdict.reason
    assert "keeps no record of what it was made from" in verdict.reason


def test_a_version_that_is_gone_proves_nothing(own):
    animal = Animal("visited", VISITED, feature="integer", reads={"visits": "0d"})
    table = compute(own, animal)
    shutil.move(own.places.home / "lake" / "validated" / "visits", own.places.home / "moved")
    write_tables(own, {"visits": shop_tables(8)["visits"]})
    verdict = proof_of(own, animal, table=table).verdict
    assert not verdict.passed
    assert "could not run: validated/visits, partition 2024-03-" in verdict.reason
    assert "materialize what was made from it again" in verdict.reason


def test_files_that_are_gone_prove_nothing(own):
    animal = Animal("visited", VISITED, feature="integer", reads={"visits": "0d"})
    table = compute(own, animal)
    for file in (own.places.home / "lake" / "validated" / "visits").rglob("*.parquet"):
        file.unlink()
    verdict = proof_of(own, animal, table=table).verdict
    assert not verdict.passed
    assert verdict.reason.startswith("could not run: ")
