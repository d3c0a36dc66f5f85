"""The version that reigns, loaded and verified; or why it may not be served."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mlops_assets.declaration.features import FeatureRepository
from mlops_assets.declaration.versions import (
    Version,
    declared_version,
    delivered_hash,
    transform_version,
)
from mlops_assets.errors import (
    ArtifactMismatch,
    BadEnvironment,
    NotMaterialized,
    OtherVersion,
    ServiceRefused,
    UnknownName,
)
from mlops_assets.governance.contract import Contract
from mlops_assets.modeling.engines import Engine, engine_of
from mlops_assets.modeling.golden import ROUNDING, Golden
from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.serialization import PROFILE, About
from mlops_assets.monitoring.classes import Classes, classes_of
from mlops_assets.monitoring.profile import Profile
from mlops_assets.serving.fields import Field, fields_of
from mlops_assets.serving.proving import proven_apart
from mlops_assets.serving.shelves import Shelves
from mlops_assets.steps.served import Delivery
from mlops_assets.stores.online import Online
from mlops_assets.stores.reigns import Reign
from mlops_assets.stores.releases import Release

# What a view that is not online raises, and what features are read from where it cannot be reached.
UNREAD = (NotMaterialized, BadEnvironment)


@dataclass(frozen=True)
class Released:
    """A verified version. inputs: of its model. engine: what computes its answers.

    features: as declared, which its contract agrees with. delivery: what of them is looked up, and answered. classes:
    of its answers to the rows that it was evaluated on; None where it keeps none that can be read.
    """

    release: Release
    contract: Contract
    inputs: Inputs
    golden: Golden
    engine: Engine
    features: FeatureRepository
    delivery: Delivery
    fields: Mapping[str, Field]
    classes: Classes | None = None


@dataclass(frozen=True)
class Current:
    """What answers. versions: of each feature view, the one that is asked."""

    released: Released
    versions: Mapping[str, str]


def reigning(shelves: Shelves, model: str) -> Reign:
    """What reigns by the release record. Raises UnknownName when no version was ever released."""
    found = shelves.reigns.current(model)
    if found is None:
        known = [name for name in shelves.releases.models() if shelves.reigns.current(name) is not None]
        raise UnknownName.among(model, known, what="released model", asked_by="the service")
    return found


def load_released(
    shelves: Shelves, features: FeatureRepository, model: str, version: int, *, edition: int | None = None
) -> Released:
    """Read a version and verify all that an answer of it rests on.

    edition: of the contract that callers were told of; by default the highest that any version had that reigned.
    Raises ArtifactMismatch when its files are not the ones that were released or do not answer as they did, and
    ServiceRefused when its contract is an older one, or was drawn up for other features than are declared.
    """
    release = shelves.releases.version(model, version)
    if release is None:
        raise ArtifactMismatch(f"the release record does not hold version {version} of {model}")
    contract = Contract.of(shelves.artifacts.load(release.contract))
    files = shelves.artifacts.load(release.artifact_digest)
    about, golden = About.of(files), Golden.of(files)
    _require_one_model(release, contract, about)
    require_declared(features, contract)
    _require_inputs(features, contract, about.inputs)
    _require_edition(shelves, release, contract, edition)
    proof = proven_apart(shelves.artifacts, release.artifact_digest)
    _require_golden(release, contract, proof.off)
    engine = engine_of(proof, files)
    # What answers is tried here too.
    _require_golden(release, contract, golden.largest_difference(engine.scores))
    delivery = Delivery.of(features, contract.service)
    fields, classes = fields_of(contract), _classes(files, contract)
    return Released(release, contract, about.inputs, golden, engine, features, delivery, fields, classes)


def require_declared(features: FeatureRepository, contract: Contract) -> None:
    """Raise ServiceRefused unless what is declared now is what the contract was drawn up for."""
    service, model = contract.service, contract.model
    if service not in features.services:
        raise ServiceRefused(
            f"the contract of {model} asks feature service {service!r}, which is not declared"
        )
    contracted = {name: Version.read(spelled) for name, spelled in contract.views.items()}
    declared = {name: declared_version(features, name) for name in features.views_of(service)}
    declared |= {one.name: transform_version(one) for one in features.on_demand_of(service)}
    for name in sorted({*declared, *contracted}):
        if name not in declared or name not in contracted:
            told = "the contract does not know" if name in declared else "is not declared any more"
            raise ServiceRefused(f"feature service {service!r} of {model}: {name!r} {told}; {REMEDY}")
        if other := contracted[name].lacking(declared[name]).parts:
            raise ServiceRefused(
                f"{name!r} is declared otherwise than when {model} was trained ({', '.join(other)}); {REMEDY}"
            )
    if delivered_hash(features, service, contracted) != contract.features:
        raise ServiceRefused(
            f"feature service {service!r} delivers other columns, or joins them by other keys, than when {model} was "
            f"trained; {REMEDY}"
        )


def _classes(files: Mapping[str, bytes], contract: Contract) -> Classes | None:
    if PROFILE not in files:
        return None
    try:
        return classes_of(Profile.from_dict(json.loads(files[PROFILE])), contract.threshold)
    except OtherVersion:
        return None


REMEDY = "train it again on what is declared, or serve it where its own declarations are"


def versions_online(online: Online, contract: Contract, features: FeatureRepository) -> dict[str, str]:
    """Of each view below the contract's feature service the version that is online and means what it was trained on.

    Raises NotMaterialized when there is none.
    """
    found: dict[str, str] = {}
    for view in features.views_of(contract.service):
        wanted = Version.read(contract.views[view])
        there = online.versions(view)
        fit = [one for one in there if not Version.read(one).lacking(wanted).parts]
        if not fit:
            other = Version.read(there[0]).lacking(wanted).parts if there else {}
            told = f" but another version ({', '.join(other)})" if there else ""
            raise NotMaterialized(
                f"nothing is online of feature view {view!r}{told}; {contract.model} was trained with {wanted}. Run "
                f"mlops features materialize {view}"
            )
        found[view] = fit[0]
    return found


def _require_one_model(release: Release, contract: Contract, about: About) -> None:
    found = {
        "its contract": (contract.model, contract.model_digest),
        "its files": (release.model, about.digest),
    }
    for what, said in found.items():
        if said != (release.model, release.model_digest):
            raise ArtifactMismatch(
                f"{_called(release)}: found {what} of {said[0]} {said[1][:12]}, expected {release.model_digest[:12]}"
            )


def _require_inputs(features: FeatureRepository, contract: Contract, inputs: Inputs) -> None:
    """Raise ArtifactMismatch when the model takes what neither a request nor the feature service brings."""
    served = {one.column for one in features.served(contract.service)}
    brought = {name for name, one in contract.inputs.items() if one.origin == "request" or name in served}
    if missing := [name for name in inputs.columns if name not in brought]:
        raise ArtifactMismatch(
            f"the model of {contract.model} takes {', '.join(missing)}, which its contract does not bring"
        )


def _require_golden(release: Release, contract: Contract, off: float) -> None:
    if not off <= ROUNDING:
        raise ArtifactMismatch(
            f"{_called(release)} answers its golden rows otherwise than when it was made, by {off:.3g}; expected "
            f"{ROUNDING:g} at most: is scikit-learn of another version? It was made with "
            f"{', '.join(f'{name} {one}' for name, one in contract.environment.items())}"
        )


def _require_edition(shelves: Shelves, release: Release, contract: Contract, edition: int | None) -> None:
    expected = edition if edition is not None else _highest(shelves, release)
    if contract.edition < expected:
        raise ServiceRefused(
            f"{_called(release)} has a contract of edition {contract.edition}, and callers were told of {expected}: an "
            f"older contract is not served; release a version of edition {expected}, or say --edition "
            f"{contract.edition} when all who call it are ready for that"
        )


def _highest(shelves: Shelves, release: Release) -> int:
    """The highest edition of the contracts of all versions that reigned."""
    found = 0
    for number in {one.version for one in shelves.reigns.history(release.model)}:
        version = shelves.releases.version(release.model, number)
        if version is not None:
            found = max(found, Contract.of(shelves.artifacts.load(version.contract)).edition)
    return found


def _called(release: Release) -> str:
    return f"{release.model} version {release.version}"
