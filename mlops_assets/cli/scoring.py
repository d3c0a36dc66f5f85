"""What ``mlops predict`` does, on an opened deployment."""

from datetime import date, timedelta

from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.execution import execute
from mlops_assets.errors import ImpossibleDate
from mlops_assets.governance.prediction import TABLE
from mlops_assets.graph import keys
from mlops_assets.graph.batch_predictions import scored_days
from mlops_assets.graph.plan import PlannedRun
from mlops_assets.steps.scoring import named_predictions


def predict_days(opened: Deployment, name: str, first: date, last: date, *, console: Console) -> None:
    """Make the predictions of days, and say how many there are of each, and by which version.

    Raises ImpossibleDate for days that are not there, or that no version could be there for.
    """
    model, key = opened.project.model(name), keys.of_model(name, TABLE)
    there = scored_days(opened.project.catalog, model)
    end = there.end or date.today() - timedelta(days=1)
    if not there.start <= first <= last <= end:
        raise ImpossibleDate(
            f"{name} cannot answer {first} to {last}: a version can be there for days from {there.start} to {end}"
        )
    begin, finish = first.isoformat(), last.isoformat()
    execute(opened, PlannedRun(f"{name} predicts", (key,), begin, finish), console)
    for offset in range((last - first).days + 1):
        day = (first + timedelta(days=offset)).isoformat()
        found = named_predictions(opened.stores, name, day)
        versions = sorted({one.version for _, one in found})
        by = f" by version {', '.join(map(str, versions))}, the first {found[0][0]}" if found else ""
        console.print(
            f"{name} {day}: {len(found)} predictions{by}", markup=False, highlight=False, soft_wrap=True
        )
        for said in _failed(opened, keys.table_name(key), day):
            console.print(f"  {said}", markup=False, highlight=False, soft_wrap=True)


def _failed(opened: Deployment, table: str, day: str) -> list[str]:
    """What the checks that failed say of a day."""
    records = opened.stores.records
    (said,) = records.verdicts_of(records.contents(table, partitions=[day])).values()
    return [one.reason for one in said if not one.passed]
