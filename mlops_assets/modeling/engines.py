"""What computes an answer: scikit-learn as it is, or its trees as a table where these were proven to be equal.

Light to import: the table needs neither scikit-learn nor pandas, and who proves it is another process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.modeling.compiled import Compiled
from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.records import frame_of
from mlops_assets.modeling.serialization import from_files

if TYPE_CHECKING:
    from mlops_assets.modeling.frames import Scores

Record = Mapping[str, Any]
REFERENCE, COMPILED = "scikit-learn", "compiled trees"


@dataclass(frozen=True)
class Proof:
    """What scikit-learn was found to answer for a model's files, and what answers as it does.

    off: by how much it answers the golden rows otherwise than when the model was made. compiled: the trees as a file,
    None where nothing else answers as it does, and why; probes: on how many rows they were equal.
    """

    off: float
    compiled: bytes | None
    probes: int = 0
    why: str = ""


@dataclass(frozen=True)
class Engine:
    """scores: of records, the probability of the positive class. probes: rows on which it was equal to scikit-learn.

    why: why it is no faster one; empty when it is.
    """

    name: str
    scores: Callable[[Sequence[Record]], Scores]
    probes: int = 0
    why: str = ""


def engine_of(proof: Proof, files: Mapping[str, bytes]) -> Engine:
    """What answers for a model. files: its own, of which scikit-learn is loaded where nothing else is proven."""
    if proof.compiled is not None:
        return Engine(COMPILED, Compiled.of(proof.compiled).scores, proof.probes)
    loaded = from_files(files)
    return Engine(REFERENCE, reference(loaded.model, loaded.inputs), why=proof.why)


def reference(model: Any, inputs: Inputs) -> Callable[[Sequence[Record]], Scores]:
    """Scikit-learn as it is, in one thread: the process was told so, and asking OpenMP each time costs more."""

    def scores(records: Sequence[Record]) -> Scores:
        answered = model.predict_proba(frame_of(records, inputs))[:, 1]
        return np.ascontiguousarray(answered, dtype=np.float64)

    return scores
