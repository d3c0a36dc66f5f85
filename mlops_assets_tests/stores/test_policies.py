"""Policies: adopted one after the other, never changed."""

import json
from concurrent.futures import ProcessPoolExecutor

import pytest
import sqlalchemy as sa

from mlops_assets.cli.policies import EXAMPLE
from mlops_assets.declaration.access import Policy, read_policy
from mlops_assets.errors import LedgerBroken, ReleaseConflict
from mlops_assets.governance.canonical import digest
from mlops_assets.stores.database import open_database
from mlops_assets.stores.ledger import Ledger
from mlops_assets.stores.policies import Policies
from mlops_assets_tests.stores.ledger_world import MOMENT, Owner

POLICY = read_policy(EXAMPLE)
SAID = {"by": "otto@example.org", "reason": "the first", "at": MOMENT}


@pytest.fixture
def policies(database_url):
    return Policies(open_database(database_url))


def adopt_in_a_process(url, number):
    try:
        return Policies(open_database(url)).adopt(POLICY, after=0, **SAID | {"reason": str(number)}).reason
    except ReleaseConflict:
        return None


def test_without_one_there_is_none(policies):
    assert policies.current() is None
    assert policies.history() == []


def test_what_was_adopted_is_what_is_in_force_and_the_ledger_tells_of_it(policies, database_url):
    adopted = policies.adopt(POLICY, after=0, **SAID)
    assert (adopted.number, adopted.policy, adopted.request) == (1, POLICY, None)
    assert policies.current() == adopted
    (entry,) = Ledger(open_database(database_url)).newest(9)
    assert (entry.kind, entry.subject, entry.by) == ("policy", "1", "otto@example.org")
    told = json.loads(entry.body)
    assert told["digest"] == adopted.digest == digest(told["body"])
    assert Policy.model_validate(json.loads(told["body"])) == POLICY


def test_one_that_was_decided_against_another_is_refused(policies):
    first = policies.adopt(POLICY, after=0, **SAID)
    for after in (0, 2):
        with pytest.raises(ReleaseConflict, match="another policy was adopted meanwhile, number 1"):
            policies.adopt(POLICY, after=after, **SAID)
    assert policies.history() == [first]


@pytest.mark.slow
def test_of_twelve_processes_that_adopt_the_first_at_once_one_does(database_url):
    open_database(database_url).dispose()
    with ProcessPoolExecutor(12) as pool:
        done = list(pool.map(adopt_in_a_process, [database_url] * 12, range(12)))
    (winner,) = [one for one in done if one is not None]
    assert [one.reason for one in Policies(open_database(database_url)).history()] == [winner]


def test_one_that_its_owner_edited_lets_nobody_in(policies, database_url):
    policies.adopt(POLICY, after=0, **SAID)
    Owner(database_url).run("""UPDATE policy SET body = replace(body, 'otto', 'mallory')""")
    with pytest.raises(LedgerBroken, match="policy 1 is not what was adopted"):
        policies.current()


def test_a_policy_by_raw_sql_that_has_the_number_of_another_is_refused(policies, database_url):
    policies.adopt(POLICY, after=0, **SAID)
    copied = "INSERT INTO policy SELECT * FROM policy"
    with pytest.raises(sa.exc.IntegrityError), open_database(database_url).begin() as connection:
        connection.execute(sa.text(copied))
