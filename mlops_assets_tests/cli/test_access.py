"""``mlops access``, and the door of every command: one that writes asks who it is and whether they may."""

import ast
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops_assets.cli import main
from mlops_assets.cli.main import app
from mlops_assets.stores.stores import Places, Stores

CLI = Path(main.__file__).parent
# What changes nothing that is recorded; whoever can read the stores may.
READING = {
    *("audit", "backtest", "card", "champion", "contract", "loop", "restated", "skew", "status", "validate"),
    *(
        "access explain",
        "access show",
        "features engines",
        "features get",
        "features impact",
        "features list",
    ),
    *("features windows", "ledger anchor", "ledger show", "ledger verify"),
    *("access grants", "changes list", "changes show", "rollout show"),
    *("trace column", "trace export", "trace impact", "trace model", "trace prediction"),
}
ASKING = {
    "demo": ("run", "demo"),
    "run": ("run", "model:{model}"),
    "validate-data": ("run", "model:{model}"),
    "train": ("run", "model:{model}"),
    "evaluate": ("run", "model:{model}"),
    "register": ("run", "model:{model}"),
    "predict": ("predict", "model:{model}"),
    "predictions compact": ("predict", "model:{model}"),
    "rollback": ("rollback", "model:{model}", "by"),
    "rollout share": ("rollout", "model:{model}", "by"),
    "rollout start": ("rollout", "model:{model}", "by"),
    "rollout stop": ("rollout", "model:{model}", "by"),
    "override": ("override", "_overridden(subject, check)", "by"),
    "reproduce": ("reproduce", "model:{model}"),
    "retrain": ("retrain", "model:{model}", "by"),
    # Of "attest" where a person attests, and else nothing.
    "score": ("action", "model:{model}", "signed"),
    "features apply": ("apply", "features"),
    "features materialize": ("materialize", "features"),
    "ledger accept": ("accept", "ledger", "by"),
    "ledger guard": ("guard", "ledger", "by"),
}
# Asks the policy about what it finds, or is for when there is none.
KNOWING = {
    *("access adopt", "access grant", "access revoke", "access token", "access ungrant"),
    *("changes apply", "changes approve", "changes propose", "changes refuse", "changes withdraw"),
}
# Open no deployment: an example, and what reads the log of the prediction service, which has a door of its own.
ALONE = {"access example", "predictions show", "predictions ship"}
STEPS = {"validate-data", "train", "evaluate", "register"}


def doors():
    """Command -> the arguments with which it opens the deployment, as they are written."""
    found = {}
    for path in sorted(CLI.glob("*.py")):
        functions = [one for one in ast.parse(path.read_text()).body if isinstance(one, ast.FunctionDef)]
        opened = {function.name: _opened(function) for function in functions}
        for function in functions:
            for decorator in function.decorator_list:
                command = _command(function, decorator)
                if command is not None:
                    found[command] = opened["_step" if command in STEPS else function.name]
    return found


def _command(function, decorator):
    called = getattr(decorator, "func", None)
    if not isinstance(called, ast.Attribute) or called.attr != "command":
        return None
    name = decorator.args[0].value if decorator.args else function.name.replace("_", "-")
    return name if called.value.id == "app" else f"{called.value.id} {name}"


def _opened(function):
    calls = [one for one in ast.walk(function) if isinstance(one, ast.Call)]
    opening = [one for one in calls if getattr(one.func, "id", "") == "opened_deployment"]
    assert len(opening) <= 1, f"{function.name} opens the deployment more than once"
    return [_said(one) for call in opening for one in (*call.args, *(word.value for word in call.keywords))]


def _said(argument):
    if isinstance(argument, ast.Constant):
        return argument.value
    return ast.unparse(argument).removeprefix("f'").removesuffix("'")


@pytest.mark.parametrize("command", doors())
def test_a_command_asks_for_what_it_does_or_is_known_to_read(command):
    asked = doors()[command]
    if command in ALONE:
        assert asked == []
    elif command in KNOWING:
        assert asked[:2] == ["KNOWN", command]
    elif command in READING:
        assert asked == ["READS"]
    else:
        assert asked == list(ASKING[command]), f"{command} is new: say in this test what it asks for"


