"""``mlops serve`` and ``mlops predictions``; but for compacting without Dagster, which a service has no use for."""

import os
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mlops_assets.cli.opening import console, opened_deployment, refusals_told

if TYPE_CHECKING:
    from mlops_assets.serving.clock import Clock
    from mlops_assets.stores.stores import Places

PACKAGE = Path(__file__).parents[1]
FEATURES = PACKAGE.parent / "feature_repo"
# Threads of a library, which wait for each other by spinning: one row is computed faster by one.
ALONE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

predictions = typer.Typer(help="What the prediction service answered.", no_args_is_help=True)


class Durability(StrEnum):
    """Where a record is before its answer is given."""

    write = "write"
    fsync = "fsync"


def serve(
    model: Annotated[str, typer.Argument(help="The name of a released model.", metavar="MODEL")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Zero: any that is free.")] = 8080,
    host: Annotated[
        str,
        typer.Option(
            "--host", help="Another address than this machine's own needs a policy or MLOPS_SERVE_TOKEN."
        ),
    ] = "127.0.0.1",
    durability: Annotated[
        Durability,
        typer.Option(
            "--durability",
            help="An answer waits until its record is with the kernel (write), or on disk (fsync).",
        ),
    ] = Durability.write,
    edition: Annotated[
        int | None,
        typer.Option(
            "--edition", min=1, help="Of the contract that callers know; by default the highest that reigned."
        ),
    ] = None,
    drain: Annotated[
        float,
        typer.Option(
            "--drain", min=0, help="Seconds between not being ready and the end, for who balances load."
        ),
    ] = 1.0,
    now: Annotated[
        datetime | None,
        typer.Option(
            "--now", help="A moment in UTC at which the service's clock begins, to replay days of the past."
        ),
    ] = None,
    clock: Annotated[
        Path | None,
        typer.Option(
            "--clock", help="A file that says what time it is, which a replay moves; never for true requests."
        ),
    ] = None,
    feature_repo: Annotated[
        Path, typer.Option("--feature-repo", help="The folder of the feature repository.")
    ] = FEATURES,
) -> None:
    """Serve the version of MODEL that reigns: verified, by its contract, each answer written down before it is given.

    SIGHUP looks who reigns, as each two seconds; SIGTERM answers what waits and ends.
    """
    with refusals_told():
        _serve(model, host, port, durability, edition, drain, now, clock, feature_repo)


@predictions.command("show")
def show(
    model: Annotated[str, typer.Argument(help="The name of a model.", metavar="MODEL")],
    last: Annotated[int, typer.Option("--last", min=1, help="So many of the newest requests.")] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print whole records, one JSON object a line.")
    ] = False,
) -> None:
    """Print what MODEL answered and was written down, the newest last: of the asset, and of the log."""
    with refusals_told():
        from mlops_assets.cli.predictions import show_predictions
        from mlops_assets.stores.stores import Stores

        show_predictions(Stores.open(_places()), model, last=last, as_json=as_json, console=console)


@predictions.command("compact")
def compact(
    model: Annotated[str, typer.Argument(help="The name of a declared model.", metavar="MODEL")],
) -> None:
    """Have MODEL/predictions take over what its service wrote down and finished; a service goes on meanwhile."""
    from mlops_assets.cli.compaction import compact_predictions

    with opened_deployment("predict", f"model:{model}") as opened:
        compact_predictions(opened, model, console=console)


@predictions.command("ship")
def ship(
    model: Annotated[str, typer.Argument(help="The name of a model.", metavar="MODEL")],
    to: Annotated[
        str,
        typer.Option("--to", help="folder:/PATH, or kafka://HOST:PORT,HOST:PORT/TOPIC?SETTING=VALUE."),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what is answered from now on, until it is ended.")
    ] = False,
    end: Annotated[
        bool, typer.Option("--end", help="Ship nothing more there, and keep nothing in the log for it.")
    ] = False,
) -> None:
    """Ship what MODEL answered to a bus, as CloudEvents: each at least once, those of a process in their order.

    The log keeps what was not confirmed. Who reads leaves out what has an id that was there already.
    """
    with refusals_told():
        from mlops_assets.cli.shipping import end_shipping, ship_predictions

        if end:
            end_shipping(_places(), model, to, console=console)
        else:
            ship_predictions(_places(), model, to, follow=follow, console=console)


def _places() -> "Places":
    from mlops_assets.resources.environment import places

    return places()


def _clock(now: datetime | None, path: Path | None) -> "Clock":
    from mlops_assets.errors import BadRequest
    from mlops_assets.serving.clock import begun_at, told_by, true_time

    if now is not None and path is not None:
        raise BadRequest("--now and --clock both say what time it is; say one of them")
    if path is not None:
        return told_by(path)
    return begun_at(now) if now is not None else true_time


def _serve(
    model: str,
    host: str,
    port: int,
    durability: Durability,
    edition: int | None,
    drain: float,
    now: datetime | None,
    clock: Path | None,
    feature_repo: Path,
) -> None:
    os.environ.update(dict.fromkeys(ALONE, "1"))
    # One process answers: what it measures is nobody else's, and is not kept in files.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from mlops_assets.declaration.repository import read_feature_repository
    from mlops_assets.resources.environment import SERVE_TOKEN
    from mlops_assets.serving.access import Anyone, HolderOf, require_guarded
    from mlops_assets.serving.app import App
    from mlops_assets.serving.door import Door
    from mlops_assets.serving.released import reigning
    from mlops_assets.serving.server import Server, listener_at
    from mlops_assets.serving.service import Service, Settings
    from mlops_assets.serving.shelves import Shelves
    from mlops_assets.stores.prediction_log import PredictionLog, log_folder, windows_folder
    from mlops_assets.stores.presence import present

    places, token = _places(), os.environ.get(SERVE_TOKEN)
    shelves, features = Shelves.open(places), read_feature_repository(feature_repo)
    gatekeeper = Door(shelves, model, HolderOf(token) if token else Anyone())
    require_guarded(host, gatekeeper)
    settings = Settings(edition=edition, clock=_clock(now, clock), durability=durability.value)
    # Before anything is made for a model that is none.
    reigning(shelves, model)
    log, windows = PredictionLog(log_folder(places.home, model)), windows_folder(places.home, model)
    service = Service(shelves, features, model, log, settings, windows)
    version = service.current.released.release.version
    with present(places.home, model), listener_at(host, port) as listener:
        where = f"http://{host}:{listener.getsockname()[1]}"
        Server(
            App(service, gatekeeper),
            listener,
            drain_seconds=drain,
            started=lambda: console.print(
                f"[bold]{escape(model)} version {version}[/] answers on {where}", highlight=False
            ),
        ).serve_for_ever()
