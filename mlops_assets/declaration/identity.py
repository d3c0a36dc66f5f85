"""What a declaration means, as a hash: equal in every process, blind to words that only people read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mlops_assets.declaration.base import Declaration
from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model

# Changing these changes nothing that is computed.
FOR_PEOPLE = frozenset({"description", "owner", "licence", "tags"})


def meaning(*parts: Any) -> str:
    """A hash (16 hex digits) of declarations and plain values, without what is only for people.

    >>> meaning({"a": 1, "description": "x"}) == meaning({"description": "y", "a": 1})
    True
    """
    body = json.dumps([_plain(part) for part in parts], sort_keys=True, default=str)
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def source_code(*modules: str) -> str:
    """A hash of the text of modules, read without importing them."""
    digest = hashlib.sha256()
    for module in modules:
        found = find_spec(module)
        if found is None or found.origin is None:
            raise ModuleNotFoundError(f"there is no module {module}")
        digest.update(Path(found.origin).read_bytes())
    return digest.hexdigest()[:16]


def feature_hash(catalog: Catalog, service: str) -> str:
    """What a feature service delivers: its views' SQL, sources, types, keys and lifetimes, and its transforms' code."""
    views = catalog.features.views_of(service)
    return meaning(
        [one.column for one in catalog.features.served(service)],
        {name: catalog.features.views[name] for name in sorted(views)},
        {name: catalog.key_types(name) for name in sorted(views)},
        {name: vars(one) for name, one in catalog.features.joined(service).items()},
        {one.name: one for one in catalog.features.on_demand_of(service)},
    )


def question(catalog: Catalog, model: Model) -> str:
    """What a model is asked: the label, when it is asked, with which columns, and what its features mean."""
    return meaning(
        model.label, model.request, str(model.predict_before), feature_hash(catalog, model.features)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Declaration):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items() if key not in FOR_PEOPLE}
    if isinstance(value, Collection) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value
