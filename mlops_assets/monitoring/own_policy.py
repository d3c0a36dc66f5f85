"""A policy that is somebody's own function: asked, and its answer held to what a report must be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, NoReturn, get_args

from mlops_assets.errors import BadRequest
from mlops_assets.monitoring.findings import DriftReport, Finding, Severity, Verdict, report
from mlops_assets.monitoring.profile import Profile


def answer_of(
    named: str,
    function: Callable[..., Any],
    reference: Profile,
    batch: Profile,
    history: Sequence[DriftReport] = (),
) -> DriftReport:
    """What the function at the dotted path ``named`` says of a batch, its numbers as plain floats.

    Raises BadRequest when it fails, or says what no report can say: who, what was found, what was expected.
    """
    asked = f"the drift policy {named!r}"
    try:
        found = function(reference, batch, history)
    except Exception as error:
        raise BadRequest(
            f"{asked} failed with {type(error).__name__}: {error}; expected a DriftReport"
        ) from error
    if not isinstance(found, DriftReport):
        _refuse(
            f"{asked} returned", found, "a DriftReport, as mlops_assets.monitoring.findings.report makes it"
        )
    if not isinstance(found.policy, str):
        _refuse(f"{asked} returned the name", found.policy, "text")
    if not isinstance(found.findings, tuple):
        _refuse(f"{asked} returned the findings", found.findings, "a tuple of them")
    findings = [_finding(f"{asked}, finding {at},", one) for at, one in enumerate(found.findings)]
    return _consistent(asked, found, report(found.policy, batch.rows, findings))


def _consistent(asked: str, found: DriftReport, expected: DriftReport) -> DriftReport:
    """The report that its findings and the batch make."""
    for part in ("rows", "verdict", "severity"):
        said, right = getattr(found, part), getattr(expected, part)
        if said != right:
            _refuse(f"{asked} returned the {part}", said, f"{right!r}, which its findings and the batch make")
    return expected


def _finding(who: str, found: Any) -> Finding:
    if not isinstance(found, Finding):
        _refuse(f"{who} is", found, "a Finding")
    for part in ("column", "test", "measure", "sentence"):
        if not isinstance(getattr(found, part), str):
            _refuse(f"{who} has the {part}", getattr(found, part), "text")
    if found.verdict not in get_args(Verdict):
        _refuse(f"{who} has the verdict", found.verdict, f"one of {', '.join(get_args(Verdict))}")
    severities = get_args(Severity) if found.verdict == "drift" else (None,)
    if found.severity not in severities:
        expected = f"{' or '.join(map(repr, severities))} where the verdict is {found.verdict!r}"
        _refuse(f"{who} has the severity", found.severity, expected)
    if not isinstance(found.values, Mapping):
        _refuse(f"{who} has the values", found.values, "a mapping of names to numbers")
    effect = None if found.effect is None else _number(f"{who} has the effect", found.effect)
    values = {str(name): _number(f"{who} has as {name!r}", value) for name, value in found.values.items()}
    return replace(found, effect=effect, values=values)


def _number(what: str, found: Any) -> float:
    if not isinstance(found, Real) or not math.isfinite(found):
        _refuse(what, found, "a finite number")
    return float(found)


def _refuse(what: str, found: object, expected: str) -> NoReturn:
    shown = repr(found)
    raise BadRequest(f"{what} {shown if len(shown) <= 80 else shown[:79] + '…'}, expected {expected}")
