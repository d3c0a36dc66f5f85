"""On-demand transforms: what is refused when they load, where, and with which nearest right name."""

import pytest

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets.declaration.source import Source
from mlops_assets.declaration.versions import feature_hash, question
from mlops_assets.errors import DeclarationError

YAML = """\
name: clock
owner: team:x
inputs:
  request: {hour: integer}
  views: [weather:wind]
features:
  rush: {type: boolean}
python: clock.py
"""
PYTHON = '''\
"""Whether many leave."""
import pandas as pd


def transform(inputs: pd.DataFrame) -> pd.DataFrame:
    """A flag."""
    return pd.DataFrame({"rush": (inputs["hour"] > 16) & (inputs["weather__wind"] > 3)})
'''
VIEW = """\
name: weather
owner: team:x
entities: [airport]
reads: {weather: 2h}
sql: SELECT 1
ttl: 1h
features: {wind: {type: number}}
"""
SERVICES = """\
- name: late
  owner: team:x
  features:
  - clock
"""
GOOD = {
    "entities.yaml": "- {name: airport, key: origin}\n",
    "services.yaml": SERVICES,
    "views/weather.yaml": VIEW,
    "on_demand/clock.yaml": YAML,
    "on_demand/clock.py": PYTHON,
}


@pytest.fixture
def folder(tmp_path):
    def write(file=None, old="", new="", *, text=None):
        for name, said in GOOD.items():
            if name == file:
                assert old in said
                said = said.replace(old, new, 1) if text is None else text
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(said, encoding="utf-8")
        return tmp_path

    return write


def test_a_transform_is_served_like_a_view_and_its_inputs_are_joined_for_it(folder):
    found = read_feature_repository(folder())
    assert [(one.column, one.type) for one in found.served("late")] == [("clock__rush", "boolean")]
    assert {name: one.columns for name, one in found.joined("late").items()} == {
        "weather": {"wind": "weather__wind"}
    }
    assert found.views_of("late") == ("weather",)
    assert found.input_types(found.on_demand["clock"]) == {"hour": "integer", "weather__wind": "number"}
    assert [(one.name, one.role) for one in found.request_columns("late")] == [
        ("origin", "a key"), ("hour", "an input")
    ]  # fmt: skip


def test_one_feature_of_a_transform_may_be_named(folder):
    found = read_feature_repository(folder("services.yaml", "- clock", "- clock:rush"))
    assert [one.column for one in found.served("late")] == ["clock__rush"]


