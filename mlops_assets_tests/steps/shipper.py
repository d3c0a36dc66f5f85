"""A process that ships a log to a folder for ever, slowly enough to be killed within a delivery."""

import sys
import time
from pathlib import Path

from mlops_assets.steps.shipping import ship
from mlops_assets.stores.bus import bus_at

if __name__ == "__main__":
    log, to = Path(sys.argv[1]), sys.argv[2]

    def again() -> bool:
        time.sleep(0.001)
        return True

    ship(log, bus_at(to), to, again=again, together=7)
