"""Whether a model's files still answer as they did, and what else answers exactly so: asked of scikit-learn itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

import numpy as np

from mlops_assets.modeling.compiled import Compiled
from mlops_assets.modeling.compiling import NotCompilable, compiled
from mlops_assets.modeling.engines import Proof, Record, reference
from mlops_assets.modeling.golden import Golden
from mlops_assets.modeling.inputs import Inputs
from mlops_assets.modeling.serialization import from_files

# No category is called so.
UNSEEN = "\0 never seen"


def proven(files: Mapping[str, bytes]) -> Proof:
    """Raises ArtifactMismatch when the files hold types that may run code, or no golden rows."""
    loaded, golden = from_files(files), Golden.of(files)
    return proof_of(loaded.model, loaded.inputs, golden)


def proof_of(model: Any, inputs: Inputs, golden: Golden) -> Proof:
    """The compiled trees when they answer every probe exactly as scikit-learn does, which is asked otherwise.

    Probes: rows that the model learned from, with each number at each split and the next numbers above and below,
    each missing value, each category, and one that was never seen.
    """
    asked = reference(model, inputs)
    off = golden.largest_difference(asked)
    try:
        # What the other process will read is what is tried.
        written = compiled(model, inputs).to_bytes()
        table = Compiled.of(written)
    except (NotCompilable, ImportError, AttributeError, LookupError, TypeError, ValueError) as why:
        return Proof(off, None, why=str(why))
    probes = list(_probes(table, inputs, golden))
    expected = asked(probes)
    wrong = int((table.scores(probes) != expected).sum())
    if wrong:
        return Proof(off, None, why=f"its compiled trees answer {wrong} of {len(probes)} probes otherwise")
    return Proof(off, written, len(probes))


def _probes(table: Compiled, inputs: Inputs, golden: Golden) -> Iterator[Record]:
    rows = cycle(golden.rows)
    yield from golden.rows
    yield golden.reference
    known = {one.column: [*one.lines] for one in table.texts}
    ends = {one.column: np.array(one.splits) for one in table.numbers}
    for column in inputs.categories:
        for text in (*known.get(column, ()), UNSEEN, None):
            yield {**next(rows), column: text}
    for column in inputs.numbers:
        at = ends.get(column, np.empty(0))
        at = at[np.isfinite(at)]
        beside = [at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf), np.array([-1e300, 0.0, 1e300])]
        for number in (None, *np.concatenate(beside).tolist()):
            yield {**next(rows), column: number}
