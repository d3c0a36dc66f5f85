-- The local clock names the hour of the change from daylight saving twice, so the key is the UTC
-- hour. An observation is published within the hour that follows it.
SELECT origin,
       time_hour AS observed_at,
       temp, dewp, humid, wind_dir, wind_speed, precip, pressure, visib,
       TRY_CAST(time_hour AS TIMESTAMPTZ) AS event_time,
       TRY_CAST(time_hour AS TIMESTAMPTZ) + to_minutes(60) AS available_at
FROM source
