"""What the commands do that change or tell who reigns."""

from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.cli.execution import execute
from mlops_assets.cli.requested import tell_asked
from mlops_assets.errors import BadRequest
from mlops_assets.governance.changes import Request
from mlops_assets.governance.contract import Kind, changes, kind_of
from mlops_assets.graph import keys
from mlops_assets.graph.plan import PlannedRun
from mlops_assets.steps.changes import allow_or_ask, ask_to_roll_back
from mlops_assets.steps.contract import kept_contract
from mlops_assets.steps.reigns import gate_of, refused_by, roll_back
from mlops_assets.steps.release import proposed
from mlops_assets.steps.standing import waits_for
from mlops_assets.stores.releases import Release

CONTRACT_STYLE = {"breaking": "bold red", "retrain": "bold yellow", "compatible": "green"}


def show_champion(opened: Deployment, name: str, at: datetime | None, *, console: Console) -> bool:
    """Who reigns, or reigned at a moment (UTC unless it says otherwise), and all who did; whether anybody did."""
    opened.project.model(name)
    reigns = opened.stores.reigns
    asked = reigns.current(name) if at is None else reigns.at(name, _spelled(at))
    if asked is None:
        console.print(f"No version of {name} {'reigns' if at is None else f'reigned at {_spelled(at)}'}.")
        return False
    table = Table(title=f"{name}: champions", title_justify="left", box=SIMPLE_HEAD)
    for column in ("", "version", "since", "by", "reason"):
        table.add_column(column)
    for one in reigns.history(name):
        row = (str(one.version), one.since, escape(one.by), escape(one.reason))
        table.add_row("→" if one == asked else "", *row, style="bold" if one == asked else "dim")
    console.print(table)
    return True


def roll_back_to(
    opened: Deployment, name: str, version: int | None, *, by: str, reason: str, console: Console
) -> None:
    """Let an earlier version reign again."""
    opened.project.model(name)
    asked = ask_to_roll_back(opened.stores, name, version, by=by, reason=reason)
    if asked is not None:
        tell_asked(opened, asked, console=console)
        return
    begun = roll_back(opened.stores, opened.tracking, name, version, by=by, reason=reason, at=_now())
    console.print(
        f"[bold]{name} version {begun.version}[/] reigns since {begun.since}, by {escape(begun.by)}."
    )


def override(
    opened: Deployment, subject: str, check: str | None, *, by: str, reason: str, console: Console
) -> None:
    """Release what a gate holds, or allow a partition that a blocking check refuses."""
    name, at, partition = subject.partition("@")
    if not at:
        raise BadRequest(f"found {subject!r}, expected MODEL@AS_OF or TABLE@PARTITION, as flights@2013-01-31")
    if check is None:
        _release_all_the_same(opened, name, partition, by=by, reason=reason, console=console)
    else:
        _allow(opened, name, partition, check, by=by, reason=reason, console=console)


def show_contract(
    opened: Deployment, name: str, version: int | None, beside: int | None, *, console: Console
) -> Kind:
    """The contract of a version, and what it has not in common with that of another; the worst of it."""
    opened.project.model(name)
    one = released(opened, name, version)
    if beside is None:
        contract = kept_contract(opened.stores, one.contract)
        console.print_json(data={**contract.to_dict(), "digest": one.contract})
        return "compatible"
    other = released(opened, name, beside)
    found = changes(kept_contract(opened.stores, other.contract), kept_contract(opened.stores, one.contract))
    kind = kind_of(found)
    console.print(
        f"{name} version {one.version} after version {other.version}: [{CONTRACT_STYLE[kind]}]{kind}[/]",
        highlight=False,
    )
    for change in found:
        console.print(
            f"  [{CONTRACT_STYLE[change.kind]}]{change.kind}[/] {change.field}: {escape(change.sentence)}",
            highlight=False,
        )
    return kind


def _release_all_the_same(
    opened: Deployment, name: str, as_of: str, *, by: str, reason: str, console: Console
) -> None:
    model = opened.project.model(name)
    trained, report = (
        opened.stores.lake.pin(keys.table_name(keys.of_model(name, stage)), [as_of])
        for stage in ("model", "evaluation_report")
    )
    candidate, _ = proposed(opened.stores, opened.project.catalog, model, trained, report)
    given = allow_or_ask(opened.stores, gate_of(candidate), f"model:{name}", by=by, reason=reason, at=_now())
    if isinstance(given, Request):
        tell_asked(opened, given, console=console)
        return
    execute(
        opened,
        PlannedRun(f"release of {name} as of {as_of}", (keys.of_model(name, "release"),), as_of, as_of),
        console,
    )
    judged = opened.stores.releases.judged(candidate, given)
    assert judged is not None
    assert judged.release is not None
    print_reign(opened, judged.release, f", by the word of {given.by}", console=console)


def _allow(
    opened: Deployment, name: str, partition: str, check: str, *, by: str, reason: str, console: Console
) -> None:
    table = checked_table(name)
    contents = opened.stores.records.contents(table, partitions=[partition])
    if not contents:
        raise BadRequest(f"{table} has no partition {partition!r}; materialize it first")
    subject = refused_by(opened.stores, contents[0], check)
    given = allow_or_ask(opened.stores, subject, f"table:{table}", by=by, reason=reason, at=_now())
    if isinstance(given, Request):
        tell_asked(opened, given, console=console)
        return
    console.print(
        f"{table}, partition {partition}, may be built upon although {check} failed, by the word of "
        f"{escape(given.by)}."
    )


def print_reign(opened: Deployment, release: Release, why: str, *, console: Console) -> None:
    """That a version reigns, or what it waits for."""
    waits = waits_for(opened.stores, release)
    stands = "reigns" + why if waits is None else f"does not reign yet: {waits}"
    console.print(
        f"[bold]{release.model} version {release.version}[/] {escape(stands)}.",
        highlight=False,
        soft_wrap=True,
    )


def checked_table(name: str) -> str:
    """The table of the lake that somebody means by a name: of a source the validated one."""
    return name if "/" in name else keys.table_name(keys.validated(name))


def released(opened: Deployment, name: str, number: int | None) -> Release:
    """A version, by default the champion. Raises BadRequest when there is none."""
    releases = opened.stores.releases
    found = releases.champion(name) if number is None else releases.version(name, number)
    if found is None:
        known = ", ".join(str(one.version) for one in releases.versions(name)) or "none"
        raise BadRequest(f"{name} has no version {number or ''}; released ones: {known}".replace("  ", " "))
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _spelled(at: datetime) -> str:
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="seconds")
