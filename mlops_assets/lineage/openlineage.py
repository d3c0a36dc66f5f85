"""What was written as events of OpenLineage 2-0-2, for catalogues that collect lineage from many platforms.

A materialization is a run of the job of its table; its checks are a run of a job of their own, since assertions are
facets of what is read. Ids are UUIDs of version 5 from what they name, so who exports twice says the same. Only that
something was made is known, so runs have no START.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from mlops_assets.lineage.columns import Lineage

PRODUCER = "urn:mlops_assets"
SPEC = "https://openlineage.io/spec"
EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
# The versions of facets, by the name of their definition.
FACETS = {
    "ParentRunFacet": "1-2-0/ParentRunFacet.json",
    "TagsRunFacet": "1-0-0/TagsRunFacet.json",
    "DatasetVersionDatasetFacet": "1-0-1/DatasetVersionDatasetFacet.json",
    "ColumnLineageDatasetFacet": "1-2-0/ColumnLineageDatasetFacet.json",
    "InputSubsetInputDatasetFacet": "1-0-0/BaseSubsetDatasetFacet.json",
    "OutputSubsetOutputDatasetFacet": "1-0-0/BaseSubsetDatasetFacet.json",
    "OutputStatisticsOutputDatasetFacet": "1-0-2/OutputStatisticsOutputDatasetFacet.json",
    "DataQualityAssertionsDatasetFacet": "1-1-0/DataQualityAssertionsDatasetFacet.json",
}


@dataclass(frozen=True)
class Part:
    """What a partition of a table held, or a file of a source: its version is empty. fingerprint: a digest."""

    table: str
    partition: str
    version: str
    fingerprint: str


@dataclass(frozen=True)
class Said:
    """What a check said."""

    check: str
    passed: bool
    reason: str
    blocking: bool


@dataclass(frozen=True)
class Written:
    """A partition as it was written once. at: in UTC. columns: what they come from, None where that is not known."""

    part: Part
    rows: int
    code: str
    run_id: str
    at: str
    reads: Sequence[Part]
    checks: Sequence[Said]
    columns: Lineage | None


def events(written: Written, namespace: str) -> Iterator[dict[str, Any]]:
    """That a partition was made, and if it was checked, what the checks said."""
    part = written.part
    facets: dict[str, Any] = {"version": _version(part)}
    if written.columns is not None:
        facets["columnLineage"] = _columns(written.columns, namespace)
    output = {
        "namespace": namespace,
        "name": part.table,
        "facets": facets,
        "outputFacets": {
            "subset": _facet("OutputSubsetOutputDatasetFacet", outputCondition=_condition(part)),
            "outputStatistics": _facet("OutputStatisticsOutputDatasetFacet", rowCount=written.rows),
        },
    }
    inputs = [_input(one, namespace) for one in written.reads]
    yield _event(written, namespace, part.table, inputs=inputs, outputs=[output])
    if written.checks:
        checked = _input(part, namespace, dataQualityAssertions=_assertions(written.checks))
        yield _event(written, namespace, f"{part.table}.checks", inputs=[checked], outputs=[])


def _event(
    written: Written, namespace: str, job: str, *, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]
) -> dict[str, Any]:
    part = written.part
    parent = {
        "run": {"runId": _run(written.run_id)},
        "job": {"namespace": namespace, "name": "dagster"},
    }
    tags = [{"key": "code_version", "value": written.code, "source": "mlops_assets"}]
    named = "\n".join((namespace, job, part.partition, part.version, part.fingerprint, written.run_id))
    return {
        "eventType": "COMPLETE",
        "eventTime": written.at,
        "producer": PRODUCER,
        "schemaURL": EVENT,
        "run": {
            "runId": str(uuid5(NAMESPACE_URL, f"{PRODUCER}:{named}")),
            "facets": {
                "parent": _facet("ParentRunFacet", **parent),
                "tags": _facet("TagsRunFacet", tags=tags),
            },
        },
        "job": {"namespace": namespace, "name": job},
        "inputs": inputs,
        "outputs": outputs,
    }


def _input(part: Part, namespace: str, **facets: Any) -> dict[str, Any]:
    subset = {"subset": _facet("InputSubsetInputDatasetFacet", inputCondition=_condition(part))}
    return {
        "namespace": namespace,
        "name": part.table,
        "facets": {"version": _version(part)} if part.fingerprint else {},
        "inputFacets": {**(subset if part.version else {}), **facets},
    }


def _condition(part: Part) -> dict[str, Any]:
    place = {"identifier": part.partition, "dimensions": {"partition": part.partition}}
    return {"type": "partition", "partitions": [place]}


def _version(part: Part) -> dict[str, Any]:
    """Of a table the version it had and a digest of the partition; of a file its SHA-256."""
    said = f"{part.version}:{part.fingerprint}" if part.version else part.fingerprint
    return _facet("DatasetVersionDatasetFacet", datasetVersion=said)


def _columns(columns: Lineage, namespace: str) -> dict[str, Any]:
    fields = {
        column: {
            "inputFields": [
                {"namespace": namespace, "name": one.table, "field": one.column}
                for one in sorted(found.columns)
            ]
        }
        for column, found in columns.items()
        if found.columns
    }
    return _facet("ColumnLineageDatasetFacet", fields=fields)


def _assertions(checks: Sequence[Said]) -> dict[str, Any]:
    said = [
        {
            "assertion": one.check,
            "success": one.passed,
            "severity": "error" if one.blocking else "warn",
            "description": one.reason,
        }
        for one in checks
    ]
    return _facet("DataQualityAssertionsDatasetFacet", assertions=said)


def _facet(definition: str, **said: Any) -> dict[str, Any]:
    url = f"{SPEC}/facets/{FACETS[definition]}#/$defs/{definition}"
    return {"_producer": PRODUCER, "_schemaURL": url, **said}


def _run(run_id: str) -> str:
    """Dagster's own id; of one that is none, a UUID made from it."""
    try:
        return str(UUID(run_id))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"{PRODUCER}:run {run_id}"))
