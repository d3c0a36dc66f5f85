"""Whether a version still answers the question that is declared."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.versions import Version, feature_hash, question, view_versions
from mlops_assets.steps.contract import kept_contract
from mlops_assets.stores.releases import Release
from mlops_assets.stores.stores import Stores


def changed_views(version: Release, now: Mapping[str, Version]) -> dict[str, tuple[str, ...]]:
    """Each view that a version was trained on and that means something else by now, with the parts that differ.

    now: the version of each view that is declared. Views that are new or gone are left out.
    """
    then = {name: Version.read(spelled) for name, spelled in version.view_versions.items()}
    parts = {name: now[name].changes(then[name]) for name in sorted(now.keys() & then.keys())}
    return {name: changed for name, changed in parts.items() if changed}


def changed_definitions(stores: Stores, catalog: Catalog, model: Model, version: Release) -> str | None:
    """What means something else by now than when a version was trained, in words; None when nothing does."""
    if kept_contract(stores, version.contract).question == question(catalog, model):
        return None
    now = view_versions(catalog, model.features)
    then = version.view_versions
    told = [f"{name} ({', '.join(parts)})" for name, parts in changed_views(version, now).items()]
    told += [f"{name} (new)" for name in sorted(now.keys() - then.keys())]
    told += [f"{name} (gone)" for name in sorted(then.keys() - now.keys())]
    if not told and version.feature_hash != feature_hash(catalog, model.features):
        told = [f"what {model.features} delivers"]
    return f"changed since version {version.version} was trained: {', '.join(told) or 'the label or the request'}"
