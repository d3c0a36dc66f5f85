"""Fixtures that every room's tests may ask for."""

import os
import sys

# Before Feast is, which would have it share its values between processes, and so between tests.
import prometheus_client  # noqa: F401
import pytest
from hypothesis import settings

from mlops_assets_tests.services import (
    database_url,
    online_address,
    postgres_url,
    redis_address,
    spark,
)

__all__ = ["database_url", "online_address", "postgres_url", "redis_address", "spark"]

# How long an example takes says more about the machine than about the code.
settings.register_profile("house", deadline=None)
# The same cases each time, so that what may land depends on the change alone; by hand each run tries others.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))

# A worker of pytest-xdist is a main module without a file, which pyspark takes for its own doctests, and ends.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = pytest.__file__
