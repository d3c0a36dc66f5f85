"""``mlops rollout …``: a version is tried beside the one that reigns, and requests say whether it is worse."""

from enum import StrEnum
from typing import Annotated

import typer

from mlops_assets.cli.opening import FOUND, READS, console, opened_deployment

rollout = typer.Typer(help="Try a version beside the one that reigns.", no_args_is_help=True)

ModelName = Annotated[str, typer.Argument(help="The name of a declared model.", metavar="MODEL")]
By = Annotated[str, typer.Option("--by", help="Who says so.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words that an auditor understands.")]


class Then(StrEnum):
    """What follows when a version passed."""

    promote = "promote"
    stay = "stay"


@rollout.command()
def start(
    model: ModelName,
    version: Annotated[
        int, typer.Argument(help="One that reigned, or that was released and waits.", metavar="VERSION")
    ],
    by: By,
    reason: Why,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="It scores what the champion answers, and nobody sees that.")
    ] = False,
    share: Annotated[
        float | None, typer.Option("--share", help="It answers this share of the requests, as 0.1.")
    ] = None,
    at_least: Annotated[
        int, typer.Option("--at-least", min=1, help="So many requests of its own, or it does not pass.")
    ] = 1000,
    lasts: Annotated[
        str, typer.Option("--for", help="So long, or it does not pass: as 90s, 30m, 12h or 2d.")
    ] = "0s",
    apart: Annotated[
        float,
        typer.Option(
            "--apart",
            min=0,
            max=1,
            help="It is stopped when its scores surely lie further from the champion's: Jensen-Shannon, in bits.",
        ),
    ] = 0.15,
    then: Annotated[
        Then, typer.Option("--then", help="Whether it is promoted, as the policy has it, when it passed.")
    ] = Then.stay,
) -> None:
    """Try VERSION beside the one that reigns: in its shadow, or as a canary. What is surely worse is stopped."""
    from mlops_assets.cli.tried import start_rollout

    with opened_deployment("rollout", f"model:{model}", by=by) as opened:
        start_rollout(
            opened,
            model,
            version,
            share=share,
            shadow=shadow,
            at_least=at_least,
            lasts=lasts,
            apart=apart,
            then=then.value,
            by=by,
            reason=reason,
            console=console,
        )


@rollout.command()
def show(
    model: ModelName,
    as_json: Annotated[bool, typer.Option("--json", help="Print every rollout as JSON.")] = False,
) -> None:
    """Show every rollout of MODEL, each step with who or what decided it and why. Exit code 3: none is open."""
    from mlops_assets.cli.tried import show_rollouts

    with opened_deployment(READS) as opened:
        if not show_rollouts(opened, model, as_json=as_json, console=console):
            raise typer.Exit(FOUND)


@rollout.command()
def share(
    model: ModelName,
    answers: Annotated[float, typer.Argument(help="Of the requests, as 0.25.", metavar="SHARE")],
    by: By,
    reason: Why,
) -> None:
    """Let the canary of MODEL answer another share of the requests."""
    from mlops_assets.cli.tried import share_rollout

    with opened_deployment("rollout", f"model:{model}", by=by) as opened:
        share_rollout(opened, model, answers, by=by, reason=reason, console=console)


@rollout.command()
def stop(model: ModelName, by: By, reason: Why) -> None:
    """End the rollout of MODEL: the champion answers all requests again, within seconds."""
    from mlops_assets.cli.tried import stop_rollout

    with opened_deployment("rollout", f"model:{model}", by=by) as opened:
        stop_rollout(opened, model, by=by, reason=reason, console=console)
