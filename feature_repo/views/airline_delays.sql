-- Counted by the hour in which an arrival became known. Sums are whole minutes, so that the order
-- in which a parallel engine adds them cannot be seen in the result.
WITH hourly AS (
    SELECT carrier, origin, date_trunc('hour', available_at) + INTERVAL 3600 SECONDS AS known_by,
           count(*) AS flights,
           sum(arrival_delay) AS minutes,
           count(*) FILTER (arrival_delay >= 15) AS late
    FROM flights
    WHERE arrival_delay IS NOT NULL
    GROUP BY ALL
), recent AS (
    SELECT carrier, origin, known_by,
           sum(flights) OVER lately AS flights, sum(minutes) OVER lately AS minutes, sum(late) OVER lately AS late
    FROM hourly
    WINDOW lately AS (PARTITION BY carrier, origin ORDER BY known_by
                      RANGE BETWEEN INTERVAL 82800 SECONDS PRECEDING AND CURRENT ROW)
)
SELECT carrier, origin, flights, minutes / flights AS mean_delay, late / flights AS late_share,
       known_by AS event_time, known_by AS available_at
FROM recent
