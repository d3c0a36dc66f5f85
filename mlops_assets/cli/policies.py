"""What the commands of access do."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mlops_assets.cli.deployment import PACKAGE, Deployment
from mlops_assets.declaration.access import Policy, Tier, read_policy
from mlops_assets.errors import BadRequest
from mlops_assets.governance.access import decide, known_as
from mlops_assets.steps import access
from mlops_assets.stores.policies import Adopted
from mlops_assets.stores.tokens import Token

EXAMPLE = PACKAGE / "defs" / "platform" / "access.example.yaml"
NONE = (
    "No policy was adopted: whoever uses this machine may do everything, signs with any name, and a gate's verdict "
    "releases at once. `mlops access example` prints a policy, `mlops access adopt FILE` puts it in force."
)


def show_policy(opened: Deployment, *, as_json: bool, console: Console) -> bool:
    """The policy in force and the tokens; whether there is one."""
    adopted, at = opened.stores.policies.current(), opened.stores.ledger.now()
    tokens = opened.stores.tokens.all()
    if as_json:
        console.print_json(json.dumps(_as_values(adopted, tokens, at)))
        return adopted is not None
    if adopted is None:
        console.print(NONE, highlight=False, soft_wrap=True)
    else:
        _print_policy(adopted, console)
    if tokens:
        _print_tokens(tokens, at, console)
    return adopted is not None


def show_explained(
    opened: Deployment,
    name: str,
    action: str,
    resource: str,
    groups: Sequence[str],
    file: Path | None,
    *,
    console: Console,
) -> bool:
    """The rule that decides; whether it allows."""
    adopted = opened.stores.policies.current()
    policy = read_policy(file) if file else adopted.policy if adopted else None
    if policy is None:
        console.print(NONE, highlight=False, soft_wrap=True)
        return True
    who = known_as(name)
    who = replace(who, held=opened.stores.grants.held(who.name, opened.stores.ledger.now()))
    answers = [
        decide(policy, replace(who, provider=provider, groups=among), action, resource)
        for provider, among in _by_provider(policy, groups).items()
    ]
    answer = next((one for one in answers if one.allowed), answers[0])
    console.print(
        escape(answer.sentence),
        highlight=False,
        soft_wrap=True,
        style="green" if answer.allowed else "bold red",
    )
    return answer.allowed


def adopt_file(opened: Deployment, file: Path, *, by: str, reason: str, console: Console) -> None:
    """Put a file in force as the first policy."""
    adopted = access.adopt(opened.stores, read_policy(file), by=by, reason=reason)
    console.print(
        f"Policy [bold]{adopted.number}[/] ({adopted.digest[:12]}) is in force since {adopted.at}, by "
        f"{escape(adopted.by)}. It changes by change requests only.",
        highlight=False,
        soft_wrap=True,
    )


def new_token(opened: Deployment, name: str, *, scopes: Sequence[str], days: int, console: Console) -> str:
    """The text of a new token; what it is good for is printed."""
    made, text = access.make_token(opened.stores, opened.who, name, scopes=scopes, days=days)
    console.print(
        f"Token {made.id} of {escape(made.name)}, good until {made.expires}, for {escape(_for(made))}. "
        "It is not shown again:",
        highlight=False,
        soft_wrap=True,
    )
    return text


def revoke(opened: Deployment, token_id: str, *, reason: str, console: Console) -> None:
    """Make a token good for nothing."""
    revoked = access.revoke_token(opened.stores, opened.who, token_id, reason=reason)
    console.print(
        f"Token {revoked.id} of {escape(revoked.name)} is good for nothing any more.",
        highlight=False,
        soft_wrap=True,
    )


def _by_provider(policy: Policy, groups: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Groups by the provider that would say so; no provider where none is named. Raises BadRequest for others."""
    found: dict[str, tuple[str, ...]] = {}
    for one in groups:
        provider, _, group = one.partition(":")
        if provider not in policy.identity or group not in policy.identity[provider].groups:
            known = [
                f"{name}:{known}" for name, declared in policy.identity.items() for known in declared.groups
            ]
            raise BadRequest(f"found the group {one!r}; the policy has {', '.join(known) or 'none'}")
        found[provider] = (*found.get(provider, ()), group)
    return found or {"": ()}


def _as_values(adopted: Adopted | None, tokens: Sequence[Token], at: str) -> dict[str, object]:
    in_force = adopted and {
        **{name: getattr(adopted, name) for name in ("number", "digest", "by", "reason", "at", "request")},
        "policy": adopted.policy.model_dump(mode="json"),
    }
    return {"in_force": in_force, "tokens": [{**asdict(one), "state": one.state(at)} for one in tokens]}


def _print_policy(adopted: Adopted, console: Console) -> None:
    policy = adopted.policy
    by = f", change request {adopted.request}" if adopted.request else ""
    console.print(
        f"Policy [bold]{adopted.number}[/] ({adopted.digest[:12]}) is in force since {adopted.at}, by "
        f"{escape(adopted.by)}{by}: {escape(adopted.reason)}",
        highlight=False,
        soft_wrap=True,
    )
    rows = [(name, ", ".join(roles)) for name, roles in policy.members.items()]
    rows += [
        (f"{name}: group {group}", ", ".join(roles))
        for name, provider in policy.identity.items()
        for group, roles in provider.groups.items()
    ]
    _print_table(console, ("who", "roles"), rows)
    grants = [
        (role, ("deny " if one.deny else "") + ", ".join(one.actions), one.resource)
        for role, given in policy.roles.items()
        for one in given
    ]
    _print_table(console, ("role", "may", "to"), grants)
    _print_table(
        console,
        ("change", "of", "needs", "after", "within"),
        [_tier(one) for one in policy.tiers],
    )


def _tier(tier: Tier) -> tuple[str, ...]:
    needs = "its gates" if tier.gate else f"{tier.approvals} approvals"
    window = tier.window.spelled() if tier.window else "any time"
    return tier.kind, tier.resource, needs, f"{tier.delay_minutes} min", f"{tier.expires_days} days, {window}"


def _print_tokens(tokens: Sequence[Token], at: str, console: Console) -> None:
    rows = [(one.id, one.name, _for(one), one.by, one.expires, one.state(at)) for one in tokens]
    _print_table(console, ("token", "of", "for", "made by", "until", ""), rows)


def _print_table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=SIMPLE_HEAD)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _for(token: Token) -> str:
    return ", ".join(one.spelled for one in token.scopes) or "all they may do"
