"""The release record: every verdict, with the version and the reign that it makes, in one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sqlalchemy as sa

from mlops_assets.declaration.access import Tier
from mlops_assets.governance.changes import Proposal
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.gates import Decision
from mlops_assets.governance.looks import Look
from mlops_assets.governance.reasons import Reason
from mlops_assets.stores.changes import add_request
from mlops_assets.stores.database import decision as decisions
from mlops_assets.stores.database import reign as reigns
from mlops_assets.stores.database import release as releases
from mlops_assets.stores.ledger import Draft, add, append, moment, wait_for_others
from mlops_assets.stores.overrides import Override
from mlops_assets.stores.pinned import Content
from mlops_assets.stores.reigns import GATE, add_reign, conflict, newest_reign


@dataclass(frozen=True)
class Candidate:
    """A trained and evaluated model that asks to be released.

    model_digest: its behaviour. artifact_digest: its files. evidence: fingerprint of its evaluation.
    feature_hash: of the feature service it was trained with. view_versions: of each view below that.
    contract: the artifact that holds its contract. made_from: the exact partitions that hold the trained model and
    its evaluation.
    """

    model: str
    as_of: str
    model_digest: str
    artifact_digest: str
    evidence: str
    mlflow_run_id: str
    feature_hash: str
    view_versions: Mapping[str, str]
    contract: str
    made_from: tuple[Content, ...] = ()


@dataclass(frozen=True)
class Release:
    """A version of a model. mlflow_version: its number in MLflow, None until it is mirrored there.

    mlflow_digest: SHA-256 over the files that MLflow holds of it.
    feature_hash, view_versions: what its features meant when it was trained. contract: the artifact with its
    contract. made_from: the partitions that hold the trained model and its evaluation.
    """

    model: str
    version: int
    as_of: str
    model_digest: str
    artifact_digest: str
    mlflow_run_id: str
    mlflow_version: str | None
    mlflow_digest: str | None
    released_at: str
    run_id: str
    feature_hash: str
    view_versions: Mapping[str, str]
    contract: str
    made_from: tuple[Content, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A recorded verdict. release: the version it made, None when nothing was released."""

    decision: Decision
    release: Release | None


@dataclass(frozen=True)
class Against:
    """What a decision was taken against. reign: its number, zero when none reigned. looks: at its version."""

    reign: int = 0
    version: int | None = None
    looks: tuple[Look, ...] = ()


# What is written in place of a reign, in the transaction of a verdict: of the version, what the verdict was taken
# against, who it is of and why; what to append to the ledger.
Instead: TypeAlias = Callable[[sa.Connection, Release, Against, str, str], Sequence[Draft]]


