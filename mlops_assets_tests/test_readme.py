"""What the README shows is what happens."""

import re

import pytest
import yaml

from mlops_assets.data.spark_sql import spark_sql
from mlops_assets.declaration.expectations import Expectation
from mlops_assets.declaration.model import Label
from mlops_assets.declaration.retraining import Retraining
from mlops_assets.errors import QueryFailed
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets_tests.sandbox import REAL, load_project, make_project

README = (REAL / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [text for found, text in fenced if found == language]


def model_declaration() -> str:
    (found,) = [block for block in blocks("yaml") if "GovernedModel" in block]
    return found


def test_the_expectations_it_shows_are_expectations_of_the_flights():
    (block,) = [block for block in blocks("yaml") if block.startswith("expectations:")]
    shown = [Expectation.model_validate(one) for one in yaml.safe_load(block)["expectations"]]
    declared = load_project(REAL / "mlops_assets").catalog.tables["flights"].table.expectations
    assert set(map(repr, shown)) <= set(map(repr, declared))


def test_the_parts_of_a_model_it_shows_are_parts_of_one(tmp_path):
    (block,) = [block for block in blocks("yaml") if block.startswith("estimator:")]
    shown = yaml.safe_load(block)
    declared = yaml.safe_load(model_declaration())
    declared["attributes"] |= {
        "request": ["carrier", "origin", "distance", "scheduled_weekday"],
        "window": {"train_days": 30, "evaluate_days": 7},
        **shown,
    }
    project = make_project(
        tmp_path, like=REAL, more={"PACKAGE/defs/shown/defs.yaml": yaml.safe_dump(declared)}
    )
    model = load_project(project).model(declared["attributes"]["name"])
    assert model.search.combinations == 4
    assert model.gates.champion.pool_days == 90


def test_the_reasons_to_retrain_it_shows_are_reasons():
    replayed, every = (
        Retraining.model_validate(yaml.safe_load(block)["retraining"])
        for block in blocks("yaml")
        if block.startswith("retraining:")
    )
    assert replayed == load_project(REAL / "mlops_assets").model("flight_delay").retraining
    assert every.of_looks == 3


def test_the_label_it_shows_is_one():
    (block,) = [block for block in blocks("yaml") if block.startswith("label:")]
    assert Label.model_validate(yaml.safe_load(block)["label"]).mature_at == 0.95


def test_the_model_it_tells_you_to_add_can_be_added(tmp_path):
    declaration = model_declaration()
    (path,) = re.findall(r"`mlops_assets/(defs/[a-z_]+/defs\.yaml)`:", README)
    project = load_project(make_project(tmp_path, like=REAL, more={f"PACKAGE/{path}": declaration}))
    name = path.split("/")[1]
    assert {keys.of_model(name, stage) for stage in STAGES} <= set(
        project.definitions.resolve_asset_graph().get_all_asset_keys()
    )


def test_the_mistake_it_shows_is_told_in_these_words(tmp_path):
    declaration = model_declaration()
    (shown,) = [block for block in blocks("") if "Did you mean" in block]
    wrong = declaration.replace("features: departure", "features: departures")
    package = make_project(tmp_path, like=REAL, more={"PACKAGE/defs/very_late/defs.yaml": wrong})
    with pytest.raises(Exception, match="Did you mean") as caught:
        load_project(package)
    told = str(caught.value).replace(package.name, "mlops_assets")
    assert told.split() == shown.split()


def test_the_refusal_of_spark_it_shows_is_told_in_these_words():
    (shown,) = [block for block in blocks("") if block.startswith("ViewUncomputable")]
    with pytest.raises(QueryFailed) as caught:
        spark_sql("SELECT median(arrival_delay) FROM flights", {"flights": {"arrival_delay": "BIGINT"}})
    view = load_project(REAL / "mlops_assets").catalog.features.views["aircraft_delays"]
    assert shown.split() == f"ViewUncomputable: {view.called}: {caught.value}".split()


def test_the_transform_it_shows_is_the_one_that_is_there():
    (block,) = [block for block in blocks("yaml") if "python:" in block]
    (path,) = re.findall(r"`(feature_repo/on_demand/[a-z_]+\.yaml)`", README)
    assert (REAL / path).read_text(encoding="utf-8") == block


def test_every_file_and_folder_it_names_is_there():
    named = re.findall(r"`((?:mlops_assets|feature_repo|docs|mlops_assets_tests)/[\w./]+)`", README)
    named += re.findall(r"\]\(([\w./]+)\)", README)
    missing = [path for path in named if not (REAL / path).exists() and "very_late" not in path]
    assert not missing


def test_every_make_target_it_names_exists():
    targets = set(re.findall(r"^([a-z]+):", (REAL / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", README)) <= targets
