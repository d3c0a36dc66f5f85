"""Fixtures that every room's tests may ask for."""

from hypothesis import settings

from mlops_assets_tests.services import database_url, postgres_url, spark

__all__ = ["database_url", "postgres_url", "spark"]

# How long an example takes says more about the machine than about the code.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
