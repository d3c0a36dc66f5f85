"""What a step of a pipeline found, for people and for what runs the pipeline: a table, JUnit, JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.written import written
from mlops_assets.data.legible import legible

# Failed cases that are shown; the files have all.
SHOWN = 20


@dataclass(frozen=True)
class Case:
    """One question and its answer. of: what it was asked about. failed: whether the step fails by it."""

    of: str
    name: str
    failed: bool
    said: str


@dataclass(frozen=True)
class Outcome:
    """step: the command. facts: what else is worth keeping, as plain values."""

    step: str
    model: str
    as_of: str
    cases: Sequence[Case]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> list[Case]:
        return [case for case in self.cases if case.failed]

    @property
    def passed(self) -> bool:
        return not self.failed

    def to_json(self) -> str:
        """All of it, with ``passed``."""
        return json.dumps({**asdict(self), "passed": self.passed}, indent=2, ensure_ascii=False)

    def to_junit(self) -> str:
        """A test suite of a test for each case; what was said of those that passed is their output."""
        suite = Xml.Element(
            "testsuite",
            name=f"{self.step} {self.model} {self.as_of}",
            tests=str(len(self.cases)),
            failures=str(len(self.failed)),
            errors="0",
        )
        for case in self.cases:
            test = Xml.SubElement(suite, "testcase", classname=legible(case.of), name=legible(case.name))
            said = legible(case.said)
            if case.failed:
                Xml.SubElement(test, "failure", message=said).text = said
            elif said:
                Xml.SubElement(test, "system-out").text = said
        return Xml.tostring(suite, encoding="unicode", xml_declaration=True)


def tell(outcome: Outcome, console: Console, *, junit: Path | None, as_json: Path | None) -> None:
    """Show what decided, and write the files that are asked for."""
    for path, text in ((junit, outcome.to_junit()), (as_json, outcome.to_json())):
        if path is not None:
            written(path, text)
    said = "[green]passed[/]" if outcome.passed else "[bold red]failed[/]"
    table = Table(
        title=f"{outcome.step} {outcome.model} as of {outcome.as_of}: {said}, {len(outcome.cases):,} checks, "
        f"{len(outcome.failed):,} failed",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    for column in ("of", "check", "said"):
        table.add_column(column, overflow="fold")
    for case in outcome.failed[:SHOWN]:
        table.add_row(*(escape(legible(cell)) for cell in (case.of, case.name, case.said)))
    if len(outcome.failed) > SHOWN:
        table.add_row("…", f"and {len(outcome.failed) - SHOWN} more", "")
    console.print(table if outcome.failed else table.title, highlight=False)
