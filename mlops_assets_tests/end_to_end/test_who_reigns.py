"""People roll back, override and ask who reigned; what is changed behind the record is found and told."""

import re
import shutil
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import dagster as dg
import pytest
from mlflow import MlflowClient
from rich.console import Console

from mlops_assets.cli import releases, steps
from mlops_assets.cli.card import show_card
from mlops_assets.cli.deployment import Deployment
from mlops_assets.declaration.access import Policy
from mlops_assets.declaration.serving import Canary, Serving
from mlops_assets.errors import ArtifactMismatch, BadRequest, GateRefusal
from mlops_assets.governance.access import Who
from mlops_assets.governance.rollout import Limits
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets.graph.registry import registry_sensor
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps import changes, evaluation
from mlops_assets.steps.ledger import verify
from mlops_assets.steps.registry_watch import differences
from mlops_assets.steps.release import judge, proposed
from mlops_assets.steps.skew import skew_of_version
from mlops_assets.stores.ledger import clock
from mlops_assets.stores.presence import present
from mlops_assets_tests.end_to_end.deployment import Deployed
from mlops_assets_tests.sandbox import REAL, SHOP, Sandbox, land_orders, load_project, make_project, sandbox

FIRST, SECOND = "2024-03-29", "2024-04-02"
DATA = [keys.raw, keys.validated, keys.quarantine]
STORY = [keys.of_model("returned", stage) for stage in STAGES]
RELEASE = keys.of_model("returned", "release")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A champion, and a challenger that the gate holds."""
    project = load_project(make_project(tmp_path_factory.mktemp("project"), like=SHOP))
    home = tmp_path_factory.mktemp("home")
    with sandbox(project, home) as box:
        land_orders(home, date(2024, 3, 1), 34)
        box.run(*(key("customers") for key in DATA), keys.features("customer_profile"))
        daily = (*(key("orders") for key in DATA), keys.features("customer_orders"))
        box.run(*daily, first="2024-03-01", last="2024-04-02")
        box.run(*STORY, first=FIRST)
        box.run(*STORY, first=SECOND)
        yield box


@pytest.fixture
def box(made, tmp_path, monkeypatch):
    """The same on a copy of the home, which is the one of commands too."""
    home = Deployed(REAL, made.home).copied_to(tmp_path / "home").home
    monkeypatch.setenv(HOME, str(home))
    monkeypatch.setenv(MLFLOW, f"sqlite:///{home / 'mlflow.db'}")
    with sandbox(made.project, home) as box:
        yield box


def opened(box: Sandbox) -> Deployment:
    return Deployment(box.project, box.instance, box.stores, box.tracking)


def told(show, *arguments, **named) -> str:
    console = Console(width=300, record=True)
    show(*arguments, **named, console=console)
    return " ".join(console.export_text().split())


def override(box, what, check=None, by="Ada", reason="the shop closes tomorrow"):
    return told(releases.override, opened(box), what, check, by=by, reason=reason)


def reigning(box) -> list[int]:
    return [one.version for one in box.stores.reigns.history("returned")]


def mlflow(box) -> MlflowClient:
    uri = f"sqlite:///{box.home / 'mlflow.db'}"
    return MlflowClient(uri, uri)


def alias(box) -> str:
    return str(mlflow(box).get_model_version_by_alias("returned", "champion").version)


def test_from_a_to_b_and_back_leaves_a_whole_trace(box):
    assert reigning(box) == [1]
    assert "version 2 reigns, by the word of Ada" in override(box, f"returned@{SECOND}")
    assert (reigning(box), alias(box)) == ([1, 2], "2")
    said = told(
        releases.roll_back_to, opened(box), "returned", None, by="Bob", reason="complaints since noon"
    )
    assert "version 1 reigns" in said
    assert (reigning(box), alias(box)) == ([1, 2, 1], "1")
    shown = told(releases.show_champion, opened(box), "returned", None)
    for part in ("Ada", "Bob", "the shop closes tomorrow", "complaints since noon"):
        assert part in shown
    (held, overridden) = [one for one in box.stores.releases.history("returned") if one["as_of"] == SECOND]
    assert (held["verdict"], held["version"]) == ("hold", None)
    assert (overridden["verdict"], overridden["version"]) == ("override", 2)


def test_where_features_are_others_than_the_champions_no_running_service_is_asked_to_answer_with_both(box):
    with present(box.home, "returned"):
        judged = judge_of_a_better_one(box)
        assert judged(features="others", serving=Serving(canary=Canary())).release.version == 2
    assert reigning(box) == [1, 2]
    assert box.stores.rollouts.history("returned") == []


@pytest.mark.parametrize("answers", [True, False])
def test_a_declared_canary_comes_first_where_a_service_answers(box, answers):
    canary = Serving(canary=Canary(share=0.25, at_least=500, lasts="1h"))
    with present(box.home, "returned") if answers else nullcontext():
        assert judge_of_a_better_one(box)(serving=canary).release.version == 2
    begun = box.stores.rollouts.current("returned")
    if not answers:
        assert begun is None
        assert reigning(box) == [1, 2]
        return
    assert reigning(box) == [1]
    assert (begun.version, begun.share) == (2, 0.25)
    assert begun.limits == Limits(at_least=500, seconds=3600, then="promote")
    assert "version 2 does not reign yet: rollout 1: it is a canary of 25%" in told(
        releases.print_reign, opened(box), box.stores.releases.version("returned", 2), ""
    )


def test_a_pipeline_does_not_pass_for_a_version_that_was_taken_back(box):
    override(box, f"returned@{SECOND}")
    asked = [opened(box), "returned", date.fromisoformat(SECOND)]
    assert steps.register(*asked, console=Console()).passed
    told(releases.roll_back_to, opened(box), "returned", None, by="Bob", reason="complaints since noon")
    (failed,) = steps.register(*asked, console=Console()).failed
    assert failed.name == "reigns"
    assert "version 1 reigns" in failed.said
    assert "by Bob: complaints since noon" in failed.said


def judge_of_a_better_one(box):
    """What the gate says of the challenger as if it surely improved on the champion; of a model, with other gates."""
    model = box.project.model("returned")
    pinned = [box.stores.lake.pin(f"returned/{stage}", [SECOND]) for stage in ("model", "evaluation_report")]
    candidate, measured = proposed(box.stores, box.project.catalog, model, *pinned)
    better = replace(measured.champion, daily_improvement={"log_loss": [0.1] * len(measured.champion.days)})

    def judged(features=candidate.feature_hash, **declared):
        asked = model.model_copy(update=declared)
        evidence = replace(measured, champion=better)
        other = replace(candidate, evidence="better", feature_hash=features)
        return judge(box.stores, asked, other, evidence, inputs=[], at="2026-01-01T00:00:00+00:00", run_id="")

    return judged


def test_no_gate_brings_back_what_a_person_took_back(box):
    judged, gates = judge_of_a_better_one(box), box.project.model("returned").gates
    assert judged().release.version == 2
    told(releases.roll_back_to, opened(box), "returned", None, by="Bob", reason="complaints since noon")
    again = judged(gates=gates.model_copy(update={"at_least_rows": 90})).decision
    assert again.verdict == "hold"
    (said,) = again.told()
    for part in ("Bob", "complaints since noon", "mlops rollback returned --to 2"):
        assert part in said
    assert reigning(box) == [1, 2, 1]
    told(releases.roll_back_to, opened(box), "returned", 2, by="Bob", reason="it was something else")
    assert judged(gates=gates.model_copy(update={"at_least_rows": 80})).decision.verdict == "promote"


def test_a_model_that_was_slow_on_a_busy_machine_is_judged_anew_when_it_is_measured_again(box, monkeypatch):
    again = [keys.of_model("returned", stage) for stage in ("evaluation_report", "release")]
    with monkeypatch.context() as busy:
        busy.setattr(evaluation, "_took", lambda milliseconds: {"p50": 1.0, "p95": 9999.0})
        box.run(*again, first=SECOND)
    box.run(*again, first=SECOND)
    box.run(*again, first=SECOND)
    before, slow = [one for one in box.stores.releases.history("returned") if one["as_of"] == SECOND]
    latency = [[one["answer"] for one in of["reasons"] if one["gate"] == "latency"] for of in (before, slow)]
    assert latency == [["promote"], ["hold"]]
    assert (before["spent"] > 0, slow["spent"]) == (True, 0.0)
    (found,) = [one for one in box.rows("returned/release") if one["as_of"] == SECOND]
    assert not any("9999" in reason for reason in found["reasons"])


def test_a_batch_is_compared_with_the_version_that_reigns_unless_another_is_named(box):
    override(box, f"returned@{SECOND}")
    told(releases.roll_back_to, opened(box), "returned", None, by="Bob", reason="complaints since noon")
    model = box.project.model("returned")

    def reference(number):
        return skew_of_version(box.stores, box.project.catalog, model, number, SECOND).reference

    assert reference(None) == reference(1) != reference(2)


def test_who_reigned_at_a_moment_is_answered_in_utc(box):
    (reign,) = box.stores.reigns.history("returned")
    since = datetime.fromisoformat(reign.since)
    assert "version" in told(releases.show_champion, opened(box), "returned", since)
    assert "No version of returned reigned at 2024" in told(
        releases.show_champion, opened(box), "returned", datetime(2024, 1, 1)
    )
    assert "No version" in told(
        releases.show_champion, opened(box), "returned", (since - timedelta(seconds=1)).astimezone(UTC)
    )


@pytest.mark.parametrize(("by", "reason"), [("", "why not"), ("Ada", "  "), ("Gate", "why not")])
def test_nobody_overrides_or_rolls_back_without_a_name_and_a_reason(box, by, reason):
    with pytest.raises(BadRequest, match="name of who"):
        override(box, f"returned@{SECOND}", by=by, reason=reason)
    with pytest.raises(BadRequest, match="name of who"):
        told(releases.roll_back_to, opened(box), "returned", 1, by=by, reason=reason)
    assert reigning(box) == [1]


def test_a_rollback_goes_only_to_another_version_that_is_there(box):
    with pytest.raises(BadRequest, match="only version 1 of returned ever reigned"):
        told(releases.roll_back_to, opened(box), "returned", None, by="Ada", reason="why not")
    with pytest.raises(BadRequest, match="reigns already"):
        told(releases.roll_back_to, opened(box), "returned", 1, by="Ada", reason="why not")
    with pytest.raises(BadRequest, match="has no version 7; released ones: 1"):
        told(releases.roll_back_to, opened(box), "returned", 7, by="Ada", reason="why not")


def test_an_override_is_of_exactly_one_candidate_on_exactly_its_evidence(box):
    with pytest.raises(BadRequest, match="expected MODEL@AS_OF"):
        override(box, "returned")
    override(box, f"returned@{SECOND}")
    with pytest.raises(BadRequest, match="was overridden before, by Ada at"):
        override(box, f"returned@{SECOND}")
    assert reigning(box) == [1, 2]


def weights(box, version):
    release = box.stores.releases.version("returned", version)
    return box.stores.artifacts.folder(release.artifact_digest) / "model.skops"


@contextmanager
def swapped(path):
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"other weights")
    yield
    path.write_bytes(good)


def test_a_version_whose_weights_were_swapped_does_not_reign_again(box):
    override(box, f"returned@{SECOND}")
    with swapped(weights(box, 1)), pytest.raises(ArtifactMismatch, match="has been changed"):
        told(releases.roll_back_to, opened(box), "returned", 1, by="Ada", reason="why not")
    assert (reigning(box), alias(box)) == ([1, 2], "2")


def test_nothing_is_found_where_nothing_was_changed(box):
    assert differences(box.stores, box.tracking, "returned") == []
    override(box, f"returned@{SECOND}")
    assert differences(box.stores, box.tracking, "returned") == []


def test_weights_that_are_swapped_or_gone_are_found(box):
    with swapped(weights(box, 1)):
        (found,) = differences(box.stores, box.tracking, "returned")
        assert "version 1" in found
        assert "has been changed" in found
    shutil.rmtree(weights(box, 1).parent)
    (found,) = differences(box.stores, box.tracking, "returned")
    assert found.startswith("version 1: ")


def test_an_alias_that_was_moved_or_taken_away_is_found(box):
    override(box, f"returned@{SECOND}")
    client = mlflow(box)
    client.set_registered_model_alias("returned", "champion", "1")
    (found,) = differences(box.stores, box.tracking, "returned")
    assert "alias is on MLflow's version 1, and version 2 reigns" in found
    client.delete_registered_model_alias("returned", "champion")
    (found,) = differences(box.stores, box.tracking, "returned")
    assert "alias is on no version" in found


def test_a_version_made_behind_the_record_or_deleted_is_found(box):
    client = mlflow(box)
    source = client.get_model_version("returned", "1").source
    made = client.create_model_version("returned", source)
    (found,) = differences(box.stores, box.tracking, "returned")
    assert f"MLflow's version {made.version} was made by no release" in found
    client.delete_model_version("returned", made.version)
    client.delete_registered_model_alias("returned", "champion")
    client.delete_model_version("returned", "1")
    assert any("was deleted" in one for one in differences(box.stores, box.tracking, "returned"))


def test_a_version_made_of_a_model_of_which_none_was_released_is_found(box, monkeypatch):
    monkeypatch.setattr(box.stores.releases, "versions", lambda model: [])
    monkeypatch.setattr(box.stores.reigns, "current", lambda model: None)
    (event,) = look(box, None).asset_events
    assert not event.passed
    assert "MLflow's version 1 was made by no release" in event.description


def test_files_that_mlflow_serves_are_compared_too(box):
    source = Path(url2pathname(urlsplit(mlflow(box).get_model_version("returned", "1").source).path))
    (shown,) = source.rglob("model.skops")
    with swapped(shown):
        (found,) = differences(box.stores, box.tracking, "returned")
        assert "the files of MLflow's version 1, which shows version 1, were changed" in found


def look(box, cursor):
    resources = {"stores": box.stores, "tracking": box.tracking}
    with dg.build_sensor_context(
        box.instance, cursor, definitions=box.project.definitions, resources=resources
    ) as context:
        return registry_sensor()(context)


def test_the_sensor_reports_what_is_new_once_and_who_must_act(box):
    quiet = look(box, None)
    (first,) = quiet.asset_events
    assert (first.passed, first.check_name, first.asset_key) == (True, "registry", RELEASE)
    assert look(box, quiet.cursor).asset_events == []
    mlflow(box).delete_registered_model_alias("returned", "champion")
    loud = look(box, quiet.cursor)
    (moved,) = loud.asset_events
    assert (moved.passed, moved.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "the owner of returned must act" in moved.description
    assert look(box, loud.cursor).asset_events == []
    override(box, f"returned@{SECOND}")
    (mended,) = look(box, loud.cursor).asset_events
    assert mended.passed


def test_the_check_can_be_asked_alone(box):
    job = dg.define_asset_job("ask", dg.AssetSelection.checks(dg.AssetCheckKey(RELEASE, "registry")))
    mlflow(box).delete_registered_model_alias("returned", "champion")
    asked = job.resolve(asset_graph=box.project.definitions.resolve_asset_graph())
    result = asked.execute_in_process(instance=box.instance)
    (answer,) = result.get_asset_check_evaluations()
    assert not answer.passed
    assert "champion alias is on no version" in answer.description


def test_a_contract_is_printed_and_held_against_another(box):
    override(box, f"returned@{SECOND}")
    printed = told(releases.show_contract, opened(box), "returned", 1, None)
    for part in ('"owner": "team:shop"', '"channel"', '"app"', '"training_set@', '"digest"'):
        assert part.replace("training_set@", "raw/orders@") in printed
    beside = told(releases.show_contract, opened(box), "returned", 2, 1)
    assert "returned version 2 after version 1: compatible" in beside


def test_the_card_says_what_is_recorded_and_what_is_not(box, tmp_path):
    said = told(show_card, opened(box), "returned", 1, None)
    release = box.stores.releases.champion("returned")
    evidence = box.stores.releases.history("returned")[0]["measured"]
    for part in (
        "Will this order come back?",
        "team:shop",
        f"[contract {release.contract[:12]}]",
        f"log_loss: {evidence['metrics']['log_loss']:.4f}",
        "validated/orders: 28 partitions, 2024-03-01 to 2024-03-28",
        "It reigned from",
        "GAP: Nobody has said what it is to be used for",
        "GAP: It was not trained again",
        "GAP: No slices were looked at",
    ):
        assert part in said
    told(show_card, opened(box), "returned", None, tmp_path / "cards" / "card.html")
    page = (tmp_path / "cards" / "card.html").read_text()
    assert 'class="error">GAP: Nobody has said' in page
    assert (box.home / "reports" / "returned" / "version-1" / "card.html").is_file()


def test_the_card_tells_drift_from_what_its_own_version_learned_and_from_no_other(box):
    drift = keys.of_model("returned", "drift_report")
    gap = "GAP: The world was not compared with what it learned"
    box.run(drift, first="2024-03-31")
    override(box, f"returned@{SECOND}")
    box.run(drift, first="2024-04-03")
    first, second = (told(show_card, opened(box), "returned", number, None) for number in (1, 2))
    assert "As of 2024-03-31 the world's drift was" in first
    assert "As of 2024-04-03 the world's drift was" in second
    assert gap not in first + second


def test_a_contract_that_was_changed_is_refused(box):
    release = box.stores.releases.champion("returned")
    path = box.stores.artifacts.folder(release.contract) / "contract.json"
    with swapped(path), pytest.raises(ArtifactMismatch):
        told(releases.show_contract, opened(box), "returned", None, None)


def test_a_failed_check_of_data_is_overridden_for_exactly_that_content(box):
    with pytest.raises(BadRequest, match="has no partition"):
        override(box, "orders@2020-01-01", "schema")
    with pytest.raises(BadRequest, match="found no failed blocking check 'schema'"):
        override(box, "orders@2024-03-05", "schema")


def test_data_that_was_overridden_may_be_built_upon_and_data_written_since_may_not(box):
    table = [key("orders") for key in DATA]
    file = box.home / "landing" / "orders" / "2024-03-20.csv"
    good = file.read_text()

    def lands(*channels):
        file.write_text(re.sub(f",({'|'.join(channels)}),", ",fax,", good))
        box.run(*table, first="2024-03-20", raise_on_error=False)

    def build():
        return box.stores.lake.pin("validated/orders", ["2024-03-20"])

    lands("web", "app", "phone")
    with pytest.raises(GateRefusal, match="quarantined_share"):
        build()
    assert "may be built upon although quarantined_share failed" in override(
        box, "orders@2024-03-20", "quarantined_share"
    )
    build()
    lands("web")
    with pytest.raises(GateRefusal, match="quarantined_share"):
        build()


AGREE = Policy(
    roles={"all": [{"resource": "*", "actions": ["*"]}]},
    members={name: ["all"] for name in ("ada", "bo", "cy")},
    tiers=[{"kind": "*", "delay_minutes": 0}],
)


def changes_tick(box):
    """What the sensor of the model's change requests says, as the daemon asks it."""
    repository = box.project.definitions.get_repository_def()
    with dg.build_sensor_context(
        instance=box.instance, repository_def=repository, resources={"stores": box.stores}
    ) as context:
        return repository.get_sensor_def("returned_changes").evaluate_tick(context)


