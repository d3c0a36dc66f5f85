"""The job that replays policies of retraining a model over its past, for Dagster's UI."""

from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from mlops_assets.declaration.catalog import Catalog
from mlops_assets.declaration.model import Model
from mlops_assets.errors import NotMaterialized, RunFailed
from mlops_assets.graph import keys
from mlops_assets.graph.metadata import picture, table
from mlops_assets.graph.plan import Written, data_runs, written
from mlops_assets.graph.settling import settle
from mlops_assets.stores.stores import Stores
from mlops_assets.stores.tracking import Tracking

# Which run asked for a training: the id of the backtest's run, as a tag of the training's.
ASKED_BY = "mlops/backtest"
TRAINED = ("training_set", "model")


class BacktestConfig(dg.Config):
    """What is replayed."""

    first: str = Field(description="The as-of date of the first model, as 2024-01-31.")
    last: str = Field(description="The last as-of date; days after it count too.")
    every: int = Field(default=7, ge=1, description="Days between as-of dates.")
    policies: list[str] = Field(
        default=[], description="never, always, schedule, article or declared; all of them when empty."
    )


def backtest_job(catalog: Catalog, model: Model) -> dg.JobDefinition:
    """Trains what is not there yet, each in a run of its own, and shows a table and pictures as metadata.

    Nothing is evaluated, judged or released.
    """

    @dg.op(
        name=f"{model.name}_replay",
        description=f"What policies of retraining {model.name} would have trained, promoted and lost.",
        out=dg.Out(dg.Nothing),
    )
    def replay(
        context: dg.OpExecutionContext,
        config: BacktestConfig,
        stores: dg.ResourceParam[Stores],
        tracking: dg.ResourceParam[Tracking],
    ) -> Any:
        from mlops_assets.steps.backtest import HEADS, Asked, backtest
        from mlops_assets.steps.backtest_page import pictures, show

        first, last = date.fromisoformat(config.first), date.fromisoformat(config.last)
        asked = Asked.of(model, first, last, config.every, config.policies)
        graph = context.repository_def.asset_graph
        known = written(stores, catalog, lambda key: graph.get(key).code_version)
        _require_data(catalog, model, known, first, asked.until)
        trainings = _Trainings(context, catalog, model, stores, tracking)
        found = backtest(stores, catalog, model, asked, trainings.make, context.log.info)
        saved, lost = pictures(model.name, found)
        context.add_output_metadata(
            {
                "policies": table(HEADS, found.rows()),
                "loss": picture(saved, "log loss over time"),
                "saved": picture(lost, "what retraining saved"),
                "report": dg.MetadataValue.path(str(show(stores, model.name, found))),
            }
        )

    @dg.job(
        name=f"{model.name}_backtest",
        description=f"Replay policies of retraining {model.name} over its past.",
        # Trainings are runs within the process of this one.
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        replay()

    return job


class _Trainings:
    """Training sets and models of as-of dates, made by the assets themselves."""

    def __init__(
        self,
        context: dg.OpExecutionContext,
        catalog: Catalog,
        model: Model,
        stores: Stores,
        tracking: Tracking,
    ) -> None:
        self._context, self._catalog = context, catalog
        self._stores, self._tracking = stores, tracking
        self._assets = [keys.of_model(model.name, stage) for stage in TRAINED]

    def make(self, as_of: str) -> None:
        """Materialize them unless they are there, in a run of its own in this process."""
        repository, graph = self._context.repository_def, self._context.repository_def.asset_graph
        known = written(self._stores, self._catalog, lambda key: graph.get(key).code_version)
        if not any(known.lacks(asset, [as_of]) for asset in self._assets):
            return
        result = repository.get_implicit_global_asset_job_def().execute_in_process(
            instance=self._context.instance,
            asset_selection=self._assets,
            partition_key=as_of,
            tags={ASKED_BY: self._context.run_id},
            raise_on_error=False,
        )
        settle(self._context.instance, self._stores, self._tracking)
        if not result.success:
            raise RunFailed(f"the training as of {as_of} failed; the run {result.run_id} shows why")
        self._context.log.info(f"Trained as of {as_of} in the run {result.run_id}")


def _require_data(catalog: Catalog, model: Model, known: Written, first: date, until: date) -> None:
    """Raise NotMaterialized when days below the model are missing or out of date."""
    planned = data_runs(catalog, model, known, first_as_of=first, last_as_of=until)
    if planned:
        lacking = ", ".join(sorted({key.to_user_string() for run in planned for key in run.assets}))
        raise NotMaterialized(
            f"to replay {model.name} from {first} to {until} its data must be there; found days missing or out of "
            f"date in {lacking}. Materialize them first; mlops backtest does it by itself"
        )
