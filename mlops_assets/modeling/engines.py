"""What computes an answer: scikit-learn as it is, or its trees without what surrounds them, where that is equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from mlops_assets.modeling.compiled import FEW, Compiled, NotCompilable
from mlops_assets.modeling.estimators import Inputs
from mlops_assets.modeling.frames import Scores
from mlops_assets.modeling.golden import Golden
from mlops_assets.modeling.records import frame_of

Record = Mapping[str, Any]
REFERENCE, COMPILED = "scikit-learn", "compiled trees"
# No category is called so.
UNSEEN = "\0 never seen"


@dataclass(frozen=True)
class Engine:
    """scores: of records, the probability of the positive class. probes: rows on which it was equal to scikit-learn.

    why: why it is no faster one; empty when it is.
    """

    name: str
    scores: Callable[[Sequence[Record]], Scores]
    probes: int = 0
    why: str = ""


def engine_of(model: Any, inputs: Inputs, golden: Golden) -> Engine:
    """The compiled trees when they answer every probe exactly as scikit-learn does, which is asked otherwise.

    Probes: rows that the model learned from, with each number at each split and the next numbers above and below,
    each missing value, each category, and one that was never seen.
    """
    reference = _reference(model, inputs)
    try:
        compiled = Compiled.of(model, inputs)
    except (NotCompilable, ImportError, AttributeError) as why:
        return Engine(REFERENCE, reference, why=str(why))
    probes = list(_probes(compiled, golden))
    expected = reference(probes)
    # Few rows and many go through the trees in two ways.
    few = [compiled.scores(probes[first : first + FEW]) for first in range(0, len(probes), FEW)]
    off = int(((compiled.scores(probes) != expected) | (np.concatenate(few) != expected)).sum())
    if off:
        return Engine(
            REFERENCE, reference, why=f"its compiled trees answer {off} of {len(probes)} probes otherwise"
        )
    return Engine(COMPILED, compiled.scores, len(probes))


def _reference(model: Any, inputs: Inputs) -> Callable[[Sequence[Record]], Scores]:
    """Scikit-learn as it is, in one thread: the process was told so, and asking OpenMP each time costs more."""

    def scores(records: Sequence[Record]) -> Scores:
        answered = model.predict_proba(frame_of(records, inputs))[:, 1]
        return np.ascontiguousarray(answered, dtype=np.float64)

    return scores


def _probes(compiled: Compiled, golden: Golden) -> Iterator[Record]:
    rows = cycle(golden.rows)
    yield from golden.rows
    yield golden.reference
    for column, table in zip(compiled.inputs.categories, compiled.tables, strict=True):
        for value in (*table, UNSEEN, None):
            yield {**next(rows), column: value}
    for column in compiled.inputs.numbers:
        at = compiled.thresholds(column)
        beside = [at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf), np.array([-1e300, 0.0, 1e300])]
        for value in (None, *np.concatenate(beside).tolist()):
            yield {**next(rows), column: value}
