"""What an order is beside the earlier ones of its customer."""

import numpy as np
import pandas as pd

DEAR = 100.0


def transform(inputs: pd.DataFrame) -> pd.DataFrame:
    """A share, a flag and a word."""
    settled = inputs["customer_orders__settled"].astype("Float64")
    share = inputs["customer_orders__came_back"].astype("Float64") / settled.where(settled > 0)
    known = np.where(inputs["customer_orders__settled"].isna(), "new", "known")
    return pd.DataFrame(
        {
            "returned_share": share,
            "is_dear": inputs["amount"] > DEAR,
            "way": inputs["channel"] + "/" + known,
        }
    )
