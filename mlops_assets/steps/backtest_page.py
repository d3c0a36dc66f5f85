"""A backtest for people: one page with the table, the loss over time and every step."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from mlops_assets.data.page import section, table, whole
from mlops_assets.governance.backtest import Replayed, Step
from mlops_assets.modeling.report import over_time_plot, rolling_plot
from mlops_assets.steps.backtest import BEST, HEADS, Backtest
from mlops_assets.stores.stores import Stores

PAGE = "backtest.html"
ABOUT = (
    "Losses are means of days, by every label that is known by now. A promotion is pointless when it lost as much as "
    "the model before or more on the days that it reigned, and loses a month when it did so on the thirty days after. "
    "The best in hindsight is chosen anew each week, from all that any policy had trained by then."
)


def show(stores: Stores, model: str, found: Backtest) -> Path:
    """Write the page; where it is."""
    steps = found.replays[0].steps
    first, last = steps[0].as_of, steps[-1].as_of
    title = f"{model}: policies of retraining, {first} to {last}"
    parts = [
        f"<p>{ABOUT}</p>",
        table(list(HEADS), found.rows()),
        *(_image(one) for one in pictures(model, found)),
        *(section(one.policy, table(*_steps(one.steps))) for one in found.replays),
    ]
    return stores.reports.save(f"{model}/backtest/{first}-{last}/{PAGE}", whole(title, *parts))


def pictures(model: str, found: Backtest) -> list[bytes]:
    """PNGs: the loss over time, and what was saved beside the first policy, added up."""
    named = {_named(one): one.daily for one in found.replays} | {BEST: found.best}
    daily = {one.policy: one.daily for one in found.replays} | {BEST: found.best}
    return [
        rolling_plot(named, title=f"{model}: log loss, mean of seven days"),
        over_time_plot(daily, title=f"{model}: what retraining saved"),
    ]


def _named(one: Replayed) -> str:
    return f"{one.policy} ({one.trainings} trained, {one.promotions} promoted)"


def _image(drawn: bytes) -> str:
    return f'<p><img alt="" src="data:image/png;base64,{base64.b64encode(drawn).decode()}"></p>'


def _steps(steps: Sequence[Step]) -> tuple[list[str], list[list[str]]]:
    rows = [
        [one.as_of, "trained" if one.trained else "", one.reason, one.verdict, one.reigns] for one in steps
    ]
    return ["as of", "", "reason", "verdict", "reigns"], rows
