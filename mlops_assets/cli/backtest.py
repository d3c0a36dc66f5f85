"""``mlops backtest``: what policies of retraining would have trained, promoted and lost."""

from collections.abc import Sequence
from datetime import date, timedelta

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from mlops_assets.cli.commands import bring_data_up_to, require_possible, written
from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.execution import execute
from mlops_assets.declaration.drift import CALIBRATED
from mlops_assets.declaration.model import Model
from mlops_assets.errors import BadRequest, nearest
from mlops_assets.governance.backtest import Policy, Replayed, hindsight, replay
from mlops_assets.governance.retraining import declared, every, never, on_drift
from mlops_assets.graph import keys
from mlops_assets.graph.jobs import STEPS
from mlops_assets.graph.plan import PlannedRun
from mlops_assets.steps.backtest_page import show
from mlops_assets.steps.past import Past

SCHEDULE_DAYS = 30


def policies(model: Model) -> dict[str, Policy]:
    """Those that can be asked for, by name."""
    return {
        "never": Policy("never", never, gated=False),
        "always": Policy("always", every(1), gated=False),
        "schedule": Policy("schedule", every(SCHEDULE_DAYS), gated=False),
        "article": Policy("article", on_drift, gated=False, drift="article"),
        "declared": Policy(
            "declared", declared(model.retraining), gated=True, drift=model.drift.policy or CALIBRATED
        ),
    }


def show_backtest(
    opened: Deployment,
    name: str,
    first: date,
    last: date,
    *,
    every_days: int,
    asked: Sequence[str],
    console: Console,
) -> tuple[list[Replayed], dict[str, float]]:
    """Replay the policies on as-of dates so many days apart; the model of the first one reigns from the start.

    Returns what each did, and day by day the loss of the best in hindsight.
    """
    model = opened.project.model(name)
    known = policies(model)
    for policy in asked:
        if policy not in known:
            raise BadRequest(f"there is no policy {policy!r}. {nearest(policy, known)}")
    dates = [first + timedelta(days=at) for at in range(0, (last - first).days + 1, every_days)]
    if len(dates) < 2:
        raise BadRequest(f"from {first} to {last} there are no two dates {every_days} days apart to replay")
    until = dates[-1] + timedelta(days=every_days)
    require_possible(opened.project.catalog, model, [*dates, until])
    # A training set knows of later days what was known as of its date, which is nothing.
    bring_data_up_to(opened, model, [first, until], again=False, console=console)
    past = Past(
        stores=opened.stores,
        catalog=opened.project.catalog,
        model=model,
        dates=[one.isoformat() for one in dates],
        until=until.isoformat(),
        make=lambda as_of: _train(opened, model, as_of, console),
    )
    replays = []
    for policy in asked or known:
        console.print(f"Replaying the policy {policy!r} on {len(dates)} dates", highlight=False)
        found = replay(
            past,
            known[policy],
            past.dates,
            past.until,
            model.gates,
            model.contract.objectives.p95_ms,
        )
        replays.append(found)
    best = hindsight(past, replays, past.until)
    page = show(opened.stores, model.name, replays, best)
    _print(replays, best, console)
    console.print(f"Every step, and a picture: {page}", highlight=False, soft_wrap=True)
    return replays, best


def _train(opened: Deployment, model: Model, as_of: str, console: Console) -> None:
    lacking = written(opened)
    assets = tuple(keys.of_model(model.name, stage) for stage in STEPS["train"][0])
    if any(lacking.lacks(asset, [as_of]) for asset in assets):
        execute(opened, PlannedRun(f"{model.name} as of {as_of}", assets, as_of, as_of), console)


def _print(replays: Sequence[Replayed], best: dict[str, float], console: Console) -> None:
    table = Table(title="Policies of retraining, on the same days", title_justify="left", box=SIMPLE_HEAD)
    for column in ("policy", "log loss", "regret", "trainings", "promotions", "pointless", "CPU s"):
        table.add_column(column, justify="left" if column == "policy" else "right")
    lowest = sum(best.values()) / len(best)
    for one in replays:
        table.add_row(
            one.policy,
            f"{one.loss:.4f}",
            f"{one.loss - lowest:+.4f}",
            str(one.trainings),
            str(one.promotions),
            str(one.pointless),
            f"{one.cpu_seconds:.1f}",
        )
    table.add_row("best in hindsight", f"{lowest:.4f}", *[""] * 5, style="dim")
    console.print(table)
