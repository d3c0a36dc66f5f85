SELECT tailnum, year_built, seats, engines, event_time, available_at
FROM planes
