"""Ratios side by side with peers, each in one run: ``python -m bench`` runs all, ``python -m bench NAME`` one."""

import importlib
import sys
from pathlib import Path

BENCHES = (
    "loading",
    "event_log",
    "quality",
    "join",
    "incremental",
    "windows",
    "drift_speed",
    "backfill",
    "drift_calibration",
    "flight_drift",
    "flight_estimates",
    "flight_gate",
    "flight_backtest",
    "online",
    "gates",
    "serve",
    "ledger",
    "trace",
    "quiet_streams",
    "verification",
    "fifty_models",
)


def main() -> None:
    names = sys.argv[1:2]
    if names and names[0] in ("-h", "--help"):
        print(__doc__, "\n\nNAME is one of:", ", ".join(BENCHES), "\nEach answers to --help itself.")
        return
    if names and names[0] not in BENCHES:
        raise SystemExit(f"there is no bench {names[0]!r}; there are {', '.join(BENCHES)}")
    options = sys.argv[2:]
    for name in names or BENCHES:
        print(f"\n== {name}\n")
        sys.argv = [str(Path(__file__).with_name(f"{name}.py")), *options]
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
