"""A feature repository on disk, and how it is refused."""

import pytest

from mlops_assets.declaration.repository import read_feature_repository
from mlops_assets.errors import DeclarationError

ENTITIES = "- {name: airport, key: origin}\n"
SERVICES = """\
- name: delay
  owner: team:x
  features:
  - weather
"""
WEATHER = """\
name: weather
owner: team:x
entities: [airport]
reads: {weather: 2h}
sql: weather.sql
ttl: 1h
features:
  wind: {type: number}
"""
GOOD = {
    "entities.yaml": ENTITIES,
    "services.yaml": SERVICES,
    "views/weather.yaml": WEATHER,
    "views/weather.sql": "SELECT 'ö' AS wind",
}


@pytest.fixture
def folder(tmp_path):
    def write(**changed):
        for name, text in {**GOOD, **{key.replace("__", "/"): text for key, text in changed.items()}}.items():
            if text is not None:
                (tmp_path / name).parent.mkdir(exist_ok=True)
                (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_everything_declared_is_read_and_the_sql_stands_in_its_view(folder):
    found = read_feature_repository(folder())
    assert list(found.entities) == ["airport"]
    assert [one.column for one in found.served("delay")] == ["weather__wind"]
    assert found.views["weather"].sql == "SELECT 'ö' AS wind"


def test_an_empty_folder_declares_nothing(tmp_path):
    found = read_feature_repository(tmp_path)
    assert (found.entities, found.views, found.services) == ({}, {}, {})


def test_one_file_may_declare_several_views(folder):
    planes = WEATHER.replace("name: weather", "name: planes")
    found = read_feature_repository(folder(**{"views__weather.yaml": f"{WEATHER}---\n{planes}"}))
    assert list(found.views) == ["weather", "planes"]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DeclarationError, match=r"there is no feature repository at .*nowhere"):
        read_feature_repository(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("entities.yaml", "name: a\n", "entities.yaml:1: found a dict, expected a list of declarations"),
        ("services.yaml", "just text\n", "services.yaml:1: found a str, expected a list of declarations"),
        ("entities.yaml", ENTITIES + "- {name: b, ky: x}\n", "entities.yaml:2: 1.ky: unknown field 'ky'. Did you"),
        ("entities.yaml", ENTITIES * 2, "entities.yaml:2: 1.name: entity 'airport' is declared twice"),
        ("entities.yaml", "- {name: aiport, key: origin}\n",
         "views/weather.yaml:3: entities.0: feature view 'weather' asks for the entity 'airport', "
         "which does not exist. Did you mean 'aiport'?"),
        ("services.yaml", SERVICES.replace("- weather", "- wether"),
         "services.yaml:4: 0.features.0: feature service 'delay' asks for the feature view 'wether', which "
         "does not exist. Did you mean 'weather'?"),
        ("services.yaml", SERVICES.replace("- weather", "- weather:wid"),
         "services.yaml:4: 0.features.0: feature service 'delay' asks for the feature of weather 'wid', which "
         "does not exist. Did you mean 'wind'?"),
        ("services.yaml", SERVICES.replace("- weather", "- weather\n  - weather:wind"),
         "services.yaml:5: 0.features.1: feature service 'delay' delivers 'weather__wind' twice"),
        ("services.yaml", SERVICES + "- {name: delay, owner: team:y, features: [weather]}\n",
         "services.yaml:5: 1.name: feature service 'delay' is declared twice"),
        ("views/weather.yaml", WEATHER.replace("weather.sql", "wether.sql"),
         "views/weather.yaml:5: sql: there is no file 'wether.sql' in"),
        ("views/other.yaml", WEATHER, "views/weather.yaml:1: name: feature view 'weather' is declared twice"),
        ("views/weather.yaml", WEATHER.replace("number", "nmber"),
         "views/weather.yaml:8: features.wind.type: Input should be"),
        ("views/weather.yaml", WEATHER.replace("1h", "3600"),
         "views/weather.yaml:6: ttl: found 3600, expected a whole number and a unit"),
        ("views/weather.yaml", WEATHER.replace("ttl", "tll"),
         "views/weather.yaml:6: tll: unknown field 'tll'. Did you mean 'ttl'?"),
    ],
)  # fmt: skip
def test_a_refusal_says_file_line_what_was_found_and_the_nearest_right_name(folder, file, text, said):
    place = folder(**{file.replace("/", "__"): text})
    with pytest.raises(DeclarationError) as refused:
        read_feature_repository(place)
    assert str(refused.value).replace(f"{place}/", "").startswith(said)
