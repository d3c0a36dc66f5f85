"""Why a source's file cannot be read, in a sentence: what was found in it, and what was expected."""

from __future__ import annotations

import csv

import duckdb

from mlops_assets.data.legible import legible
from mlops_assets.data.sql import text
from mlops_assets.stores.engine import Engine
from mlops_assets.stores.files import SourceFile

# As much of a reader's message as is told: it may quote a row of any length.
LONGEST = 400
# Where a reader's message goes on to say what its options are, or shows our own SQL.
ADVICE = ("Possible", "LINE ")


def why_unreadable(engine: Engine, file: SourceFile, error: duckdb.Error) -> str:
    """What DuckDB says of a file, or of SQL that does not fit it, without the paths of this machine."""
    try:
        # A count of every column reads every value.
        engine.rows("SELECT count(COLUMNS(*)) FROM source", {"source": file})
    except duckdb.Error as of_file:
        told = _of_its_line(engine, file) if file.is_text else None
        return f"found {_said(file, told or of_file)}; {file.expected}"
    columns = engine.rows("SELECT * FROM source LIMIT 0", {"source": file}).column_names
    found = legible(", ".join(columns), LONGEST)
    return f"found {_said(file, error)}, and the columns {found}; expected rows that the table's SQL fits"


def _of_its_line(engine: Engine, file: SourceFile) -> duckdb.Error | None:
    """What is said when the header alone says how a row looks: it names the line, and the detector does not."""
    columns = next(csv.reader([file.first_line()], delimiter=file.delimiter()))
    struct = ", ".join(f"{text(f'column {n}')}: 'VARCHAR'" for n in range(len(columns)))
    options = f"{file.dialect()}, header = true, auto_detect = false, columns = {{{struct}}}"
    try:
        engine.rows(f"SELECT count(COLUMNS(*)) FROM read_csv({text(str(file.path))}, {options})", {})
    except duckdb.Error as error:
        return error
    return None


def _said(file: SourceFile, error: duckdb.Error) -> str:
    kept = []
    for line in str(error).replace(str(file.path), file.named).splitlines():
        if line.startswith(ADVICE):
            break
        if line.strip():
            kept.append(line.strip())
    return legible("; ".join(kept), LONGEST)
