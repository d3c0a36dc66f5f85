"""The statement that a version was trained again, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Certificate:
    """A version made again from what is recorded of it.

    rows: how many were scored by both, those learned from and those evaluated on. largest_difference: of their
    probabilities. environment, code: what is another than when it was first made, a sentence each; of nothing
    that differs follows nothing, and an identical model in another environment is still identical.
    at: a moment in UTC.
    """

    model: str
    version: int
    artifact_digest: str
    model_digest: str
    found_digest: str
    rows: int
    largest_difference: float
    environment: tuple[str, ...]
    code: tuple[str, ...]
    at: str

    @property
    def identical(self) -> bool:
        """Whether it answers every row with exactly the same probability."""
        return self.model_digest == self.found_digest and self.largest_difference == 0.0
