"""What ``mlops trace export`` does, on an opened deployment."""

import json
from pathlib import Path

import dagster as dg
from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.written import written_lines
from mlops_assets.lineage.columns import Lineage
from mlops_assets.lineage.openlineage import Part, Said, Written, events
from mlops_assets.lineage.trace import declared_columns
from mlops_assets.stores.lineage import End, Recorded


def export_openlineage(opened: Deployment, file: Path, namespace: str, *, console: Console) -> None:
    """Write the events of all records, a line each, oldest first. Raises BadRequest when the file cannot be."""
    columns = _columns(opened)
    count = written_lines(
        file,
        (
            json.dumps(event, ensure_ascii=False)
            for one in opened.stores.lineage.everything()
            for event in events(_written(one, columns), namespace)
        ),
    )
    console.print(f"{count:,} events: {file}", markup=False, highlight=False, soft_wrap=True)


def _columns(opened: Deployment) -> dict[str, tuple[str | None, Lineage]]:
    """What the columns of each table are declared to come from, and the version of the code that makes it so."""
    project = opened.project
    known = declared_columns(project.catalog, project.models.values())
    graph = project.definitions.resolve_asset_graph()
    return {
        table: (graph.get(key).code_version, lineage)
        for table, lineage in known.items()
        if graph.has(key := dg.AssetKey(table.split("/")))
    }


def _written(one: Recorded, columns: dict[str, tuple[str | None, Lineage]]) -> Written:
    made = one.made
    code, lineage = columns.get(made.table, (None, None))
    return Written(
        part=Part(made.table, made.partition, str(made.version), made.fingerprint),
        rows=made.rows,
        code=made.code_version,
        run_id=made.run_id,
        at=made.written_at,
        reads=[_part(end) for end in one.reads],
        checks=[Said(said.check, said.passed, said.reason, said.blocking) for said in one.said],
        # What other code computed may have come from other columns.
        columns=lineage if code == made.code_version else None,
    )


def _part(end: End) -> Part:
    """A file of a source is version zero of itself, under no partition."""
    is_file = ":" in end.table
    return Part(end.table, end.partition, "" if is_file else str(end.version), end.fingerprint)
