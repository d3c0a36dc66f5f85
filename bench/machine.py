"""What stands beside every figure: the machine, the versions, the day."""

import os
import platform
from datetime import date
from importlib.metadata import version

PACKAGES = ("dagster", "duckdb", "deltalake", "pandas", "scikit-learn", "mlflow")


def described() -> str:
    """One line to print beside a table."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{date.today()}, {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, {versions}"
    )
