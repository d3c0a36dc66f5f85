"""What the commands do that check rows beside expectations, or beside other rows."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.tables import print_drift, print_suite
from mlops_assets.cli.written import written
from mlops_assets.data.sql import WHOLE
from mlops_assets.declaration.drift import CALIBRATED
from mlops_assets.errors import BadRequest
from mlops_assets.graph import keys
from mlops_assets.steps.validation import validate_with_suite

if TYPE_CHECKING:
    from mlops_assets.monitoring.findings import DriftReport


def show_skew(
    opened: Deployment,
    baseline: str,
    batch: str,
    *,
    named: str | None,
    html: Path | None,
    as_json: bool,
    console: Console,
) -> "DriftReport":
    """Compare two named sets of rows, and print what was found."""
    # Imported here: the other commands do without scipy.
    from mlops_assets.monitoring.page import page
    from mlops_assets.steps.skew import skew_of_rows, skew_of_version, version_named

    version = version_named(baseline)
    if version is None:
        policy = named or CALIBRATED
        found = skew_of_rows(opened.stores, opened.project.catalog, baseline, batch, named=policy)
    elif named is not None:
        raise BadRequest(f"{version[0]} declares its policy itself; --policy is for rows, found {named!r}")
    else:
        model = opened.project.model(version[0])
        found = skew_of_version(opened.stores, opened.project.catalog, model, version[1], batch)
    if html is not None:
        title = f"{batch} beside {baseline}"
        written(html, page(title, found.report, found.reference, found.batch, {}))
    if as_json:
        console.print_json(json.dumps(found.report.to_dict()))
    else:
        print_drift(console, found.report, baseline=baseline, batch=batch)
    return found.report


def show_suite(
    opened: Deployment, name: str, partition: str | None, *, export: Path | None, console: Console
) -> bool:
    """What Great Expectations says of a raw partition; whether all that is more than information is met."""
    declared = opened.project.catalog.table(name, asked_by="the command")
    if declared.table.is_daily and partition is None:
        raise BadRequest(f"{name} has a partition for each day: say which with --partition")
    day = partition or WHOLE
    compiled, results = validate_with_suite(
        opened.stores,
        declared.source,
        declared.table,
        opened.stores.lake.pin(keys.table_name(keys.raw(name)), [day]),
        day,
        refers_to={other: keys.table_name(keys.validated(other)) for other in declared.table.refers_to()},
    )
    if export is not None:
        written(export, json.dumps(compiled, indent=2, default=str) + "\n")
    print_suite(console, compiled["name"], results)
    return all(result.passed or result.severity == "info" for result in results)
