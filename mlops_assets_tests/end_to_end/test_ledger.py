"""The ledger by its commands, on a home that real runs made: no false alarm, whatever Dagster forgets."""

import json

import dagster as dg
import pytest

from mlops_assets_tests.end_to_end.story import NEXT_AS_OF
from mlops_assets_tests.stores.ledger_world import Owner

pytestmark = pytest.mark.slow


def ledger(deployed, *arguments):
    return deployed.run("mlops", "ledger", *arguments)


def dagster_forgets(deployed):
    """Every run is deleted, and every asset is wiped."""
    deployed.prepare()
    with dg.DagsterInstance.from_config(str(deployed.home / "dagster")) as instance:
        for run in instance.get_runs():
            instance.delete_run(run.run_id)
        instance.wipe_assets(instance.all_asset_keys())
        assert not instance.get_runs()
        assert not instance.all_asset_keys()


def test_what_dagster_forgets_the_ledger_still_proves(deployed):
    code, printed = ledger(deployed, "verify")
    assert code == 0, printed
    assert "Nothing was rewritten" in printed
    before = deployed.stores.ledger.head()
    dagster_forgets(deployed)
    code, printed = ledger(deployed, "verify", "--json")
    assert code == 0, printed
    told = json.loads(printed[printed.index("{") :])
    assert (told["whole"], told["entries"], told["findings"]) == (True, before.number, [])
    assert told["anchors"]["home"] >= 1
    code, printed = ledger(deployed, "show", "--kind", "release", "--json")
    (release,) = json.loads(printed[printed.index("[") :])
    version = deployed.stores.releases.version("returned", 1)
    assert (release["subject"], release["body"]["artifact_digest"]) == ("returned:1", version.artifact_digest)


def test_commands_leave_their_anchor_and_give_no_alarm(deployed):
    code, printed = deployed.run("mlops", "run", "returned", "--as-of", NEXT_AS_OF)
    assert code == 0, printed
    head = deployed.stores.ledger.head()
    (noted,) = (json.loads(head.body)["number"],)
    assert (head.kind, noted) == ("anchor", head.number - 1)
    code, printed = ledger(deployed, "anchor")
    assert "Nothing is new since the last anchor" in printed
    assert ledger(deployed, "verify")[0] == 0


def test_a_row_that_was_edited_is_told_by_name_and_exit_code(deployed):
    Owner(deployed.stores.places.database).run("UPDATE release SET run_id = 'mine'")
    code, printed = ledger(deployed, "verify")
    assert code == 3, printed
    assert "state edited" in printed
    assert "returned:1" in printed


def test_a_home_that_lost_its_end_says_so_with_each_command_until_somebody_accepts_it(deployed):
    owner = Owner(deployed.stores.places.database)
    number = owner.number_of("anchor")
    owner.run("DELETE FROM ledger WHERE number >= :n", n=number - 1)
    code, printed = deployed.run("mlops", "champion", "returned")
    assert code == 0
    assert "LedgerBroken" in printed
    assert ledger(deployed, "verify")[0] == 3
    code, printed = ledger(deployed, "accept", "--by", "Ada", "--reason", "the disk died")
    assert code == 0, printed
    code, printed = deployed.run("mlops", "champion", "returned")
    assert "LedgerBroken" not in printed
    code, printed = ledger(deployed, "verify")
    assert "Ada accepted" in " ".join(printed.split())
