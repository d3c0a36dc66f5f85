"""``mlops`` with a version whose model fails, or is slow, once it is verified: ``python -m … fails 2 serve …``."""

import sys
import time
from dataclasses import replace

from mlops_assets.serving import service

HOW, VERSION = sys.argv[1], int(sys.argv[2])
load = service.load_released


def loaded(shelves, features, model, number, **options):
    found = load(shelves, features, model, number, **options)
    if number != VERSION:
        return found

    def scores(records):
        if HOW == "fails":
            raise ValueError("no such tree")
        time.sleep(0.1)
        return found.engine.scores(records)

    return replace(found, engine=replace(found.engine, scores=scores))


if __name__ == "__main__":
    from mlops_assets.cli.main import app

    service.load_released = loaded
    sys.argv = ["mlops", *sys.argv[3:]]
    app()
