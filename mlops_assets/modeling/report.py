"""Pictures of an evaluation: are the probabilities true, do they tell the classes apart, what do they rest on?"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from mlops_assets.data.legible import legible
from mlops_assets.modeling.evaluation import calibration_curve
from mlops_assets.modeling.frames import Scores

MOST_INPUTS = 15


def evaluation_plot(labels: Scores, scores: Scores, *, title: str) -> bytes:
    """A PNG (below 60 KB): calibration in ten bins, ROC, and the scores of each class."""
    # Here and without pyplot: no window system, no state between calls.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    calibration, roc, spread = figure.subplots(1, 3)
    curve = calibration_curve(labels, scores)
    calibration.plot([0, 1], [0, 1], color="0.7", linestyle="--")
    calibration.plot(curve["predicted"], curve["observed"], marker="o", color="C0")
    calibration.set(xlabel="predicted probability", ylabel="observed share", title="Calibration")
    if 0 < labels.sum() < len(labels):
        false_positive, true_positive, _ = sk.roc_curve(labels, scores)
        roc.plot(false_positive, true_positive, color="C0")
    roc.plot([0, 1], [0, 1], color="0.7", linestyle="--")
    roc.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    bins = np.linspace(0, 1, 31)
    spread.hist(scores[labels < 0.5], bins, alpha=0.6, density=True, label="negative", color="C7")
    spread.hist(scores[labels > 0.5], bins, alpha=0.6, density=True, label="positive", color="C3")
    spread.set(xlabel="predicted probability", title="Scores by class")
    spread.legend()
    figure.suptitle(title)
    return _png(figure)


def foundations_plot(
    importance: Mapping[str, float], stale: Sequence[tuple[int, float]], *, metric: str
) -> bytes:
    """A PNG: the inputs whose loss costs most, and a metric of models by their age in days (0: this one)."""
    from matplotlib.figure import Figure

    shown = list(importance.items())[:MOST_INPUTS][::-1]
    figure = Figure(figsize=(10.5, 1.2 + 0.22 * max(len(shown), 8)), layout="constrained")
    inputs, ages = figure.subplots(1, 2)
    inputs.barh([legible(name, 40) for name, _ in shown], [value for _, value in shown], color="C0")
    inputs.set(xlabel="log loss lost when shuffled", title="Permutation importance")
    inputs.axvline(0, color="0.7")
    ages.plot([age for age, _ in stale], [value for _, value in stale], marker="o", color="C0")
    ages.set(xlabel="age of the model, days", ylabel=metric, title="Staleness")
    return _png(figure)


def rolling_plot(daily: Mapping[str, Mapping[str, float]], *, title: str) -> bytes:
    """A PNG: by name, the mean loss of each day and the six before it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, lost in daily.items():
        days = sorted(lost)
        smooth = pd.Series([lost[day] for day in days]).rolling(7, min_periods=1).mean()
        axes.plot(days, smooth.to_numpy(), label=name, linewidth=1)
    _few_ticks(axes, sorted(next(iter(daily.values()))))
    axes.set(ylabel="log loss")
    axes.legend()
    figure.suptitle(title)
    return _png(figure)


def over_time_plot(daily: Mapping[str, Mapping[str, float]], *, title: str) -> bytes:
    """A PNG: by name, how much less was lost than by the first of them, added up over the days."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.5), layout="constrained")
    axes = figure.subplots()
    (_, first), *_ = daily.items()
    days = sorted(first)
    for name, lost in daily.items():
        gained = np.cumsum([first[day] - lost[day] for day in days])
        axes.plot(days, gained, label=name, linewidth=1)
    _few_ticks(axes, days)
    axes.set(ylabel=f"log loss saved beside {next(iter(daily))}, days added up")
    axes.legend()
    figure.suptitle(title)
    return _png(figure)


def _few_ticks(axes: Any, days: Sequence[str]) -> None:
    axes.set_xticks(days[:: max(1, len(days) // 8)])


def _png(figure: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    target = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(target, format="png", dpi=80)
    return target.getvalue()