def agree(box, number):
    seen = box.stores.changes.of(number).request.digest
    for name in ("bo", "cy"):
        changes.vote(box.stores, number, "approve", who=Who(name), seen=seen, reason="read it")


def test_where_others_have_to_agree_a_release_waits_and_a_sensor_has_it_applied(box):
    box.stores.policies.adopt(AGREE, after=0, by="ada", reason="we are many", at=clock())
    asked = override(box, f"returned@{SECOND}", by="ada")
    assert "Request 1, override of model:returned: waiting for two approvals" in asked
    agree(box, 1)
    changes.apply(box.stores, box.tracking, 1, by="ada", run_id="")
    told_so = override(box, f"returned@{SECOND}", by="ada")
    assert "version 2 does not reign yet: request 2: waiting for two approvals" in told_so
    assert (reigning(box), alias(box)) == ([1], "1")
    assert "waiting for two approvals; approve with" in box.latest(RELEASE).metadata["waits"].value
    waits = changes_tick(box)
    assert (waits.run_requests, len(waits.asset_events)) == ([], 1)
    assert "request 2: waiting for two approvals" in waits.skip_message
    agree(box, 2)
    (request,) = changes_tick(box).run_requests
    assert request.run_key.startswith("returned/request/2/")
    shown = keys.of_model("returned", "changes")
    box.run(shown)
    assert (reigning(box), alias(box)) == ([1, 2], "2")
    assert (box.latest(shown).metadata["applied"].value, box.latest(shown).metadata["waiting"].value) == (
        1,
        0,
    )
    # What reigned before reigns again at once.
    said = told(releases.roll_back_to, opened(box), "returned", None, by="bo", reason="complaints")
    assert "version 1 reigns" in said
    assert verify(box.stores).findings == ()
