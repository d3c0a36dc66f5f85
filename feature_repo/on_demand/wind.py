"""The wind as two components."""

import numpy as np
import pandas as pd


def transform(inputs: pd.DataFrame) -> pd.DataFrame:
    """Meteorology's degrees say where the wind comes from, clockwise from north; calm air has no direction."""
    speed = inputs["airport_weather__wind_speed"]
    angle = np.deg2rad(inputs["airport_weather__wind_dir"].astype("float64"))
    calm = speed == 0
    return pd.DataFrame(
        {
            "from_north": (speed * np.cos(angle)).mask(calm, 0.0),
            "from_east": (speed * np.sin(angle)).mask(calm, 0.0),
        }
    )
