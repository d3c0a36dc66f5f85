"""How often later days take a release back: one that was no worse, and one that was.

A release's daily loss beside that of the version before is noise with a variance of one, in which each day remembers a
share of the day before, less by how much the release is worse, in standard deviations of a day. The decision is the
product's own, asked at the declared looks with one risk for all of them.
"""

import argparse
import math

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.machine import described
from mlops_assets.declaration.retraining import Verification
from mlops_assets.governance.verification import verified

LOOKS = (Verification().after_days, (7, 14, 28))
REMEMBERS = (0.0, 0.5, 0.7)
WORSE = (0.0, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench verification", description=__doc__)
    parser.add_argument("--releases", type=int, default=4000, help="of each kind (default: %(default)s)")
    releases = parser.parse_args().releases
    table = Table(title=f"Of {releases:,} releases taken back, %")
    for head in ("looks after days", "a day remembers", *(f"worse by {one:g}" for one in WORSE)):
        table.add_column(head, justify="right")
    for after_days in LOOKS:
        for share in REMEMBERS:
            found = [taken_back(Verification(after_days=after_days), share, one, releases) for one in WORSE]
            table.add_row(", ".join(map(str, after_days)), f"{share:g}", *(f"{one:.1f}" for one in found))
    Console().print(table)
    Console().print(described())


def taken_back(asked: Verification, share: float, worse: float, releases: int) -> float:
    """Of how many in a hundred it is said that they were worse, over all looks."""
    random = np.random.default_rng([0, round(100 * share)])
    days = [in_runs(random, asked.after_days[-1], share) - worse for _ in range(releases)]
    return 100 * sum(verified(daily.tolist(), asked).answer == "worse" for daily in days) / releases


def in_runs(random: np.random.Generator, days: int, share: float) -> np.ndarray:
    daily = random.normal(size=days)
    for day in range(1, days):
        daily[day] = share * daily[day - 1] + math.sqrt(1 - share**2) * daily[day]
    return daily


if __name__ == "__main__":
    main()
