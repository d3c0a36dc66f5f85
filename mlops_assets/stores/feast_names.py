"""A feature that a view does not have is told with those it has, by Feast's own methods too.

Feast asks for every feature by ``get_feature`` before any store of ours is asked, raises a ``KeyError`` without
the known names, and has no place for another answer; so the method is replaced.
"""

from __future__ import annotations

from feast import Field
from feast.feature_view_projection import FeatureViewProjection

from mlops_assets.errors import UnknownName


def feature_of(projection: FeatureViewProjection, feature_name: str) -> Field:
    """The feature of a view by its name. Raises UnknownName with the nearest."""
    known = {field.name: field for field in projection.features}
    if feature_name not in known:
        what = f"feature of {projection.name_to_use()}"
        raise UnknownName.among(feature_name, known, what=what, asked_by="the request")
    return known[feature_name]


def tell_known_features() -> None:
    """Let Feast say which features a view has."""
    FeatureViewProjection.get_feature = feature_of
