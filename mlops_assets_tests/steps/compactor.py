"""A process that compacts days of a log in New York, and may be killed on its way.

Usage: compactor.py HOME MOMENT DAY…, where MOMENT is one of ``KILLED``, or ``never``, or a number of rounds.
"""

import os
import signal
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from mlops_assets.steps.predictions import compacting
from mlops_assets.stores.lake import Lake
from mlops_assets.stores.ledger import Ledger
from mlops_assets.stores.prediction_log import Segment
from mlops_assets.stores.stores import Places, Stores
from mlops_assets_tests.stores.commits import by

MODEL, ZONE = "returned", ZoneInfo("America/New_York")
# Where it is killed: before and after the root is sealed, before the rows are written and as soon as they are, before
# the first segment is forgotten and before the second one is.
KILLED = {
    "unsealed": (Ledger, "seal", 0),
    "unwritten": (Lake, "_commit", 0),
    "unrecorded": (Lake, "_catch_up", 1),
    "remembered": (Segment, "forget", 0),
    "half forgotten": (Segment, "forget", 1),
}


def compact(stores: Stores, *days: str) -> None:
    """As the asset does it."""
    with compacting(stores, MODEL, ZONE, days) as made:
        stores.lake.write(f"{MODEL}/predictions", made.produced, by("run"))
        made.forget()


def killed_at(moment: str) -> None:
    """Let the process be killed when it comes there, after so many times."""
    owner, name, times = KILLED[moment]
    does, seen = getattr(owner, name), []

    def killed(self, *arguments, **options):
        if len(seen) == times:
            os.kill(os.getpid(), signal.SIGKILL)
        seen.append(1)
        return does(self, *arguments, **options)

    setattr(owner, name, killed)


if __name__ == "__main__":
    home, moment, *days = sys.argv[1:]
    if moment in KILLED:
        killed_at(moment)
    opened = Stores.open(Places.below(Path(home)))
    for _ in range(int(moment) if moment.isdigit() else 1):
        compact(opened, *days)
