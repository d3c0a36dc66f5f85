"""The ``mlops`` command. Heavy imports happen inside the commands, so that ``--help`` answers at once."""

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlops_assets.cli.access import access
from mlops_assets.cli.changes import changes
from mlops_assets.cli.features import features
from mlops_assets.cli.ledger import ledger
from mlops_assets.cli.opening import FOUND, READS, console, opened_deployment
from mlops_assets.cli.rollout import rollout
from mlops_assets.cli.serving import predictions, serve
from mlops_assets.cli.trace import trace

app = typer.Typer(
    help="Governed machine learning on Dagster assets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(access, name="access")
app.add_typer(changes, name="changes")
app.add_typer(features, name="features")
app.add_typer(ledger, name="ledger")
app.add_typer(predictions, name="predictions")
app.add_typer(rollout, name="rollout")
app.add_typer(trace, name="trace")
app.command()(serve)


class FailOn(StrEnum):
    """Severities of drift."""

    error = "error"
    warn = "warn"


ModelName = Annotated[str, typer.Argument(help="The name of a declared model.", metavar="MODEL")]
Again = Annotated[bool, typer.Option("--again", help="Make everything again, also what is up to date.")]
AsOf = Annotated[
    datetime,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="Train with what was known when this day began."),
]

TableName = Annotated[str, typer.Argument(help="The name of a declared table.", metavar="TABLE")]
Partition = Annotated[
    str | None, typer.Option("--partition", help="The day, as 2013-01-31; a table without days needs none.")
]
Junit = Annotated[Path | None, typer.Option("--junit", help="Write what was found to this file, as JUnit.")]
AsJson = Annotated[Path | None, typer.Option("--json", help="Write what was found to this file, as JSON.")]
By = Annotated[str, typer.Option("--by", help="Who says so.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words that an auditor understands.")]
# Where `make dev` serves it.
DAGSTER_UI = "http://127.0.0.1:3000"
Export = Annotated[Path | None, typer.Option("--export", help="Write the suite to this file, as JSON.")]


@app.command()
def demo(
    again: Again = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Replay days against a running service instead, and the loop that watches it."
        ),
    ] = False,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], help="Of --live: the first day; by default as declared."
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Of --live: how many; by default as declared.")
    ] = None,
    speed: Annotated[
        float,
        typer.Option("--speed", min=1, help="Of --live: seconds of the past in one second, at most."),
    ] = 43_200,
    online_each: Annotated[
        int,
        typer.Option(
            "--online-each", min=1, max=24, help="Of --live: hours between two times that features go online."
        ),
    ] = 3,
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, help="Of --live: of the service; zero: any that is free."),
    ] = 0,
) -> None:
    """Show the declared demonstration: raw data to a released model and a challenger judged, or a month of it live."""
    from mlops_assets.cli.deployment import PACKAGE
    from mlops_assets.declaration.demo import read_demo

    with opened_deployment("run", "demo") as opened:
        declared = read_demo(PACKAGE / "defs" / "platform" / "demo.yaml")
        if not live:
            from mlops_assets.cli.commands import show_demo

            show_demo(opened, declared, again=again, console=console)
            return
        from mlops_assets.cli.live import Pace, show_live

        console.print(declared.live.title)
        begins = first.date() if first else declared.live.first
        pace = Pace(speed, timedelta(hours=online_each))
        show_live(
            opened, declared.model, begins, days or declared.live.days, pace, port=port, console=console
        )


@app.command()
def run(model: ModelName, as_of: AsOf, again: Again = False) -> None:
    """Train, evaluate and, if the gate allows it, release MODEL as of a date; data that is missing is made first."""
    from mlops_assets.cli.commands import bring_up_to

    with opened_deployment("run", f"model:{model}") as opened:
        bring_up_to(opened, model, [as_of.date()], again=again, console=console)


@app.command("validate-data")
def validate_data(model: ModelName, as_of: AsOf, junit: Junit = None, as_json: AsJson = None) -> None:
    """Step 1 of a pipeline: bring the data of MODEL up to a date; every check of it. Exit code 3: one failed."""
    _step("validate_data", model, as_of, junit, as_json)


@app.command()
def train(model: ModelName, as_of: AsOf, junit: Junit = None, as_json: AsJson = None) -> None:
    """Step 2 of a pipeline: make the training set of MODEL, prove it, train. Exit code 3: it leaks."""
    _step("train", model, as_of, junit, as_json)


@app.command()
def evaluate(model: ModelName, as_of: AsOf, junit: Junit = None, as_json: AsJson = None) -> None:
    """Step 3 of a pipeline: measure MODEL, and what its gates would say. Exit code 3: they would not release it."""
    _step("evaluate", model, as_of, junit, as_json)


@app.command()
def register(model: ModelName, as_of: AsOf, junit: Junit = None, as_json: AsJson = None) -> None:
    """Step 4 of a pipeline: judge MODEL, and release it if its gates allow it. Exit code 3: they do not."""
    _step("register", model, as_of, junit, as_json)