@pytest.fixture
def home(tmp_path, monkeypatch):
    for variable in ("MLOPS_TOKEN", "MLOPS_ID_TOKEN", "MLOPS_DATABASE", "MLOPS_ANCHOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    # Set by the command itself, and so taken back after the test.
    monkeypatch.setenv("DAGSTER_HOME", "")
    return tmp_path


def mlops(*arguments, **environment):
    return CliRunner().invoke(app, arguments, env=environment)


@pytest.mark.slow
def test_the_door_asks_who_it_is_whether_they_may_and_whose_name_they_sign_with(home):
    shown = mlops("access", "show")
    assert (shown.exit_code, "No policy was adopted: whoever uses this machine" in shown.stdout) == (3, True)
    example = mlops("access", "example")
    (home / "policy.yaml").write_text(example.stdout)
    asked = ("dana@example.org", "run", "model:x")
    explained = mlops("access", "explain", *asked, "--file", str(home / "policy.yaml"))
    assert (explained.exit_code, explained.stdout) == (
        0,
        "dana@example.org may run model:x: role developer: "
        "run, retrain, reproduce, attest, propose:* on model:* says so\n",
    )
    signed = ("--by", "otto@example.org", "--reason", "late")
    otto = mlops("access", "token", "otto@example.org").stdout.strip()
    assert otto.startswith("mlops_")
    adopted = mlops("access", "adopt", str(home / "policy.yaml"), *signed)
    assert adopted.exit_code == 0, adopted.output
    assert "is in force" in adopted.stdout

    stores = Stores.open(Places.below(home))
    head = stores.ledger.head()
    rollback = ("rollback", "flight_delay", *signed)
    refused = mlops(*rollback)
    assert (refused.exit_code, "AccessDenied: policy 1 is in force" in refused.stderr) == (1, True)
    refused = mlops("run", "flight_delay", "--as-of", "2013-03-01", MLOPS_TOKEN=otto)
    assert (
        "otto@example.org may not run model:flight_delay: no rule of their roles (operator)" in refused.stderr
    )
    refused = mlops("rollback", "flight_delay", "--by", "Ada", "--reason", "late", MLOPS_TOKEN=otto)
    assert "nobody signs as another" in refused.stderr
    refused = mlops("access", "adopt", str(home / "policy.yaml"), *signed, MLOPS_TOKEN=otto)
    assert "it is changed by a change request" in refused.stderr
    # Who was refused left that they were, and nothing else.
    told = [one for one in stores.ledger.newest(99) if one.number > head.number]
    assert {one.kind for one in told} <= {"anchor", "denial"}
    denied = [(one.who, one.action, one.resource) for _, one in stores.denials.all()]
    assert denied == [
        ("", "rollback", "model:flight_delay"),
        ("otto@example.org", "run", "model:flight_delay"),
        ("otto@example.org", "rollback", "model:flight_delay"),
    ]
    let_in = mlops(*rollback, MLOPS_TOKEN=otto)
    assert "BadRequest: flight_delay has no released version to roll back from" in let_in.stderr

    asked = ("dana@example.org", "approve:promote", "model:x")
    assert mlops("access", "explain", *asked).exit_code == 3
    shown = json.loads(mlops("access", "show", "--json").stdout)
    assert shown["in_force"]["by"] == "otto@example.org"
    assert [(one["name"], one["state"]) for one in shown["tokens"]] == [("otto@example.org", "good")]
    revoked = mlops("access", "revoke", shown["tokens"][0]["id"], "--reason", "lost", MLOPS_TOKEN=otto)
    assert revoked.exit_code == 0, revoked.output
    assert "was revoked" in mlops(*rollback, MLOPS_TOKEN=otto).stderr


def test_an_override_of_a_table_is_asked_for_by_its_whole_name_however_it_is_typed():
    assert {main._overridden(f"{name}@2013-01-31", "late") for name in ("flights", "validated/flights")} == {
        "table:validated/flights"
    }
    assert main._overridden("flights@2013-01-31", None) == "model:flights"


@pytest.mark.slow
def test_who_is_refused_is_refused_also_when_that_cannot_be_noted(home, monkeypatch):
    def broken(*_):
        raise OSError("the disk is full")

    otto = mlops("access", "token", "otto@example.org").stdout.strip()
    (home / "policy.yaml").write_text(mlops("access", "example").stdout)
    signed = ("--by", "otto@example.org", "--reason", "first")
    assert mlops("access", "adopt", str(home / "policy.yaml"), *signed).exit_code == 0
    monkeypatch.setattr("mlops_assets.stores.denials.Denials.note", broken)
    refused = mlops("run", "flight_delay", "--as-of", "2013-03-01", MLOPS_TOKEN=otto)
    assert refused.exit_code == 1
    assert "the refusal was not noted: the disk is full" in refused.stderr
    assert "AccessDenied: otto@example.org may not run model:flight_delay" in refused.stderr


@pytest.mark.slow
def test_a_role_that_reads_is_held_at_once_listed_explained_and_withdrawn(home):
    dana, otto = (mlops("access", "token", f"{name}@example.org").stdout.strip() for name in ("dana", "otto"))
    (home / "policy.yaml").write_text(mlops("access", "example").stdout)
    signed = ("--by", "otto@example.org", "--reason", "first")
    assert mlops("access", "adopt", str(home / "policy.yaml"), *signed).exit_code == 0
    asked = ("dana@example.org", "metrics", "model:flight_delay")
    assert mlops("access", "explain", *asked).exit_code == 3
    grant = ("access", "grant", "reader", "model:flight_delay", "--reason", "an incident")
    given = mlops(*grant, MLOPS_TOKEN=dana)
    assert given.exit_code == 0, given.output
    assert "dana@example.org holds reader on model:flight_delay until" in given.stdout
    assert (
        "dana@example.org holds role reader on model:flight_delay until"
        in mlops(*grant, MLOPS_TOKEN=dana).stderr
    )
    explained = mlops("access", "explain", *asked)
    assert (
        "dana@example.org may metrics model:flight_delay: role reader on model:flight_delay until"
        in explained.stdout
    )
    (shown,) = json.loads(mlops("access", "grants", "--json").stdout)
    assert (shown["number"], shown["name"], shown["state"]) == (1, "dana@example.org", "held")
    refused = mlops("access", "grant", "operator", "model:flight_delay", "--reason", "x", MLOPS_TOKEN=dana)
    assert (
        "'operator' is no role of the policy that only reads (read, metrics); those are: reader"
        in refused.stderr
    )
    ended = mlops("access", "ungrant", "1", "--reason", "done", MLOPS_TOKEN=otto)
    assert "holds reader on model:flight_delay no more" in ended.stdout
    assert mlops("access", "explain", *asked).exit_code == 3
    assert "Nobody holds a role" in mlops("access", "grants").stdout
    (ended,) = json.loads(mlops("access", "grants", "--all", "--json").stdout)
    assert (ended["state"], ended["reason"].split(";")[0]) == ("withdrawn", "an incident")
    assert json.loads(mlops("ledger", "verify", "--json").stdout)["whole"]