def test_comments_docstrings_and_layout_are_no_part_of_the_code(folder):
    first = read_feature_repository(folder()).on_demand["clock"].python
    other = PYTHON.replace('"""A flag."""', "# A flag, and no more").replace("> 16", ">  (16)")
    assert (
        read_feature_repository(folder("on_demand/clock.py", text=other)).on_demand["clock"].python == first
    )
    changed = PYTHON.replace("> 16", "> 17")
    assert (
        read_feature_repository(folder("on_demand/clock.py", text=changed)).on_demand["clock"].python != first
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("on_demand/clock.yaml", "weather:wind", "wether:wind",
         "on_demand/clock.yaml:5: inputs.views.0: on-demand transform 'clock' (clock.py) asks for the feature view "
         "'wether', which does not exist. Did you mean 'weather'?"),
        ("on_demand/clock.yaml", "weather:wind", "weather:wnd",
         "on_demand/clock.yaml:5: inputs.views.0: on-demand transform 'clock' (clock.py) asks for the feature of "
         "weather 'wnd', which does not exist. Did you mean 'wind'?"),
        ("on_demand/clock.yaml", "weather:wind", "clock:rush",
         "on_demand/clock.yaml:5: inputs.views.0: on-demand transform 'clock' (clock.py) asks for the feature "
         "view 'clock'"),
        ("on_demand/clock.yaml", "weather:wind", "weather",
         "on_demand/clock.yaml:5: inputs.views.0: String should match"),
        ("on_demand/clock.yaml", "hour: integer", "hour: int",
         "on_demand/clock.yaml:4: inputs.request.hour: Input should be"),
        ("on_demand/clock.yaml", "inputs:\n  request: {hour: integer}\n  views: [weather:wind]", "inputs: {}",
         "on_demand/clock.yaml:3: inputs: found no inputs, expected columns of the 'request'"),
        ("on_demand/clock.yaml", "clock.py", "clok.py",
         "on_demand/clock.yaml:8: python: there is no file 'clok.py' in"),
        ("on_demand/clock.yaml", "python:", "pyton:",
         "on_demand/clock.yaml:8: pyton: unknown field 'pyton'. Did you mean 'python'?"),
        ("on_demand/clock.yaml", "name: clock", "name: weather",
         "on_demand/clock.yaml:1: name: on-demand transform 'weather' (clock.py) is called like a feature view"),
        ("on_demand/clock.yaml", "rush:", "rash:",
         "on_demand/clock.yaml:8: python: on-demand transform 'clock' (clock.py) returns 'rush', which is not "
         "declared. Did you mean 'rash'?"),
        ("on_demand/clock.yaml", "rush: {type: boolean}", "rush: {type: boolean}\n  calm: {type: boolean}",
         "on_demand/clock.yaml:9: python: on-demand transform 'clock' (clock.py) does not return 'calm'"),
        ("services.yaml", "- clock", "- clok",
         "services.yaml:4: 0.features.0: feature service 'late' asks for the feature view 'clok', which does not "
         "exist. Did you mean 'clock'?"),
        ("services.yaml", "- clock", "- clock:rash",
         "services.yaml:4: 0.features.0: feature service 'late' asks for the feature of clock 'rash', which does "
         "not exist. Did you mean 'rush'?"),
        ("services.yaml", "- clock", "- clock\n  - clock:rush",
         "services.yaml:5: 0.features.1: feature service 'late' delivers 'clock__rush' twice"),
        ("services.yaml", "- clock", "- {view: clock, name: watch}",
         "services.yaml:4: 0.features.0: feature service 'late' gives on-demand transform 'clock' (clock.py) another"),
        ("services.yaml", "- clock", "- {view: weather, keys: {origin: dest}}",
         "services.yaml:4: 0.features.0: 'weather' is joined by other keys than its own"),
        ("services.yaml", "- clock", "- {view: weather, name: there, keys: {orign: dest}}",
         "services.yaml:4: 0.features.0.keys.orign: feature service 'late' asks for the key of weather 'orign', "
         "which does not exist. Did you mean 'origin'?"),
        ("services.yaml", "- clock", "- {view: weather, name: a, keys: {origin: x}}\n  - {view: weather, name: a}",
         "services.yaml:5: 0.features.1: feature service 'late' delivers 'a__wind' twice"),
    ],
)  # fmt: skip
def test_a_declaration_that_does_not_fit_is_refused_at_its_place(folder, file, old, new, said):
    place = folder(file, old, new)
    with pytest.raises(DeclarationError) as refused:
        read_feature_repository(place)
    assert str(refused.value).replace(f"{place}/", "").startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("def transform", "def transfrom", "clock.py, line 1: found 0 functions called 'transform', expected one."),
        ("(inputs: pd.DataFrame)", "(inputs, more)", "clock.py, line 5: expected transform(inputs), with one argument"),
        ("(inputs: pd.DataFrame)", "(inputs, *more)", "clock.py, line 5: expected transform(inputs), with one"),
        ("return pd", "return pd(", "clock.py, line 7: this is not Python:"),
        ("import pandas as pd", "import requests", "clock.py, line 2: found an import of 'requests', expected one of"),
        ("import pandas as pd", "from .other import x", "clock.py, line 2: found an import of '.other'"),
        ("import pandas as pd", "from numpy import random", "clock.py, line 2: found an import of 'random'"),
        ("import pandas as pd", "import pandas as pd\nprint('hello')", "clock.py, line 3: found code that runs"),
        ('inputs["hour"] > 16', "pd.Timestamp.now().hour > 16", "clock.py, line 7: found 'now', expected what gives"),
        ('inputs["hour"] > 16', "pd.Timestamp('now').hour > 16", "clock.py, line 7: found 'now', expected what gives"),
        ('inputs["hour"] > 16', "pd.to_datetime(arg='today')", "clock.py, line 7: found 'today', expected what gives"),
        ('inputs["hour"] > 16', "pd.read_csv('x')", "clock.py, line 7: found 'read_csv', expected what computes"),
        ("import pandas as pd", "import pandas as pd\nW = pd.read_json('x')", "clock.py, line 3: found 'read_json'"),
        ('inputs["hour"] > 16', "open('x')", "clock.py, line 7: found 'open', expected what computes"),
        ("import pandas as pd", "from pandas import read_csv", "clock.py, line 2: found an import of 'read_csv'"),
        ("import pandas as pd", "from numpy import load as get", "clock.py, line 2: found an import of 'load'"),
        ("import pandas as pd", "from pandas import *", "clock.py, line 2: found an import of '*', expected the names"),
        ("import pandas as pd", "import time", "clock.py, line 2: found an import of 'time', expected one of"),
        ("import pandas as pd", "import random", "clock.py, line 2: found an import of 'random', expected one of"),
        ("import pandas as pd", "from re import sys", "clock.py, line 2: found an import of 'sys', expected what"),
        ("import pandas as pd", "from numpy.random import rand", "clock.py, line 2: found an import of 'random'"),
        ('inputs["hour"] > 16', "pd.Timestamp.today().hour > 16", "clock.py, line 7: found 'today', expected"),
        ('inputs["hour"] > 16', "pd.datetime.now", "clock.py, line 7: found 'now', expected what gives"),
        ('inputs["hour"] > 16', "pd.to_datetime(['now'])", "clock.py, line 7: found 'now', expected what gives"),
        ('inputs["hour"] > 16', "inputs.sample(3)", "clock.py, line 7: found 'sample', expected what gives"),
        ('inputs["hour"] > 16', "getattr(pd, 'read' + '_csv')", "clock.py, line 7: found 'getattr', expected what"),
        ('inputs["hour"] > 16', "inputs['hour'].map(hash)", "clock.py, line 7: found 'hash', expected what gives the "),
        ('inputs["hour"] > 16', "pd.io.common.os.environ", "clock.py, line 7: found 'os', expected what computes"),
        ('inputs["hour"] > 16', "transform.__globals__", "clock.py, line 7: found '__globals__', expected what"),
        ("import pandas as pd", "import pandas as pd\nWORD = 'now'\nAT = pd.Timestamp(WORD)",
         "clock.py, line 4: found 'now', expected what gives"),
        ('inputs["hour"]', 'inputs["hours"]',
         "on-demand transform 'clock' (clock.py) reads 'hours', which is no input. Did you mean 'hour'?"),
    ],
)  # fmt: skip
def test_code_that_cannot_mean_a_feature_is_refused(folder, old, new, said):
    place = folder("on_demand/clock.py", old, new)
    with pytest.raises(DeclarationError) as refused:
        read_feature_repository(place)
    assert str(refused.value).replace(f"{place}/", "").startswith(f"on_demand/clock.yaml:8: python: {said}")


