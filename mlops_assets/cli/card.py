"""``mlops card``: the card of a version."""

from pathlib import Path

from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.releases import released
from mlops_assets.cli.written import written
from mlops_assets.steps.card import card_of, markdown, page


def show_card(
    opened: Deployment, name: str, version: int | None, html: Path | None, *, console: Console
) -> None:
    """Print the card as Markdown, or write it as a page."""
    model, release = opened.project.model(name), released(opened, name, version)
    parts = card_of(opened.stores, model, release)
    if html is None:
        console.print(markdown(release, parts), markup=False, highlight=False, soft_wrap=True)
    else:
        written(html, page(release, parts))
        console.print(
            f"The card of {name} version {release.version} is in {html}", markup=False, highlight=False
        )
