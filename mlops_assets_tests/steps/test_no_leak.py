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
    CLEAN,
    DAYS,
    PROVENANCE,
    Animal,
    compute,
    over,
    proof_of,
    shop_tables,
    write_tables,
)

VISITED = "SELECT customer_id, event_time, available_at, minutes AS x FROM visits"


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    opened = Stores.open(Places.below(tmp_path_factory.mktemp("zoo")))
    write_tables(opened, shop_tables(7))
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


@pytest.fixture
def own(tmp_path):
    """A shop that a test may spoil."""
    opened = Stores.open(Places.below(tmp_path))
    write_tables(opened, shop_tables(7))
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
