"""From scikit-learn's gradient boosting to a table (``compiled.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn._loss.loss import HalfBinomialLoss
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from mlops_assets.modeling.compiled import BITS, Compiled, Numbers, Texts
from mlops_assets.modeling.inputs import Inputs

# Of a larger table scikit-learn itself is the cheaper one to hold.
MOST_BYTES = 2**26

Flags = np.ndarray[Any, np.dtype[np.bool_]]
Words = np.ndarray[Any, np.dtype[np.uint64]]


class NotCompilable(Exception):
    """A model of another kind than this knows; the text says which."""


@dataclass(frozen=True)
class _Split:
    """An inner node of a tree. lefts: of each category's code whether it goes left. left, right: the leaves below."""

    tree: int
    node: Any
    lefts: Flags
    left: Words
    right: Words


def compiled(model: Any, inputs: Inputs) -> Compiled:
    """The table of a fitted pipeline.

    Raises NotCompilable for one that is no ordinal encoder and gradient boosting of two classes, or is too large.
    Raises ImportError, AttributeError, LookupError, TypeError or ValueError where scikit-learn keeps its trees
    otherwise than its versions 1.9 do. It promises nothing of these: equal answers to every probe are relied on.
    """
    prepare, boosted = _parts(model)
    trees = [predictor for (predictor,) in boosted._predictors]
    leaves, every = _leaves(trees)
    splits = _splits(trees, inputs.columns, words=every.shape[1])
    codes, known = _codes(prepare, boosted, inputs), _known(boosted, inputs.columns)
    _require_moderate(splits, codes, bytes_of_a_line=every.nbytes)
    texts: list[Texts] = []
    numbers: list[Numbers] = []
    table: list[Words] = []
    first = 0
    for column in filter(splits.__contains__, inputs.columns):
        if column in codes:
            values = [*codes[column].values(), np.nan]
            lines = {text: first + place for place, text in enumerate(codes[column])}
            texts.append(Texts(column, lines, first + len(lines)))
        else:
            ends = sorted({float(split.node["num_threshold"]) for split in splits[column]})
            values = [*ends, np.inf, np.nan]
            numbers.append(Numbers(column, ends, first))
        table.append(_lines(np.array(values), splits[column], known.get(column), every))
        first += len(values)
    baseline = float(boosted._baseline_prediction.ravel()[0])
    return Compiled(tuple(texts), tuple(numbers), np.concatenate(table), leaves.ravel(), baseline, len(trees))


def _parts(model: Any) -> tuple[ColumnTransformer, HistGradientBoostingClassifier]:
    if not isinstance(model, Pipeline) or [type(one) for _, one in model.steps] != [
        ColumnTransformer,
        HistGradientBoostingClassifier,
    ]:
        raise NotCompilable(f"{type(model).__name__} is no pipeline of columns and gradient boosting alone")
    prepare, boosted = (one for _, one in model.steps)
    prepared = {name: type(one) for name, one, columns in prepare.transformers_ if len(columns)}
    # A passthrough is a function transformer without a function.
    if not prepared.items() <= {"categories": OrdinalEncoder, "numbers": FunctionTransformer}.items():
        raise NotCompilable("its columns are prepared otherwise than by an ordinal encoder")
    if type(boosted._loss) is not HalfBinomialLoss:
        raise NotCompilable(f"it has {len(boosted.classes_)} classes, expected 2")
    return prepare, boosted


