"""From declarations to Dagster definitions: one function per kind of declaration."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.declaration.source import Source
from mlops_assets.graph.backtest import backtest_job
from mlops_assets.graph.batch_predictions import batch_predictions_asset
from mlops_assets.graph.changes import changes_asset, changes_sensor
from mlops_assets.graph.drift import drift_asset
from mlops_assets.graph.evaluation import evaluation_asset
from mlops_assets.graph.features import view_asset
from mlops_assets.graph.jobs import model_jobs
from mlops_assets.graph.landing import landing_sensor
from mlops_assets.graph.lineage import lineage_asset
from mlops_assets.graph.ml_test_score import ml_test_score_asset
from mlops_assets.graph.model import model_asset
from mlops_assets.graph.online import online_asset
from mlops_assets.graph.parity import parity_asset
from mlops_assets.graph.performance import performance_asset
from mlops_assets.graph.predictions import predictions_asset, predictions_sensor
from mlops_assets.graph.raw import raw_asset
from mlops_assets.graph.registry import registry_check
from mlops_assets.graph.release import release_asset
from mlops_assets.graph.restatement import restatement_check
from mlops_assets.graph.retraining import retraining_log_asset, retraining_schedule, retraining_sensor
from mlops_assets.graph.service_report import service_report_asset, service_report_sensor
from mlops_assets.graph.training_set import training_set_asset
from mlops_assets.graph.validated import validated_assets
from mlops_assets.graph.verification import verification_asset
from mlops_assets.graph.watching import watching_sensor


def source_definitions(source: Source) -> dg.Definitions:
    """raw, validated and quarantine for every table of a source."""
    with _beta_is_meant():
        raw = [raw_asset(source, table) for table in source.tables]
        checked = [validated_assets(source, table) for table in source.tables]
        landing = landing_sensor(source)
    return dg.Definitions(assets=[*raw, *checked], sensors=[landing] if landing else [])


def feature_definitions(catalog: Catalog) -> dg.Definitions:
    """Two assets per feature view, its rows and what is online of them; shared by every model that uses it."""
    with _beta_is_meant():
        views = catalog.features.views.values()
        assets = [make(catalog, view) for view in views for make in (view_asset, online_asset)]
    return dg.Definitions(assets=assets)


def model_definitions(catalog: Catalog, model: Model) -> dg.Definitions:
    """The story of one model: from its training set to its release, what watches it; and the jobs that run it."""
    with _beta_is_meant():
        stages = [
            training_set_asset(catalog, model),
            model_asset(catalog, model),
            evaluation_asset(catalog, model),
            release_asset(catalog, model),
            lineage_asset(catalog, model),
            batch_predictions_asset(catalog, model),
            predictions_asset(catalog, model),
            service_report_asset(catalog, model),
            drift_asset(catalog, model),
            performance_asset(catalog, model),
            parity_asset(catalog, model),
            verification_asset(catalog, model),
            retraining_log_asset(model),
            changes_asset(model),
            ml_test_score_asset(catalog, model),
        ]
        checks = [registry_check(model), restatement_check(model)]
        clock = retraining_schedule(model)
        sensors = [
            watching_sensor(catalog, model),
            retraining_sensor(catalog, model),
            changes_sensor(model),
            predictions_sensor(catalog, model),
            service_report_sensor(catalog, model),
        ]
    return dg.Definitions(
        assets=stages,
        asset_checks=checks,
        jobs=[*model_jobs(catalog, model), backtest_job(catalog, model)],
        sensors=sensors,
        schedules=[clock] if clock else [],
    )


@contextmanager
def _beta_is_meant() -> Iterator[None]:
    """Dagster calls partitioned checks a preview and range backfills beta; both are pinned, and tested here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield
