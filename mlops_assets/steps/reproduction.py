"""Trains a released version again from what is recorded of it, and compares."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from mlops_assets.errors import ArtifactMismatch
from mlops_assets.governance.certificate import Certificate
from mlops_assets.modeling.environment import differences, environment
from mlops_assets.modeling.frames import score
from mlops_assets.modeling.made import Made, Rows
from mlops_assets.modeling.serialization import Loaded, from_files
from mlops_assets.modeling.training import Trained, train
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores


def reproduce(stores: Stores, release: Release, *, code: str) -> Certificate:
    """Train it again on the very rows that are recorded, with the recipe that is recorded, and keep the certificate.

    code: the version of what trains now, spelled.
    Raises ArtifactMismatch when the files are not what was released, or the rows are not those learned from.
    """
    files = stores.artifacts.load(release.artifact_digest)
    made, kept = Made.of(files), from_files(files)
    rows = _rows(stores, made.rows)
    again = train(made.recipe, rows)
    certificate = Certificate(
        model=release.model,
        version=release.version,
        artifact_digest=release.artifact_digest,
        model_digest=release.model_digest,
        found_digest=again.digest,
        rows=len(rows),
        largest_difference=_largest_difference(kept, again, rows),
        environment=tuple(differences(dict(made.environment), environment())),
        code=() if made.code == code else (f"it was trained by {made.code} and is now by {code}",),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    stores.certificates.keep(certificate)
    return certificate


def _rows(stores: Stores, learned: Rows) -> pd.DataFrame:
    pinned = stores.lake.pin(learned.table, [learned.partition], version=learned.version)
    (content,) = pinned.contents
    if content.fingerprint != learned.fingerprint:
        raise ArtifactMismatch(
            f"{learned.table}, partition {learned.partition}, at version {learned.version} has the fingerprint "
            f"{content.fingerprint}; expected {learned.fingerprint}, which the model was trained on"
        )
    rows: pd.DataFrame = stores.engine.rows("SELECT * FROM pinned", {"pinned": pinned}).to_pandas()
    return rows


def _largest_difference(kept: Loaded, again: Trained, rows: pd.DataFrame) -> float:
    then, now = score(kept.model, kept.inputs, rows), score(again.model, again.inputs, rows)
    return float(np.max(np.abs(then - now), initial=0.0))
