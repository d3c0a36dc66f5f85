"""What ``mlops predictions compact`` does, on an opened deployment."""

from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.execution import execute
from mlops_assets.governance.served_prediction import TABLE
from mlops_assets.graph import keys
from mlops_assets.graph.plan import PlannedRun, stretches
from mlops_assets.graph.predictions import served_days
from mlops_assets.steps.predictions import waiting


def compact_predictions(opened: Deployment, name: str, *, console: Console) -> None:
    """Have the asset take over what finished segments of the log hold, and say what became of each day."""
    model, catalog, records = opened.project.model(name), opened.project.catalog, opened.stores.records
    zone, table = catalog.tables[model.label.table].source.zone, f"{name}/{TABLE}"
    days, found = served_days(catalog, model), waiting(opened.stores, name, zone)
    there = [day for day in found.days if days.has_partition_key(day)]
    for first, last in stretches(there):
        key = keys.of_model(name, TABLE)
        execute(opened, PlannedRun(f"{name}: what was answered", (key,), first, last), console)
    for content in records.contents(table, partitions=there) if there else []:
        failed = [one.reason for one in records.verdicts(content) if not one.passed]
        _say(console, "; ".join([f"{name} {content.partition}: {content.rows} rows", *failed]))
    for day in found.days:
        if day not in there:
            _say(console, f"{name} {day}: no day of {table}, what was answered stays in the log")
    if not found.days:
        _say(console, f"{name}: nothing waits in finished segments of the log")


def _say(console: Console, said: str) -> None:
    console.print(said, markup=False, highlight=False, soft_wrap=True)