def _leaves(trees: Sequence[Any]) -> tuple[np.ndarray[Any, np.dtype[np.float64]], Words]:
    """What each leaf adds, in the order of a tree's nodes, and as bits which leaves there are.

    Shapes (trees, words · BITS) and (trees, words).
    """
    values = [tree.nodes["value"][tree.nodes["is_leaf"] == 1] for tree in trees]
    words = -(-max(map(len, values)) // BITS)
    leaves = np.zeros((len(trees), words * BITS))
    for tree, found in enumerate(values):
        leaves[tree, : len(found)] = found
    return leaves, np.stack([_words((1 << len(found)) - 1, words) for found in values])


def _splits(trees: Sequence[Any], columns: Sequence[str], *, words: int) -> dict[str, list[_Split]]:
    """The inner nodes of all trees, by the column that they split by."""
    found: dict[str, list[_Split]] = {}
    for number, tree in enumerate(trees):
        bitsets = [_flags(one) for one in tree.raw_left_cat_bitsets]
        below: dict[int, int] = {}
        leaf = int(tree.nodes["is_leaf"].sum())
        # Children stand behind their parents.
        for place in range(len(tree.nodes) - 1, -1, -1):
            node = tree.nodes[place]
            if node["is_leaf"]:
                leaf -= 1
                below[place] = 1 << leaf
                continue
            left, right = below[int(node["left"])], below[int(node["right"])]
            below[place] = left | right
            lefts = bitsets[int(node["bitset_idx"])] if node["is_categorical"] else np.zeros(0, np.bool_)
            split = _Split(number, node, lefts, _words(left, words), _words(right, words))
            found.setdefault(columns[int(node["feature_idx"])], []).append(split)
    return found


def _lines(
    values: np.ndarray[Any, Any], splits: Sequence[_Split], known: Flags | None, every: Words
) -> Words:
    """Of each value of a column the leaves that its splits leave of every one, shape (values, trees · words).

    known: the codes that the model learned from, of a column of categories.
    """
    reached = np.repeat(every[None], len(values), axis=0)
    for split in splits:
        goes = _goes_left(values, split, known)
        reached[:, split.tree] &= ~np.where(goes[:, None], split.right, split.left)
    return reached.reshape(len(values), -1)


def _goes_left(values: np.ndarray[Any, Any], split: _Split, known: Flags | None) -> Flags:
    """As scikit-learn's ``_predict_one_from_raw_data`` has it."""
    missing = np.isnan(values)
    if split.node["is_categorical"]:
        codes = np.where(missing, 0, values).astype(int)
        goes = split.lefts[codes]
        if known is not None:
            missing |= ~(goes | known[codes])
    else:
        goes = values <= split.node["num_threshold"]
    return np.where(missing, bool(split.node["missing_go_to_left"]), goes)


def _known(boosted: HistGradientBoostingClassifier, columns: Sequence[str]) -> dict[str, Flags]:
    """Of each column of categories the codes that the model learned from."""
    bitsets, places = boosted._bin_mapper.make_known_categories_bitsets()
    flags = boosted.is_categorical_ if boosted.is_categorical_ is not None else [False] * len(columns)
    return {
        column: _flags(bitsets[int(places[number])]) for number, column in enumerate(columns) if flags[number]
    }


def _codes(
    prepare: ColumnTransformer, boosted: HistGradientBoostingClassifier, inputs: Inputs
) -> dict[str, dict[str, float]]:
    """Of each category column the number that each text becomes, asked of the pipeline itself."""
    if not inputs.categories:
        return {}
    seen = [
        [value for value in values if isinstance(value, str)]
        for values in prepare.named_transformers_["categories"].categories_
    ]
    longest = max(1, *map(len, seen))
    asked = {
        column: np.array([*values, *[None] * (longest - len(values))], dtype=object)
        for column, values in zip(inputs.categories, seen, strict=True)
    }
    frame = pd.DataFrame({**asked, **{column: np.zeros(longest) for column in inputs.numbers}})
    coded = boosted._preprocess_X(prepare.transform(frame), reset=False)
    return {
        column: dict(zip(values, coded[: len(values), place].tolist(), strict=True))
        for place, (column, values) in enumerate(zip(inputs.categories, seen, strict=True))
    }


def _require_moderate(
    splits: Mapping[str, Sequence[_Split]], codes: Mapping[str, Mapping[str, float]], *, bytes_of_a_line: int
) -> None:
    lines = 0
    for column, of in splits.items():
        lines += len(codes.get(column) or {float(split.node["num_threshold"]) for split in of}) + 2
    if not lines:
        raise NotCompilable("none of its trees splits")
    if lines * bytes_of_a_line > MOST_BYTES:
        raise NotCompilable(
            f"its table would have {lines * bytes_of_a_line / 2**20:.0f} MiB, expected {MOST_BYTES / 2**20:g} at most"
        )


def _flags(bitset: Any) -> Flags:
    """Bits as flags, the lowest first."""
    return np.unpackbits(np.ascontiguousarray(bitset).view(np.uint8), bitorder="little").astype(np.bool_)


def _words(bits: int, words: int) -> Words:
    return np.frombuffer(bits.to_bytes(words * BITS // 8, "little"), dtype="<u8").astype(np.uint64)
