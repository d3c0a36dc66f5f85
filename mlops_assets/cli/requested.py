"""What the commands of change requests do."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import Deployment
from mlops_assets.declaration.access import read_policy
from mlops_assets.errors import BadRequest
from mlops_assets.governance.changes import Answer, Request, Standing
from mlops_assets.steps import changes
from mlops_assets.steps.access import require
from mlops_assets.steps.standing import REIGNS, listed, where
from mlops_assets.stores.changes import Recorded

STYLES = {"open": "bold green", "applied": "green", "refused": "red", "expired": "dim", "overtaken": "dim"}
# Who refuses needs the right to approve.
RIGHTS: dict[Answer, str] = {"approve": "approve", "refuse": "approve"}


def show_requests(opened: Deployment, *, everything: bool, as_json: bool, console: Console) -> None:
    """The requests that wait, or all of them, newest last."""
    found = [(one, stands) for one, stands in listed(opened.stores) if everything or stands.waits]
    if as_json:
        console.print_json(json.dumps([_as_values(one, stands) for one, stands in found]))
        return
    if not found:
        console.print("No change request waits." if not everything else "There is no change request.")
        return
    table = Table(box=SIMPLE_HEAD)
    for head in ("", "change", "of", "proposed by", "stands"):
        table.add_column(head, overflow="fold")
    for one, stands in found:
        said = one.request.proposal
        style = STYLES.get(stands.stage, "")
        row = (str(one.request.number), said.kind, said.resource, said.by)
        table.add_row(*map(escape, row), escape(f"{stands.stage}: {stands.sentence}"), style=style)
    console.print(table)


def show_request(opened: Deployment, number: int, *, as_json: bool, console: Console) -> None:
    """All of one request."""
    recorded = opened.stores.changes.of(number)
    stands = where(opened.stores, recorded, opened.stores.ledger.now())
    if as_json:
        console.print_json(json.dumps(_as_values(recorded, stands)))
        return
    said = recorded.request.proposal
    lines = [
        f"Request {number}: {said.kind} of {said.resource}",
        f"  by {said.by} at {said.at}: {said.reason}",
        f"  digest {recorded.request.digest}",
        f"  {stands.stage}: {stands.sentence}",
        *(f"  {vote.answer} by {vote.by} at {vote.at}: {vote.reason}" for vote in recorded.votes),
    ]
    console.print(escape("\n".join(lines)), highlight=False, soft_wrap=True)
    console.print_json(json.dumps(dict(said.payload)))


def propose_change(
    opened: Deployment, kind: str, what: str, version: int | None, *, reason: str, console: Console
) -> None:
    """Ask for a change that no command asks for by itself."""
    if kind in REIGNS:
        opened.project.model(what)
        if version is None:
            raise BadRequest(f"to {kind} needs the version of {what}; found none, expected --version")
        resource = f"model:{what}"
    elif kind == "policy":
        resource = "policy"
    else:
        raise BadRequest(
            f"found {kind!r}, expected promote, rollback or policy; `mlops override` and `mlops access grant` ask too"
        )
    require(opened.stores, opened.who, f"propose:{kind}", resource)
    payload = (
        changes.policy_payload(opened.stores, read_policy(Path(what)))
        if version is None
        else changes.reign_payload(opened.stores, what, version)
    )
    asked = changes.propose(opened.stores, kind, resource, payload, by=opened.who.name, reason=reason)
    tell_asked(opened, asked, console=console)


def tell_asked(opened: Deployment, asked: Request, *, console: Console) -> None:
    """Say what a request waits for; what waits for nothing is carried out at once."""
    recorded = opened.stores.changes.of(asked.number)
    stands = where(opened.stores, recorded, opened.stores.ledger.now())
    if stands.stage == "open":
        _carry_out(opened, asked.number, console=console)
        return
    said = asked.proposal
    console.print(
        f"Request [bold]{asked.number}[/], {escape(said.kind)} of {escape(said.resource)}: {escape(stands.sentence)}",
        highlight=False,
        soft_wrap=True,
    )


def say(
    opened: Deployment, number: int, answer: Answer, seen: str | None, *, reason: str, console: Console
) -> None:
    """Approve, refuse or withdraw."""
    said = opened.stores.changes.of(number).request.proposal
    if answer in RIGHTS:
        require(opened.stores, opened.who, f"{RIGHTS[answer]}:{said.kind}", said.resource)
    changes.vote(opened.stores, number, answer, who=opened.who, seen=seen, reason=reason)
    stands = where(opened.stores, opened.stores.changes.of(number), opened.stores.ledger.now())
    console.print(
        f"Request [bold]{number}[/] is {stands.stage}: {escape(stands.sentence)}",
        highlight=False,
        soft_wrap=True,
    )


def apply_request(opened: Deployment, number: int, *, console: Console) -> None:
    """Carry out a request."""
    said = opened.stores.changes.of(number).request.proposal
    require(opened.stores, opened.who, f"apply:{said.kind}", said.resource)
    _carry_out(opened, number, console=console)


def _carry_out(opened: Deployment, number: int, *, console: Console) -> None:
    done = changes.apply(opened.stores, opened.tracking, number, by=opened.who.name, run_id="")
    said = opened.stores.changes.of(number).request.proposal
    console.print(
        f"Request [bold]{number}[/], {escape(said.kind)} of {escape(said.resource)}, was applied at {done.at}.",
        highlight=False,
        soft_wrap=True,
    )


def _as_values(recorded: Recorded, stands: Standing) -> dict[str, Any]:
    return {
        "number": recorded.request.number,
        "digest": recorded.request.digest,
        **asdict(recorded.request.proposal),
        "votes": [asdict(vote) for vote in recorded.votes],
        "application": asdict(recorded.application) if recorded.application else None,
        **asdict(stands),
    }