@pytest.mark.parametrize(
    ("top", "body", "said"),
    [
        ("loaded = None", "global loaded\n    loaded = inputs", "found 'global loaded', expected a function that"),
        ("SEEN = {}", "SEEN['a'] = inputs['hour'].max()", "found a change of 'SEEN'"),
        ("SEEN = {'a': {}}", "SEEN['a']['b'] = 1", "found a change of \"SEEN['a']\""),
        ("SEEN = {}", "SEEN.setdefault('a', inputs['hour'].max())", "found a change of 'SEEN'"),
        ("SEEN = []", "SEEN.append(1)", "found a change of 'SEEN'"),
        ("SEEN: list = []", "del SEEN[:]", "found a change of 'SEEN'"),
        ("SEEN = {'n': 0}", "SEEN['n'] += 1", "found a change of 'SEEN'"),
        ("", "transform.seen = inputs", "found a change of 'transform'"),
        ("", "pd.options.mode.copy_on_write = True", "found a change of 'pd.options.mode'"),
        ("COUNT = (n for n in range(9))", "next(COUNT)", "found a generator"),
        ("COUNT = iter([1])", "next(COUNT)", "found a change of 'COUNT'"),
        ("def helper(x, seen=[]):\n    return x", "helper(1)", "found the default '[]', which lives as long"),
        ("def helper(x, *, seen=dict()):\n    return x", "helper(1)", "found the default 'dict()', which lives"),
        ("SEEN = []\nhelper = lambda x: SEEN.append(x)", "helper(1)", "found a change of 'SEEN'"),
    ],
)  # fmt: skip
def test_code_that_remembers_what_was_asked_before_is_refused(folder, top, body, said):
    code = PYTHON.replace("import pandas as pd", f"import pandas as pd\n{top}")
    place = folder("on_demand/clock.py", text=code.replace("    return pd", f"    {body}\n    return pd"))
    with pytest.raises(DeclarationError) as refused:
        read_feature_repository(place)
    assert said in str(refused.value)
    assert "expected a function that remembers nothing" in str(refused.value)


