"""Tables of commands: what a name holds is told as it is."""

from rich.console import Console

from mlops_assets.cli.tables import print_drift
from mlops_assets.monitoring.findings import Finding, report


def test_names_that_look_like_markup_are_told_as_they_are():
    console = Console(width=200, record=True)
    found = Finding("[red]c", "[/]", "drift", "warn", "m", 0.1, "c: [/bold] moved")
    print_drift(console, report("[/own]", 1, [found]), baseline="[/before]", batch="[/after]")
    told = console.export_text()
    assert "[/after] beside [/before]: drift (warn), 1 rows, policy [/own]" in told
    assert all(part in told for part in ("[red]c", "[/]", "[/bold] moved"))
