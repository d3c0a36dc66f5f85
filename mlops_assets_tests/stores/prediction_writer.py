"""A process that logs, and says a line for each record that is acknowledged; or until its files may not grow."""

import resource
import sys
from pathlib import Path

from mlops_assets.errors import LogUnwritable
from mlops_assets.stores.prediction_log import PredictionLog


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def for_ever(folder: Path) -> None:
    log = PredictionLog(folder, max_bytes=20_000)
    number = 0
    while True:
        number = log.append({"id": f"request-{number + 1}", "text": "é" * 50})
        say(number)


def until_full(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    log = PredictionLog(folder)
    for number in range(1, 40):
        try:
            log.append({"id": f"request-{number}", "text": "x" * 90})
        except LogUnwritable as error:
            say(number, error)
    log.close()
    say(log.failures)


if __name__ == "__main__":
    {"for_ever": for_ever, "until_full": until_full}[sys.argv[1]](Path(sys.argv[2]))
