"""A model that was trained, released and brought online as anybody does is served as it is."""

import json
import re
import signal
from urllib.request import Request, urlopen

import pytest

from mlops_assets.stores.prediction_log import log_folder, segments
from mlops_assets_tests.end_to_end.deployment import until
from mlops_assets_tests.end_to_end.story import materialize

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
    in_the_asset(deployed, record)
    judged(deployed, record)


def in_the_asset(deployed, record):
    """The asset takes it over, and it tells why it is what it is."""
    code, printed = deployed.run("mlops", "predictions", "compact", "returned")
    assert code == 0, printed
    assert "returned 2024-04-10: 1 rows" in printed
    assert not segments(log_folder(deployed.home, "returned"))
    code, printed = deployed.run("mlops", "predictions", "show", "returned", "--json")
    assert code == 0, printed
    assert json.loads(printed) == {**record, "in": "asset"}
    code, printed = deployed.run("mlops", "trace", "prediction", "mine", "--json")
    assert code == 0, printed
    facts = json.loads(printed)["facts"]
    assert (facts["version"], facts["request_id"], facts["proof"]["holds"]) == (1, "mine", True)
    assert {one["feature"]: one["value"] for one in facts["features"]} == record["features"][0]
    assert {one["view"] for one in facts["views"]} == record["views"].keys()
    assert all("made_from" in one for one in facts["features"])
    code, printed = deployed.run("mlops", "trace", "prediction", "nobodys")
    assert code == 1
    assert "expected the id of a prediction" in " ".join(printed.split())


def judged(deployed, record):
    """The day's report compares what was served with what was known, and has a window of it."""
    code, printed = deployed.run(*materialize(["returned/service_report"], "--partition", "2024-04-10"))
    assert code == 0, printed
    stores = deployed.stores
    (content,) = stores.records.contents("returned/service_report", partitions=["2024-04-10"])
    said = {one.check: one for one in stores.records.verdicts(content)}
    assert said["served_as_known"].passed, said["served_as_known"].reason
    assert f"0 of {len(record['features'][0])} features of 1 rows differ" in said["served_as_known"].reason
    for check in ("latency", "errors", "classes"):
        assert said[check].reason.startswith("nothing to judge: no "), said[check]
    pinned = stores.lake.pin("returned/service_report", ["2024-04-10"])
    (row,) = stores.engine.rows("SELECT * FROM report", {"report": pinned}).to_pylist()
    report = json.loads(row["report"])
    assert (report["requests"], report["statuses"]) == (1, {"200": 1})
    (hour,) = report["classes"]
    assert 0 < hour["expected"] < 1
    assert (deployed.home / "reports" / "returned" / "2024-04-10" / "service.html").is_file()