def _step(step: str, model: str, as_of: datetime, junit: Path | None, as_json: Path | None) -> None:
    from mlops_assets.cli import steps
    from mlops_assets.cli.outcome import tell

    with opened_deployment("run", f"model:{model}") as opened:
        outcome = getattr(steps, step)(opened, model, as_of.date(), console=console)
        tell(outcome, console, junit=junit, as_json=as_json)
        if not outcome.passed:
            raise typer.Exit(FOUND)


@app.command()
def predict(
    model: ModelName,
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The day.", metavar="DAY")],
    to: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last of several days.")
    ] = None,
) -> None:
    """Score every event of DAY by the version of MODEL that reigned when it began; sealed in the ledger."""
    from mlops_assets.cli.scoring import predict_days

    with opened_deployment("predict", f"model:{model}") as opened:
        predict_days(opened, model, day.date(), (to or day).date(), console=console)


@app.command()
def status(model: ModelName) -> None:
    """Show the champion of MODEL, every verdict that was reached on it, and the data below it."""
    from mlops_assets.cli.commands import show_status

    with opened_deployment(READS) as opened:
        show_status(opened, model, console=console)


@app.command()
def champion(
    model: ModelName,
    at: Annotated[
        datetime | None,
        typer.Option("--at", help="A moment in UTC, as 2013-05-03T10:00:00: who reigned then?"),
    ] = None,
) -> None:
    """Show which version of MODEL reigns, or reigned at a moment, and every one that did. Exit code 3: none."""
    from mlops_assets.cli.releases import show_champion

    with opened_deployment(READS) as opened:
        if not show_champion(opened, model, at, console=console):
            raise typer.Exit(FOUND)


@app.command()
def rollback(
    model: ModelName,
    by: By,
    reason: Why,
    to: Annotated[
        int | None, typer.Option("--to", help="The version; by default the last other one that reigned.")
    ] = None,
) -> None:
    """Let an earlier version of MODEL reign again, at once, recorded with who asked for it and why."""
    from mlops_assets.cli.releases import roll_back_to

    with opened_deployment("rollback", f"model:{model}", by=by) as opened:
        roll_back_to(opened, model, to, by=by, reason=reason, console=console)


@app.command()
def override(
    subject: Annotated[
        str,
        typer.Argument(
            help="MODEL@AS_OF, held by its gate, or TABLE@PARTITION, refused by a check.", metavar="WHAT"
        ),
    ],
    by: By,
    reason: Why,
    check: Annotated[
        str | None, typer.Option("--check", help="The blocking check of TABLE that failed.")
    ] = None,
) -> None:
    """Release what the gate holds, or allow a partition that a check refuses: exactly that, named and recorded."""
    from mlops_assets.cli.releases import override as override_it

    with opened_deployment("override", _overridden(subject, check), by=by) as opened:
        override_it(opened, subject, check, by=by, reason=reason, console=console)


def _overridden(subject: str, check: str | None) -> str:
    """What the policy is asked about: a table by its whole name, however it was typed."""
    from mlops_assets.cli.releases import checked_table

    name = subject.partition("@")[0]
    return f"model:{name}" if check is None else f"table:{checked_table(name)}"


@app.command()
def contract(
    model: ModelName,
    version: Annotated[
        int | None, typer.Option("--version", help="The version; by default the champion.")
    ] = None,
    beside: Annotated[
        int | None, typer.Option("--beside", help="Another version to compare it with.")
    ] = None,
) -> None:
    """Print the contract of a version of MODEL, or what it changes. Exit code 3: it breaks those who call it."""
    from mlops_assets.cli.releases import show_contract

    with opened_deployment(READS) as opened:
        if show_contract(opened, model, version, beside, console=console) == "breaking":
            raise typer.Exit(FOUND)


@app.command()
def card(
    model: ModelName,
    version: Annotated[
        int | None, typer.Option("--version", help="The version; by default the champion.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page to this file, instead of printing Markdown.")
    ] = None,
) -> None:
    """The model card of a version of MODEL: every sentence with its evidence, and every gap as a gap."""
    from mlops_assets.cli.card import show_card

    with opened_deployment(READS) as opened:
        show_card(opened, model, version, html, console=console)


@app.command()
def audit(
    model: ModelName,
    version: Annotated[int, typer.Argument(help="The version.", metavar="VERSION")],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", help="A folder, or a file that ends in .zip; by default audit-MODEL-VERSION here."
        ),
    ] = None,
    without_model: Annotated[
        bool, typer.Option("--without-model", help="Name the model's files by digest only.")
    ] = False,
) -> None:
    """Write all that is recorded of a version of MODEL as one pack that anybody verifies offline, without us."""
    from mlops_assets.cli.audit import write_audit

    with opened_deployment(READS) as opened:
        write_audit(opened, model, version, to, with_model=not without_model, console=console)