@pytest.mark.parametrize(
    ("top", "body"),
    [
        ("CODES = {'AA': 1}", "codes = dict(CODES)\n    codes['BB'] = 2"),
        ("SEEN = []", "SEEN = []\n    SEEN.append(1)"),
        ("import numpy as np", "np.append(np.sort(inputs['hour']), 1)"),
        ("import re\nWORD = re.compile('a')", "WORD.sub('b', 'a')"),
        ("import datetime as dt\nNOON = dt.time(12)", "inputs['today'] = 1\n    inputs['today'] == 'now'"),
        ("from datetime import datetime\nSTART = datetime(2024, 1, 1)", "pd.Timestamp('2024-01-01')"),
        (
            "def helper(x, hours=pd.Timedelta(hours=1)):\n    return x + hours",
            "found = []\n    found.append(1)",
        ),
        ("from __future__ import annotations", "inputs['rush'] = (lambda x: x)(1)"),
        ("", "id = inputs['hour']\n    os = id + 1"),
    ],
)
def test_code_that_keeps_what_it_makes_to_itself_is_taken(folder, top, body):
    code = PYTHON.replace("import pandas as pd", f"{top}\nimport pandas as pd" if "__future__" in top else
                          f"import pandas as pd\n{top}")  # fmt: skip
    place = folder("on_demand/clock.py", text=code.replace("    return pd", f"    {body}\n    return pd"))
    assert read_feature_repository(place).on_demand


def test_a_column_that_the_code_makes_itself_may_be_read(folder):
    made = PYTHON.replace(
        "    return", '    inputs["late"] = inputs["hour"] + 1\n    inputs["late"]\n    return'
    )
    assert read_feature_repository(folder("on_demand/clock.py", text=made)).on_demand


def test_code_that_is_no_text_is_refused(folder):
    place = folder()
    (place / "on_demand" / "clock.py").write_bytes(b"\xff\xfe")
    with pytest.raises(DeclarationError, match=r"clock.yaml:8: python: clock.py: this is not Python"):
        read_feature_repository(place)


