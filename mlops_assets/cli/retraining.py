"""What ``mlops retrain`` and ``mlops loop`` do, on an opened deployment."""

from datetime import UTC, date, datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.commands import require_possible
from mlops_assets.cli.deployment import Deployment
from mlops_assets.steps.retraining import ask
from mlops_assets.steps.retraining_log import HEADS, drawn, turns


def ask_for_training(
    opened: Deployment, name: str, as_of: date | None, *, by: str, reason: str, console: Console
) -> None:
    """Write a person's word down; the sensor acts on it."""
    model = opened.project.model(name)
    if as_of is not None:
        require_possible(opened.project.catalog, model, [as_of])
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    asked = ask(opened.stores, model, as_of.isoformat() if as_of else None, by=by, reason=reason, at=at)
    console.print(
        f"[bold]{name}[/] is to be trained as of {asked.as_of}, by {escape(asked.by)}. The sensor {name}_retraining "
        f"launches it when it is turned on; `mlops run {name} --as-of {asked.as_of}` does it here and now.",
        highlight=False,
    )


def show_loop(opened: Deployment, name: str, svg: Path | None, *, console: Console) -> None:
    """Every reason to look, and what came of it; or the timeline as a picture."""
    opened.project.model(name)
    log = turns(opened.stores, name)
    if svg is not None:
        svg.write_text(drawn(opened.stores, name, log), encoding="utf-8")
        console.print(f"The timeline of {name} is in {escape(str(svg))}.", highlight=False)
        return
    if not log:
        console.print(
            f"Nobody has looked at {name} yet; turn on the sensors {name}_watching and {name}_retraining."
        )
        return
    table = Table(title=f"{name}: the loop", title_justify="left", box=SIMPLE_HEAD)
    for head in HEADS:
        table.add_column(head)
    for turn in log:
        table.add_row(*(escape(cell) for cell in turn.told()))
    console.print(table)
