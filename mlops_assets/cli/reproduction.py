"""``mlops reproduce``: a version trained again, and the certificate of it."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.releases import released
from mlops_assets.graph.model import trained_by
from mlops_assets.steps.reproduction import reproduce

SHOWN = 10


def show_reproduction(opened: Deployment, name: str, version: int | None, *, console: Console) -> bool:
    """Train a version again, and say whether it answers exactly the same."""
    model, release = opened.project.model(name), released(opened, name, version)
    with console.status(f"training {name} version {release.version} again"):
        found = reproduce(opened.stores, release, code=trained_by(opened.project.catalog, model))
    style = "green" if found.identical else "bold red"
    said = "identical" if found.identical else "NOT identical"
    table = Table(
        title=f"{name} version {release.version}, trained again: [{style}]{said}[/]",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_header=False,
    )
    table.add_row("model digest", f"{found.model_digest}, found {found.found_digest}")
    table.add_row("rows scored by both", f"{found.rows:,}")
    table.add_row("largest difference of a probability", f"{found.largest_difference:.3g}")
    for place, sentences in (("environment", found.environment), ("code", found.code)):
        more = [f"… and {len(sentences) - SHOWN} more"] if len(sentences) > SHOWN else []
        table.add_row(place, escape("\n".join([*sentences[:SHOWN], *more]) or "the same"))
    table.add_row("certificates", f"{len(opened.stores.certificates.of(name, release.version))}")
    console.print(table)
    return found.identical
