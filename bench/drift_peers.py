"""Evidently's and NannyML's defaults, in an environment of their own that is thrown away.

Started as a script inside that environment it judges batches with one peer and prints JSON; it must
not import anything of ours there.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# What pip is asked for: statsmodels and an older pandas are needed by peers that do not declare it.
PEERS = {"evidently": ["evidently", "pandas<3"], "nannyml": ["nannyml", "statsmodels"]}
ROWS, REFERENCE = 10_000, 28
# Quiet and shifted batches. Evidently, which reads the whole reference for each, takes long.
BATCHES = {"evidently": (8, 4), "nannyml": (20, 10)}
SECONDS = 1800
# NannyML phones home unless told not to.
ENVIRONMENT = {
    **os.environ,
    "NML_DISABLE_USAGE_LOGGING": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONWARNINGS": "ignore",
}


@dataclass(frozen=True)
class Judged:
    """Whether the peer raised any alarm, per batch."""

    quiet: list[bool]
    shifted: list[bool]


def measured(peer, stream, seed) -> Judged | str:
    """What the peer says, or why it is left out."""
    python = installed(peer)
    if not Path(python).exists():
        return python
    with tempfile.TemporaryDirectory() as folder:
        write_batches(Path(folder), stream, seed, *BATCHES[peer])
        command = [python, __file__, peer, folder]
        try:
            done = subprocess.run(
                command, env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"no answer in {SECONDS} s"
    if done.returncode:
        return done.stderr.strip().splitlines()[-1][:90]
    return Judged(**json.loads(done.stdout.strip().splitlines()[-1]))


_ENVIRONMENTS: list[tempfile.TemporaryDirectory] = []


@cache
def installed(peer: str) -> str:
    """The path of a Python that has the peer, or pip's last word."""
    folder = tempfile.TemporaryDirectory(prefix=f"{peer}-", ignore_cleanup_errors=True)
    _ENVIRONMENTS.append(folder)  # lives as long as this process
    venv.create(folder.name, with_pip=True)
    python = f"{folder.name}/bin/python"
    command = [python, "-m", "pip", "install", "--quiet", "pyarrow", *PEERS[peer]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    return python if done.returncode == 0 else done.stderr.strip().splitlines()[-1][:90]


def write_batches(folder: Path, stream, seed: int, quiet: int, shifted: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bench.drift_streams import Windows

    windows = Windows(stream, ROWS, seed)
    pq.write_table(pa.concat_tables([windows.next().table() for _ in range(REFERENCE)]), folder / "reference")
    for number in range(quiet + shifted):
        window = windows.next()
        table = window.table()
        if number >= quiet:
            name, values = window.changed("shift 0.25")
            table = table.set_column(table.schema.get_field_index(name), name, values)
        pq.write_table(table, folder / f"{number:03d}")


def evidently(reference, batches) -> list[bool]:
    """Any column that DataDriftPreset calls drifted."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [name for name in reference.columns if name.startswith("x")]
    categories = [name for name in reference.columns if name.startswith("c")]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    known = Dataset.from_pandas(reference, definition)
    answers = []
    for batch in batches:
        snapshot = Report([DataDriftPreset()]).run(Dataset.from_pandas(batch, definition), known)
        metrics = json.loads(snapshot.json())["metrics"]
        (count,) = [each["value"] for each in metrics if "DriftedColumnsCount" in str(each)]
        answers.append(count["count"] > 0)
    return answers


def nannyml(reference, batches) -> list[bool]:
    """Any column of UnivariateDriftCalculator (Jensen-Shannon) in alert."""
    import nannyml as nml
    import pandas as pd

    names = list(reference.columns)
    treated = [name for name in names if name.startswith("c")]
    calculator = nml.UnivariateDriftCalculator(
        column_names=names, treat_as_categorical=treated, chunk_size=len(batches[0])
    )
    calculator.fit(reference)
    result = calculator.calculate(pd.concat(batches, ignore_index=True)).filter(period="analysis").to_df()
    alerts = result.loc[:, [column for column in result.columns if column[-1] == "alert"]]
    return alerts.any(axis=1).tolist()


def judge(peer: str, folder: Path) -> None:
    import pandas as pd

    reference = pd.read_parquet(folder / "reference")
    quiet, shifted = BATCHES[peer]
    batches = [pd.read_parquet(folder / f"{number:03d}") for number in range(quiet + shifted)]
    for table in (reference, *batches):
        for name in table.columns:
            if name.startswith("c"):
                table[name] = table[name].astype(object)
    answers = [
        bool(answer) for answer in {"evidently": evidently, "nannyml": nannyml}[peer](reference, batches)
    ]
    print(json.dumps({"quiet": answers[:quiet], "shifted": answers[quiet:]}))


if __name__ == "__main__":
    judge(sys.argv[1], Path(sys.argv[2]))
