-- A flight happens at its scheduled departure. What became of it is known about twenty minutes
-- after the wheels touch the ground; the time of arrival itself is local to the destination, so
-- it is derived from the departure and the time in the air. A diverted flight is assumed to be
-- known as such twelve hours after it left, a cancelled one three hours after it should have.
WITH scheduled AS (
    SELECT *,
           TRY_CAST(time_hour AS TIMESTAMPTZ) + to_minutes(TRY_CAST(minute AS BIGINT)) AS departure,
           TRY_CAST(dep_delay AS BIGINT) AS late_by
    FROM source
)
SELECT carrier || '-' || flight || '-' || origin || '-' || strftime(departure, '%Y%m%dT%H%M') AS flight_id,
       carrier,
       flight AS flight_number,
       tailnum,
       origin,
       dest,
       distance,
       hour AS scheduled_hour,
       isodow(departure AT TIME ZONE 'America/New_York') AS scheduled_weekday,
       dep_delay AS departure_delay,
       arr_delay AS arrival_delay,
       air_time,
       departure AS event_time,
       coalesce(
           departure + to_minutes(late_by + TRY_CAST(air_time AS BIGINT) + 20),
           departure + to_minutes(late_by + 720),
           departure + to_minutes(180)) AS available_at
FROM scheduled
