"""What a model was trained in: enough to say why another machine answers otherwise."""

from __future__ import annotations

import hashlib
import json
import platform
from functools import cache
from importlib.metadata import distributions
from typing import Any

# Packages that take part in a fit; the others are named by one digest of all.
DECIDING = ("numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops", "threadpoolctl")


def environment() -> dict[str, Any]:
    """Python, machine, and every installed package with its version, as plain values in order of their names."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "packages": dict(_packages()),
    }


@cache
def _packages() -> dict[str, str]:
    """What this process has found installed; reading it again takes half a second."""
    return dict(sorted((one.metadata["Name"].lower(), one.version) for one in distributions()))


def told(found: dict[str, Any]) -> dict[str, str]:
    """An environment in short: what decides a fit by name, all packages by their digest."""
    packages = found["packages"]
    every = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()
    return {
        **{name: found[name] for name in ("python", "system", "machine")},
        **{name: packages[name] for name in DECIDING if name in packages},
        "packages": every[:16],
    }


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is another than it was, a sentence each; of packages those that decide a fit first."""
    plain = [
        f"{name} was {then[name]} and is {now[name]}"
        for name in ("python", "system", "machine")
        if then[name] != now[name]
    ]
    before, after = then["packages"], now["packages"]
    other = sorted(
        (name for name in {*before, *after} if before.get(name) != after.get(name)),
        key=lambda name: (name not in DECIDING, name),
    )
    return plain + [
        f"{name} was {before.get(name, 'absent')} and is {after.get(name, 'absent')}" for name in other
    ]
