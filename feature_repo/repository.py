"""What Feast loads. Every object comes from the declarations beside this file; nothing is said twice."""

from pathlib import Path

from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets.stores.feast_objects import feast_objects

globals().update(feast_objects(read_feature_repository(Path(__file__).parent)))
