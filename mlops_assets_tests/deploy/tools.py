"""Prometheus, its alert manager, and the tools that come with them, as this machine has them."""

import subprocess
from shutil import which

from mlops_assets_tests.sandbox import REAL
from mlops_assets_tests.services import absent

DEPLOY = REAL / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
# command -> the Debian package that has it.
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "redis-server": "redis-server",
}


def require(command: str) -> str:
    """Where a command is; the test fails, or is left out, where it is not."""
    found = which(command)
    if found is None:
        absent(f"there is no {command}; install it with `apt-get install {PACKAGES[command]}`")
    return found


def told(command: str, *arguments: object) -> str:
    """What a command prints, which must end well."""
    ended = subprocess.run(
        [require(command), *map(str, arguments)], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr
