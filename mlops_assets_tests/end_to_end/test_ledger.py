"""The ledger by its commands, on a home that real runs made: no false alarm, whatever Dagster forgets."""

import json
import re

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


def asked(deployed, *arguments):
    code, printed = deployed.run("mlops", "trace", *arguments)
    assert code == 0, printed
    return printed


def test_what_came_from_what_is_answered_when_dagster_has_forgotten(deployed):
    def everything():
        told = [
            asked(deployed, *question, "--json")
            for question in (("model", "returned", "1"), ("impact", "raw/orders", "2024-03-05"))
        ]
        return [json.loads(one[one.index("{") :]) for one in told]

    before = everything()
    dagster_forgets(deployed)
    assert everything() == before
    model, impact = before
    tables = {one["table"] for one in model["materialized"]}
    assert {"returned/model", "returned/training_set", "validated/orders", "raw/orders"} <= tables
    assert {"features/customer_orders", "raw/customers"} <= tables
    partitions = {one["partition"] for one in model["materialized"] if one["table"] == "raw/orders"}
    assert "2024-03-05" in partitions
    assert "2024-04-09" not in partitions
    assert any(one["table"].endswith("customers.csv") for one in model["ends"])
    assert model["facts"]["environment"]["python"]
    assert [one["kind"] for one in model["facts"]["ledger"]] == ["reign", "release"]
    assert impact["releases"] == [{"model": "returned", "version": 1, "as_of": "2024-03-29", "reigns": True}]


def test_a_trace_can_be_read_and_walked(deployed, tmp_path):
    printed = asked(deployed, "model", "returned", "1")
    assert "returned/training_set" in printed
    assert "returned version 1 as of 2024-03-29, which reigns" in printed
    asked(deployed, "model", "returned", "1", "--html", str(tmp_path / "trace.html"))
    page = (tmp_path / "trace.html").read_text()
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert len(links) > 50
    assert links <= set(re.findall(r'id="([^"]+)"', page))
    touched = asked(deployed, "impact", "landing:customers.csv")
    assert "features/customer_profile" in touched
    code, printed = deployed.run("mlops", "trace", "impact", "landing:customer.csv")
    assert (code, "Did you mean 'landing:customers.csv'" in " ".join(printed.split())) == (1, True)
    column = asked(deployed, "column", "returned/model.amount")
    assert "raw/orders.amount" in column


def test_a_column_is_traced_both_ways(deployed, tmp_path):
    told = asked(deployed, "column", "validated/orders.amount", "--json")
    found = json.loads(told[told.index("{") :])
    assert found["made_from"] == ["raw/orders.amount"]
    assert {"returned/training_set.amount", "returned/model.amount"} <= set(found["goes_into"])
    asked(deployed, "column", "returned/model.amount", "--html", str(tmp_path / "column.html"))
    assert "<svg" in (tmp_path / "column.html").read_text()


def test_a_prediction_tells_why_also_when_dagster_has_forgotten(deployed, tmp_path):
    code, printed = deployed.run("mlops", "predict", "returned", "2024-04-02", "--to", "2024-04-03")
    assert code == 0, printed
    assert "returned 2024-04-03: 40 predictions by version 1, the first returned:2024-04-03:" in printed
    (asked_for,) = re.findall(r"returned:2024-04-02:[0-9a-f]{32}", printed)

    def told():
        printed = asked(deployed, "prediction", asked_for, "--json")
        return json.loads(printed[printed.index("{") :])

    before = told()
    dagster_forgets(deployed)
    assert told() == before
    facts = before["facts"]
    assert facts["proof"]["holds"]
    of_amount = next(one for one in facts["features"] if one["feature"] == "amount")
    assert of_amount["made_from"] == "validated/orders.amount ← raw/orders.amount"
    assert facts["columns"] == "as declared, then and now"
    assert {"raw/orders", "returned/model", "returned/training_set"} <= {
        one["table"] for one in facts["checks"]
    } | {one["table"] for one in before["materialized"]}
    assert any(one["table"].endswith("2024-04-02.csv") for one in before["ends"])
    assert before["releases"] == [{"model": "returned", "version": 1, "as_of": "2024-03-29", "reigns": True}]
    text = asked(deployed, "prediction", asked_for)
    assert "feature amount" in text
    assert "it is one of the 40 that entry" in text
    asked(deployed, "prediction", asked_for, "--html", str(tmp_path / "why.html"))
    page = (tmp_path / "why.html").read_text()
    assert "validated/orders.amount ← raw/orders.amount" in page
    assert "<svg" in page
    unknown = asked_for[:-1] + ("0" if asked_for[-1] != "0" else "1")
    code, printed = deployed.run("mlops", "trace", "prediction", unknown)
    assert (code, "Look at the id again" in " ".join(printed.split())) == (1, True)
    code, printed = deployed.run("mlops", "predict", "returned", "2024-03-20")
    assert (code, "ImpossibleDate" in printed) == (1, True)
