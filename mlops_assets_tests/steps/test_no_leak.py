"""Every kind of leak is found, for the right reason, and nothing is called a leak that is none."""

import pytest

from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.steps.zoo import ANIMALS, CLEAN, Animal, proof_of, shop_tables, write_tables


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