class Releases:
    """What was decided about each candidate, and which versions came of it."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def champion(self, model: str) -> Release | None:
        """The version that reigns."""
        return self._newest_reigning(_select().where(releases.c.model == model))

    def predecessor(self, model: str, *, as_of: str, model_digest: str) -> Release | None:
        """The version a model must beat: the last to reign of those made for its as-of date or before, not itself."""
        earlier = releases.c.as_of < as_of
        rival = sa.and_(releases.c.as_of == as_of, releases.c.model_digest != model_digest)
        return self._newest_reigning(_select().where(releases.c.model == model, sa.or_(earlier, rival)))

    def reigned(self, model: str, *, until: str) -> Release | None:
        """The version that reigned just before an as-of date: the last to reign of those made for earlier ones."""
        return self._newest_reigning(_select().where(releases.c.model == model, releases.c.as_of < until))

    def against(self, model: str) -> Against:
        """What reigns now, and what was compared with it, for a decision to be taken against."""
        with self._database.connect() as connection:
            reign = newest_reign(connection, model)
            if reign is None:
                return Against()
            return Against(reign.number, reign.version, tuple(_looks(connection, model, reign.version)))

    def version(self, model: str, number: int) -> Release | None:
        """A version by its number; None when there is none."""
        query = _select().where(releases.c.model == model, releases.c.version == number)
        with self._database.connect() as connection:
            row = connection.execute(query).first()
        return _release(row) if row else None

    def versions(self, model: str) -> list[Release]:
        """Every version, oldest first."""
        query = _select().where(releases.c.model == model).order_by(releases.c.version)
        with self._database.connect() as connection:
            return [_release(row) for row in connection.execute(query)]

    def models(self) -> list[str]:
        """Every model about which anything was decided."""
        query = sa.select(decisions.c.model).distinct().order_by(decisions.c.model)
        with self._database.connect() as connection:
            return list(connection.execute(query).scalars())

    def judged(self, candidate: Candidate, by: str | Override) -> Judged | None:
        """What was decided about exactly this candidate on exactly this evidence, if anything was.

        by: the fingerprint of all else that the gate asked, or the override that decided.
        """
        with self._database.connect() as connection:
            return _judged(connection, candidate, by)

    def taken(self, candidate: Candidate, against: Against) -> float:
        """The risk that comparing this evidence with that champion was allowed already; zero when it was not."""
        query = sa.select(decisions.c.spent).where(
            *_is_of(candidate), decisions.c.champion_version == against.version, decisions.c.look > 0
        )
        with self._database.connect() as connection:
            return float(connection.execute(query).scalar() or 0.0)

    def stands(self, model: str, as_of: str) -> bool:
        """Whether there is a verdict as of a date, and judging the same model again would be with the same rival."""
        query = (
            sa.select(decisions.c.model_digest, decisions.c.measured)
            .where(decisions.c.model == model, decisions.c.as_of == as_of)
            .order_by(decisions.c.id.desc())
            .limit(1)
        )
        with self._database.connect() as connection:
            decided = connection.execute(query).first()
        if decided is None:
            return False
        rival = self.predecessor(model, as_of=as_of, model_digest=decided.model_digest)
        compared = Evidence.from_dict(decided.measured).champion
        return (rival.version if rival else None) == (compared.champion_version if compared else None)

    def _newest_reigning(self, query: sa.Select[Any]) -> Release | None:
        same = sa.and_(reigns.c.model == releases.c.model, reigns.c.version == releases.c.version)
        newest = query.join(reigns, same).order_by(reigns.c.number.desc()).limit(1)
        with self._database.connect() as connection:
            row = connection.execute(newest).first()
        return _release(row) if row else None

    def record(
        self,
        candidate: Candidate,
        evidence: Evidence,
        decision: Decision,
        *,
        against: Against,
        by: str | Override,
        at: str,
        run_id: str,
        instead: Instead | None = None,
    ) -> Judged:
        """Write down a verdict with the evidence it rests on, the version it makes and its reign.

        against: what the decision was taken against; when another version reigns by now, or another
        model was compared with it, ReleaseConflict is raised and nothing is written.
        by: the fingerprint of all else that the gate asked, or the override that decided. A candidate is
        judged by it once: a verdict that is there already is returned as it is. A model that is a
        version already keeps its number.
        instead: what is written down in place of a reign, where something comes first.
        """
        try:
            with self._database.begin() as connection:
                if instead is not None:
                    # What comes first is dated after what was recorded last.
                    wait_for_others(connection)
                known = _judged(connection, candidate, by)
                if known is not None:
                    return known
                version, told = None, []
                who, reason = (GATE, decision.verdict) if isinstance(by, str) else (by.by, by.reason)
                if decision.releases:
                    version = _version_of(connection, candidate)
                    if version is None:
                        version = _next_version(connection, candidate.model)
                        told.append(_insert_release(connection, candidate, version, who, at, run_id))
                    if version != against.version and instead is not None:
                        made = _version(connection, candidate.model, version)
                        told += instead(connection, made, against, who, reason)
                    elif version != against.version:
                        begun = add_reign(
                            connection,
                            candidate.model,
                            version,
                            after=against.reign,
                            by=who,
                            reason=reason,
                            at=at,
                            run_id=run_id,
                        )
                        told.append(begun)
                decided = _decided(candidate, evidence, decision, against, version, by)
                written = {**decided, "decided_at": at, "run_id": run_id}
                append(connection, *told, add(connection, decisions, written, by=who))
        except sa.exc.IntegrityError as error:
            raise conflict(candidate.model) from error
        judged = self.judged(candidate, by)
        assert judged is not None
        return judged

    def not_mirrored(self) -> list[Release]:
        """Versions that MLflow does not show yet, oldest first."""
        query = (
            _select()
            .where(releases.c.mlflow_version.is_(None))
            .order_by(releases.c.model, releases.c.version)
        )
        with self._database.connect() as connection:
            return [_release(row) for row in connection.execute(query)]

    def set_mirrored(self, release: Release, number: str, digest: str) -> None:
        """Note under which number MLflow holds a version, and which files."""
        update = (
            sa.update(releases)
            .where(releases.c.model == release.model, releases.c.version == release.version)
            .values(mlflow_version=number, mlflow_digest=digest)
        )
        with self._database.begin() as connection:
            connection.execute(update)

    def history(self, model: str, *, version: int | None = None) -> list[Mapping[str, Any]]:
        """Every verdict (that made a version) in the order it was reached.

        Each with as_of, model_digest, verdict, version, reasons, measured (the evidence), spent (the risk of a
        false winner), decided_at and run_id.
        """
        query = (
            sa.select(
                decisions.c.as_of,
                decisions.c.model_digest,
                decisions.c.verdict,
                decisions.c.version,
                decisions.c.reasons,
                decisions.c.measured,
                decisions.c.spent,
                decisions.c.decided_at,
                decisions.c.run_id,
            )
            .where(
                decisions.c.model == model, sa.true() if version is None else decisions.c.version == version
            )
            .order_by(decisions.c.id)
        )
        with self._database.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


def promised(release: Release, *, after: int) -> dict[str, Any]:
    """What is agreed to who agrees that a version reigns. after: the number of the reign that it ends."""
    said = ("model", "version", "as_of", "model_digest", "artifact_digest", "feature_hash", "contract")
    return {**{name: getattr(release, name) for name in said}, "after": after}


def asked_first(tier: Tier) -> Instead:
    """Others are asked whether a version reigns."""

    def ask(
        connection: sa.Connection, release: Release, against: Against, by: str, reason: str
    ) -> Sequence[Draft]:
        payload, resource = promised(release, after=against.reign), f"model:{release.model}"
        at = moment(connection)
        proposal = Proposal.under(tier, "promote", resource, payload, by=by, reason=reason, at=at)
        return [add_request(connection, proposal)]

    return ask


def _version(connection: sa.Connection, model: str, number: int) -> Release:
    query = _select().where(releases.c.model == model, releases.c.version == number)
    return _release(connection.execute(query).one())


def _select() -> sa.Select[Any]:
    return sa.select(*(releases.c[field] for field in Release.__dataclass_fields__))


def _release(row: sa.Row[Any]) -> Release:
    found = row._asdict()
    return Release(**{**found, "made_from": tuple(Content(**one) for one in found["made_from"])})


def _looks(connection: sa.Connection, model: str, version: int) -> list[Look]:
    """What was compared with a version, in the order in which it was judged."""
    query = (
        sa.select(decisions.c.as_of, decisions.c.spent, decisions.c.measured)
        .where(decisions.c.model == model, decisions.c.champion_version == version, decisions.c.look > 0)
        .order_by(decisions.c.look)
    )
    return [
        Look.of(row.as_of, Evidence.from_dict(row.measured), row.spent) for row in connection.execute(query)
    ]


def _is_of(candidate: Candidate) -> list[sa.ColumnElement[bool]]:
    """Decisions about exactly this candidate on exactly this evidence."""
    return [
        decisions.c.model == candidate.model,
        decisions.c.as_of == candidate.as_of,
        decisions.c.model_digest == candidate.model_digest,
        decisions.c.evidence == candidate.evidence,
    ]


def _judged(connection: sa.Connection, candidate: Candidate, by: str | Override) -> Judged | None:
    query = sa.select(decisions).where(
        *_is_of(candidate), *(decisions.c[name] == value for name, value in _decided_by(by).items())
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    decision = Decision(row.verdict, tuple(Reason(**reason) for reason in row.reasons), row.spent)
    if row.version is None:
        return Judged(decision, None)
    return Judged(decision, _version(connection, candidate.model, row.version))


def _version_of(connection: sa.Connection, candidate: Candidate) -> int | None:
    query = sa.select(releases.c.version).where(
        releases.c.model == candidate.model,
        releases.c.as_of == candidate.as_of,
        releases.c.model_digest == candidate.model_digest,
    )
    found = connection.execute(query).scalar()
    return None if found is None else int(found)


def _next_version(connection: sa.Connection, model: str) -> int:
    newest = connection.execute(
        sa.select(sa.func.max(releases.c.version)).where(releases.c.model == model)
    ).scalar()
    # The primary key settles a race: of two that add the same number, one is refused.
    return int(newest or 0) + 1


def _insert_release(
    connection: sa.Connection, candidate: Candidate, version: int, by: str, at: str, run_id: str
) -> Draft:
    values = {
        "model": candidate.model,
        "version": version,
        "as_of": candidate.as_of,
        "model_digest": candidate.model_digest,
        "artifact_digest": candidate.artifact_digest,
        "mlflow_run_id": candidate.mlflow_run_id,
        "released_at": at,
        "run_id": run_id,
        "feature_hash": candidate.feature_hash,
        "view_versions": dict(candidate.view_versions),
        "contract": candidate.contract,
        "made_from": [vars(one) for one in candidate.made_from],
    }
    return add(connection, releases, values, by=by)


def _decided_by(by: str | Override) -> dict[str, Any]:
    """An override decides whatever else was asked."""
    return {"asked": by, "override_id": 0} if isinstance(by, str) else {"asked": "", "override_id": by.id}


def _decided(
    candidate: Candidate,
    evidence: Evidence,
    decision: Decision,
    against: Against,
    version: int | None,
    by: str | Override,
) -> dict[str, Any]:
    """The row of a decision, but for when and in which run."""
    return {
        "model": candidate.model,
        "as_of": candidate.as_of,
        "model_digest": candidate.model_digest,
        "evidence": candidate.evidence,
        "measured": evidence.to_dict(),
        "champion_version": against.version,
        "verdict": decision.verdict,
        "reasons": [vars(reason) for reason in decision.reasons],
        "version": version,
        "look": len(against.looks) + 1 if decision.spent else None,
        "spent": decision.spent,
        **_decided_by(by),
    }
