"""What the service answered, as it was written down."""

import json
from heapq import nlargest

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mlops_assets.errors import NotMaterialized
from mlops_assets.stores.prediction_log import log_folder, read_log, segments
from mlops_assets.stores.stores import Places

SHOWN = 5


def show_predictions(places: Places, model: str, *, last: int, as_json: bool, console: Console) -> None:
    """The newest requests and their answers. Raises NotMaterialized for none, LogDamaged when some are lost."""
    folder = log_folder(places.home, model)
    found = nlargest(last, read_log(segments(folder)), key=lambda record: str(record["at"]))[::-1]
    if not found:
        raise NotMaterialized(
            f"no prediction of {model} was written down below {folder}; run mlops serve {model}"
        )
    if as_json:
        for record in found:
            console.print(json.dumps(record), soft_wrap=True, highlight=False, markup=False)
        return
    table = Table(box=SIMPLE_HEAD)
    for column in ("at", "request", "version", "rows", "ms", "probability"):
        table.add_column(column)
    for record in found:
        answered = record["probability"]
        shown = ", ".join(f"{one:.4f}" for one in answered[:SHOWN])
        table.add_row(
            record["at"],
            record["id"],
            str(record["version"]),
            str(len(answered)),
            f"{record['milliseconds']:.1f}",
            shown + (", …" if len(answered) > SHOWN else ""),
        )
    console.print(table)
