WITH arrivals AS (
    SELECT tailnum, available_at AS known_at, max(arrival_delay) AS last_delay,
           count(*) AS flights, sum(arrival_delay) AS minutes
    FROM flights
    WHERE arrival_delay IS NOT NULL AND tailnum IS NOT NULL
    GROUP BY ALL
)
SELECT tailnum,
       sum(flights) OVER week AS flights,
       sum(minutes) OVER week / sum(flights) OVER week AS mean_delay,
       last_delay,
       known_at AS event_time, known_at AS available_at
FROM arrivals
WINDOW week AS (PARTITION BY tailnum ORDER BY known_at
                RANGE BETWEEN INTERVAL 604800 SECONDS PRECEDING AND CURRENT ROW)
