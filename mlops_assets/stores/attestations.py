"""What people attest of a model that no record can tell: for so long, by name. Added to, never rewritten."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import sqlalchemy as sa

from mlops_assets.errors import BadRequest
from mlops_assets.stores.database import attestation as attestations
from mlops_assets.stores.ledger import add, append
from mlops_assets.stores.reigns import require_person


@dataclass(frozen=True)
class Attestation:
    """That a person ran a test of a model by hand. evidence: where its results are, or what they were.

    at, expires_at: moments in UTC.
    """

    model: str
    test: str
    by: str
    evidence: str
    at: str
    expires_at: str


class Attestations:
    """Of models."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def give(self, attested: Attestation) -> None:
        """Add one. Raises BadRequest when nobody is named, no evidence is given, or a machine signs."""
        if not attested.by.strip() or not attested.evidence.strip():
            raise BadRequest(
                "an attestation needs the name of who gives it and where its evidence is; found one of them empty"
            )
        require_person(attested.by)
        with self._database.begin() as connection:
            append(connection, add(connection, attestations, asdict(attested), by=attested.by))

    def of(self, model: str) -> list[Attestation]:
        """Those of a model, oldest first, also the expired ones."""
        columns = (attestations.c[field] for field in Attestation.__dataclass_fields__)
        query = sa.select(*columns).where(attestations.c.model == model).order_by(attestations.c.id)
        with self._database.connect() as connection:
            return [Attestation(**row._mapping) for row in connection.execute(query)]
