"""``mlops`` with a version whose model fails, or is slow, once it is verified: ``python -m … fails 2 serve …``."""

import os
import sys
import time
from dataclasses import replace


def faulty(load, how, version):
    """``load_released``, but what it finds of ``version`` fails or is slow."""

    def loaded(shelves, features, model, number, **options):
        found = load(shelves, features, model, number, **options)
        if number != version:
            return found

        def scores(records):
            if how == "fails":
                raise ValueError("no such tree")
            time.sleep(0.1)
            return found.engine.scores(records)

        return replace(found, engine=replace(found.engine, scores=scores))

    return loaded


if __name__ == "__main__":
    # Feast, once imported, tells the processes below it to keep their measurements in files.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    from mlops_assets.cli.main import app
    from mlops_assets.serving import service

    how, version, *arguments = sys.argv[1:]
    service.load_released = faulty(service.load_released, how, int(version))
    sys.argv = ["mlops", *arguments]
    app()
