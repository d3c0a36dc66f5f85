"""A small shop with a released model and features online, made without Dagster, Delta or DuckDB in a second."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from mlops_assets.declaration.estimator import Estimator
from mlops_assets.declaration.features import Entity, FeatureRepository, FeatureService, FeatureView
from mlops_assets.declaration.model import Label, Model, Window
from mlops_assets.declaration.on_demand import OnDemandTransform
from mlops_assets.declaration.versions import Version, declared_version, delivered_hash, transform_version
from mlops_assets.governance.contract import CONTRACT, Contract, Input
from mlops_assets.governance.evidence import Evidence
from mlops_assets.governance.gates import Decision
from mlops_assets.governance.reasons import Reason
from mlops_assets.modeling.golden import Golden
from mlops_assets.modeling.serialization import PROFILE, to_files
from mlops_assets.modeling.training import Trained, train
from mlops_assets.monitoring.cells import Edges, Watched
from mlops_assets.monitoring.profile import Profile, column_profile
from mlops_assets.serving.shelves import Shelves
from mlops_assets.stores.online import OnlineView, microseconds
from mlops_assets.stores.releases import Candidate, Release
from mlops_assets.stores.stores import Places

MODEL, SERVICE, VIEW, TRANSFORM = "returned", "checkout", "habits", "per_order"
MOMENT = datetime(2024, 5, 1, 12, tzinfo=UTC)
TYPES = {
    "amount": "number",
    "channel": "string",
    "gift": "boolean",
    "ordered": "timestamp",
    "habits__last": "timestamp",
    "habits__orders": "integer",
    "habits__segment": "string",
    "habits__vip": "boolean",
    "per_order__coupon_share": "number",
}
REQUEST = ["amount", "channel", "gift", "ordered"]
# As it is once read.
PYTHON = """def transform(inputs):
    share = inputs['coupon'] / inputs['habits__orders'].astype('float64')
    return inputs[[]].assign(coupon_share=share.where(inputs['habits__orders'] > 0))"""


def view(**changed: Any) -> FeatureView:
    said = {
        "name": VIEW,
        "owner": "team:shop",
        "entities": ["customer"],
        "reads": {"orders": "1d"},
        "sql": "SELECT 1",
        "ttl": "48h",
        "features": {
            "last": {"type": "timestamp"},
            "orders": {"type": "integer"},
            "segment": {"type": "string"},
            "vip": {"type": "boolean"},
        },
    }
    return FeatureView.model_validate({**said, **changed})


def features(of: FeatureView | None = None, python: str = PYTHON) -> FeatureRepository:
    transform = OnDemandTransform.model_validate(
        {
            "name": TRANSFORM,
            "owner": "team:shop",
            "inputs": {"request": {"coupon": "number"}, "views": [f"{VIEW}:orders"]},
            "features": {"coupon_share": {"type": "number"}},
            "python": python,
        }
    )
    service = FeatureService.model_validate(
        {"name": SERVICE, "owner": "team:shop", "features": [VIEW, TRANSFORM]}
    )
    entity = Entity(name="customer", key="customer_id", type="integer")
    return FeatureRepository.of([entity], [of or view()], [service], [transform])


FEATURES = features()
VERSIONS = {
    VIEW: Version(dict(sorted({**declared_version(FEATURES, VIEW).parts, "source.orders": "aa"}.items()))),
    TRANSFORM: transform_version(FEATURES.on_demand[TRANSFORM]),
}
ROW = {
    "customer_id": 7,
    "coupon": 2.5,
    "amount": 12.5,
    "channel": "web",
    "gift": False,
    "ordered": "2024-04-20T10:00:00Z",
}


def rows(seed: int, count: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    amount = random.gamma(2.0, 20.0, count)
    orders = pd.array(random.integers(0, 9, count), dtype="Int64")
    moments = pd.Timestamp(MOMENT) - pd.to_timedelta(random.integers(1, 10**6, count), unit="s")
    return pd.DataFrame(
        {
            "amount": amount,
            "channel": random.choice(["app", "web", None], count),
            "gift": random.random(count) < 0.2,
            "ordered": moments,
            "habits__last": moments,
            "habits__orders": orders,
            "habits__segment": random.choice(["new", "old"], count),
            "habits__vip": random.random(count) < 0.1,
            "per_order__coupon_share": random.random(count),
            "label": amount + random.normal(0, 10, count) > 40,
            "use": "train",
        }
    )


@cache
def trained(seed: int) -> tuple[Trained, pd.DataFrame]:
    declared = Model(
        name=MODEL,
        owner="team:shop",
        label=Label(table="orders", positive="returned"),
        features=SERVICE,
        estimator=Estimator(
            path="sklearn.ensemble.HistGradientBoostingClassifier",
            parameters={"max_iter": 10, "min_samples_leaf": 5},
        ),
        window=Window(train_days=28, evaluate_days=7),
        seed=1,
    )
    taught = rows(seed)
    return train(declared.recipe(TYPES), taught), taught


def contract_of(found: Trained, taught: pd.DataFrame, as_of: str, **changed: Any) -> Contract:
    contract = Contract(
        model=MODEL,
        owner="team:shop",
        edition=1,
        as_of=as_of,
        model_digest=found.digest,
        keys={"coupon": "number", "customer_id": "integer"},
        inputs={name: _input(taught[name], name, kind) for name, kind in TYPES.items()},
        output={"version": "integer", "probability": "double from 0 to 1"},
        service=SERVICE,
        features=delivered_hash(FEATURES, SERVICE, VERSIONS),
        views={name: str(one) for name, one in VERSIONS.items()},
        question="q",
        label={"table": "orders", "positive": "returned"},
        objectives={"p95_ms": 500.0, "error_rate": 0.01},
        resources={"memory_mb": 512},
        metrics={},
        training={},
        code={},
        environment={"scikit-learn": "1"},
    )
    return replace(contract, **changed)


def _input(values: pd.Series, name: str, kind: str) -> Input:
    origin = "request" if name in REQUEST else "features"
    missing = float(values.isna().mean())
    if kind in ("string", "boolean"):
        known = tuple(sorted({str(one).lower() for one in values.dropna()}))
        return Input(kind, origin, categories=known, missing=missing)
    numbers = values.map(pd.Timestamp.timestamp) if kind == "timestamp" else values.astype("float64")
    return Input(kind, origin, float(numbers.min()), float(numbers.max()), missing=missing)


def released(
    shelves: Shelves,
    seed: int,
    as_of: str = "2024-05-01",
    *,
    files: Mapping[str, bytes] | None = None,
    without: str = "",
    **changed: Any,
) -> Release:
    """A version that reigns. files: in place of those of its model. without: a file of it, or a part of its contract.

    changed: in its contract.
    """
    found, taught = trained(seed)
    golden = Golden.made(found.model, found.inputs, taught, seed=1)
    made = {**to_files(found, question="q"), **golden.to_files(), **(files or {})}
    contract = contract_of(found, taught, as_of, **changed)
    drawn_up = {name: one for name, one in contract.to_dict().items() if name != without}
    candidate = Candidate(
        model=MODEL,
        as_of=as_of,
        model_digest=found.digest,
        artifact_digest=shelves.artifacts.save({name: one for name, one in made.items() if name != without}),
        evidence=f"e{seed}",
        mlflow_run_id="run",
        feature_hash=contract.features,
        view_versions=dict(contract.views),
        contract=shelves.artifacts.save({CONTRACT: json.dumps(drawn_up).encode()}),
    )
    evidence = Evidence(MODEL, as_of, found.digest, 100, 20, "2024-04-01", "2024-04-30", {}, {})
    judged = shelves.releases.record(
        candidate,
        evidence,
        Decision("promote", (Reason("floor", "promote", "good"),)),
        against=shelves.releases.against(MODEL),
        by=f"gates of {seed}",
        at="2024-05-01T00:00:00+00:00",
        run_id="run",
    )
    assert judged.release is not None
    return judged.release


def evaluated(positive: int, negative: int) -> dict[str, bytes]:
    """The file of a version that says of how many rows it was evaluated on each class was the likelier."""
    watched, cells = Watched("p", "number", "score"), Edges((0.25, 0.75))
    counts, none = np.array([[negative, 0, positive]]), np.zeros(1, dtype=np.int64)
    column = column_profile(watched, cells, counts, none, none, ["2024-04-30"])
    profile = Profile(positive + negative, {watched.name: column})
    return {PROFILE: json.dumps(profile.to_dict()).encode()}


def put_online(shelves: Shelves, *, version: Version = VERSIONS[VIEW], customers: int = 20) -> str:
    """Rows of the view for so many customers, known two hours ago; the last one's are older than their TTL."""
    spelled = str(Version(dict(sorted({**version.parts, "platform": "pp"}.items()))))
    kinds = {"last": "timestamp", "orders": "integer", "segment": "string", "vip": "boolean"}
    described = OnlineView(
        VIEW, spelled, {"customer_id": "integer"}, kinds, 48 * 3600, microseconds(MOMENT), 0, "c"
    )
    known = microseconds(MOMENT - timedelta(hours=2))
    told = []
    for customer in range(customers):
        happened = known - (10**15 if customer == customers - 1 else 0)
        told.append([customer, happened, known, happened, customer % 9, "new", customer % 2 == 0])
    assert shelves.online.put(described, told, seen=shelves.online.view(VIEW, spelled), whole=True)
    shelves.online.serve(VIEW, spelled)
    return spelled


