"""A request as the contract has it, or each reason why it is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from mlops_assets.serving.fields import Field, Unfit

MOST_ROWS = 1000
# An explanation asks the model once more for each input of a row.
MOST_EXPLAINED = 50
# Findings that are told one by one; of the others only how many there are.
TOLD = 20
# What is quoted of a value that was found, in characters.
QUOTED = 80
NAMED = re.compile(r"[A-Za-z0-9._:-]{1,64}")
PARTS = ("rows", "request_id", "explain")


@dataclass(frozen=True)
class Finding:
    """Something about a request. row: counted from zero; None when it is about all of it. field: empty likewise."""

    row: int | None
    field: str
    found: str
    message: str

    def told(self, called: str) -> dict[str, Any]:
        """As it is answered. called: what the message is, ``expected`` or ``message``."""
        return {"row": self.row, "field": self.field, "found": self.found, called: self.message}


class Refused(Exception):
    """A request that is not answered. status: of HTTP. kind: by which it is counted."""

    def __init__(self, status: int, kind: str, message: str, findings: Iterable[Finding] = ()) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind
        self.findings = tuple(findings)

    def told(self, request_id: str) -> dict[str, Any]:
        """As it is answered."""
        shown = [one.told("expected") for one in self.findings[:TOLD]]
        return {
            "request_id": request_id,
            "error": self.kind,
            "message": str(self),
            "errors": shown,
            "errors_in_all": len(self.findings),
        }


@dataclass(frozen=True)
class Request:
    """Rows that are asked about, as models and keys have them. explain: whether each answer is."""

    id: str
    rows: list[dict[str, Any]]
    explain: bool = False
    warnings: list[Finding] = field(default_factory=list)


def read_request(body: bytes, fields: Mapping[str, Field]) -> Request:
    """What is asked. Raises Refused with every row and field that is not as the contract has it.

    Types are the contract's, strictly; a field may be null but not left out, and no other may be there. What
    training never saw is a warning: a range or a category of training is a fact about its days, which the world
    may leave, and refusing it would hide just that.
    """
    said = _object(_parsed(body), "the body")
    if unknown := [name for name in said if name not in PARTS]:
        raise Refused(422, "invalid", f"the body has {_quoted(unknown[0])}, expected {', '.join(PARTS)}")
    rows = said.get("rows")
    if type(rows) is not list or not rows or len(rows) > MOST_ROWS:
        found = f"{len(rows)} rows" if type(rows) is list else _quoted(rows)
        raise Refused(422, "invalid", f"rows is {found}, expected a list of 1 to {MOST_ROWS} objects")
    explain = said.get("explain", False)
    request_id = said["request_id"] if "request_id" in said else uuid4().hex
    if type(explain) is not bool:
        raise Refused(422, "invalid", f"explain is {_quoted(explain)}, expected true or false")
    if explain and len(rows) > MOST_EXPLAINED:
        raise Refused(
            422, "invalid", f"explain is true for {len(rows)} rows, expected {MOST_EXPLAINED} at most"
        )
    if not (type(request_id) is str and NAMED.fullmatch(request_id)):
        raise Refused(
            422, "invalid", f"request_id is {_quoted(request_id)}, expected 1 to 64 letters, digits and ._:-"
        )
    errors: list[Finding] = []
    warnings: list[Finding] = []
    read = [_row(number, row, fields, errors, warnings) for number, row in enumerate(rows)]
    if errors:
        raise Refused(422, "invalid", "some fields are not as the contract has them", errors)
    return Request(request_id, read, explain, warnings)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_no_number, object_pairs_hook=_once)
    except RecursionError:
        raise Refused(400, "unreadable", "the body is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise Refused(400, "unreadable", f"the body is not UTF-8: {error.reason} at {error.start}") from None
    except ValueError as error:
        raise Refused(400, "unreadable", f"the body is not JSON: {error}") from None


def _no_number(spelled: str) -> Any:
    raise ValueError(f"found {spelled}, which JSON does not have; expected a finite number, or null")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object says a name twice")
    return found


def _object(value: Any, what: str) -> dict[str, Any]:
    if type(value) is not dict:
        raise Refused(422, "invalid", f"{what} is {_quoted(value)}, expected an object")
    return value


def _row(
    number: int, row: Any, fields: Mapping[str, Field], errors: list[Finding], warnings: list[Finding]
) -> dict[str, Any]:
    read: dict[str, Any] = {}
    if type(row) is not dict:
        errors.append(Finding(number, "", _quoted(row), "an object"))
        return read
    for name, one in fields.items():
        if name not in row:
            errors.append(Finding(number, name, "nothing", f"{one.type} or null"))
            continue
        try:
            value = read[name] = one.read(row[name])
        except Unfit as unfit:
            errors.append(Finding(number, name, _quoted(row[name]), f"{unfit}, or null"))
            continue
        if odd := one.oddity(value):
            warnings.append(Finding(number, name, _quoted(row[name]), odd))
    if len(row) > len(read):
        known = ", ".join(fields)
        errors += [
            Finding(number, name[:QUOTED], "a field", f"one of {known}") for name in row if name not in fields
        ]
    return read


def _quoted(value: Any) -> str:
    """What was found, in JSON and short; nothing that no answer could be spelled with."""
    if type(value) in (list, dict):
        return "a list" if type(value) is list else "an object"
    if type(value) is int and not -(10**20) < value < 10**20:
        return "a number of very many digits"
    spelled = json.dumps(value)
    return spelled if len(spelled) <= QUOTED else f"{spelled[:QUOTED]}…"
