"""A backtest for people: one page with the loss over time and every step."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlops_assets.data.page import section, table, whole
from mlops_assets.governance.backtest import Replayed, Step
from mlops_assets.modeling.report import over_time_plot
from mlops_assets.stores.stores import Stores

PAGE = "backtest.html"


def show(stores: Stores, model: str, replays: Sequence[Replayed], best: Mapping[str, float]) -> Path:
    """Write the page; where it is."""
    first = replays[0].steps
    title = f"{model}: policies of retraining, {first[0].as_of} to {first[-1].as_of}"
    drawn = over_time_plot(
        {one.policy: one.daily for one in replays} | {"best in hindsight": best}, title=title
    )
    image = f'<p><img alt="" src="data:image/png;base64,{base64.b64encode(drawn).decode()}"></p>'
    steps = [section(one.policy, table(*_steps(one.steps))) for one in replays]
    name = f"{model}/backtest/{first[0].as_of}-{first[-1].as_of}/{PAGE}"
    return stores.reports.save(name, whole(title, image, *steps))


def _steps(steps: Sequence[Step]) -> tuple[list[str], list[list[str]]]:
    rows = [
        [one.as_of, "trained" if one.trained else "", one.reason, one.verdict, one.reigns] for one in steps
    ]
    return ["as of", "", "reason", "verdict", "reigns"], rows
