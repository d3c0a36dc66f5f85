"""Whoever launches what, and whatever is wrong: nothing is released, and the reason is told.

Every launch path that there is, times everything that must stop a release. Paths that differ only in who starts the
process are asked in this one. Who writes verdicts and readings by hand into the commits of the lake is the
platform, and not found out here.
"""

import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from io import StringIO
from threading import Barrier, Lock

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from rich.console import Console

from mlops_assets.cli.commands import bring_up_to
from mlops_assets.cli.deployment import Deployment
from mlops_assets.errors import GateRefusal, MlopsError, ReleaseConflict
from mlops_assets.governance.gates import decide
from mlops_assets.governance.verdicts import Verdict
from mlops_assets.graph import keys
from mlops_assets.graph.plan import STAGES
from mlops_assets.resources.environment import HOME, MLFLOW
from mlops_assets.steps.release import proposed, release_if_allowed
from mlops_assets.steps.training import VOLATILE, fit
from mlops_assets.stores.commit import Provenance
from mlops_assets.stores.produced import Produced
from mlops_assets.stores.stores import Stores
from mlops_assets_tests.end_to_end.deployment import Deployed
from mlops_assets_tests.sandbox import REAL, SHOP, Sandbox, land_orders, load_project, make_project, sandbox

EARLIER, AS_OF, DAY = "2024-03-29", "2024-03-30", "2024-03-20"
DATA = [keys.raw, keys.validated, keys.quarantine]
STORY = TRAINING_SET, MODEL, REPORT, RELEASE = [keys.of_model("returned", stage) for stage in STAGES]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
SOURCE = (SHOP / "defs" / "sources" / "shop" / "defs.yaml").read_text()
# So that the newest as-of date, which automation looks at, is the one that is asked for.
ENDS = SOURCE.replace("start: 2024-03-01", "start: 2024-03-01\n  end: 2024-03-29")


RETURNED = (SHOP / "defs" / "returned" / "defs.yaml").read_text()


def project_of(folder, returned: str):
    """The shop with its model declared so."""
    more = {"PACKAGE/defs/sources/shop/defs.yaml": ENDS, "PACKAGE/defs/returned/defs.yaml": returned}
    return load_project(make_project(folder, like=SHOP, more=more))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """All data that a model is made from, and no model."""
    project = project_of(tmp_path_factory.mktemp("project"), RETURNED)
    with sandbox(project, tmp_path_factory.mktemp("home")) as box:
        land_orders(box.home, date(2024, 3, 1), 29)
        box.run(*(key("customers") for key in DATA), keys.features("customer_profile"))
        daily = (*(key("orders") for key in DATA), keys.features("customer_orders"))
        box.run(*daily, first="2024-03-01", last="2024-03-29")
        yield box


@pytest.fixture(scope="module")
def evaluated(prepared, tmp_path_factory):
    """All but the release: what would be released if somebody asked."""
    with copied(prepared, tmp_path_factory.mktemp("evaluated") / "home") as box:
        box.run(TRAINING_SET, MODEL, REPORT, first=AS_OF)
        yield box


def copied(box: Sandbox, home):
    return sandbox(box.project, Deployed(REAL, box.home).copied_to(home).home)


# What is launched, and by which path: each says what was told to whoever launched it.
Path = Callable[[Sandbox, Sequence[dg.AssetKey]], str]