WEATHER_TABLE = {
    "name": "air",
    "owner": "team:x",
    "start": "2024-03-01",
    "tables": [
        {
            "name": "weather",
            "reads": {"landing": "a.csv"},
            "select": "SELECT 1",
            "key": ["origin"],
            "columns": {
                "origin": {"type": "string", "known": "ahead"},
                "dest": {"type": "string", "known": "ahead"},
                "hour": {"type": "integer", "known": "ahead"},
                "minute": {"type": "integer"},
                "wind": {"type": "number"},
            },
        }
    ],
}
MODEL = {
    "name": "late",
    "owner": "team:x",
    "features": "late",
    "label": {"table": "weather", "positive": "wind > 3"},
    "estimator": {"path": "sklearn.dummy.DummyClassifier"},
    "window": {"train_days": 8, "evaluate_days": 7},
}
FITTING = {"old": "sql: SELECT 1", "new": "sql: SELECT origin, wind, event_time, available_at FROM weather"}


def catalog(folder) -> Catalog:
    view = folder / "views" / "weather.yaml"
    view.write_text(view.read_text().replace(FITTING["old"], FITTING["new"]))
    return Catalog.of([Source.model_validate(WEATHER_TABLE)], read_feature_repository(folder))


@pytest.mark.parametrize(
    ("file", "old", "new", "counts"),
    [
        ("on_demand/clock.py", "> 16", "> 17", True),
        ("on_demand/clock.py", '"""A flag."""', '"""Another word."""', False),
        ("on_demand/clock.py", "import pandas as pd", "import pandas as pd  # as always", False),
        ("on_demand/clock.yaml", "owner: team:x", "owner: team:y\ntags: {a: b}\ndescription: More", False),
        ("on_demand/clock.yaml", "boolean", "integer", True),
        ("on_demand/clock.yaml", "hour: integer", "hour: integer, origin: string", True),
        ("views/weather.yaml", "ttl: 1h", "ttl: 2h", True),
        ("services.yaml", "- clock", "- {view: weather, name: there, keys: {origin: dest}}\n  - clock", True),
    ],
)
def test_what_a_model_is_asked_changes_with_a_transforms_code_and_not_with_its_words(
    folder, file, old, new, counts
):
    model = Model.model_validate(MODEL)
    before = question(catalog(folder()), model)
    assert (question(catalog(folder(file, old, new)), model) != before) == counts


def test_the_same_view_joined_by_another_key_means_something_else(folder):
    hashes = {
        feature_hash(catalog(folder("services.yaml", "- clock", f"- {{view: weather, name: a, keys: {keys}}}")), "late")
        for keys in ("{origin: dest}", "{origin: other}", "{}")
    }  # fmt: skip
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("on_demand/clock.yaml", "hour: integer", "hour: integer, minute: integer",
         r"model 'late', by on-demand transform 'clock', asks with 'minute', which is known only afterwards"),
        ("on_demand/clock.yaml", "hour: integer", "hour: integer, huor: integer",
         r"by on-demand transform 'clock', asks for the column of weather 'huor', which does not exist."),
        ("on_demand/clock.yaml", "hour: integer", "hour: number",
         r"model 'late': 'hour' is integer in 'weather' and number in on-demand transform 'clock'"),
        ("services.yaml", "- clock", "- {view: weather, name: there, keys: {origin: destt}}",
         r"by feature view 'there', asks for the column of weather 'destt', which does not exist. Did you mean 'dest'"),
    ],
)  # fmt: skip
def test_a_model_whose_events_cannot_ask_is_refused(folder, file, old, new, said):
    declared = catalog(folder(file, old, new))
    with pytest.raises(DeclarationError, match=said):
        declared.model_tables(Model.model_validate(MODEL))


def test_the_inputs_of_a_model_are_what_its_service_delivers(folder):
    declared = catalog(folder("services.yaml", "- clock", "- clock\n  - weather"))
    model = Model.model_validate({**MODEL, "request": ["hour"]})
    assert declared.input_types(model) == {
        "hour": "integer",
        "clock__rush": "boolean",
        "weather__wind": "number",
    }
