"""``mlops audit``: a pack for whoever does not believe us."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from mlops_assets.cli.deployment import Deployment
from mlops_assets.steps.audit import audit


def write_audit(
    opened: Deployment, name: str, version: int, to: Path | None, *, with_model: bool, console: Console
) -> None:
    """Write the pack, and say how it is known again."""
    model = opened.project.model(name)
    packed = audit(
        opened.stores,
        opened.project.catalog,
        model,
        version,
        to or Path(f"audit-{name}-{version}"),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        with_model=with_model,
    )
    for line in (
        f"{name} version {version}: {packed.files} files in {packed.to}",
        f"digest of the pack: {packed.digest}",
        "Keep the digest where nobody who keeps the pack can write. `python3 -I verify.py` in the pack verifies it.",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
