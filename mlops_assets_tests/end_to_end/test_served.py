"""A model that was trained, released and brought online as anybody does is served as it is."""

import json
import re
import signal
from urllib.request import Request, urlopen

import pytest

from mlops_assets_tests.end_to_end.deployment import until

pytestmark = pytest.mark.slow
MOMENT = "2024-04-10T00:00:00"
ROW = {"customer_id": 5, "amount": 120.5, "channel": "web"}


def test_what_was_released_answers_with_what_was_known(deployed):
    code, printed = deployed.run("mlops", "features", "materialize", "--until", MOMENT)
    assert code == 0, printed
    started = deployed.start("mlops", "serve", "returned", "--port", "0", "--now", MOMENT)
    try:
        where = until(
            lambda: re.search(r"answers on (http://[\d.:]+)", started.printed), seconds=90, what="it answers"
        )[1]
        asked = Request(
            f"{where}/predict",
            json.dumps({"rows": [ROW], "request_id": "mine", "explain": True}).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(asked, timeout=30) as answer:
            told = json.load(answer)
        with urlopen(f"{where}/ready", timeout=30) as answer:
            state = json.load(answer)
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(timeout=40) == 0
    finally:
        started.stop()
    (prediction,) = told["predictions"]
    assert 0 < prediction["probability"] < 1
    assert told["version"] == 1
    # A logistic regression on standardized numbers is asked of scikit-learn.
    assert (state["engine"], state["reasons"]) == ("scikit-learn", [])
    code, printed = deployed.run("mlops", "predictions", "show", "returned", "--json")
    assert code == 0, printed
    record = json.loads(printed)
    assert (record["id"], record["request"], record["version"]) == ("mine", [ROW], 1)
    assert record["probability"] == [prediction["probability"]]
    said = [f"{name}={value}" for name, value in ROW.items()]
    code, printed = deployed.run("mlops", "features", "get", "at_checkout", *said, "--at", MOMENT, "--json")
    assert code == 0, printed
    assert record["features"] == [json.loads(printed)["features"]]
    assert set(prediction["explanation"]) >= {"amount", "channel"}