def shelves_at(home: Path, *, online: str = "") -> Shelves:
    home.mkdir(parents=True, exist_ok=True)
    return Shelves.open(replace(Places.below(home), online=online))


def asked(*said: Mapping[str, Any], **more: Any) -> bytes:
    return json.dumps({"rows": list(said) or [ROW], **more}).encode()


def write_feature_repository(folder: Path) -> Path:
    """What ``FEATURES`` declares, as the files of a feature repository."""
    declared = view()
    said = {
        "entities.yaml": [{"name": "customer", "key": "customer_id", "type": "integer"}],
        "services.yaml": [{"name": SERVICE, "owner": "team:shop", "features": [VIEW, TRANSFORM]}],
        f"views/{VIEW}.yaml": {
            "name": VIEW,
            "owner": declared.owner,
            "entities": ["customer"],
            "reads": {"orders": "1d"},
            "sql": declared.sql,
            "ttl": "48h",
            "features": {name: {"type": one.type} for name, one in declared.features.items()},
        },
        f"on_demand/{TRANSFORM}.yaml": {
            "name": TRANSFORM,
            "owner": "team:shop",
            "inputs": {"request": {"coupon": "number"}, "views": [f"{VIEW}:orders"]},
            "features": {"coupon_share": {"type": "number"}},
            "python": f"{TRANSFORM}.py",
        },
    }
    for name, text in {name: yaml.safe_dump(one) for name, one in said.items()}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "on_demand" / f"{TRANSFORM}.py").write_text(PYTHON)
    return folder
