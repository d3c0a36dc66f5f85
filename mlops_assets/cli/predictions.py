"""What a service answered: what the lake has of it, and what is still in the log."""

import json
from collections.abc import Sequence
from heapq import nlargest
from typing import Any
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mlops_assets.errors import LogDamaged, NotMaterialized
from mlops_assets.governance.served_prediction import ServedPrediction
from mlops_assets.steps.predictions import logged, newest_served
from mlops_assets.stores.prediction_log import log_folder
from mlops_assets.stores.stores import Stores

SHOWN = 5
# Where a request is.
LOG, ASSET = "log", "asset"
UTC = ZoneInfo("UTC")


def show_predictions(stores: Stores, model: str, *, last: int, as_json: bool, console: Console) -> None:
    """The newest requests and their answers. Raises NotMaterialized for none, LogDamaged when some are lost."""
    # The log first: what is taken over meanwhile is in the asset by the time that is read.
    in_log = list(logged(stores, model, UTC, finished=False))
    found = {_moment_of(rows): (LOG, rows) for one in in_log for rows in one.requests}
    found |= {_moment_of(rows): (ASSET, rows) for rows in newest_served(stores, model, last)}
    if not found:
        raise NotMaterialized(
            f"no prediction of {model} was written down below {log_folder(stores.places.home, model)}; "
            f"run mlops serve {model}"
        )
    records = [_record(*found[moment]) for moment in nlargest(last, found)][::-1]
    if as_json:
        for record in records:
            console.print(json.dumps(record), soft_wrap=True, highlight=False, markup=False)
    else:
        console.print(_table(records))
    if damage := [said for one in in_log for said in one.damage]:
        raise LogDamaged("; ".join(damage))


def _moment_of(rows: Sequence[ServedPrediction]) -> tuple[str, str]:
    """What a request is told apart by, the earlier first."""
    return rows[0].predicted_at, rows[0].request_id


def _record(place: str, rows: Sequence[ServedPrediction]) -> dict[str, Any]:
    first = rows[0]
    return {
        "id": first.request_id,
        "at": first.predicted_at,
        "in": place,
        "model": first.model,
        "version": first.version,
        "views": json.loads(first.views),
        "milliseconds": first.milliseconds,
        "by": first.by,
        "request": [json.loads(one.request) for one in rows],
        "features": [json.loads(one.features) for one in rows],
        "probability": [one.probability for one in rows],
    }


def _table(records: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for column in ("at", "request", "in", "version", "rows", "ms", "probability"):
        table.add_column(column)
    for record in records:
        answered = record["probability"]
        shown = ", ".join(f"{one:.4f}" for one in answered[:SHOWN])
        table.add_row(
            record["at"],
            record["id"],
            record["in"],
            str(record["version"]),
            str(len(answered)),
            f"{record['milliseconds']:.1f}",
            shown + (", …" if len(answered) > SHOWN else ""),
        )
    return table
