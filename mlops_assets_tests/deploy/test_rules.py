"""The rules speak when they should and are quiet when they should, and each is explained."""

import re
import shutil

import pytest
import yaml

from mlops_assets_tests.deploy.tools import DEPLOY, RULES, told
from mlops_assets_tests.sandbox import REAL

CASES = RULES.with_name("rules_test.yml")
PAGE = (REAL / "docs" / "when_it_alerts.md").read_text()


def rules():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def test_prometheus_and_its_alert_manager_take_the_files(tmp_path):
    shutil.copytree(DEPLOY / "prometheus", tmp_path, dirs_exist_ok=True)
    (tmp_path / "serve_token").write_text("s3cret")
    assert f"{len(rules())} rules found" in told("promtool", "check", "rules", "--lint-fatal", RULES)
    told("promtool", "check", "config", "--lint-fatal", tmp_path / "prometheus.yml")
    told("amtool", "check-config", DEPLOY / "alertmanager" / "alertmanager.yml")


def test_the_rules_speak_when_they_should_and_only_then():
    assert "SUCCESS" in told("promtool", "test", "rules", CASES)


def test_each_rule_is_seen_to_speak_and_to_be_quiet_again():
    tried = [
        one for case in yaml.safe_load(CASES.read_text())["tests"] for one in case.get("alert_rule_test", [])
    ]
    for name in alerts():
        spoke = [bool(one["exp_alerts"]) for one in tried if one["alertname"] == name]
        assert (True in spoke, False in spoke) == (True, True), name


@pytest.mark.parametrize(
    ("said", "other"),
    [
        ("> 0.15", "> 0.16"),
        (">= 50", ">= 49"),
        ("> 0.8", ">= 0.8"),
        ("1000 *", "900 *"),
        ("for: 1m", "for: 0s"),
        ("for: 5m", "for: 1m"),
        ('status=~"5.."', 'status=~"4..|5.."'),
        ("sum by (model, le)", "sum by (model, le, instance)"),
        ("model_ready == 0", "model_ready == 1"),
        ("[5m]", "[30m]"),
    ],
)
def test_another_rule_would_be_noticed(tmp_path, said, other):
    text = RULES.read_text()
    assert said in text
    (tmp_path / "rules.yml").write_text(text.replace(said, other))
    shutil.copy(CASES, tmp_path)
    with pytest.raises(AssertionError, match="FAILED"):
        told("promtool", "test", "rules", tmp_path / CASES.name)


def test_each_rule_is_explained_where_it_says():
    explained = {"#" + title.lower(): title for title in re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)}
    for name, rule in alerts().items():
        path, anchor = re.fullmatch(r"([\w./]+)(#\w+)", rule["annotations"]["runbook"]).groups()
        assert (REAL / path).is_file()
        assert explained.pop(anchor) == name
        assert rule["labels"]["severity"] in ("page", "warn")
    assert not explained
