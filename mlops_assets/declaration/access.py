"""Who may do what, and what needs the agreement of others: one reviewed file."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, StringConstraints, model_validator

from mlops_assets.declaration.base import Declaration, Flag, Name, TimeZone, Whole, refusal
from mlops_assets.declaration.located import LARGEST_FILE, Document, read_documents
from mlops_assets.declaration.retraining import ClockTime
from mlops_assets.errors import DeclarationError, nearest

# What the names of service accounts begin with.
SERVICE = "svc:"
# The kind, and the resource, of a change of the policy itself.
POLICY = "policy"
# What two of need, whatever a file says: the policy could else be changed by one person, and then all the rest.
POLICY_APPROVALS = 2
LONGEST_NAME = 200
# What signs its own doings, so that nobody may be called so.
MACHINES = frozenset({"gate", "verification", "sensor", "platform", "rollout", "service"})

# ``*`` stands for any text; there is nothing else to escape or to know.
PATTERN = r"^[A-Za-z0-9_.:/@*-]{1,200}$"
Pattern = Annotated[str, StringConstraints(pattern=PATTERN)]
# What is one resource and no pattern.
PATTERN_OF_ONE = re.compile(r"[A-Za-z0-9_.:/@-]{1,200}")
# The actions that change nothing. A role that has no others may be held for a time by who asks for it.
READING = ("read", "metrics")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def one_spelling(name: str) -> str:
    """The name of somebody in the one spelling in which names are compared: composed (NFC), in lower case.

    Raises ValueError for a name that could be taken for another: with spaces at its ends, characters that are not
    seen, or characters that Unicode calls another spelling of others (NFKC), such as fullwidth letters.

    >>> one_spelling("Zoe\\u0308@Example.org")
    'zoë@example.org'
    """
    composed = unicodedata.normalize("NFC", name)
    unseen = [one for one in composed if unicodedata.category(one).startswith(("C", "Zl", "Zp"))]
    if not composed or composed != composed.strip() or unseen or len(composed) > LONGEST_NAME:
        raise ValueError(
            f"found {name!r}, expected a name of 1 to {LONGEST_NAME} visible characters, no space at its ends"
        )
    if unicodedata.normalize("NFKC", composed) != composed:
        raise ValueError(f"found {name!r}, which Unicode calls another spelling of other characters (NFKC)")
    spelled = unicodedata.normalize("NFC", composed.casefold())
    if spelled in MACHINES:
        raise ValueError(
            f"found {name!r}, which signs its own verdicts so; expected the name of somebody else"
        )
    return spelled


def is_service(name: str) -> bool:
    """Whether a name is that of a service account."""
    return name.casefold().startswith(SERVICE)


PersonName = Annotated[str, AfterValidator(one_spelling)]


class Grant(Declaration):
    """What a role may do. resource, actions: patterns. deny: it may not, whatever other grants say."""

    resource: Pattern
    actions: tuple[Pattern, ...] = Field(min_length=1)
    deny: Flag = False


class JsonWebKeys(Declaration):
    """The public keys of a provider, as it publishes them (RFC 7517)."""

    # What else the provider says of them is its own.
    model_config = ConfigDict(extra="ignore", frozen=True)

    keys: tuple[dict[str, Any], ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _are_public(self) -> Self:
        for index, key in enumerate(self.keys):
            if key.get("kty") not in ("RSA", "EC", "OKP") or "d" in key:
                # The key itself is not shown: it may be a secret.
                message = (
                    "expected a public key with kty RSA, EC or OKP; a secret or private one signs for anybody"
                )
                raise refusal(("keys", index), message, key.get("kty"))
        named = [key.get("kid") for key in self.keys]
        if len(set(named)) < len(named) or not all(isinstance(one, str) and one for one in named):
            raise ValueError("expected keys with a kid each, all different")
        return self


class Provider(Declaration):
    """Who says, by OpenID Connect ID tokens, who somebody is.

    issuer, audience: what ``iss`` and ``aud`` of a token must be.
    jwks: its public keys, in a file beside this one; the keys themselves become part of the policy.
    name_claim: the claim that names somebody, which the provider must never give to another.
    groups_claim, groups: the claim that lists groups, and the roles of each.
    services: what it names are service accounts, ``svc:`` goes before the name.
    """

    issuer: Annotated[str, StringConstraints(pattern=r"^https://\S+$")]
    audience: Annotated[str, Field(min_length=1)]
    jwks: JsonWebKeys
    name_claim: Annotated[str, Field(min_length=1)] = "email"
    groups_claim: Annotated[str, Field(min_length=1)] = "groups"
    groups: dict[str, tuple[Name, ...]] = {}
    services: Flag = False


# Spelled as it is declared.
HourAndMinute = Annotated[ClockTime, PlainSerializer("{:%H:%M}".format, return_type=str)]


class Window(Declaration):
    """When what was approved may be applied: on these days from begin (in it) to end (not in it), by their clock."""

    days: tuple[Weekday, ...] = Field(WEEKDAYS[:5], min_length=1)
    begin: HourAndMinute
    end: HourAndMinute
    timezone: TimeZone = "UTC"

    @model_validator(mode="after")
    def _has_moments(self) -> Self:
        if self.begin >= self.end:
            message = (
                f"from {self.begin:%H:%M} to {self.end:%H:%M} is no time; expected an end after the begin"
            )
            raise refusal(("end",), message, str(self.end))
        return self

    def is_open(self, moment: datetime) -> bool:
        """Whether a moment (with its time zone) is in it."""
        here = moment.astimezone(ZoneInfo(self.timezone))
        return WEEKDAYS[here.weekday()] in self.days and self.begin <= here.time() < self.end

    def spelled(self) -> str:
        """In words: ``monday, tuesday 09:00-16:00 UTC``."""
        return f"{', '.join(self.days)} {self.begin:%H:%M}-{self.end:%H:%M} {self.timezone}"


class Tier(Declaration):
    """What a change needs.

    kind, resource: patterns of the changes it is about; of several tiers the first that fits counts.
    approvals: so many people, none of them the author. delay_minutes: so long after it was proposed it is not applied.
    window: when it may be applied; at any time where there is none. expires_days: so long after it was proposed it
    is void. gate: no person needs to agree, the model's own gates do.
    """

    kind: Pattern
    resource: Pattern = "*"
    approvals: Annotated[Whole, Field(ge=0, le=10)] = 2
    delay_minutes: Annotated[Whole, Field(ge=0, le=43_200)] = 60
    window: Window | None = None
    expires_days: Annotated[Whole, Field(ge=1, le=90)] = 7
    gate: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _a_gate_needs_nobody(cls, data: Any) -> Any:
        return {"approvals": 0, **data} if isinstance(data, dict) and data.get("gate") is True else data

    @model_validator(mode="after")
    def _means_one_thing(self) -> Self:
        if self.gate and self.approvals:
            message = f"a gate that approves needs no people; found {self.approvals}, expected 0 or no gate"
            raise refusal(("approvals",), message, self.approvals)
        if self.delay_minutes >= self.expires_days * 24 * 60:
            message = f"it would expire after {self.expires_days} days, before its delay is over"
            raise refusal(("delay_minutes",), message, self.delay_minutes)
        return self


class Policy(Declaration):
    """All of it. What no grant allows is denied, and what no tier is about needs the most.

    roles: what each may do. members: who has which; people by the name that their provider or token gives, service
    accounts as ``svc:…``. identity: the providers, by a name of ours. tiers: what changes need, the first that fits.
    """

    roles: dict[Name, tuple[Grant, ...]]
    members: dict[PersonName, tuple[Name, ...]] = {}
    identity: dict[Name, Provider] = {}
    tiers: tuple[Tier, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_member_each(cls, data: Any) -> Any:
        members = data.get("members") if isinstance(data, dict) else None
        seen: dict[str, str] = {}
        for name in members if isinstance(members, dict) else ():
            spelled = _spelled_or_itself(name)
            if spelled in seen:
                raise refusal(
                    ("members", name), f"{seen[spelled]!r} is the same name; expected it once", name
                )
            seen[spelled] = name
        return data

    @model_validator(mode="after")
    def _names_roles_that_exist(self) -> Self:
        named: list[tuple[tuple[str, ...], str]]
        named = [(("members", who), role) for who, roles in self.members.items() for role in roles]
        named += [
            (("identity", provider, "groups", group), role)
            for provider, declared in self.identity.items()
            for group, roles in declared.groups.items()
            for role in roles
        ]
        for place, role in named:
            if role not in self.roles:
                message = f"there is no role {role!r}. {nearest(role, self.roles)}"
                raise refusal(place, message, role)
        return self

    @model_validator(mode="after")
    def _has_one_provider_of_an_issuer(self) -> Self:
        seen: dict[tuple[str, str], str] = {}
        for name, declared in self.identity.items():
            before = seen.setdefault((declared.issuer, declared.audience), name)
            if before != name:
                raise refusal(
                    ("identity", name), f"{before!r} has this issuer and audience; expected others", name
                )
        return self


def read_policy(path: Path) -> Policy:
    """The policy in a YAML file. Raises DeclarationError with file and line."""
    try:
        documents = list(read_documents(path))
    except OSError as error:
        raise DeclarationError(f"{path} cannot be read: {error}") from error
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise DeclarationError(f"{path}: expected one YAML document with roles, members, identity and tiers")
    document = documents[0]
    return document.parse(Policy, _with_keys(document))


def _with_keys(document: Document) -> Any:
    """The value of a policy's document, with the keys of its providers in the place of the names of their files."""
    value = dict(document.value)
    providers = value.get("identity")
    if not isinstance(providers, dict):
        return value
    filled = {}
    for name, provider in providers.items():
        filled[name] = provider
        if isinstance(provider, Mapping) and isinstance(provider.get("jwks"), str):
            field = ("identity", name, "jwks")
            filled[name] = {**provider, "jwks": _keys(document, provider["jwks"], field)}
    return {**value, "identity": filled}


def _keys(document: Document, file: str, field: tuple[str, ...]) -> Any:
    path = document.path.parent / file
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DeclarationError(document.finding(field, f"{path} is larger than {LARGEST_FILE:,} bytes"))
        return json.loads(path.read_text(encoding="utf-8"))
    # ValueError: no UTF-8, or no JSON.
    except (OSError, ValueError) as error:
        said = f"found {file!r}, expected a file of public keys (JWKS) beside this one: {error}"
        raise DeclarationError(document.finding(field, said)) from error


def _spelled_or_itself(name: Any) -> Any:
    try:
        return one_spelling(name)
    except (ValueError, TypeError):
        return name
