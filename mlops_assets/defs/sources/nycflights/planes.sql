-- The register carries no date; it is taken as published when the year begins.
SELECT tailnum, year AS year_built, engines, seats, engine, manufacturer,
       TIMESTAMPTZ '2013-01-01 05:00:00+00' AS event_time,
       TIMESTAMPTZ '2013-01-01 05:00:00+00' AS available_at
FROM source
