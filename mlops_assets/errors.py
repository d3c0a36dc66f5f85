"""Every way the platform says no, as one tree.

MlopsError
├── DeclarationError      what a team wrote cannot mean anything
│   └── UnknownName       it names something that does not exist
├── BadEnvironment        the environment says something that cannot be meant, or names what cannot be opened
├── OtherVersion          a database was made by another version of the platform
├── SourceUnreadable      the rows of a source cannot be had
├── ViewUncomputable      the rows it reads, or the engine, stop the SQL of a feature view
├── QueryFailed           an engine does not take a query, or its rows stop it
├── TransformFailed       an on-demand transform raises, or returns other than it declares
├── NotMaterialized       a table or partition was asked for before it exists
├── SchemaChanged         a table would hold a column in two types
├── GateRefusal           the inputs exist and must not be used
├── TrainingRefused       the training window cannot teach a model
├── BadRequest            something is asked in a way that has no answer
├── ImpossibleDate        no window of events ends at that as-of date
├── AccessDenied          nobody knows who asks, or no rule of the policy allows it to them
├── RunFailed             a Dagster run that a command started did not succeed
├── ChangeRefused         a change request may not be voted on, or carried out, by whoever asks or now
├── ReleaseConflict       the champion changed while its successor was judged
├── RolloutConflict       a rollout ended, or changed, before what was to be recorded of it
├── ArtifactMismatch      stored bytes are not the bytes that were recorded
├── ServiceRefused        a version may not be served, or not so
├── NotProven             the process that proves what a version answers with did not end well
├── LogUnwritable         a prediction could not be written down
├── LogDamaged            a log of predictions is not what was appended to it
├── NotShipped            a bus did not say that it keeps what was sent to it
└── LedgerBroken          the ledger does not continue what was noted of it

An error says who, what was found, what was expected and what to do. A failed
gate is a result, not an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class MlopsError(Exception):
    """Base of every error this platform raises on purpose."""


class DeclarationError(MlopsError):
    """A declaration that cannot be carried out.

    field: the path to the offending attribute, outermost first, so that a door
    that knows the file can say the line.
    """

    def __init__(self, message: str, *, field: Sequence[str | int] = ()) -> None:
        super().__init__(message)
        self.field = tuple(field)


class UnknownName(DeclarationError):
    """A declaration names something that does not exist."""

    @classmethod
    def among(
        cls,
        name: str,
        known: Iterable[str],
        *,
        what: str,
        asked_by: str,
        field: Sequence[str | int] = (),
    ) -> UnknownName:
        return cls(
            f"{asked_by} asks for the {what} {name!r}, which does not exist. {nearest(name, known)}",
            field=field,
        )


class BadEnvironment(MlopsError):
    """The environment has a value it cannot have, or names a place that cannot be used."""


class OtherVersion(MlopsError):
    """The platform's own tables are not the ones this version reads and writes."""


class SourceUnreadable(MlopsError):
    """The file or package a source reads from is missing or is not what it says."""


class ViewUncomputable(MlopsError):
    """The SQL of a feature view fits its tables and fails on rows of theirs, or on the chosen engine."""


class QueryFailed(MlopsError):
    """An engine does not take a query, or stopped at its rows."""


class TransformFailed(MlopsError):
    """The function of an on-demand transform raises, or does not keep to what its declaration says."""


class NotMaterialized(MlopsError):
    """A table or partition is read before anything wrote it."""


class SchemaChanged(MlopsError):
    """A write would give a stored column another type."""


class GateRefusal(MlopsError):
    """A blocking check failed for exactly these inputs, so nothing may be built on them."""


class TrainingRefused(MlopsError):
    """The window holds nothing a model can learn from: no rows, or one class only."""


class BadRequest(MlopsError):
    """A caller asks for something in a way that cannot be answered."""


class ImpossibleDate(MlopsError):
    """A model is asked for as of a date that its events cannot fill."""


class AccessDenied(MlopsError):
    """Somebody asks for what the policy does not allow them, or does not show who they are.

    who: as they are known; empty where nobody is. action, resource: what they asked for, where that is known.
    """

    def __init__(self, message: str, *, who: str = "", action: str = "", resource: str = "") -> None:
        super().__init__(message)
        self.who, self.action, self.resource = who, action, resource


class RunFailed(MlopsError):
    """A run that was started for somebody ended without success."""


class ChangeRefused(MlopsError):
    """A change request is not where it would have to be for what is asked of it."""


class ReleaseConflict(MlopsError):
    """Another version was released since this one was judged."""


class RolloutConflict(MlopsError):
    """A rollout went on, or ended, after it was looked at; nothing was recorded."""


class ArtifactMismatch(MlopsError):
    """Stored bytes differ from the digest that was recorded when they were written."""


class ServiceRefused(MlopsError):
    """The prediction service does not answer with this version, or at this address."""


class NotProven(MlopsError):
    """The process that proves a version was ended, or took too long. Nothing is said of the version: prove it again."""


class LogUnwritable(MlopsError):
    """The log of predictions cannot be appended to, or not be brought to disk."""


class LogDamaged(MlopsError):
    """A line of the log of predictions is missing or is not what was appended."""


class NotShipped(MlopsError):
    """A bus did not confirm that it keeps some events, which will be sent again."""


class LedgerBroken(MlopsError):
    """The ledger, or an anchor of it, is not what it was."""


def family(error: type[MlopsError]) -> set[type[MlopsError]]:
    """The error and every more special one."""
    return {error}.union(*(family(special) for special in error.__subclasses__()))


def outermost(error: BaseException) -> MlopsError | None:
    """The first error of ours from the outside in, among an error and its causes."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, MlopsError):
        cause = cause.__cause__ or cause.__context__
    return cause


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say after "there is no such name": the nearest right one, and all of them if few.

    >>> nearest("carier", ["carrier", "origin"])
    "Did you mean 'carrier'? Known: carrier, origin."
    >>> nearest("x", [])
    'Nothing of that kind is declared.'
    """
    names = sorted(set(known))
    if not names:
        return "Nothing of that kind is declared."
    hint = nearest_only(name, names)
    shown = names if len(names) <= 20 else [*names[:20], f"… and {len(names) - 20} more"]
    return f"{hint}{' ' if hint else ''}Known: {', '.join(shown)}."


def nearest_only(name: str, known: Iterable[str]) -> str:
    """The nearest right name as a question; nothing when none is near.

    >>> nearest_only("carier", ["carrier", "origin"])
    "Did you mean 'carrier'?"
    """
    close = get_close_matches(name, sorted(set(known)), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else ""
