"""A trained model as files, and back: skops, never pickle, and only scikit-learn's own types.

Light to import: skops, which brings scikit-learn, is imported when a model is read or written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from mlops_assets.declaration.estimator import ESTIMATOR_PREFIXES
from mlops_assets.errors import ArtifactMismatch
from mlops_assets.modeling.inputs import Inputs

if TYPE_CHECKING:
    from mlops_assets.modeling.training import Trained

# A dtype is a description. Scikit-learn binds its own functions with partial; what is bound is
# audited on its own.
HARMLESS = ("functools.partial", "numpy.dtype")

MODEL, BASELINE, ABOUT = "model.skops", "baseline.skops", "about.json"
# How it was made: to be made again; and everything that a search tried.
MADE, SEARCH = "made.json", "search.json"
# What it was trained on, for later batches to be compared with.
PROFILE, CORRELATIONS = "profile.json", "correlations.npz"
# In how many seconds after an event its label was nearly surely known.
SETTLED_AFTER = "settled_after.json"


@dataclass(frozen=True)
class About:
    """What the files of a model say of it, without a model read. question: what it was trained to answer, as a hash."""

    inputs: Inputs
    digest: str
    question: str

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        """What ``to_files`` wrote."""
        about = json.loads(files[ABOUT])
        inputs = Inputs(tuple(about["categories"]), tuple(about["numbers"]))
        return cls(inputs, about["digest"], about["question"])


@dataclass(frozen=True)
class Loaded:
    """A model that can score again. question: what it was trained to answer, as a hash."""

    model: Any
    baseline: Any
    inputs: Inputs
    digest: str
    question: str


def to_files(trained: Trained, *, question: str) -> dict[str, bytes]:
    """The files of a trained model, by name. question: what it was trained to answer, as a hash."""
    import skops.io

    about = {
        "categories": trained.inputs.categories,
        "numbers": trained.inputs.numbers,
        "dropped": trained.dropped,
        "rows": trained.rows,
        "digest": trained.digest,
        "question": question,
    }
    return {
        MODEL: skops.io.dumps(trained.model),
        BASELINE: skops.io.dumps(trained.baseline),
        ABOUT: json.dumps(about, indent=2).encode(),
        **_search(trained),
    }


def from_files(files: Mapping[str, bytes]) -> Loaded:
    """The model in ``files``. Raises ArtifactMismatch when it holds types that may run code."""
    about = About.of(files)
    return Loaded(
        model=_loaded(files[MODEL]),
        baseline=_loaded(files[BASELINE]),
        inputs=about.inputs,
        digest=about.digest,
        question=about.question,
    )


def searched_parameters(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The parameters that a search has chosen; none where nothing was searched for."""
    if SEARCH not in files:
        return {}
    chosen: dict[str, Any] = json.loads(files[SEARCH])["parameters"]
    return chosen


def needed_types(data: bytes) -> list[str]:
    """The types beyond skops' own list that loading needs; all of them scikit-learn's."""
    import skops.io

    found: list[str] = skops.io.get_untrusted_types(data=data)
    strangers = [n for n in found if not n.startswith(ESTIMATOR_PREFIXES) and n not in HARMLESS]
    if strangers:
        raise ArtifactMismatch(
            f"a model file holds types that are not scikit-learn's: {', '.join(strangers)}"
        )
    return found


def _search(trained: Trained) -> dict[str, bytes]:
    if trained.searched is None:
        return {}
    return {SEARCH: json.dumps(trained.searched.to_dict(), indent=2).encode()}


def _loaded(data: bytes) -> Any:
    import skops.io

    return skops.io.loads(data, trusted=needed_types(data))