def by_execute_in_process(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    return told(box.run(*assets, first=AS_OF, raise_on_error=False))


def by_single_assets(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    """One click after the other, whether or not the one before succeeded."""
    return " ".join(by_execute_in_process(box, [asset]) for asset in assets)


def by_job(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    return run_job(box, dg.RunRequest(job_name=JOB, partition_key=AS_OF, asset_selection=list(assets)))


def by_sensor(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    @dg.sensor(job_name=JOB)
    def asks():
        return dg.RunRequest(partition_key=AS_OF, asset_selection=list(assets))

    with dg.build_sensor_context(box.instance, definitions=box.project.definitions) as context:
        ticked = asks.evaluate_tick(context)
    return " ".join(run_job(box, request) for request in ticked.run_requests)


def by_schedule(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    @dg.schedule(job_name=JOB, cron_schedule="0 6 * * *")
    def each_morning():
        return dg.RunRequest(partition_key=AS_OF, asset_selection=list(assets))

    six = datetime(2024, 3, 31, 6, tzinfo=UTC)
    repository = box.project.definitions.get_repository_def()
    with dg.build_schedule_context(box.instance, six, repository_def=repository) as context:
        ticked = each_morning.evaluate_tick(context)
    return " ".join(run_job(box, request) for request in ticked.run_requests)


def by_backfill(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    """A run for each as-of date, which is what the backfill policy asks for."""
    tags, asked = {"dagster/backfill": "one date"}, list(assets)
    return run_job(box, dg.RunRequest(job_name=JOB, partition_key=AS_OF, asset_selection=asked, tags=tags))


def by_range_in_one_run(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    """What the policy forbids, asked for all the same; whatever stops it, the other path is walked too."""
    before = versions(box)
    whole = told(box.run(*assets, first=EARLIER, last=AS_OF, raise_on_error=False))
    assert versions(box) == before
    return whole + by_execute_in_process(box, assets)


def by_automation(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    """Ticks until nothing more is asked for; every asset asks for itself where it is missing or stale."""

    def conditioned(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(automation_condition=always if spec.key in assets else None)

    always = dg.AutomationCondition.in_latest_time_window() & ~dg.AutomationCondition.in_progress()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        defs = box.project.definitions.map_asset_specs(func=conditioned)
        ticked = dg.evaluate_automation_conditions(defs=defs, instance=box.instance)
    asked = [asset for asset in assets if ticked.get_requested_partitions(asset)]
    assert asked == list(assets)
    assert {one for asset in asked for one in ticked.get_requested_partitions(asset)} == {AS_OF}
    return by_execute_in_process(box, asked)


def by_mlops_run(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    """Makes all that it takes to be missing or stale, so it is asked for the whole story only."""
    live_in(box)
    said = Console(file=StringIO(), width=400)
    opened = Deployment(box.project, box.instance, box.stores, box.tracking)
    try:
        bring_up_to(opened, "returned", [date.fromisoformat(AS_OF)], again=False, console=said)
    except MlopsError as refusal:
        return str(refusal)
    return said.file.getvalue()


def by_the_step_itself(box: Sandbox, assets: Sequence[dg.AssetKey]) -> str:
    """A script that imports the act and calls it."""
    pin = box.stores.lake.pin
    try:
        trained, report = pin("returned/model", [AS_OF]), pin("returned/evaluation_report", [AS_OF])
        return asked_by_script(box, trained, report)
    except MlopsError as refusal:
        return str(refusal)


JOB = "returned_release"
RELEASING = {
    "Python, execute_in_process": by_execute_in_process,
    "single assets": by_single_assets,
    "a job": by_job,
    "a sensor": by_sensor,
    "a schedule": by_schedule,
    "a backfill": by_backfill,
    "automation": by_automation,
}
# The policy asks for a run for each as-of date, so a range is no path to a release either.
ALL = RELEASING | {"a range in one run": by_range_in_one_run}
WHOLE_ONLY = {"mlops run": by_mlops_run}
RELEASE_ONLY = {"the step itself": by_the_step_itself}


def live_in(box: Sandbox) -> None:
    """What a process of this home finds in its environment."""
    os.environ[HOME] = str(box.home)
    os.environ.pop(MLFLOW, None)


def run_job(box: Sandbox, request: dg.RunRequest) -> str:
    live_in(box)
    job = box.project.definitions.resolve_job_def(request.job_name or JOB)
    result = job.execute_in_process(
        instance=box.instance,
        asset_selection=list(request.asset_selection),
        partition_key=request.partition_key,
        tags=request.tags,
        run_config=QUIET,
        raise_on_error=False,
    )
    return told(result)


def told(result: dg.ExecuteInProcessResult) -> str:
    """The errors of a run, and what its checks said."""
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    failed = [one.description or "" for one in result.get_asset_check_evaluations() if not one.passed]
    return " ".join([*(error.to_string() for error in errors if error), *failed])


def asked_by_script(box: Sandbox, trained, report) -> str:
    judged = release_if_allowed(
        box.stores,
        box.tracking,
        box.project.catalog,
        box.project.model("returned"),
        trained,
        report,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        run_id="a script",
    )
    return " ".join(reason.sentence for reason in judged.decision.reasons)


def versions(box: Sandbox) -> list[int]:
    return [one.version for one in box.stores.releases.versions("returned")]


# What is wrong. Each says what is launched, and what whoever launches it must be told.
@dataclass(frozen=True)
class Fault:
    inflict: Callable[[Sandbox], None]
    launched: Sequence[dg.AssetKey]
    told: str

    @property
    def whole(self) -> bool:
        """Whether the whole story is launched: it meets the fault before there is a model."""
        return list(self.launched) == list(STORY)

    @property
    def paths(self) -> dict[str, Path]:
        return ALL | (WHOLE_ONLY if self.whole else {}) | (RELEASE_ONLY if self.launched == [RELEASE] else {})


PASSED = Verdict("no_leak", True, "nothing was found", blocking=True)


def written_past_the_checks(
    box: Sandbox, table: str, partition: str, *verdicts, to=None, reads=None, **changed
):
    """A script writes a partition again, with other values in some columns, and says of it what it likes.

    to: the partition that it writes, by default the one it took the rows from.
    """
    pinned = box.stores.lake.pin(table, [partition])
    rows = box.stores.engine.rows("SELECT * FROM pinned", {"pinned": pinned})
    for column, change in changed.items():
        at = rows.column_names.index(column)
        rows = rows.set_column(at, rows.field(at), change(rows.column(column)).cast(rows.field(at).type))
    (content,) = pinned.contents
    read = box.stores.records.reads(content) if reads is None else reads
    volatile = VOLATILE if table.endswith("/model") else ()
    to = to or partition
    rows = rows.set_column(
        rows.column_names.index("partition"), "partition", pa.array([to] * rows.num_rows, pa.string())
    )
    made = Produced(rows, [to], reads={to: tuple(read)}, verdicts={to: verdicts}, volatile=volatile)
    code = box.stores.records.code_versions(table)[partition]
    written = datetime.now(UTC).isoformat(timespec="microseconds")
    return box.stores.lake.write(table, made, Provenance(code, "a script", written))[to]


def dearer(amounts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.add(amounts, 1.0)


def data_fails_its_check(box: Sandbox) -> None:
    file = box.home / "landing" / "orders" / f"{DAY}.csv"
    file.write_text(file.read_text().replace(",web,", ",fax,").replace(",app,", ",fax,"))
    box.run(*(key("orders") for key in DATA), first=DAY, raise_on_error=False)


def data_is_newer_than_its_check(box: Sandbox) -> None:
    written_past_the_checks(box, "validated/orders", DAY, amount=dearer)


def one_check_of_the_data_never_spoke(box: Sandbox) -> None:
    said = box.stores.records.verdicts(box.stores.lake.pin("validated/orders", [DAY]).contents[0])
    assert "quarantined_share" in {one.check for one in said}
    others = [one for one in said if one.check != "quarantined_share"]
    written_past_the_checks(box, "validated/orders", DAY, *others, amount=dearer)


def raw_rows_were_never_checked(box: Sandbox) -> None:
    raw = written_past_the_checks(box, "raw/orders", DAY)
    said = box.stores.records.verdicts(box.stores.lake.pin("validated/orders", [DAY]).contents[0])
    written_past_the_checks(box, "validated/orders", DAY, *said, reads=[raw], amount=dearer)


def training_set_leaks(box: Sandbox) -> None:
    leak = replace(PASSED, passed=False, reason="the label is among the features")
    written_past_the_checks(box, "returned/training_set", AS_OF, leak, amount=dearer)


def nobody_proved_the_training_set(box: Sandbox) -> None:
    written_past_the_checks(box, "returned/training_set", AS_OF, amount=dearer)


def a_script_made_the_training_set_from_refused_data(box: Sandbox) -> None:
    data_fails_its_check(box)
    a_script_tells_the_story(box, reads=box.stores.records.contents("validated/orders"))


def a_script_does_not_say_what_the_training_set_was_made_from(box: Sandbox) -> None:
    a_script_tells_the_story(box, reads=[])


def a_script_tells_the_story(box: Sandbox, reads) -> None:
    """It makes a training set of what it likes, and writes model and report as if these were made from that."""
    made = written_past_the_checks(box, "returned/training_set", AS_OF, PASSED, reads=reads, amount=dearer)
    trained = written_past_the_checks(box, "returned/model", AS_OF, reads=[made])
    written_past_the_checks(box, "returned/evaluation_report", AS_OF, reads=[made, trained])


def a_script_does_not_say_what_the_model_was_made_from(box: Sandbox) -> None:
    trained = written_past_the_checks(box, "returned/model", AS_OF, reads=[])
    report = box.stores.records.reads(box.stores.lake.pin("returned/evaluation_report", [AS_OF]).contents[0])
    read = [trained, *(one for one in report if one.table != trained.table)]
    written_past_the_checks(box, "returned/evaluation_report", AS_OF, reads=read)


def the_report_is_missing(box: Sandbox) -> None:
    shutil.rmtree(box.home / "lake" / "returned" / "evaluation_report")


def the_report_is_of_another_model(box: Sandbox) -> None:
    written_past_the_checks(box, "returned/model", AS_OF, seed=lambda seeds: pc.add(seeds, 1))


def artifact(box: Sandbox):
    (found,) = {path.parent for path in (box.home / "artifacts").glob("*/model.skops")}
    return found


def weights_are_swapped(box: Sandbox) -> None:
    path = artifact(box) / "model.skops"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def the_artifact_is_deleted(box: Sandbox) -> None:
    shutil.rmtree(artifact(box))


def the_artifact_is_half_there(box: Sandbox) -> None:
    (artifact(box) / "model.skops").unlink()


def the_list_of_its_files_is_changed(box: Sandbox) -> None:
    path = artifact(box) / "manifest.json"
    path.write_text(path.read_text().replace("model.skops", "other.skops"))


FAULTS = {
    "a check of the data failed": Fault(data_fails_its_check, STORY, "quarantined_share"),
    "the data is newer than its check": Fault(
        data_is_newer_than_its_check, STORY, "quarantined_share has said nothing of it"
    ),
    "one check of the data never spoke": Fault(
        one_check_of_the_data_never_spoke, STORY, "quarantined_share has said nothing of it"
    ),
    "raw rows were never checked": Fault(raw_rows_were_never_checked, STORY, "schema has said nothing of it"),
    "the training set leaks": Fault(
        training_set_leaks, [MODEL, REPORT, RELEASE], "no_leak: the label is among the features"
    ),
    "nobody proved the training set": Fault(
        nobody_proved_the_training_set, [MODEL, REPORT, RELEASE], "no_leak has said nothing of it"
    ),
    "a script made the training set from refused data": Fault(
        a_script_made_the_training_set_from_refused_data, [RELEASE], "quarantined_share"
    ),
    "a script does not say what the training set was made from": Fault(
        a_script_does_not_say_what_the_training_set_was_made_from,
        [RELEASE],
        "no record of having been made from validated/orders",
    ),
    "a script does not say what the model was made from": Fault(
        a_script_does_not_say_what_the_model_was_made_from,
        [RELEASE],
        "returned/model was made before returned/training_set",
    ),
    "the report is missing": Fault(
        the_report_is_missing, [RELEASE], "nothing has been written to returned/evaluation_report"
    ),
    "the report is of another model": Fault(
        the_report_is_of_another_model, [RELEASE], "evaluation_report was made before returned/model"
    ),
    "weights are swapped": Fault(weights_are_swapped, [RELEASE], "model.skops of artifact"),
    "the artifact is deleted": Fault(the_artifact_is_deleted, [RELEASE], "was it deleted"),
    "the artifact is half there": Fault(the_artifact_is_half_there, [RELEASE], "is missing"),
    "the list of its files is changed": Fault(the_list_of_its_files_is_changed, [RELEASE], "the manifest of"),
    "weights are swapped before they are evaluated": Fault(
        weights_are_swapped, [REPORT, RELEASE], "model.skops of artifact"
    ),
}


@pytest.fixture(scope="module")
def faulty(request, prepared, evaluated, tmp_path_factory):
    """A home in which one thing is wrong. Every path meets it in turn: a second asking is a path too."""
    fault = FAULTS[request.param]
    like = prepared if fault.whole else evaluated
    with copied(like, tmp_path_factory.mktemp("faulty") / "home") as box:
        fault.inflict(box)
        yield box


@pytest.mark.parametrize(
    ("faulty", "path"),
    [(name, path) for name, fault in FAULTS.items() for path in fault.paths],
    indirect=["faulty"],
    scope="module",
)
def test_nothing_is_released_by_any_path_and_the_reason_is_told(request, faulty, path):
    fault = FAULTS[request.node.callspec.params["faulty"]]
    said = fault.paths[path](faulty, fault.launched)
    assert fault.told in " ".join(said.split())
    assert versions(faulty) == []
    assert faulty.stores.reigns.current("returned") is None
    assert faulty.tracking.shown("returned").champion is None


@pytest.mark.parametrize("path", RELEASING | WHOLE_ONLY | RELEASE_ONLY)
def test_each_path_releases_where_nothing_is_wrong(prepared, evaluated, tmp_path, path):
    like, launched = (prepared, STORY) if path in WHOLE_ONLY else (evaluated, [RELEASE])
    with copied(like, tmp_path / "home") as box:
        said = (RELEASING | WHOLE_ONLY | RELEASE_ONLY)[path](box, launched)
        assert versions(box) == [1], said
        assert box.tracking.shown("returned").champion == "1"


OTHER_LABEL = RETURNED.replace("positive: returned", "positive: NOT returned").replace(
    "gates: {", "gates: {champion: {replace_incomparable: true}, "
)


@pytest.fixture(scope="module")
def breaking(prepared, tmp_path_factory):
    """A champion, and a later model, good enough, that answers something else to those who call it."""
    folder, home = tmp_path_factory.mktemp("other label"), tmp_path_factory.mktemp("breaking") / "home"
    with copied(prepared, home) as box:
        box.run(*STORY, first=EARLIER)
        assert versions(box) == [1]
    with sandbox(project_of(folder, OTHER_LABEL), home) as box:
        box.run(TRAINING_SET, MODEL, REPORT, first=AS_OF)
        yield box


@pytest.mark.parametrize("path", ALL | RELEASE_ONLY)
def test_what_breaks_the_contract_is_released_by_no_path(breaking, path):
    said = (ALL | RELEASE_ONLY)[path](breaking, [RELEASE])
    assert "the label is another" in said
    assert "declare contract.edition 2" in said
    assert versions(breaking) == [1]


def test_what_breaks_the_contract_is_released_in_a_later_edition(breaking, tmp_path):
    later = project_of(tmp_path / "later", OTHER_LABEL + "  contract: {edition: 2}\n")
    with sandbox(later, Deployed(REAL, breaking.home).copied_to(tmp_path / "home").home) as box:
        said = by_execute_in_process(box, [RELEASE])
        assert versions(box) == [1, 2], said


def test_what_was_pinned_before_it_was_written_again_is_not_released(evaluated, tmp_path):
    with copied(evaluated, tmp_path / "home") as box:
        pin = box.stores.lake.pin
        trained, report = pin("returned/model", [AS_OF]), pin("returned/evaluation_report", [AS_OF])
        the_report_is_of_another_model(box)
        with pytest.raises(GateRefusal, match="returned/model was written again since version 0"):
            asked_by_script(box, trained, report)
        box.run(REPORT, first=AS_OF)
        with pytest.raises(GateRefusal, match="returned/evaluation_report was written again"):
            asked_by_script(box, pin("returned/model", [AS_OF]), report)
        assert versions(box) == []


def test_a_script_does_not_fit_on_a_training_set_that_nobody_proved(evaluated, tmp_path):
    with copied(evaluated, tmp_path / "home") as box:
        nobody_proved_the_training_set(box)
        unproven = box.stores.lake.pin("returned/training_set", [AS_OF])
        with pytest.raises(GateRefusal, match="no_leak has said nothing of it"):
            fit(box.stores, box.project.catalog, box.project.model("returned"), unproven)


def as_of_another_date(box: Sandbox, as_of: str) -> None:
    """The same story as of another date."""

    def same(values: pa.ChunkedArray) -> pa.ChunkedArray:
        return pa.chunked_array([[text.replace(AS_OF, as_of) for text in values.to_pylist()]])

    read = {
        table: box.stores.records.reads(box.stores.lake.pin(table, [AS_OF]).contents[0])
        for table in ("returned/training_set", "returned/model", "returned/evaluation_report")
    }
    write = partial(written_past_the_checks, box)
    taught = write("returned/training_set", AS_OF, PASSED, to=as_of, reads=read["returned/training_set"])
    trained = write("returned/model", AS_OF, to=as_of, reads=[taught], as_of=same)
    write("returned/evaluation_report", AS_OF, to=as_of, reads=[taught, trained], as_of=same, evidence=same)


MANY = [f"2024-05-{day:02d}" for day in range(1, 13)]


@pytest.fixture(scope="module")
def twelve(evaluated, tmp_path_factory):
    """Twelve models, each of which would be released."""
    with copied(evaluated, tmp_path_factory.mktemp("twelve") / "home") as box:
        for as_of in MANY:
            as_of_another_date(box, as_of)
        yield box


def in_database(box: Sandbox, url: str) -> Stores:
    """The lake of a home, with an empty database that has caught up with it."""
    stores = Stores.open(replace(box.stores.places, database=url))
    for log in sorted((box.home / "lake").glob("*/*/_delta_log")):
        stores.lake.pin(log.parent.relative_to(box.home / "lake").as_posix())
    return stores


def test_of_twelve_promotions_at_once_one_reigns_and_eleven_are_refused(twelve, database_url, monkeypatch):
    stores, everyone = in_database(twelve, database_url), Barrier(len(MANY))

    def decide_together(*evidence, **known):
        decided = decide(*evidence, **known)
        assert decided.verdict == "promote"
        everyone.wait(timeout=60)
        return decided

    def proposed_alone(*asked):
        with alone:
            return proposed(*asked)

    # Python 3.11 cannot parse code in two threads at once (gh-106905); runs are processes.
    alone = Lock()
    monkeypatch.setattr("mlops_assets.steps.release.proposed", proposed_alone)
    monkeypatch.setattr("mlops_assets.steps.release.decide", decide_together)

    def attempt(as_of: str) -> str:
        pinned = [stores.lake.pin(f"returned/{stage}", [as_of]) for stage in ("model", "evaluation_report")]
        try:
            asked_by_script(replace(twelve, stores=stores), *pinned)
        except ReleaseConflict as refusal:
            return str(refusal)
        return "released"

    with ThreadPoolExecutor(len(MANY)) as pool:
        said = list(pool.map(attempt, MANY))
    assert said.count("released") == 1
    refused = [one for one in said if one != "released"]
    assert all("another version was released" in one and "Nothing was changed" in one for one in refused)
    (version,) = stores.releases.versions("returned")
    assert version.as_of == MANY[said.index("released")]
    assert [one.version for one in stores.reigns.history("returned")] == [1]
    assert [one["verdict"] for one in stores.releases.history("returned")] == ["promote"]
