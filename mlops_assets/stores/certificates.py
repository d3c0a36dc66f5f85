"""Every time a version was trained again, and what came of it. Added to, never rewritten."""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa

from mlops_assets.governance.certificate import Certificate
from mlops_assets.stores.database import certificate as certificates
from mlops_assets.stores.ledger import add, append


class Certificates:
    """Of released versions."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database

    def keep(self, certificate: Certificate) -> None:
        """Add one."""
        values = {**asdict(certificate), "identical": certificate.identical}
        values |= {"environment": list(certificate.environment), "code": list(certificate.code)}
        with self._database.begin() as connection:
            append(connection, add(connection, certificates, values))

    def of(self, model: str, version: int) -> list[Certificate]:
        """Those of a version, oldest first."""
        query = (
            sa.select(certificates)
            .where(certificates.c.model == model, certificates.c.version == version)
            .order_by(certificates.c.id)
        )
        with self._database.connect() as connection:
            return [_certificate(row) for row in connection.execute(query)]


def _certificate(row: sa.Row[tuple[object, ...]]) -> Certificate:
    found = dict(row._mapping)
    del found["id"], found["identical"]
    return Certificate(**{**found, "environment": tuple(found["environment"]), "code": tuple(found["code"])})
