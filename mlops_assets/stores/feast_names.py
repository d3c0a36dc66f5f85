"""A view, service or feature that does not exist is told with the nearest that does, by Feast's own methods too.

Feast looks for each before any store of ours is asked, raises an error without the known names, and has no place for
another answer; so these methods are replaced. What is raised for views and services stays of Feast's own type, since
Feast itself asks by it whether there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from feast import Field
from feast.errors import FeastObjectNotFoundException
from feast.feature_view_projection import FeatureViewProjection
from feast.infra.registry.caching_registry import CachingRegistry

from mlops_assets.errors import UnknownName, nearest

Found = Callable[..., Any]


def feature_of(projection: FeatureViewProjection, feature_name: str) -> Field:
    """The feature of a view by its name. Raises UnknownName with the nearest."""
    known = {field.name: field for field in projection.features}
    if feature_name not in known:
        what = f"feature of {projection.name_to_use()}"
        raise UnknownName.among(feature_name, known, what=what, asked_by="the request")
    return known[feature_name]


def telling(found: Found, known: Callable[[CachingRegistry, str], list[Any]]) -> Found:
    """``found``, a registry's look-up by name and project, which says of what is not there what is."""

    @wraps(found)
    def told(registry: CachingRegistry, name: str, project: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return found(registry, name, project, *args, **kwargs)
        except FeastObjectNotFoundException as error:
            names = [one.name for one in known(registry, project)]
            error.args = (f"{error}. {nearest(name, names)}",)
            raise

    return told


def tell_known_features() -> None:
    """Let Feast say which views and services there are, and which features a view has. Once in a process."""
    FeatureViewProjection.get_feature = feature_of
    CachingRegistry.get_any_feature_view = telling(
        CachingRegistry.get_any_feature_view, CachingRegistry.list_all_feature_views
    )
    CachingRegistry.get_feature_service = telling(
        CachingRegistry.get_feature_service, CachingRegistry.list_feature_services
    )
