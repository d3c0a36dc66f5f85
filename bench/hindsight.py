"""What models would have lost on days whose labels are known by now."""

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.machine import described


@contextmanager
def home(kept: Path | None) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLOPS_HOME"] = str(kept or folder)
        # Dagster's memory belongs into it, whatever `make` says.
        os.environ.pop("DAGSTER_HOME", None)
        yield


def daily_losses(opened, model, as_of: date, days: int, artifacts: Sequence[str]) -> list[np.ndarray]:
    """Each artifact's mean log loss on each of the days before ``as_of``, by labels known then."""
    from mlops_assets.graph import keys
    from mlops_assets.steps import hindsight
    from mlops_assets.steps.evaluation import loaded_model

    stores, catalog = opened.stores, opened.project.catalog
    events = stores.lake.pin(keys.table_name(keys.validated(model.label.table)))
    views = {
        view: stores.lake.pin(keys.table_name(keys.features(view)))
        for view in catalog.features.views_of(model.features)
    }
    first = as_of - timedelta(days=days)
    known = hindsight.known_events(stores, catalog, model, events, views, first, as_of, as_of)
    losses = [hindsight.daily_losses(loaded_model(stores, artifact), known) for artifact in artifacts]
    return [np.array(list(one.values())) for one in losses]


def options(bench: str, doc: str, *, every: int | None = None) -> argparse.Namespace:
    """What a bench on the flights is asked: where to write its tables, and a home to keep; days between its dates."""
    parser = argparse.ArgumentParser(prog=f"python -m bench {bench}", description=doc)
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    parser.add_argument("--home", type=Path, help="an MLOPS_HOME to use and keep (default: a temporary one)")
    if every is not None:
        help_of_every = "days between as-of dates (default: %(default)s)"
        parser.add_argument("--every", type=int, default=every, help=help_of_every)
    return parser.parse_args()


def tell(
    title: str, doc: str, tables: Sequence[tuple[str, tuple[str, ...], list[list[str]]]], path: Path | None
):
    """Print the tables; with a path, write them too, as Markdown."""
    console = Console(width=200)
    for named, heads, body in tables:
        table = Table(*heads, title=named, title_justify="left", caption=described())
        for row in body:
            table.add_row(*row)
        console.print(table)
    if path:
        parts = [doc.strip(), *(markdown(heads, body) for _, heads, body in tables), described()]
        path.write_text(f"# {title}\n\n" + "\n\n".join(parts) + "\n", encoding="utf-8")


def markdown(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
