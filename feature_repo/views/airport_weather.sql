SELECT origin, temp, dewp, humid, wind_dir, wind_speed, precip, pressure, visib, event_time, available_at
FROM weather
