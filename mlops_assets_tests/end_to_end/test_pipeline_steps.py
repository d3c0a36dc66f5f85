"""The four steps of a delivery pipeline: what they answer to people, to files and to whoever runs them."""

import json
import re
from datetime import date
from xml.etree import ElementTree as Xml

import pytest
import yaml

from mlops_assets_tests.end_to_end.deployment import Deployed, clone_of_the_repository
from mlops_assets_tests.end_to_end.story import FIRST_AS_OF
from mlops_assets_tests.sandbox import REAL, SHOP, land_orders

pytestmark = pytest.mark.slow
STEPS = ("validate-data", "train", "evaluate", "register")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A clone of the made-up shop with its landed files, and nothing made of them."""
    clone = clone_of_the_repository(tmp_path_factory.mktemp("clone"), content=SHOP)
    home = tmp_path_factory.mktemp("home")
    land_orders(home, date(2024, 3, 1), 30)
    return Deployed(clone, home)


def step(deployed, name, *, as_of=FIRST_AS_OF):
    """The exit code, what was printed, the JSON and the JUnit."""
    files = {kind: deployed.home / "reports" / "ci" / f"{name}.{kind}" for kind in ("json", "xml")}
    code, printed = deployed.run(
        "mlops",
        name,
        "returned",
        "--as-of",
        as_of,
        "--json",
        str(files["json"]),
        "--junit",
        str(files["xml"]),
    )
    if not files["json"].exists():
        return code, printed, None, None
    return code, printed, json.loads(files["json"].read_text()), Xml.parse(files["xml"]).getroot()


def test_all_four_pass_one_after_the_other_and_the_last_releases(shop):
    for name in STEPS:
        code, printed, found, suite = step(shop, name)
        assert code == 0, printed
        assert found["passed"]
        assert (found["step"], found["model"], found["as_of"]) == (name, "returned", FIRST_AS_OF)
        assert int(suite.get("tests")) == len(found["cases"]) > 0
        assert suite.get("failures") == "0"
        assert len(suite.findall("testcase")) == len(found["cases"])
    assert found["facts"]["version"] == 1
    assert shop.stores.releases.champion("returned").version == 1
    data = json.loads((shop.home / "reports" / "ci" / "validate-data.json").read_text())
    asked = {(case["of"], case["name"]) for case in data["cases"]}
    assert {("raw/orders 2024-03-28", "schema"), ("validated/orders 2024-03-28", "validity")} <= asked
    assert any(of.startswith("validated/customers") for of, _ in asked)
    trained = json.loads((shop.home / "reports" / "ci" / "train.json").read_text())
    assert ("returned/training_set 2024-03-29", "no_leak") in {(c["of"], c["name"]) for c in trained["cases"]}


def test_a_step_out_of_order_says_what_is_missing_and_releases_nothing(shop, tmp_path):
    other = Deployed(shop.clone, tmp_path / "home")
    land_orders(other.home, date(2024, 3, 1), 30)
    for name in ("train", "evaluate", "register"):
        code, printed, found, _ = step(other, name)
        assert (code, found) == (1, None), printed
        assert "Traceback" not in printed
    assert other.stores.releases.versions("returned") == []


def test_data_that_fails_a_check_is_found_and_nothing_is_trained_on_it(shop, tmp_path):
    other = Deployed(shop.clone, tmp_path / "home")
    land_orders(other.home, date(2024, 3, 1), 30)
    file = other.home / "landing" / "orders" / "2024-03-20.csv"
    file.write_text(re.sub(",(web|app|phone),", ",f<a>x & y,", file.read_text()))
    code, printed, found, suite = step(other, "validate-data")
    assert code == 3, printed
    failed = [case for case in found["cases"] if case["failed"]]
    assert {"validated/orders 2024-03-20"} == {case["of"] for case in failed}
    assert int(suite.get("failures")) == len(failed) == len(suite.findall("testcase/failure"))
    assert "2024-03-20" in printed
    code, _, found, _ = step(other, "train")
    assert code in (1, 3)
    assert other.stores.records.contents("returned/model") == []


def test_a_file_that_cannot_be_read_is_a_failed_check_of_its_day(shop, tmp_path):
    other = Deployed(shop.clone, tmp_path / "home")
    land_orders(other.home, date(2024, 3, 1), 30)
    (other.home / "landing" / "orders" / "2024-03-20.csv").write_bytes(b"")
    code, printed, found, _ = step(other, "validate-data")
    assert code == 3, printed
    failed = {(case["of"], case["name"]) for case in found["cases"] if case["failed"]}
    assert ("raw/orders 2024-03-20", "schema") in failed
    assert {of.split()[1] for of, _ in failed} == {"2024-03-20"}


def test_a_held_model_fails_the_last_step_and_the_one_before_says_so(released, tmp_path):
    other = released.copied_to(tmp_path / "home")
    for name in ("validate-data", "train"):
        code, printed, *_ = step(other, name, as_of="2024-04-02")
        assert code == 0, printed
    code, printed, preview, _ = step(other, "evaluate", as_of="2024-04-02")
    assert code == 3, printed
    assert other.stores.releases.history("returned")[-1]["as_of"] == FIRST_AS_OF
    code, printed, found, suite = step(other, "register", as_of="2024-04-02")
    assert code == 3, printed
    assert found["facts"]["verdict"] in ("hold", "not enough data")
    assert found["facts"]["version"] is None
    assert {case["name"] for case in found["cases"] if case["failed"]} >= {"gate"}
    assert [c for c in found["cases"] if c["name"] == "champion"] == [
        c for c in preview["cases"] if c["name"] == "champion"
    ]
    assert suite.find("testcase/failure").get("message")
    assert other.stores.releases.champion("returned").version == 1


def test_an_impossible_date_is_told(shop):
    code, printed, found, _ = step(shop, "validate-data", as_of="2024-03-02")
    assert (code, found["as_of"] if found else None) in ((1, None), (1, FIRST_AS_OF))
    assert "cannot be trained as of 2024-03-02" in " ".join(printed.split())


@pytest.mark.parametrize("example", ["gitlab-ci.yml", "github-actions.yml"])
def test_the_example_pipelines_have_the_four_steps_in_order(example):
    text = (REAL / "docs" / "pipelines" / example).read_text()
    yaml.safe_load(text)
    if example.startswith("gitlab"):
        assert tuple(yaml.safe_load(text)["stages"]) == STEPS
    else:
        steps = yaml.safe_load(text)["jobs"]["deliver"]["steps"]
        said = [re.search(r"mlops (\S+)", one["run"])[1] for one in steps if "mlops " in one.get("run", "")]
        assert tuple(said) == STEPS