@app.command()
def score(
    model: ModelName,
    as_json: AsJson = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page to this file.")] = None,
    ui: Annotated[str, typer.Option("--ui", help="Where the page's links find Dagster's UI.")] = DAGSTER_UI,
    attest: Annotated[
        str | None, typer.Option("--attest", help="A test that a person ran by hand; it counts half.")
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who attests it.")] = "",
    evidence: Annotated[
        str, typer.Option("--evidence", help="Where its results are, or what they were.")
    ] = "",
    days: Annotated[int, typer.Option("--days", help="For how many days it holds.")] = 90,
) -> None:
    """The ML Test Score of MODEL: 28 tests (Breck et al. 2017), each with its evidence or the way to it."""
    from mlops_assets.cli.score import attest_test, show_score

    action, signed = (READS, None) if attest is None else ("attest", by)
    with opened_deployment(action, f"model:{model}", by=signed) as opened:
        if attest is not None:
            attest_test(opened, model, attest, by=by, evidence=evidence, days=days, console=console)
        show_score(opened, model, as_json=as_json, html=html, ui=ui, console=console)


@app.command()
def restated(
    model: Annotated[
        str | None, typer.Argument(help="The name of a declared model; all by default.", metavar="[MODEL]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Say which releases were trained on days that hold other rows by now, and how many differ. Exit code 3: one."""
    from mlops_assets.cli.restated import show_restated

    with opened_deployment(READS) as opened:
        if show_restated(opened, model, as_json=as_json, console=console):
            raise typer.Exit(FOUND)


@app.command()
def reproduce(
    model: ModelName,
    version: Annotated[
        int | None, typer.Argument(help="The version; by default the champion.", metavar="[VERSION]")
    ] = None,
) -> None:
    """Train a version of MODEL again from what is recorded, and keep a certificate. Exit code 3: not identical."""
    from mlops_assets.cli.reproduction import show_reproduction

    with opened_deployment("reproduce", f"model:{model}") as opened:
        if not show_reproduction(opened, model, version, console=console):
            raise typer.Exit(FOUND)


@app.command()
def retrain(
    model: ModelName,
    by: By,
    reason: Why,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="By default the day after the newest events."),
    ] = None,
) -> None:
    """Ask for a challenger of MODEL, recorded with who asks and why; the retraining sensor launches it."""
    from mlops_assets.cli.retraining import ask_for_training

    with opened_deployment("retrain", f"model:{model}", by=by) as opened:
        ask_for_training(
            opened, model, as_of.date() if as_of else None, by=by, reason=reason, console=console
        )


@app.command()
def loop(
    model: ModelName,
    svg: Annotated[Path | None, typer.Option("--svg", help="Draw the timeline into this file.")] = None,
) -> None:
    """Show every reason to look at MODEL, what was trained for it, and whether later days agreed."""
    from mlops_assets.cli.retraining import show_loop

    with opened_deployment(READS) as opened:
        show_loop(opened, model, svg, console=console)


@app.command()
def backtest(
    model: ModelName,
    first: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The as-of date of the first model.")
    ],
    last: Annotated[
        datetime,
        typer.Option("--to", formats=["%Y-%m-%d"], help="The last as-of date; days after it count too."),
    ],
    every: Annotated[int, typer.Option("--every", min=1, help="Days between as-of dates.")] = 7,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy", help="never, always, schedule, article or declared; may be repeated. Default: all."
        ),
    ] = None,
) -> None:
    """Replay policies of retraining MODEL over its past: what each trained, promoted, lost, and what that cost."""
    from mlops_assets.cli.backtest import show_backtest

    with opened_deployment(READS) as opened:
        show_backtest(
            opened,
            model,
            first.date(),
            last.date(),
            every_days=every,
            asked=policy or [],
            console=console,
        )


@app.command()
def skew(
    baseline: Annotated[
        str,
        typer.Option(
            help="What to compare with: MODEL, MODEL:VERSION (what it was trained on) or TABLE@FIRST..LAST."
        ),
    ],
    batch: Annotated[
        str,
        typer.Option(
            help="What to look at: an as-of date for a model, TABLE@DAY or TABLE@FIRST..LAST for rows."
        ),
    ],
    policy: Annotated[
        str | None,
        typer.Option(
            help="For rows: calibrated (the default), article, or the path of a function. A model declares its own."
        ),
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="The severity that makes the exit code 3.")] = FailOn.error,
    html: Annotated[Path | None, typer.Option(help="Write the whole report to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say whether a batch has drifted from a baseline. Exit code 0: no; 3: it has; 1: it cannot be said."""
    from mlops_assets.cli.checking import show_skew

    with opened_deployment(READS) as opened:
        found = show_skew(opened, baseline, batch, named=policy, html=html, as_json=as_json, console=console)
    if fail_on in (found.severity, FailOn.warn if found.severity else None):
        raise typer.Exit(FOUND)
    if found.verdict == "not enough data":
        raise typer.Exit(1)


@app.command()
def validate(table: TableName, partition: Partition = None, export: Export = None) -> None:
    """Let Great Expectations judge a partition of TABLE by its declared expectations. Exit code 3: one failed."""
    from mlops_assets.cli.checking import show_suite

    with opened_deployment(READS) as opened:
        if not show_suite(opened, table, partition, export=export, console=console):
            raise typer.Exit(FOUND)
