"""The doors by which declarations become definitions, in YAML and in Python alike."""

from mlops_assets.components.feature_repository import GovernedFeatures
from mlops_assets.components.model import GovernedModel
from mlops_assets.components.source import GovernedSource

__all__ = ["GovernedFeatures", "GovernedModel", "GovernedSource"]
