"""``mlops trace …``: what came from what."""

from pathlib import Path
from typing import Annotated

import typer

from mlops_assets.cli.opening import FOUND, READS, console, opened_deployment

trace = typer.Typer(help="What came from what, from the records.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page to walk to this file.")]


@trace.command()
def model(
    name: Annotated[str, typer.Argument(help="The name of a declared model.", metavar="MODEL")],
    version: Annotated[int, typer.Argument(help="The version.", metavar="VERSION")],
    as_json: AsJson = False,
    html: Html = None,
) -> None:
    """Trace a version of MODEL back to the files, with the code, the environment and who let it be one."""
    from mlops_assets.cli.traced import show_trace
    from mlops_assets.steps.trace import trace_model

    with opened_deployment(READS) as opened:
        opened.project.model(name)
        show_trace(trace_model(opened.stores, name, version), as_json=as_json, html=html, console=console)


@trace.command()
def prediction(
    wanted: Annotated[
        str,
        typer.Argument(
            help="Of a request that was answered, or as the column prediction_id of MODEL/predictions or "
            "MODEL/batch_predictions has it.",
            metavar="ID",
        ),
    ],
    row: Annotated[
        int, typer.Option("--row", min=0, help="Of a request of several rows, counted from zero.")
    ] = 0,
    as_json: AsJson = False,
    html: Html = None,
) -> None:
    """Tell why a prediction is what it is: version, features, checks, files, approvers, and the proof of its row.

    Exit code 3: its row, or one beside it, is not what was sealed.
    """
    from mlops_assets.cli.traced import show_prediction

    with opened_deployment(READS) as opened:
        if not show_prediction(opened, wanted, row=row, as_json=as_json, html=html, console=console):
            raise typer.Exit(FOUND)


@trace.command()
def impact(
    what: Annotated[
        str,
        typer.Argument(
            help="A file, as landing:flights.csv, or a table of the lake, as raw/flights.", metavar="WHAT"
        ),
    ],
    partition: Annotated[
        str | None, typer.Argument(help="The partition of the table, as 2013-01-31.", metavar="[PARTITION]")
    ] = None,
    as_json: AsJson = False,
    html: Html = None,
) -> None:
    """Trace a raw file, or a partition of a table, forward to everything that it touched, released versions too."""
    from mlops_assets.cli.traced import show_trace
    from mlops_assets.steps.trace import trace_impact

    with opened_deployment(READS) as opened:
        show_trace(trace_impact(opened.stores, what, partition), as_json=as_json, html=html, console=console)


@trace.command()
def column(
    name: Annotated[str, typer.Argument(help="As features/airport_weather.temp.", metavar="TABLE.COLUMN")],
    as_json: AsJson = False,
    html: Html = None,
) -> None:
    """Trace a column back to raw columns and forward to the inputs of models, as declared now."""
    from mlops_assets.cli.traced import show_column

    with opened_deployment(READS) as opened:
        show_column(opened, name, as_json=as_json, html=html, console=console)


@trace.command()
def export(
    openlineage: Annotated[Path, typer.Option("--openlineage", help="The file to write, JSON lines.")],
    namespace: Annotated[
        str, typer.Option("--namespace", help="Of jobs and datasets, in the catalogue that reads it.")
    ] = "mlops_assets",
) -> None:
    """Write everything that was ever made, with what it read and what its checks said, as OpenLineage events."""
    from mlops_assets.cli.openlineage import export_openlineage

    with opened_deployment(READS) as opened:
        export_openlineage(opened, openlineage, namespace, console=console)
