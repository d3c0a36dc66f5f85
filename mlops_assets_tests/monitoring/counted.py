"""Profiles of arrays, counted by numpy: an independent answer to what the SQL counts."""

from collections.abc import Mapping
from hashlib import md5

import numpy as np
from scipy import signal
from scipy.spatial.distance import jensenshannon

from mlops_assets.monitoring.cells import QUANTILES, Cells, Edges, Watched, categories_from, edges_from
from mlops_assets.monitoring.profile import Profile, column_profile
from mlops_assets.monitoring.sketch import HASHES, Seen, Sketch

NUMBER = Watched("x", "number")


def number_cells(values: np.ndarray) -> Edges:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Edges(())
    return edges_from(
        np.quantile(finite, np.arange(QUANTILES + 1) / QUANTILES, method="inverted_cdf").tolist()
    )


def category_cells(values: np.ndarray):
    found, counts = np.unique([value for value in values if value is not None], return_counts=True)
    return categories_from(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def cells_of(columns: Mapping[Watched, np.ndarray]) -> dict[Watched, Cells]:
    return {
        watched: number_cells(values) if watched.kind == "number" else category_cells(values)
        for watched, values in columns.items()
    }


def profile(
    columns: Mapping[Watched, np.ndarray], cells: Mapping[Watched, Cells], blocks: int = 1
) -> Profile:
    """NaN in a numeric column counts as not finite, None in a category as missing."""
    rows = len(next(iter(columns.values())))
    parts = np.array_split(np.arange(rows), blocks)
    names = [f"{number:04d}" for number in range(blocks)]
    made = {}
    for watched, values in columns.items():
        counts, missing, nonfinite = zip(
            *(_counts(values[part], cells[watched]) for part in parts), strict=True
        )
        others = None if watched.kind == "number" else sketch(values, cells[watched], parts, names)
        made[watched.name] = column_profile(
            watched, cells[watched], np.array(counts), np.array(missing), np.array(nonfinite), names, others
        )
    return Profile(rows, made)


def sketch(values: np.ndarray, cells: Cells, parts: list[np.ndarray], names: list[str]) -> Sketch:
    """Of values few enough to be kept all. The hash is of the second half of MD5, least byte first."""
    seen: dict[int, Seen] = {}
    for name, part in zip(names, parts, strict=True):
        for value in values[part]:
            if value is not None and value not in cells.values:
                encoded = str(value).encode("utf-8", "surrogatepass")
                key = int.from_bytes(md5(encoded).digest()[8:], "little") % HASHES
                before = seen.get(key, Seen(name, 0))
                seen[key] = Seen(before.first, before.rows + 1)
    return Sketch(seen=seen)


def _counts(values: np.ndarray, cells: Cells) -> tuple[np.ndarray, int, int]:
    if isinstance(cells, Edges):
        finite = values[np.isfinite(values)]
        at = np.searchsorted(cells.edges, finite, side="left")
        return np.bincount(at, minlength=len(cells)), 0, len(values) - len(finite)
    known = {value: position for position, value in enumerate(cells.values)}
    at = [known.get(value, len(cells) - 1) for value in values if value is not None]
    return np.bincount(np.array(at, dtype=np.int64), minlength=len(cells)), len(values) - len(at), 0


def number_profiles(reference: np.ndarray, batch: np.ndarray, blocks: tuple[int, int] = (1, 1)):
    """Both sides of one numeric column, on the reference's cells."""
    cells = cells_of({NUMBER: reference})
    return profile({NUMBER: reference}, cells, blocks[0]), profile({NUMBER: batch}, cells, blocks[1])


def autoregression(random: np.random.Generator, shape: tuple[int, ...], phi: float) -> np.ndarray:
    """Standard normal first-order autoregressions along the first axis."""
    noise = random.standard_normal(shape)
    noise[1:] *= np.sqrt(1 - phi**2)
    return signal.lfilter([1.0], [1.0, -phi], noise, axis=0)


def divergence_by_scipy(one, other):
    """Jensen and Shannon's, in bits. SciPy takes the root of a rounding error below zero where both are alike."""
    with np.errstate(invalid="ignore"):
        return float(np.nan_to_num(jensenshannon(one, other, base=2) ** 2))
