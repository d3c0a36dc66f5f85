"""What the commands of rollouts do."""

import json
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.declaration.base import parse_duration
from mlops_assets.errors import BadRequest
from mlops_assets.governance.rollout import Limits, Then, judged
from mlops_assets.steps import rollout
from mlops_assets.stores.rollouts import Rollout
from mlops_assets.stores.tallies import Tallies

STYLES = {"started": "bold", "share changed": "bold", "stopped": "dim", "failed": "red", "passed": "green"}


def start_rollout(
    opened: Deployment,
    model: str,
    version: int,
    *,
    share: float | None,
    shadow: bool,
    at_least: int,
    lasts: str,
    apart: float,
    then: Then,
    by: str,
    reason: str,
    console: Console,
) -> None:
    """Begin, and say how it goes on."""
    opened.project.model(model)
    if shadow == (share is not None):
        raise BadRequest("expected either --shadow or --share, found both or none")
    limits = Limits(at_least=at_least, seconds=_seconds(lasts), then=then, apart=apart)
    begun = rollout.start(
        opened.stores,
        model,
        version,
        "shadow" if share is None else "canary",
        1.0 if share is None else share,
        limits,
        by=by,
        reason=reason,
    )
    _tell(begun, console)


def share_rollout(
    opened: Deployment, model: str, share: float, *, by: str, reason: str, console: Console
) -> None:
    """Change the share of a canary, and say so."""
    opened.project.model(model)
    _tell(rollout.change_share(opened.stores, model, share, by=by, reason=reason), console)


def stop_rollout(opened: Deployment, model: str, *, by: str, reason: str, console: Console) -> None:
    """End one, and say so."""
    opened.project.model(model)
    _tell(rollout.stop(opened.stores, model, by=by, reason=reason), console)


def show_rollouts(opened: Deployment, model: str, *, as_json: bool, console: Console) -> bool:
    """All of them, oldest first, and how the open one stands; whether one is open."""
    opened.project.model(model)
    found = opened.stores.rollouts.history(model)
    if as_json:
        console.print_json(json.dumps([asdict(one) for one in found]))
        return any(one.is_open for one in found)
    table = Table(title=f"{model}: rollouts", title_justify="left", box=SIMPLE_HEAD)
    for head in ("", "version", "", "share", "", "at", "by", "why"):
        table.add_column(head, overflow="fold")
    for one in found:
        for step in one.steps:
            first = (str(one.number), str(one.version), one.kind) if step.step == 1 else ("", "", "")
            rest = (f"{step.share:.0%}", step.state, step.at, escape(step.by), escape(step.reason))
            table.add_row(*first, *rest, style=STYLES[step.state])
    console.print(table)
    for one in found:
        if one.is_open:
            counted = Tallies(opened.stores.places.home, model, one.number).all()
            now = judged(counted, one.limits, seconds=one.seconds(opened.stores.ledger.now()))
            console.print(f"{now.answer}: {now.sentence}", highlight=False, soft_wrap=True)
    return any(one.is_open for one in found)


def _tell(found: Rollout, console: Console) -> None:
    does = f"answers {found.share:.0%}" if found.kind == "canary" else "is the shadow"
    said = f"{does} of the requests" if found.is_open else f"was {found.last.state}"
    console.print(
        f"Rollout [bold]{found.number}[/] of {escape(found.model)}: version {found.version} {said}.",
        highlight=False,
    )


def _seconds(lasts: str) -> float:
    try:
        return float(parse_duration(lasts).total_seconds())
    except ValueError as error:
        raise BadRequest(f"--for: {error}") from error
