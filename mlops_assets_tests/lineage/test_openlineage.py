"""Events have what OpenLineage 2-0-2 requires, and say the same whenever they are exported.

Its published schema is not among what the tests have, so what it requires of these events and facets is written here.
"""

import re
from datetime import datetime
from uuid import UUID

import pytest

from mlops_assets.lineage.derivation import Derivation, SourceColumn
from mlops_assets.lineage.openlineage import Part, Said, Written, events

# What each facet must have beside what all must.
REQUIRED = {
    "parent": {"run": dict, "job": dict},
    "tags": {"tags": list},
    "version": {"datasetVersion": str},
    "columnLineage": {"fields": dict},
    "subset": {},
    "outputStatistics": {"rowCount": int},
    "dataQualityAssertions": {"assertions": list},
}
URL = re.compile(r"https://openlineage\.io/spec/(facets/)?\d+-\d+-\d+/\w+\.json#/\$defs/(\w+)")


def require_event(event):
    """What RunEvent, its datasets and their facets require."""
    assert event["eventType"] == "COMPLETE"
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert re.match(r"\w+:\S+$", event["producer"])
    assert URL.fullmatch(event["schemaURL"])[2] == "RunEvent"
    UUID(event["run"]["runId"])
    assert {"namespace", "name"} <= event["job"].keys()
    require_facets(event["run"]["facets"])
    UUID(event["run"]["facets"]["parent"]["run"]["runId"])
    for side, of_side in (("inputs", "inputFacets"), ("outputs", "outputFacets")):
        for dataset in event[side]:
            assert all(isinstance(dataset[name], str) and dataset[name] for name in ("namespace", "name"))
            require_facets(dataset["facets"])
            require_facets(dataset[of_side])
            assert dataset.keys() == {"namespace", "name", "facets", of_side}


def require_facets(facets):
    for name, facet in facets.items():
        assert re.match(r"\w+:\S+$", facet["_producer"])
        assert URL.fullmatch(facet["_schemaURL"])
        for field, kind in REQUIRED[name].items():
            assert isinstance(facet[field], kind)
    for one in facets.get("dataQualityAssertions", {}).get("assertions", []):
        assert isinstance(one["assertion"], str)
        assert isinstance(one["success"], bool)
    for field in facets.get("columnLineage", {}).get("fields", {}).values():
        assert all({"namespace", "name", "field"} <= one.keys() for one in field["inputFields"])
    for condition in ("inputCondition", "outputCondition"):
        if condition in facets.get("subset", {}):
            said = facets["subset"][condition]
            assert said["type"] == "partition"
            assert all(isinstance(one["dimensions"], dict) for one in said["partitions"])


def written(**changed):
    columns = {
        "amount": Derivation.of(SourceColumn("raw/t", "amount")),
        "unknown": Derivation(why="nobody says"),
    }
    values = {
        "part": Part("validated/t", "2024-04-02", "7", "f" * 32),
        "rows": 40,
        "code": "sql=1",
        "run_id": "b3a2a2c0-0000-4000-8000-000000000001",
        "at": "2024-04-03T00:00:00.000000+00:00",
        "reads": [Part("raw/t", "2024-04-02", "3", "e" * 32), Part("landing:t.csv", "whole", "", "sha")],
        "checks": [Said("volume", True, "forty", True), Said("drift", False, "moved – ö", False)],
        "columns": columns,
    }
    return Written(**{**values, **changed})


def test_what_was_made_and_what_was_checked_are_two_events():
    made, checked = events(written(), "shop")
    for event in (made, checked):
        require_event(event)
    assert (made["job"]["name"], checked["job"]["name"]) == ("validated/t", "validated/t.checks")
    table, file = made["inputs"]
    assert table["facets"]["version"]["datasetVersion"] == f"3:{'e' * 32}"
    assert table["inputFacets"]["subset"]["inputCondition"]["partitions"][0]["identifier"] == "2024-04-02"
    assert (file["name"], file["facets"]["version"]["datasetVersion"], file["inputFacets"]) == (
        "landing:t.csv",
        "sha",
        {},
    )
    (output,) = made["outputs"]
    assert output["facets"]["version"]["datasetVersion"] == f"7:{'f' * 32}"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 40
    assert output["facets"]["columnLineage"]["fields"] == {
        "amount": {"inputFields": [{"namespace": "shop", "name": "raw/t", "field": "amount"}]}
    }
    (read,) = checked["inputs"]
    assert [
        (one["assertion"], one["success"], one["severity"])
        for one in read["inputFacets"]["dataQualityAssertions"]["assertions"]
    ] == [("volume", True, "error"), ("drift", False, "warn")]
    assert checked["outputs"] == []


def test_ids_are_the_same_again_and_differ_for_all_that_differs():
    made, checked = (event["run"]["runId"] for event in events(written(), "shop"))
    assert [event["run"]["runId"] for event in events(written(), "shop")] == [made, checked]
    others = [
        next(events(written(), "other")),
        *(
            next(events(written(part=part), "shop"))
            for part in (
                Part("validated/t", "2024-04-02", "8", "f" * 32),
                Part("validated/t", "2024-04-03", "7", "f" * 32),
                Part("validated/t", "2024-04-02", "7", "e" * 32),
            )
        ),
    ]
    assert len({made, checked, *(event["run"]["runId"] for event in others)}) == 6
    assert UUID(made).version == 5


def test_without_checks_or_known_columns_nothing_is_said_of_them():
    (made,) = events(written(checks=[], columns=None), "shop")
    require_event(made)
    assert "columnLineage" not in made["outputs"][0]["facets"]


@pytest.mark.parametrize(
    ("run_id", "is_kept"), [("b3a2a2c0-0000-4000-8000-000000000001", True), ("run", False)]
)
def test_the_run_of_dagster_is_the_parent(run_id, is_kept):
    (made, _) = events(written(run_id=run_id), "shop")
    parent = made["run"]["facets"]["parent"]["run"]["runId"]
    assert (parent == run_id) is is_kept
    UUID(parent)
