"""What only people can say of a model, for its card."""

from __future__ import annotations

from mlops_assets.declaration.base import Declaration


class CardText(Declaration):
    """The parts of a model card that no record can tell (Mitchell et al. 2019). What is empty is told as a gap.

    intended_use: by whom and for what. out_of_scope: what it must not be used for. considerations: whom it may
    harm, and what is done about it. limitations: what is known not to work.
    """

    intended_use: str = ""
    out_of_scope: str = ""
    considerations: str = ""
    limitations: str = ""
