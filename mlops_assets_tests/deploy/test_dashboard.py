"""Each panel of the dashboard shows something of a running service, and Grafana's own types know all that it says."""

import json
from contextlib import closing

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from mlops_assets_tests.deploy.servers import prometheus
from mlops_assets_tests.deploy.tools import DEPLOY
from mlops_assets_tests.end_to_end.deployment import until
from mlops_assets_tests.serving.processes import Load, running
from mlops_assets_tests.serving.world import (
    MODEL,
    ROW,
    asked,
    evaluated,
    put_online,
    released,
    shelves_at,
    write_feature_repository,
)

SAID = json.loads((DEPLOY / "grafana" / "predictions.json").read_text())
# What Grafana puts in place of its variables.
VARIABLES = {"$model": MODEL, "$__rate_interval": "10s", "$__range": "60s"}


def queries():
    return {
        f"{panel['title']}: {target['legendFormat']}": target["expr"]
        for panel in SAID["panels"]
        for target in panel["targets"]
    }


def lost(said, kept, place="dashboard"):
    """What is said in one and not in the other, by place."""
    if isinstance(said, dict) and isinstance(kept, dict):
        for name, value in said.items():
            yield from lost(value, kept.get(name), f"{place}.{name}")
    elif isinstance(said, list) and isinstance(kept, list) and len(said) == len(kept):
        for number, (one, other) in enumerate(zip(said, kept, strict=True)):
            yield from lost(one, other, f"{place}[{number}]")
    elif said != kept:
        yield place


def test_grafanas_types_lose_nothing_of_it():
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(SAID)))
    assert list(lost(SAID, read)) == []
    misspelt = {**SAID, "panels": [{**SAID["panels"][0], "gridpos": {}}]}
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(misspelt)))
    assert list(lost(misspelt, read)) == ["dashboard.panels[0].gridpos"]


def test_its_panels_are_told_apart_and_lie_beside_each_other():
    panels = SAID["panels"]
    assert len({one["id"] for one in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    # Without gaps.
    assert len(taken) == 24 * (1 + max(y for _, y in taken))
    known = {f"${variable['name']}" for variable in SAID["templating"]["list"]} | VARIABLES.keys()
    for expression in queries().values():
        for variable in known:
            expression = expression.replace(variable, "")
        assert "$" not in expression


@pytest.mark.slow
def test_every_query_finds_something(tmp_path):
    home, shelves = tmp_path / "home", shelves_at(tmp_path / "home")
    released(shelves, 1, files=evaluated(30, 70))
    put_online(shelves)
    features = write_feature_repository(tmp_path / "feature_repo")
    with (
        running(home, features, MLOPS_SERVE_TOKEN="s3cret") as service,
        prometheus(tmp_path / "prometheus", service.port, "s3cret") as server,
        Load(service, connections=1, pause=0.05) as load,
        closing(service.connect()) as connection,
    ):

        def empty():
            # What has no value, was never seen, and is none.
            for body in (asked({**ROW, "customer_id": None, "channel": "fax"}), b"nothing"):
                connection.request("POST", "/predict", body, service.headers)
                connection.getresponse().read()
            found = {}
            for name, expression in queries().items():
                for variable, value in VARIABLES.items():
                    expression = expression.replace(variable, value)
                found[name] = [one for one in server.ask(expression) if one["value"][1] != "NaN"]
            return [name for name, samples in found.items() if not samples]

        left = []
        try:
            until(
                lambda: not left.__setitem__(slice(None), empty()) and not left,
                seconds=90,
                what="all are shown",
            )
        except AssertionError:
            pytest.fail(f"nothing is shown by {left}")
        assert load.failed == []
        (version,) = server.ask("model_version_info")
        assert version["metric"]["version"] == "1"
        assert server.ask('up{job="mlops-serve"}')[0]["value"][1] == "1"
